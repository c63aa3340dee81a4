"""Sessions: begun with an API key or a password; listed and ended. Each is on record, and each sign-in that was refused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from interlock.domain.errors import NotFound, Unauthenticated
from interlock.domain.ids import new_id
from interlock.governance import audit
from interlock.governance.audit import SubjectKeys
from interlock.governance.identity import FIRST_TENANT, Principal
from interlock.governance.passwords import Passwords
from interlock.governance.session_tokens import SessionTokens
from interlock.infra.clock import Clock
from interlock.infra.database import Connection, Database
from interlock.orchestration.session_ends import end_sessions
from interlock.orchestration.sign_in_tries import TooManyTries, Tries
from interlock.orchestration.store import log
from interlock.orchestration.submit import subject_key

LIST_MAX: Final = 1_000
_OPEN: Final = "ended_at is null and expires_at > time_now() and last_used_at > time_now() - %(idle)s"
_COLUMNS: Final = (
    "id, user_id, method, key_id, created_at, last_used_at, expires_at, least(expires_at, last_used_at + %(idle)s)"
)
_LIST: Final = f"""
select {_COLUMNS} from sessions where tenant = current_tenant() and {_OPEN} and (%(user)s::text is null or user_id = %(user)s)
order by created_at desc, id limit %(limit)s"""
_GET: Final = f"select {_COLUMNS} from sessions where tenant = current_tenant() and id = %(id)s and {_OPEN}"
_ACCOUNT: Final = "select ref, password_hash, disabled_at from accounts where tenant = current_tenant() and id = %s"


@dataclass(frozen=True, kw_only=True)
class Session:
    """An open session, without its token. `idle_until` moves on with each request, to `expires_at` at most."""

    id: str
    user: str
    method: str
    key_id: str | None
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    idle_until: datetime


@dataclass(frozen=True, kw_only=True)
class Started:
    """A session that began just now; `token` is given to the cookie and to nothing else."""

    session: Session
    token: str
    tenant: str


class Sessions:
    """Begins and ends sessions; durable when a verb returns."""

    def __init__(
        self,
        *,
        database: Database,
        tokens: SessionTokens,
        keys: SubjectKeys,
        clock: Clock,
        passwords: Passwords,
        tries: Tries,
        session_s: float,
        idle_s: float,
        sessions_max: int,
    ) -> None:
        self.tokens = tokens
        self._database = database
        self._keys = keys
        self._clock = clock
        self._passwords = passwords
        self._tries = tries
        self._life = timedelta(seconds=session_s)
        self._idle = timedelta(seconds=idle_s)
        self._sessions_max = sessions_max

    async def by_key(self, principal: Principal) -> Started:
        """Begin a session that may what the key may, and ends with it."""
        async with self._database.tenant(principal.tenant) as conn:
            return await self.begin(conn, principal.tenant, principal.id, method="key", key_id=principal.key_id)

    async def by_password(self, tenant: str, user: str, password: str, *, address: str) -> Started:
        """Begin a session of a person. It takes as long, and says the same, for whom there is not.

        Raises:
            Unauthenticated: user and password do not belong together, or the account is disabled. TooManyRequests: too many tries.
        """
        async with self._database.tenant(tenant) as conn:
            known = await (await conn.execute("select 1 from tenants where tenant = current_tenant()")).fetchone()
            row = await (await conn.execute(_ACCOUNT, (user,))).fetchone()
        where = tenant if known else FIRST_TENANT
        ref, stored, disabled_at = row or (None, None, None)
        try:
            await self._tries.count(where, user=f"{tenant}/{user}", address=address)
        except TooManyTries as error:
            if error.first:
                await self.refused(where, method="password", account=ref, why="too many tries")
            raise
        right = await self._passwords.matches(stored, password)
        if not right or disabled_at is not None:
            why = "unknown" if row is None else "disabled" if right else "no password" if stored is None else "password"
            await self.refused(where, method="password", account=ref, why=why)
            raise Unauthenticated("User and password do not belong together.", fix="Try again, or ask an owner.")
        async with self._database.tenant(tenant) as conn:
            started = await self.begin(conn, tenant, user, method="password", stored=stored)
        await self._tries.clear(tenant, user=f"{tenant}/{user}")
        return started

    async def begin(
        self,
        conn: Connection,
        tenant: str,
        user: str,
        *,
        method: str,
        key_id: str | None = None,
        stored: str | None = None,
    ) -> Started:
        """Begin a session inside a transaction; the oldest of too many ends. Raises Unauthenticated where the account changed meanwhile."""
        row = await (await conn.execute(f"{_ACCOUNT} for share".encode(), (user,))).fetchone()
        if (row is None and method != "key") or (row and (row[2] or (method == "password" and row[1] != stored))):
            raise Unauthenticated("The account was changed in this moment.", fix="Try again.")
        session_id = new_id("session")
        token, token_hash = self.tokens.new(session_id)
        made = await (
            await conn.execute(
                "insert into sessions (tenant, id, token_hash, user_id, method, key_id, expires_at)"
                " values (current_tenant(), %s, %s, %s, %s, %s, time_now() + %s) returning expires_at",
                (session_id, token_hash, user, method, key_id, self._life),
            )
        ).fetchone()
        assert made is not None
        await self._leaf(conn, tenant, session_id, user, {"method": method, "key": key_id, "expires_at": made[0]})
        opened = await self._open(conn, user=user, limit=LIST_MAX)
        for old in opened[self._sessions_max :]:
            await end_sessions(conn, self._clock, tenant, session_id=old.id, why="too many", by_key=None)
        found = next(s for s in opened if s.id == session_id)
        return Started(session=found, token=token, tenant=tenant)

    async def refused(self, tenant: str, *, method: str, account: str | None, why: str) -> None:
        """Record a sign-in that was refused: by the account's reference where there is one, and never by a name that was only claimed."""
        facts = {"method": method, "account": account, "why": why}
        leaf = audit.leaf("sign_in.refused", tenant=tenant, at=self._clock.now(), facts=facts)
        async with self._database.tenant(tenant) as conn:
            await log(conn, tenant=tenant, task_id=None, leaf=leaf)

    async def get(self, tenant: str, session_id: str) -> Session:
        """Give an open session; raises NotFound."""
        async with self._database.tenant(tenant) as conn:
            row = await (await conn.execute(_GET.encode(), {"id": session_id, "idle": self._idle})).fetchone()
        if row is None:
            raise NotFound("There is no such open session.")
        return _session(row)

    async def find(self, tenant: str, *, user: str | None = None) -> list[Session]:
        """Give open sessions, newest first: of one person, or of all."""
        async with self._database.tenant(tenant) as conn:
            return await self._open(conn, user=user, limit=LIST_MAX)

    async def end(self, principal: Principal, session_id: str) -> None:
        """End a session; its token opens nothing from now on. Raises NotFound."""
        async with self._database.tenant(principal.tenant) as conn:
            ended = await end_sessions(
                conn, self._clock, principal.tenant, session_id=session_id, why="revoked", by_key=principal.key_id
            )
        if not ended:
            raise NotFound("There is no such open session.")

    async def _open(self, conn: Connection, *, user: str | None, limit: int) -> list[Session]:
        values = {"user": user, "idle": self._idle, "limit": limit}
        return [_session(row) for row in await (await conn.execute(_LIST.encode(), values)).fetchall()]

    async def _leaf(self, conn: Connection, tenant: str, session_id: str, user: str, facts: dict[str, Any]) -> None:
        subject, salt = await subject_key(conn, self._keys, tenant, user), audit.new_salt()
        said = {
            "session": session_id,
            **facts,
            "salt": salt.hex(),
            "commit": audit.commit(subject, salt, (user,)),
        }
        leaf = audit.leaf("session.created", tenant=tenant, at=self._clock.now(), facts=said)
        await log(conn, tenant=tenant, task_id=None, leaf=leaf)


def _session(row: tuple[Any, ...]) -> Session:
    names = ("id", "user", "method", "key_id", "created_at", "last_used_at", "expires_at", "idle_until")
    return Session(**dict(zip(names, row, strict=True)))
