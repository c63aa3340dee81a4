"""Evidence packs: one tenant's matching records with everything that proves them, in one file that verifies offline.

    records → the hashes of all that is not in the pack → witnessed checkpoints → policies and cards → manifest → its signature

The hashes are those of one proof for all records together (each hash once), so a pack of a million records is verified in about as many
hashes. What a pack does not prove stands in its README.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib import resources
from typing import Any, BinaryIO, Final, Self

from interlock.domain import canonical
from interlock.domain.errors import InterlockError, NotFound, TooLarge
from interlock.governance import audit_records, checkpoints, proofs, subtrees
from interlock.governance.audit_keys import KeyRing, PrivateKeys, key_ring
from interlock.governance.audit_records import AuditRecord, Filter
from interlock.governance.merkle import leaf_hash
from interlock.governance.pack_container import Container
from interlock.governance.proofs import Signed
from interlock.infra.database import Connection, Database
from interlock.infra.keys import Keys
from interlock.infra.settings import Settings

RECORDS_BATCH: Final = 1_000
RANGES_BATCH: Final = 500
WITNESSED_MAX: Final = 20
_STATEMENTS: Final = """
select s.witness, s.size, s.kind, s.statement, c.root, c.note from (
    select *, row_number() over (partition by witness order by size desc) as turn from audit_statements where size <= %s
) s join audit_checkpoints c on c.size = s.size where s.turn <= %s order by s.witness, s.size desc"""

Sources = Sequence[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Materials:
    """What is not in the database: policy bundles by version, what is known of models, roots of time-stamping authorities.

    Attributes:
        policies: of the bundles that are loaded now, as (`schema` or `policies`, text).
        models: text by (automation, file), such as a `model.toml`, a card, a bill of materials, a signed statement.
    """

    policies: Mapping[str, Sources] = field(default_factory=dict)
    models: Mapping[tuple[str, str], str] = field(default_factory=dict)
    tsa_roots: bytes | None = None


@dataclass(kw_only=True)
class _Seen:
    """What the records name, gathered while they are written."""

    positions: list[int] = field(default_factory=list)
    versions: set[str] = field(default_factory=set)
    tasks: set[str] = field(default_factory=set)


class Evidence:
    """Writes packs.

    Args:
        ring: begins with the deployment's first key.
        private_keys: where the key is that signs a pack's manifest, the newest of the ring.
        records_max: a filter that finds more is refused.
    """

    def __init__(self, database: Database, ring: KeyRing, private_keys: PrivateKeys, *, records_max: int) -> None:
        self._database = database
        self._ring = ring
        self._private_keys = private_keys
        self._records_max = records_max

    @classmethod
    def of(cls, settings: Settings, database: Database) -> Self:
        """Build it as the settings say."""
        keys = Keys.of(settings)
        private_keys = PrivateKeys(keys.audit_key, keys.audit_wrapping)
        return cls(database, key_ring(settings), private_keys, records_max=settings.evidence_records_max)

    async def write(
        self, tenant: str, matching: Filter, materials: Materials, *, at: datetime, out: BinaryIO
    ) -> dict[str, Any]:
        """Write a pack into an empty seekable file; gives its manifest.

        Raises:
            NotFound: nothing matches, or no checkpoint covers it yet. TooLarge: over `records_max` records.
            AuditBroken: what is stored does not lead to what was signed, or the key that signs is gone; there is no pack of that.
        """
        pack = Container(out)
        async with self._database.tenant(tenant) as conn:
            ring = KeyRing(origin=self._ring.origin, key_name=self._ring.key_name, first=self._ring.keys[0].public_key)
            await ring.load(conn)
            private_key = await self._private_keys.current(conn, ring)
            signed = await proofs.checkpoint(conn, None)
            ring.verify(signed.note)
            seen = _Seen()
            batches = [batch async for batch in self._records(conn, matching, signed.size, seen)]
            if not seen.positions:
                raise NotFound(
                    "No audit record matches.", fix="Widen the filter, or wait a second for the next checkpoint."
                )
            pack.add("records.txt", batches)
            pack.add(
                "nodes.txt", [f"{one.hex()}\n".encode() async for one in _nodes(conn, seen.positions, signed.size)]
            )
            pack.add("checkpoint.txt", [signed.note.encode()])
            pack.add("keys.json", [canonical.dumps(_keys(ring))])
            pack.add("witnesses.json", [canonical.dumps([one async for one in _witnessed(conn, signed)])])
            automations = await _automations(conn, seen.tasks)
        policies = _add_policies(pack, seen.versions, materials)
        for (automation, name), text in sorted(materials.models.items()):
            if automation in automations:
                pack.add(f"model-cards/{automation}/{name}", [text.encode()])
        if materials.tsa_roots is not None:
            pack.add("tsa-roots.pem", [materials.tsa_roots])
        for name, text in (("verify.py", verifier()), ("README.md", _own("pack_readme.md"))):
            pack.add(name, [text.encode()])
        manifest = {
            "v": 2,
            "tenant": tenant,
            "made_at": at,
            "filter": matching.as_json(),
            "records": len(seen.positions),
            "positions": _ranges(seen.positions),
            "checkpoint_size": signed.size,
            "policies": policies,
            "policies_missing": sorted(seen.versions - policies.keys()),
            "files": list(pack.files),
        }
        data = canonical.dumps(manifest)
        pack.add("manifest.json", [data])
        body = signed_text(ring.origin, data)
        pack.add("manifest.note", [checkpoints.sign_text(body, ring.key_name, private_key).encode()])
        pack.close()
        return manifest

    async def _records(self, conn: Connection, matching: Filter, size: int, seen: _Seen) -> AsyncIterator[bytes]:
        async for found in audit_records.stream(conn, matching=matching, below=size, batch=RECORDS_BATCH):
            if len(seen.positions) + len(found) > self._records_max:
                raise TooLarge(
                    f"Over {self._records_max} records match.",
                    fix="Narrow the filter, or raise INTERLOCK_EVIDENCE_RECORDS_MAX.",
                )
            yield b"".join(_line(record, seen) for record in found)
            seen.tasks.update(record.task_id for record in found if record.task_id is not None)


async def _automations(conn: Connection, tasks: Iterable[str]) -> set[str]:
    """Give whose tasks these are."""
    query = "select distinct automation from tasks where tenant = current_tenant() and id = any(%s)"
    return {row[0] for row in await (await conn.execute(query, (sorted(tasks),))).fetchall()}


def _line(record: AuditRecord, seen: _Seen) -> bytes:
    data = record.leaf.encode()
    seen.positions.append(record.position)
    version = record.facts.get("policy_version")
    if version:
        seen.versions.add(version)
    return b"%d %s %s\n" % (record.position, leaf_hash(data).hex().encode(), data)


async def _nodes(conn: Connection, positions: Sequence[int], size: int) -> AsyncIterator[bytes]:
    """Give the roots of what is not in the pack, level by level from the left, in the order in which a verifier needs them."""
    waiting: list[tuple[int, int]] = []
    for one in _absent(positions, size):
        waiting.append(one)
        if len(waiting) == RANGES_BATCH:
            for hashed in await subtrees.roots(conn, waiting):
                yield hashed
            waiting = []
    if waiting:
        for hashed in await subtrees.roots(conn, waiting):
            yield hashed


def _absent(positions: Sequence[int], size: int) -> Iterator[tuple[int, int]]:
    """Give the ranges of leaves whose roots a verifier cannot compute from these positions."""
    places, count, height = list(positions), size, 0
    while count > 1:
        known = set(places)
        for place in places:
            sibling = place ^ 1
            if sibling < count and sibling not in known:
                yield sibling << height, min((sibling + 1) << height, size)
        places = sorted({place >> 1 for place in places})
        count, height = (count + 1) >> 1, height + 1


async def _witnessed(conn: Connection, signed: Signed) -> AsyncIterator[dict[str, Any]]:
    """Give the newest statements of each witness, each with the proof that the pack's tree continues what it saw."""
    for witness, size, kind, statement, root, note in await (
        await conn.execute(_STATEMENTS.encode(), (signed.size, WITNESSED_MAX))
    ).fetchall():
        old = Signed(size=size, root=bytes(root), note=note)
        proof = await proofs.consistency(conn, old, signed)
        yield {
            "witness": witness,
            "kind": kind,
            "size": size,
            "note": note,
            "statement": base64.b64encode(bytes(statement)).decode(),
            "consistency": [one.hex() for one in proof],
        }


