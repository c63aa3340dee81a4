"""Who calls with a session: tokens of which only a keyed hash is stored, and the token against forged requests that goes with each.

A token reads `ils_<env>_<id>_<secret>` and travels in a cookie that scripts cannot read. Whether its session is still open is asked of the
database at each request: a revoked key, a disabled account and an ended session are so at once.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from interlock.domain.errors import Unauthenticated
from interlock.governance.identity import Principal, Refusal, scope_of, unrecorded
from interlock.infra.database import Database

_TOKEN: Final = re.compile(r"ils_(live|test)_(session_[0-9a-f]{32})_([0-9A-Za-z_-]{43})\Z")
_NOTHING: Final = bytes(32)
LAST_USE_S: Final = 60.0

_FIND: Final = """
select s.token_hash, s.user_id, s.method, s.key_id,
    case when s.ended_at is not null then 'ended' when s.expires_at <= time_now() then 'expired'
        when s.last_used_at <= time_now() - %(idle)s then 'idle' when a.disabled_at is not null then 'disabled'
        when s.method = 'key' and (k.id is null or k.revoked_at is not null or k.expires_at <= time_now()) then 'key'
        when s.method <> 'key' and a.id is null then 'disabled' end,
    case when s.method = 'key' then k.roles else a.roles end,
    case when s.method = 'key' then k.approval_limit else a.approval_limit end,
    k.scope_actions, k.scope_automations, s.last_used_at <= time_now() - %(exact)s
from sessions s left join accounts a on a.tenant = s.tenant and a.id = s.user_id
left join api_keys k on k.tenant = s.tenant and k.id = s.key_id
where s.tenant = current_tenant() and s.id = %(id)s"""
_USED: Final = b"update sessions set last_used_at = time_now() where tenant = current_tenant() and id = %s"


class SessionTokens:
    """Finds who calls by their session. `refused` is told of each that is not let in."""

    def __init__(
        self,
        database: Database,
        *,
        pepper: bytes,
        csrf_key: bytes,
        environment: str,
        idle_s: float,
        refused: Refusal = unrecorded,
    ) -> None:
        self._database = database
        self._pepper = pepper
        self._csrf_key = csrf_key
        self._environment = environment
        self._idle = timedelta(seconds=idle_s)
        self._exact = timedelta(seconds=min(LAST_USE_S, idle_s / 10))
        self._refused = refused

    def new(self, session_id: str) -> tuple[str, bytes]:
        """Give a token for a session, and the hash of it that is stored."""
        secret = secrets.token_urlsafe(32)
        return f"ils_{self._environment}_{session_id}_{secret}", self._hash(secret)

    def csrf(self, session_id: str) -> str:
        """Give the token that a page sends back with each change: it follows from the session and from a key that nobody else has."""
        return hmac.new(self._csrf_key, session_id.encode(), hashlib.sha256).hexdigest()

    def csrf_matches(self, session_id: str, given: str | None) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(self.csrf(session_id).encode(), (given or "").encode())

    async def authenticate(self, token: str) -> Principal:
        """Give the principal of a session.

        Raises:
            Unauthenticated: malformed, unknown, ended, run out, idle for too long, or its key or account is no more; not said which.
        """
        match = _TOKEN.match(token)
        tenant = None
        if match is not None:
            async with self._database.across() as conn:
                row = await (await conn.execute("select find_session(%s)", (match[2],))).fetchone()
            tenant = row[0] if row else None
        if match is None or tenant is None:
            await self._refused(None, "session.refused", None, "malformed" if match is None else "unknown")
            raise _unknown()
        async with self._database.tenant(tenant) as conn:
            values = {"id": match[2], "idle": self._idle, "exact": self._exact}
            found = await (await conn.execute(_FIND.encode(), values)).fetchone()
            right = hmac.compare_digest(bytes(found[0]) if found else _NOTHING, self._hash(match[3]))
            ended = "unknown" if found is None else "secret" if not right else found[4]
            if match[1] != self._environment:
                ended = ended or "environment"
            if ended is None and found is not None and found[9]:
                await conn.execute(_USED, (match[2],))
        if found is None or ended is not None:
            await self._refused(tenant, "session.refused", match[2], ended or "unknown")
            raise _unknown()
        return _principal(tenant, match[2], found)

    def _hash(self, secret: str) -> bytes:
        return hmac.new(self._pepper, secret.encode(), hashlib.sha256).digest()


def _principal(tenant: str, session_id: str, row: Sequence[Any]) -> Principal:
    return Principal(
        tenant=tenant,
        id=row[1],
        roles=tuple(row[5]),
        key_id=row[3] or session_id,
        approval_limit=row[6],
        scope=scope_of(row[7], row[8]),
        session_id=session_id,
    )


def _unknown() -> Unauthenticated:
    return Unauthenticated("The session is not known, or it is over.", fix="Sign in again.")
