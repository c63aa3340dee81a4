"""Connection secrets: what an automation signs in with elsewhere. Kept by name and version, sealed, given to executors only.

A value goes in and is never shown again: not by a route, not in a journal, a log, an error or an audit leaf. It is opened where an effect is
executed, for the automations that it is meant for, and by `fetch` for its hosts only. Setting it again is a rotation: the value before is
destroyed in the same transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography.exceptions import InvalidTag

from interlock.domain.errors import Conflict, ExecutorFailed, InvalidInput, NotFound
from interlock.infra.database import Connection, Database
from interlock.infra.sealing import Sealing

SECRETS_MAX: Final = 1_000
VALUE_CHARS_MIN, VALUE_CHARS_MAX = (
    8,
    16 * 1024,
)  # shorter ones could not be told from other text where they must not stand
_COLUMNS: Final = "name, version, automations, hosts, note, created_by, created_at"
_CURRENT: Final = "from secrets where tenant = current_tenant() and ended_at is null"


@dataclass(frozen=True, kw_only=True)
class SecretInfo:
    """A secret without its value. `hosts`: to which `fetch` may send it; `automations`: which may use it."""

    name: str
    version: int
    automations: tuple[str, ...]
    hosts: tuple[str, ...]
    note: str
    created_by: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A secret's value, where it is used."""

    label: str
    value: str
    hosts: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Opened({self.label!r})"


class ConnectionSecrets:
    """The store. Verbs with a connection run inside a transaction of the tenant, which is what makes them durable."""

    def __init__(self, database: Database, key: bytes) -> None:
        self._database = database
        self._sealing = Sealing(key)

    async def put(
        self,
        conn: Connection,
        tenant: str,
        name: str,
        value: str,
        *,
        automations: Sequence[str] | None,
        hosts: Sequence[str] | None,
        note: str | None,
        by: str,
    ) -> SecretInfo:
        """Make a secret, or its next version, which ends the one before. What is None stays as it was.

        Raises:
            InvalidInput: the tenant has `SECRETS_MAX` already.
        """
        await conn.execute("select pg_advisory_xact_lock(hashtextextended('secrets ' || current_tenant(), 0))")
        before = await self._find(conn, name)
        if before is None and await self._count(conn) >= SECRETS_MAX:
            raise InvalidInput(f"A tenant has at most {SECRETS_MAX} secrets.", fix="Remove those that nothing uses.")
        await self._end(conn, name)
        row = await (
            await conn.execute(
                "select coalesce(max(version), 0) + 1 from secrets where tenant = current_tenant() and name = %s",
                (name,),
            )
        ).fetchone()
        assert row is not None
        version = int(row[0])
        await conn.execute(
            "insert into secrets (tenant, name, version, sealed, automations, hosts, note, created_by)"
            " values (current_tenant(), %s, %s, %s, %s, %s, %s, %s)",
            (
                name,
                version,
                self._sealing.seal(value.encode(), tenant, name, version),
                sorted(set(automations if automations is not None else before.automations if before else ())),
                sorted(set(hosts if hosts is not None else before.hosts if before else ())),
                note if note is not None else before.note if before else "",
                by,
            ),
        )
        made = await self._find(conn, name)
        assert made is not None
        return made

    async def remove(self, conn: Connection, name: str) -> SecretInfo:
        """Destroy a secret's value. Raises NotFound."""
        found = await self.get(conn, name)
        await self._end(conn, name)
        return found

    async def get(self, conn: Connection, name: str) -> SecretInfo:
        """Give what is known of a secret; raises NotFound."""
        if (found := await self._find(conn, name)) is None:
            raise NotFound(f"There is no secret {name!r}.", fix="See `interlock secret list`.")
        return found

    async def list(self, conn: Connection, *, after: str | None, limit: int) -> list[SecretInfo]:
        """List secrets by name, those after a name."""
        rows = await (
            await conn.execute(
                f"select {_COLUMNS} {_CURRENT} and (%s::text is null or name > %s) order by name limit %s".encode(),
                (after, after, limit),
            )
        ).fetchall()
        return [_info(row) for row in rows]

    async def open(self, tenant: str, automation: str, names: Sequence[str]) -> dict[str, Opened]:
        """Open secrets for one effect of an automation, by name.

        Raises:
            ExecutorFailed: one is missing or not meant for this automation; not tried again, since only a person can mend it.
        """
        async with self._database.tenant(tenant) as conn:
            rows = await (
                await conn.execute(
                    f"select name, version, sealed, automations, hosts {_CURRENT} and name = any(%s)".encode(),
                    (list(names),),
                )
            ).fetchall()
        found = {row[0]: row for row in rows if automation in row[3]}
        for name in names:
            if name not in found:
                raise ExecutorFailed(
                    f"The automation {automation} has no secret {name!r}.",
                    kind="SecretMissing",
                    retry=False,
                    fix=f"Set it with `interlock secret set {name} --automation {automation}`, then retry the task.",
                )
        return {name: self._opened(tenant, found[name]) for name in names}

    def _opened(self, tenant: str, row: Sequence[object]) -> Opened:
        name, version, sealed, _, hosts = row
        try:
            value = self._sealing.open(sealed, tenant, name, version)  # type: ignore[arg-type]
        except InvalidTag as error:
            raise Conflict(
                f"The secret {name!r} cannot be opened: it was sealed with another master key.", fix="Set it again."
            ) from error
        return Opened(label=f"{name}@{version}", value=value.decode(), hosts=tuple(hosts))  # type: ignore[arg-type]

    async def _find(self, conn: Connection, name: str) -> SecretInfo | None:
        row = await (await conn.execute(f"select {_COLUMNS} {_CURRENT} and name = %s".encode(), (name,))).fetchone()
        return None if row is None else _info(row)

    async def _count(self, conn: Connection) -> int:
        row = await (await conn.execute(f"select count(*) {_CURRENT}".encode())).fetchone()
        return 0 if row is None else int(row[0])

    async def _end(self, conn: Connection, name: str) -> None:
        await conn.execute(
            "update secrets set sealed = null, ended_at = time_now()"
            " where tenant = current_tenant() and name = %s and ended_at is null",
            (name,),
        )


def _info(row: Sequence[object]) -> SecretInfo:
    fields = dict(zip(_COLUMNS.split(", "), row, strict=True))
    return SecretInfo(**fields | {"automations": tuple(fields["automations"]), "hosts": tuple(fields["hosts"])})  # type: ignore[arg-type]


def without(text: str, opened: Mapping[str, Opened]) -> str:
    """Give a text in which no opened value stands any more."""
    for one in opened.values():
        text = text.replace(one.value, "[secret]")
    return text
