"""PostgreSQL: migrations and roles by the owner, and transactions of one tenant by everybody else.

Every statement of the application runs in a transaction that sets its tenant locally; an unset tenant sees no row.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import resources
from traceback import clear_frames
from typing import Any, Self
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import psycopg
from psycopg import AsyncConnection, pq, sql
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from interlock.domain.errors import ConfigurationError, DatabaseRoleUnsafe, Unavailable
from interlock.infra.frozen import Watch, kernel_limits
from interlock.infra.one_turn import SET_TENANT, Answer, Statement, Text, one_turn
from interlock.infra.secrets_file import SecretsFile
from interlock.infra.settings import Settings

APP, RELAY, DEFINER = "interlock_app", "interlock_relay", "interlock_definer"
# A process that is frozen in the middle of a transaction keeps its rows locked, also from whoever takes its tasks over and from the
# API; nothing here waits that long for anything but the database while it holds one.
IDLE_IN_TRANSACTION_S = 10.0
SERVER_VERSION_MIN = 150_000
MIGRATION_LOCK = 0x1A7E_0001
ROLE_RACES_MAX = 20
_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql\Z")

Connection = AsyncConnection[TupleRow]


@dataclass(frozen=True, kw_only=True)
class DatabaseUrls:
    """One database as its three roles: `owner` migrates, `app` works inside tenants, `relay` sequences."""

    owner: str
    app: str
    relay: str


def urls(settings: Settings, owner_url: str) -> DatabaseUrls:
    """Give the URL of each role: those of the settings, else the owner's with the role's own password."""
    secrets = SecretsFile(settings.data_dir / "secrets.json")

    def derived(role: str) -> str:
        parts = urlsplit(owner_url)
        host = parts.netloc.rpartition("@")[2]
        login = f"{role}:{quote(secrets.get_or_create(role), safe='')}"
        return urlunsplit(parts._replace(netloc=f"{login}@{host}"))

    return DatabaseUrls(
        owner=owner_url,
        app=settings.database_app_url or derived(APP),
        relay=settings.database_relay_url or derived(RELAY),
    )


async def prepare(settings: Settings, owner_url: str) -> DatabaseUrls:
    """Make roles and run migrations, each once, in order; safe to run from several places at the same time.

    Raises:
        Unavailable: the database does not answer. ConfigurationError: it is too old, or the owner may not create roles.
    """
    result = urls(settings, owner_url)
    for left in range(ROLE_RACES_MAX, -1, -1):
        try:
            await _prepare(settings, owner_url, result)
            break
        except (psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation, psycopg.errors.InternalError_):
            if left == 0:  # roles belong to the whole server, and another of its databases is being prepared right now
                raise
            await asyncio.sleep(0.1)
    return result


async def _prepare(settings: Settings, owner_url: str, result: DatabaseUrls) -> None:
    try:
        async with await AsyncConnection.connect(owner_url, autocommit=True) as conn:
            if conn.info.server_version < SERVER_VERSION_MIN:
                raise ConfigurationError(
                    f"PostgreSQL {conn.info.server_version // 10_000} is too old for Interlock.",
                    fix="Point INTERLOCK_DATABASE_URL at version 15 or later.",
                )
            async with conn.transaction():
                await conn.execute("select pg_advisory_xact_lock(%s)", (MIGRATION_LOCK,))
                await _roles(conn, settings, result)
                await _migrate(conn)
    except psycopg.OperationalError as error:
        raise Unavailable(f"The database does not answer: {_brief(error)}", retry_after_s=2) from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise ConfigurationError(
            f"The role of INTERLOCK_DATABASE_URL may not prepare the database: {_brief(error)}",
            fix="Give it CREATEROLE and CREATE on the database, or set INTERLOCK_DATABASE_APP_URL and _RELAY_URL to roles made by hand.",
        ) from error


async def _roles(conn: Connection, settings: Settings, result: DatabaseUrls) -> None:
    given = {APP: settings.database_app_url, RELAY: settings.database_relay_url, DEFINER: None}
    for role, url in given.items():
        if url is not None:
            continue
        exists = await (await conn.execute("select 1 from pg_roles where rolname = %s", (role,))).fetchone()
        login: sql.Composable = sql.SQL("nologin")
        if role != DEFINER:
            own = result.app if role == APP else result.relay
            if exists and await _opens(own):
                continue
            password = unquote(urlsplit(own).password or "")
            login = sql.SQL("login password {}").format(sql.Literal(password))
        verb = sql.SQL("alter" if exists else "create")
        options = sql.SQL(" nosuperuser nobypassrls nocreaterole nocreatedb") if not exists else sql.SQL("")
        await conn.execute(sql.SQL("{} role {} {}{}").format(verb, sql.Identifier(role), login, options))
    for role in (APP, RELAY, DEFINER):
        await conn.execute(
            sql.SQL("grant {} to current_user{}").format(
                sql.Identifier(role), sql.SQL(" with set true" if conn.info.server_version >= 160_000 else "")
            )
        )


async def _opens(url: str) -> bool:
    """Tell whether a role's password is right; the database itself may refuse it yet."""
    try:
        await (await AsyncConnection.connect(url, connect_timeout=5)).close()
    except psycopg.OperationalError as error:
        return "password" not in str(error)
    return True


