"""Inclusion and consistency proofs (RFC 9162, sections 2.1.3 and 2.1.4), as one tenant may ask for them.

Each proof is checked against the signed root before it is handed out: one that does not hold is an error, and not an answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from interlock.domain.errors import NotFound
from interlock.governance import merkle, subtrees
from interlock.infra.database import Connection, Database

_CHECKPOINT: Final = "select size, root, note from audit_checkpoints where %(size)s::bigint is null or size = %(size)s order by size desc limit 1"
_LEAF: Final = """
select r.leaf, p.leaf_hash from audit_positions p join audit_records r on r.id = p.record_id
where p.tenant = current_tenant() and r.tenant = current_tenant() and p.position = %s"""
_FIRST_OF_TASK: Final = """
select p.position from audit_records r join audit_positions p on p.record_id = r.id
where r.tenant = current_tenant() and p.tenant = current_tenant() and r.task_id = %s order by p.position limit %s"""
POSITIONS_MAX: Final = 1_000


@dataclass(frozen=True, kw_only=True)
class Signed:
    """A checkpoint that a proof leads to: its size, its root and its signed note."""

    size: int
    root: bytes
    note: str


@dataclass(frozen=True, kw_only=True)
class Inclusion:
    """A leaf at its position, and the hashes from it to the root."""

    position: int
    leaf: str
    leaf_hash: bytes
    proof: tuple[bytes, ...]
    checkpoint: Signed


@dataclass(frozen=True, kw_only=True)
class Consistency:
    """Two checkpoints, and the hashes that show that the newer tree begins with the older one."""

    old: Signed
    new: Signed
    proof: tuple[bytes, ...]


class Proofs:
    """Makes proofs from stored hashes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def inclusion(self, tenant: str, position: int, *, size: int | None = None) -> Inclusion:
        """Prove that a record of the tenant is in the tree of a checkpoint (the newest, unless a size is given).

        Raises:
            NotFound: no such record of the tenant, or no such checkpoint, or one that does not cover it yet.
            AuditBroken: the stored hashes do not lead to the signed root.
        """
        async with self._database.tenant(tenant) as conn:
            signed = await checkpoint(conn, size)
            row = await (await conn.execute(_LEAF.encode(), (position,))).fetchone()
            if row is None:
                raise NotFound(f"There is no audit record at position {position}.")
            if position >= signed.size:
                raise NotFound(
                    f"The checkpoint of size {signed.size} does not cover position {position}.",
                    fix="Ask for a later size, or wait for the next checkpoint.",
                )
            proof = tuple(await subtrees.roots(conn, merkle.inclusion_ranges(position, signed.size)))
        leaf, leaf_hash = row[0], merkle.leaf_hash(row[0].encode())
        merkle.verify_inclusion(leaf=leaf_hash, index=position, size=signed.size, proof=proof, root=signed.root)
        return Inclusion(position=position, leaf=leaf, leaf_hash=leaf_hash, proof=proof, checkpoint=signed)

    async def consistency(self, tenant: str, old_size: int, new_size: int | None = None) -> Consistency:
        """Prove that the newer checkpoint's tree begins with the older one's; raises as `inclusion` does."""
        async with self._database.tenant(tenant) as conn:
            old, new = await checkpoint(conn, old_size), await checkpoint(conn, new_size)
            if old.size > new.size:
                raise NotFound(f"The checkpoint of size {new.size} is older than that of {old.size}.", fix="Swap them.")
            proof = await consistency(conn, old, new)
        return Consistency(old=old, new=new, proof=proof)

    async def positions_of(self, tenant: str, task_id: str) -> list[int]:
        """Give the positions of a task's records, oldest first, at most 1,000."""
        async with self._database.tenant(tenant) as conn:
            rows: list[tuple[Any, ...]] = await (
                await conn.execute(_FIRST_OF_TASK.encode(), (task_id, POSITIONS_MAX))
            ).fetchall()
        return [row[0] for row in rows]


async def checkpoint(conn: Connection, size: int | None) -> Signed:
    """Give the checkpoint of a size, or the newest; raises NotFound."""
    row = await (await conn.execute(_CHECKPOINT.encode(), {"size": size})).fetchone()
    if row is None:
        what = "There is no checkpoint yet." if size is None else f"There is no checkpoint of size {size}."
        raise NotFound(what, fix="Take a size that /v1/audit/checkpoints lists.")
    return Signed(size=row[0], root=bytes(row[1]), note=row[2])


async def consistency(conn: Connection, old: Signed, new: Signed) -> tuple[bytes, ...]:
    """Prove it from stored hashes; raises AuditBroken where the newer tree does not continue the older one."""
    proof = tuple(await subtrees.roots(conn, merkle.consistency_ranges(old.size, new.size)))
    merkle.verify_consistency(old_size=old.size, new_size=new.size, proof=proof, old_root=old.root, new_root=new.root)
    return proof