def _keys(ring: KeyRing) -> dict[str, Any]:
    return {
        "origin": ring.origin,
        "keys": [
            {
                "number": key.number,
                "verifier_key": ring.verifier(key),
                "from_size": key.from_size,
                "introduction": key.introduction,
            }
            for key in ring.keys
        ],
    }


def _add_policies(pack: Container, versions: set[str], materials: Materials) -> dict[str, list[list[str]]]:
    """Write the texts of the bundles that decided and are known; gives what stands where, by version."""
    found: dict[str, list[list[str]]] = {}
    for version in sorted(versions & materials.policies.keys()):
        found[version] = []
        for number, (what, text) in enumerate(materials.policies[version]):
            suffix = "cedarschema" if what == "schema" else "cedar"
            name = f"policies/{version}/{number:02d}.{suffix}"
            pack.add(name, [text.encode()])
            found[version].append([what, name])
    return found


def _ranges(positions: Sequence[int]) -> list[list[int]]:
    found: list[list[int]] = []
    for one in positions:
        if found and found[-1][1] == one:
            found[-1][1] = one + 1
        else:
            found.append([one, one + 1])
    return found


def signed_text(origin: str, manifest: bytes) -> str:
    """Give what is signed of a pack: whose log it is of, and the SHA-256 of its manifest, which holds that of every other file."""
    return f"{origin}/evidence-pack\n{hashlib.sha256(manifest).hexdigest()}\n"


def verifier() -> str:
    """Give the program that verifies a pack, as one file: the verifier with what it reads packs by in the place of its import."""
    reader = _own("pack_reader.py").partition("from __future__ import annotations\n")[2].strip()
    return _own("pack_verifier.py").replace(
        "from interlock.governance.pack_reader import STRICT, Broken, Pack, check_form, part, printable\n",
        reader + "\n",
    )


def _own(name: str) -> str:
    try:
        return (resources.files("interlock.governance") / name).read_text(encoding="utf-8")
    except OSError as error:
        raise InterlockError(f"{name} is not in this installation.", fix="Install Interlock again.") from error