async def _migrate(conn: Connection) -> None:
    await conn.execute("create schema if not exists interlock")
    await conn.execute(
        "create table if not exists interlock.migrations (number int primary key, name text not null,"
        " applied_at timestamptz not null default statement_timestamp())"
    )
    rows = await (await conn.execute("select number from interlock.migrations")).fetchall()
    done = {row[0] for row in rows}
    for number, name, text in migrations():
        if number not in done:
            await conn.execute(text.encode())
            await conn.execute("insert into interlock.migrations (number, name) values (%s, %s)", (number, name))
    newest = max(number for number, _, _ in migrations())
    if done and max(done) > newest:
        raise ConfigurationError(
            f"The database is at migration {max(done)}, and this version of Interlock knows only {newest}.",
            fix="Run the version that made it, or a later one.",
        )


def migrations() -> list[tuple[int, str, str]]:
    """Give (number, file name, SQL) of every migration, in order."""
    folder = resources.files("interlock.infra") / "migrations"
    found = [(int(m[1]), f.name, f.read_text()) for f in folder.iterdir() if (m := _NAME.match(f.name))]
    return sorted(found)


def _brief(error: BaseException) -> str:
    return " ".join(str(error).split("\n")[0].split())


def _was_dead(cause: BaseException | None) -> bool:
    """Tell a connection that broke off from a statement that the server refused or that took too long (57014)."""
    if isinstance(cause, PoolTimeout | TooManyRequests):
        return False
    if not isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError):
        return False
    return cause.sqlstate is None or cause.sqlstate.startswith("57P")


def _as_lent(conn: Connection) -> bool:
    pg = conn.pgconn
    return pg.transaction_status == pq.TransactionStatus.IDLE and pg.pipeline_status == pq.PipelineStatus.OFF


def _cancels() -> int:
    """Tell how often the running task was asked to end, and has not been told that it need not (`asyncio.timeout` does so)."""
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


class _Opened(AsyncConnection[TupleRow]):
    """A connection; where none is made in time, psycopg's error is in a cycle with the socket, which stays open until the collector comes."""

    @classmethod
    async def connect(cls, *args: Any, **kwargs: Any) -> Self:
        try:
            return await super().connect(*args, **kwargs)
        except psycopg.Error as error:
            clear_frames(error.__traceback__)
            raise


async def _configure(conn: Connection) -> None:
    await conn.execute("set search_path = interlock, pg_temp")


