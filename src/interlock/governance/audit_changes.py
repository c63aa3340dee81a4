"""What a record changed: the values before and after it, told from the records before it about the same thing.

Leaves of accounts, keys, secrets, providers, delegations, views and models say how the thing stood, so both sides are as the log has them.
Of policies a leaf names the set; its files are read beside the log. Who is behind an account or a key no leaf says: that too is read there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from interlock.domain import canonical
from interlock.domain.errors import NotFound
from interlock.infra.database import Connection, Database

EARLIER_MAX: Final = 500
# Which fact names the thing that records of a kind (before the point) are about.
THINGS: Final = {
    "account": "account", "key": "key", "secret": "secret", "provider": "provider", "view": "view", "delegation": "delegation",
    "elevation": "elevation", "model": "model_version", "model-key": "model_key", "session": "session",
}  # fmt: skip
# Uses of a thing: they change nothing of it.
_USES: Final = frozenset({"elevation.used", "elevation.decided"})
_POLICY_SET: Final = frozenset({"policy.activated", "policy.rolled-back"})
_BESIDE: Final = frozenset(
    {"v", "kind", "tenant", "at", "by_key", "salt", "commit", "act", "alone", "erasure", *THINGS.values()}
)
_RECORD: Final = """
select r.leaf, r.task_id from audit_positions p join audit_records r on r.id = p.record_id
where p.tenant = current_tenant() and r.tenant = current_tenant() and p.position = %s"""
_EARLIER: Final = """
select p.position, r.leaf from audit_positions p join audit_records r on r.id = p.record_id
where p.tenant = current_tenant() and r.tenant = current_tenant() and r.task_id is null and p.position < %s and strpos(r.leaf, %s) > 0
order by p.position desc limit %s"""
_FILES: Final = "select files::text from policy_sets where tenant = current_tenant() and number = %s"
_ABOUT: Final = {
    "account": "select id from accounts where tenant = current_tenant() and ref = %s",
    "key": "select user_id from api_keys where tenant = current_tenant() and id = %s",
    "view": "select owner from saved_views where tenant = current_tenant() and id = %s",
    "delegation": "select from_user from delegations where tenant = current_tenant() and id = %s",
    "elevation": "select user_id from elevations where tenant = current_tenant() and id = %s",
}


@dataclass(frozen=True, kw_only=True)
class FieldChange:
    """A value before a record and after it; None where there was none."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What a record changed. `since` is the position of the record that said how it stood before; None where this is the first."""

    position: int
    since: int | None
    about: str | None
    items: tuple[FieldChange, ...]


class AuditChanges:
    """Reads one tenant's log, and what stands beside it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, tenant: str, position: int, *, people: bool, policies: bool) -> Changes:
        """Tell what the record at a position changed; `people`: also whom it is about; `policies`: also their texts. Raises NotFound."""
        async with self._database.tenant(tenant) as conn:
            row = await (await conn.execute(_RECORD, (position,))).fetchone()
            if row is None:
                raise NotFound(
                    f"There is no record at position {position}.", fix="List records to see their positions."
                )
            facts: dict[str, Any] = canonical.loads(row[0])
            kind = str(facts["kind"])
            if kind.startswith("policy."):
                return await _of_policies(conn, position, facts, texts=policies)
            thing = THINGS.get(kind.partition(".")[0])
            if row[1] is not None or thing is None or kind in _USES or facts.get(thing) is None:
                return Changes(position=position, since=None, about=None, items=())
            earlier = await _earlier(conn, position, thing, facts[thing])
            earlier = [one for one in earlier if one[1]["kind"].partition(".")[0] == kind.partition(".")[0]]
            about = await _about(conn, thing, facts[thing]) if people else None
        before: dict[str, Any] = {}
        for _, said in reversed(earlier):
            before |= _state(said)
        return Changes(
            position=position,
            since=earlier[0][0] if earlier else None,
            about=about,
            items=_differing(before, _state(facts)),
        )


def _state(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Give what a leaf says of its thing, and what was done with it where it does not say how it stands."""
    said = {name: value for name, value in facts.items() if name not in _BESIDE}
    return said if "state" in said else {"state": str(facts["kind"]).partition(".")[2], **said}


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[FieldChange, ...]:
    return tuple(
        FieldChange(field=name, before=before.get(name), after=value)
        for name, value in after.items()
        if before.get(name) != value
    )


async def _earlier(conn: Connection, position: int, name: str, value: Any) -> list[tuple[int, dict[str, Any]]]:
    """Give the records before a position in which a fact has a value, newest first."""
    part = canonical.dumps({name: value}).decode()[1:-1]
    rows = await (await conn.execute(_EARLIER, (position, part, EARLIER_MAX))).fetchall()
    read = [(int(row[0]), canonical.loads(row[1])) for row in rows]
    return [(at, facts) for at, facts in read if facts.get(name) == value and facts["kind"] not in _USES]


async def _about(conn: Connection, thing: str, value: Any) -> str | None:
    if thing not in _ABOUT:
        return None
    row = await (await conn.execute(_ABOUT[thing].encode(), (value,))).fetchone()
    return None if row is None else str(row[0])


async def _of_policies(conn: Connection, position: int, facts: Mapping[str, Any], *, texts: bool) -> Changes:
    """Hold the set that a record is about against the one that was in force, or looked on, before it: file by file."""
    done = await _earlier(conn, position, "mode", facts["mode"])
    last = next(((at, said) for at, said in done if said["kind"] in _POLICY_SET), None)
    numbers = (int(last[1]["set"]) if last else 0, int(facts["set"]))
    items = list(_differing({"set": numbers[0]}, {"set": numbers[1]}))
    if texts:
        before, after = [await _files(conn, number) for number in numbers]
        items += [
            FieldChange(field=name, before=before.get(name), after=after.get(name))
            for name in sorted(before.keys() | after.keys())
            if before.get(name) != after.get(name)
        ]
    return Changes(position=position, since=last[0] if last else None, about=None, items=tuple(items))


async def _files(conn: Connection, number: int) -> dict[str, str]:
    row = await (await conn.execute(_FILES, (number,))).fetchone()
    files: dict[str, str] = {} if row is None else canonical.loads(row[0])
    return files
