"""Rows of model versions, their acts and the keys that statements are signed with: read and written, inside a transaction of the tenant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from interlock.domain import canonical
from interlock.domain.errors import NotFound
from interlock.governance import dsse
from interlock.governance.model_statement import Act, Described
from interlock.infra.database import Connection
from interlock.infra.keys import Keys

ACTS_MAX: Final = 200
_COLUMNS: Final = """number, automation, model, version, digest, files::text, card::text, origin, state,
    (select a.envelope from model_acts a where a.tenant = model_versions.tenant and a.version_number = model_versions.number
        and a.kind = 'released' order by a.number desc limit 1), created_at, changed_at"""
_INSERT: Final = """
insert into model_versions (tenant, number, automation, model, version, digest, files, card, origin, state)
select current_tenant(), coalesce(max(number), 0) + 1, %(automation)s, %(model)s, %(version)s, %(digest)s, %(files)s::json, %(card)s::json,
    %(origin)s, 'registered' from model_versions where tenant = current_tenant() returning number"""


@dataclass(frozen=True, kw_only=True)
class Version:
    """A model version as it is on record. `envelope` is the signed statement of its last release; None before the first."""

    number: int
    described: Described
    state: str
    envelope: str | None
    created_at: datetime
    changed_at: datetime

    @property
    def label(self) -> str:
        return f"{self.described.model}@{self.described.version}+{self.described.digest[:12]}"


@dataclass(frozen=True, kw_only=True)
class ModelKey:
    """A key that statements are signed with. `id` is what envelopes call it."""

    number: int
    id: str
    public_key: bytes
    created_by: str
    created_at: datetime
    revoked_by: str | None
    revoked_at: datetime | None


async def lock(conn: Connection, tenant: str) -> None:
    """Keep everybody else from changing the tenant's model versions and keys until the transaction ends."""
    await conn.execute("select pg_advisory_xact_lock(hashtextextended('models ' || %s, 0))", (tenant,))


async def insert(conn: Connection, described: Described) -> int:
    """Write a version in the state `registered`; gives its number."""
    values = {
        "automation": described.automation,
        "model": described.model,
        "version": described.version,
        "digest": described.digest,
        "files": canonical.dumps(dict(described.files)).decode(),
        "card": canonical.dumps(dict(described.card)).decode(),
        "origin": described.origin,
    }
    row = await (await conn.execute(_INSERT, values)).fetchone()
    assert row is not None
    return int(row[0])


async def get(conn: Connection, tenant: str, number: int) -> Version:
    """Give a version; raises NotFound."""
    rows = await _versions(conn, tenant, "number = %s", (number,))
    if not rows:
        raise NotFound(f"There is no model version {number}.", fix="See `interlock model versions`.")
    return rows[0]


async def find(conn: Connection, tenant: str, automation: str, model: str, digest: str) -> Version | None:
    """Give the version of an automation's model with this digest; None where it was never registered."""
    rows = await _versions(conn, tenant, "automation = %s and model = %s and digest = %s", (automation, model, digest))
    return rows[0] if rows else None


async def page(
    conn: Connection, tenant: str, *, before: int | None, limit: int, automation: str | None = None
) -> list[Version]:
    """List versions, newest first."""
    where = "(%s::int is null or number < %s) and (%s::text is null or automation = %s) order by number desc limit %s"
    return await _versions(conn, tenant, where, (before, before, automation, automation, limit))


async def retired_before(conn: Connection, tenant: str, version: Version) -> Version | None:
    """Give the version of the same model that was retired last, of those that were released before this one."""
    where = (
        "automation = %s and model = %s and state = 'retired' and number <> %s order by (select max(a.at) from model_acts a"
        " where a.tenant = model_versions.tenant and a.version_number = model_versions.number and a.kind = 'released') desc limit 1"
    )
    rows = await _versions(conn, tenant, where, (version.described.automation, version.described.model, version.number))
    return rows[0] if rows else None


async def change(conn: Connection, number: int, *, state: str) -> None:
    """Write a version's new state."""
    await conn.execute(
        "update model_versions set state = %s, changed_at = time_now() where tenant = current_tenant() and number = %s",
        (state, number),
    )