class Database:
    """A pool of connections as one role. Open it before use; reconnects by itself after the server was gone."""

    def __init__(
        self,
        url: str,
        *,
        size: int,
        wait_s: float,
        statement_timeout_s: float = 30.0,
        answer_s: float = 5.0,
        name: str = "interlock",
    ) -> None:
        self.url = url
        self.size = size
        self.kernel_limits = kernel_limits(answer_s)
        self._watch = Watch(url, answer_s=answer_s)
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url,
            connection_class=_Opened,
            min_size=1,
            max_size=size,
            open=False,
            timeout=wait_s,
            max_waiting=size * 64,
            max_idle=60,
            reconnect_timeout=30,
            configure=_configure,
            kwargs={
                "autocommit": True,
                "application_name": name,
                "connect_timeout": 5,
                "options": f"-c statement_timeout={int(statement_timeout_s * 1000)}"
                f" -c idle_in_transaction_session_timeout={int(IDLE_IN_TRANSACTION_S * 1000)}",
                **self.kernel_limits,
            },
        )

    async def open(self) -> None:
        await self._pool.open(wait=False)

    async def close(self) -> None:
        await self._watch.close()
        await self._pool.close(timeout=5)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection outside a transaction; raises Unavailable where none comes in time, or the database is frozen.

        One that does not come back as it was lent is closed: whoever is cancelled in the middle of a pipeline leaves answers in it that
        the next borrower would take for its own. A server cancels again at each wait of the clean-up, so that none of it may be needed.
        Whoever is cancelled meanwhile ends, also where the driver made an error of its own of that: nobody else would say it again.
        """
        if self._watch.frozen:
            raise Unavailable("The database does not answer.", retry_after_s=2)
        cancels = _cancels()
        try:
            # Not the pool's own context manager: it commits, with a lock and a turn of the driver, what commits by itself here.
            conn = await self._pool.getconn()
            self._watch.lend(conn)
            try:
                yield conn
            finally:
                self._watch.take_back(conn)
                if not _as_lent(conn):
                    await conn.close()  # waits for nothing
                await self._pool.putconn(conn)
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:  # the pool's are among them
            if _cancels() > cancels:
                raise asyncio.CancelledError from error
            if isinstance(error, PoolTimeout | TooManyRequests):
                raise Unavailable("The database does not answer.", retry_after_s=2) from error
            raise Unavailable(f"The database broke off: {_brief(error)}", retry_after_s=2) from error
        if _cancels() > cancels:
            raise asyncio.CancelledError

    @asynccontextmanager
    async def tenant(self, tenant: str) -> AsyncIterator[Connection]:
        """Run a transaction inside one tenant. What it wrote is durable when the block ends without an error."""
        async with self._begun(tenant) as conn:
            yield conn

    @asynccontextmanager
    async def across(self) -> AsyncIterator[Connection]:
        """Run a transaction with no tenant set: only the functions that return IDs, and the relay's tables, show anything."""
        async with self._begun("") as conn:
            yield conn

    async def together(self, tenant: str | None, statements: Sequence[Statement]) -> list[Answer]:
        """Run statements (`$1`, `$2`, …) as one transaction in one turn to the server; gives the rows of each. Durable when it returns.

        Inside a tenant, or across with None. Raises as `one_turn` does, and Unavailable.
        """
        async with self.connection() as conn:
            return (await one_turn(conn, [(SET_TENANT, (Text((tenant or "").encode()),)), *statements]))[1:]

    async def fetch(self, tenant: str | None, query: bytes, values: Sequence[Any]) -> Answer:
        """Run one statement in a transaction of its own, in one turn; gives its rows.

        It is sent again where its connection was dead, so it must be one that may run twice.
        """
        for left in range(self.size, -1, -1):
            try:
                return (await self.together(tenant, [(query, values)]))[0]
            except Unavailable as error:
                if not left or not _was_dead(error.__cause__):
                    raise
        raise AssertionError("the last turn returns or raises")

    @asynccontextmanager
    async def _begun(self, tenant: str) -> AsyncIterator[Connection]:
        """Begin, and set the tenant. A connection found dead at its first statement did nothing yet: take the next."""
        for left in range(self.size, -1, -1):
            async with self.connection() as conn:
                try:
                    async with conn.pipeline():
                        await conn.execute("begin")
                        await conn.execute("select set_config('interlock.tenant', %s, true)", (tenant,))
                except (psycopg.OperationalError, psycopg.InterfaceError):
                    if left == 0 or not conn.closed:
                        raise
                    continue
                try:
                    yield conn
                except BaseException:
                    if not conn.closed:
                        await conn.execute("rollback")
                    raise
                await conn.execute("commit")
                return

    async def check_role(self) -> None:
        """Refuse a role that row-level security would not hold: superuser, BYPASSRLS, or owner of the tables."""
        async with self.connection() as conn:
            row = await (
                await conn.execute(
                    "select rolname, rolsuper, rolbypassrls, exists(select from pg_class c join pg_namespace n on n.oid = c.relnamespace"
                    " where n.nspname = 'interlock' and c.relowner = r.oid) from pg_roles r where rolname = session_user"
                )
            ).fetchone()
        assert row is not None
        name, *unsafe = row
        for what, is_so in zip(("SUPERUSER", "BYPASSRLS", "ownership of the tables"), unsafe, strict=True):
            if is_so:
                raise DatabaseRoleUnsafe(
                    f"The application's database role {name!r} has {what}, so tenants would not be kept apart.",
                    fix="Give INTERLOCK_DATABASE_APP_URL a plain role (interlock_app is made for it), or leave it unset.",
                )
