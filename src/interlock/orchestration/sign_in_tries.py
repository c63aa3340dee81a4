"""How often somebody tried to sign in, counted in the database over all API processes. Names and addresses are kept as HMACs only."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from interlock.domain.errors import TooManyRequests
from interlock.infra.database import Database

_COUNT: Final = b"""
insert into sign_in_tries (tenant, bucket, tries) values (current_tenant(), %(bucket)s, 1)
on conflict (tenant, bucket) do update set
    tries = case when sign_in_tries.since <= time_now() - %(window)s then 1 else sign_in_tries.tries + 1 end,
    since = case when sign_in_tries.since <= time_now() - %(window)s then time_now() else sign_in_tries.since end
returning tries, extract(epoch from since + %(window)s - time_now())"""
_ONCE: Final = (
    b"insert into sign_in_tries (tenant, bucket, tries) values (current_tenant(), %s, 1) on conflict do nothing"
)
_CLEAR: Final = b"update sign_in_tries set tries = 0 where tenant = current_tenant() and bucket = %s"


@dataclass(frozen=True, kw_only=True)
class TryLimits:
    """How many tries of one person, and from one address, in a window of `window_s` seconds."""

    user_max: int
    address_max: int
    window_s: float


class TooManyTries(TooManyRequests):
    """Too many passwords were tried for one person, or from one address."""

    code, title = "sign_in.too_many", "Too many tries to sign in"

    def __init__(self, detail: str, *, retry_after_s: float, first: bool) -> None:
        super().__init__(detail, fix="Wait, or have an owner set another password.", retry_after_s=retry_after_s)
        self.first = first  # the try that went over the limit, which alone is recorded


class Tries:
    """Counts before the password is looked at, so that tries at the same time are counted too."""

    def __init__(self, database: Database, *, key: bytes, limits: TryLimits) -> None:
        self._database = database
        self._key = key
        self._limits = limits

    async def count(self, tenant: str, *, user: str, address: str) -> None:
        """Count a try; raises TooManyTries, also for a person that there is not."""
        await self.count_address(tenant, address=address)
        await self._count(tenant, f"user/{user}", self._limits.user_max)

    async def count_address(self, tenant: str, *, address: str) -> None:
        """Count a try of whoever is there; raises TooManyTries."""
        await self._count(tenant, f"address/{address}", self._limits.address_max)

    async def _count(self, tenant: str, bucket: str, allowed: int) -> None:
        async with self._database.tenant(tenant) as conn:
            values = {"bucket": self._named(bucket), "window": timedelta(seconds=self._limits.window_s)}
            row = await (await conn.execute(_COUNT, values)).fetchone()
        assert row is not None
        if row[0] > allowed:
            raise TooManyTries(
                "There were too many tries to sign in.", retry_after_s=float(row[1]), first=row[0] == allowed + 1
            )

    async def only_once(self, tenant: str, what: str) -> bool:
        """Tell whether something is done for the first time. It is remembered for a day at least."""
        async with self._database.tenant(tenant) as conn:
            return bool((await conn.execute(_ONCE, (self._named(f"once/{what}"),))).rowcount)

    async def clear(self, tenant: str, *, user: str) -> None:
        """Forget a person's tries: they are in."""
        async with self._database.tenant(tenant) as conn:
            await conn.execute(_CLEAR, (self._named(f"user/{user}"),))

    def _named(self, bucket: str) -> bytes:
        return hmac.digest(self._key, bucket.encode(), hashlib.sha256)