async def acts(conn: Connection, number: int) -> list[Act]:
    """Give what was done with a version, oldest first."""
    rows = await (
        await conn.execute(
            "select number, kind, by_whom, at, note, facts::text from model_acts where tenant = current_tenant()"
            " and version_number = %s order by number limit %s",
            (number, ACTS_MAX),
        )
    ).fetchall()
    return [Act(number=r[0], kind=r[1], by=r[2], at=r[3], note=r[4], facts=canonical.loads(r[5])) for r in rows]


async def add_act(conn: Connection, version_number: int, act: Act, *, envelope: str | None) -> None:
    """Write what was done; of a release with the statement that was signed."""
    facts = canonical.dumps(dict(act.facts)).decode()
    await conn.execute(
        "insert into model_acts (tenant, version_number, number, kind, by_whom, at, note, facts, envelope)"
        " values (current_tenant(), %s, %s, %s, %s, %s, %s, %s::json, %s)",
        (version_number, act.number, act.kind, act.by, act.at, act.note, facts, envelope),
    )


async def keys(conn: Connection) -> list[ModelKey]:
    """Give the tenant's keys, oldest first, revoked ones too."""
    rows = await (
        await conn.execute(
            "select number, public_key, created_by, created_at, revoked_by, revoked_at from model_keys"
            " where tenant = current_tenant() order by number"
        )
    ).fetchall()
    return [
        ModelKey(
            number=row[0],
            id=dsse.key_id(Ed25519PublicKey.from_public_bytes(bytes(row[1]))),
            public_key=bytes(row[1]),
            created_by=row[2],
            created_at=row[3],
            revoked_by=row[4],
            revoked_at=row[5],
        )
        for row in rows
    ]


def trusted(found: Sequence[ModelKey], tenant: str, derived: Keys) -> Mapping[str, Ed25519PublicKey]:
    """Give the keys that count, by their ID: those not revoked, each as it follows from the master key.

    A row that holds another key counts for nothing, whoever wrote it; so after a change of the master key everything is released again.
    """
    return {
        key.id: derived.model_key(tenant, key.number).public_key()
        for key in found
        if key.revoked_at is None and _follows(key, tenant, derived)
    }


def _follows(key: ModelKey, tenant: str, derived: Keys) -> bool:
    return derived.model_key(tenant, key.number).public_key().public_bytes_raw() == key.public_key


async def signing_key(conn: Connection, tenant: str, derived: Keys, *, by: str) -> tuple[Ed25519PrivateKey, ModelKey]:
    """Give the newest key; the first one, and one after a key that does not count, is made here."""
    found = await keys(conn)
    if not found or found[-1].id not in trusted(found, tenant, derived):
        found.append(await new_key(conn, tenant, derived, by=by))
    return derived.model_key(tenant, found[-1].number), found[-1]


async def new_key(conn: Connection, tenant: str, derived: Keys, *, by: str) -> ModelKey:
    """Make the next key."""
    number = len(await keys(conn)) + 1
    public = derived.model_key(tenant, number).public_key().public_bytes_raw()
    await conn.execute(
        "insert into model_keys (tenant, number, public_key, created_by) values (current_tenant(), %s, %s, %s)",
        (number, public, by),
    )
    return (await keys(conn))[-1]


async def revoke_key(conn: Connection, number: int, *, by: str) -> None:
    """Let nothing count any more that a key signed."""
    await conn.execute(
        "update model_keys set revoked_by = %s, revoked_at = time_now()"
        " where tenant = current_tenant() and number = %s and revoked_at is null",
        (by, number),
    )


async def _versions(conn: Connection, tenant: str, where: str, values: tuple[Any, ...]) -> list[Version]:
    query = f"select {_COLUMNS} from model_versions where tenant = current_tenant() and {where}"
    rows = await (await conn.execute(query.encode(), values)).fetchall()
    return [
        Version(
            number=row[0],
            described=Described(
                tenant=tenant,
                automation=row[1],
                model=row[2],
                version=row[3],
                digest=row[4],
                files=canonical.loads(row[5]),
                card=canonical.loads(row[6]),
                origin=row[7],
            ),
            state=row[8],
            envelope=row[9],
            created_at=row[10],
            changed_at=row[11],
        )
        for row in rows
    ]
