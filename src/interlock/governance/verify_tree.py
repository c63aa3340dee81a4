"""The part of `verify` that reads the log itself: positions in order, leaves, the tree, and every checkpoint."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from interlock.domain import canonical
from interlock.domain.errors import AuditBroken
from interlock.governance import checkpoints
from interlock.governance.findings import FINDINGS_MAX, Findings
from interlock.governance.merkle import HASH_BYTES, Frontier, leaf_hash
from interlock.infra.database import Connection

LEAVES_BATCH: Final = 5_000
CHECKPOINTS_BATCH: Final = 1_000
_BEFORE_ALL: Final = -(2**62)

_LEAVES = """
select p.position, p.record_id, p.tenant, p.leaf_hash, r.tenant, r.task_id, r.leaf
from audit_positions p left join audit_records r on r.id = p.record_id
where p.position > %s order by p.position limit %s"""
_CHECKPOINTS = "select size, root, frontier, note from audit_checkpoints where size > %s order by size limit %s"

_LOST = f"""
select 'its record is there', 'pending record ' || p.record_id from audit_pending p
where not exists (select from audit_records r where r.id = p.record_id)
union all
select 'it has a position or waits for one', 'record ' || r.id from audit_records r
where not exists (select from audit_positions p where p.record_id = r.id)
and not exists (select from audit_pending p where p.record_id = r.id)
union all
select 'it has one position', 'record ' || p.record_id from audit_positions p group by p.record_id having count(*) > 1
limit {FINDINGS_MAX}"""
_PENDING = "select count(*) from audit_pending"


async def check_tree(
    conn: Connection, *, origin: str, key_name: str, public_key: Ed25519PublicKey, covered: int, findings: Findings
) -> bytes:
    """Check positions, leaf hashes, tree and checkpoints, in one pass over the positions; give the root over all of them.

    Args:
        conn: the relay's snapshot.
        covered: how many positions a checkpoint covered before the snapshot was taken.
    """
    judge = _Judge(origin, key_name, public_key, findings)
    signed = _checkpoints(conn)
    checkpoint = await anext(signed, None)
    frontier, expected, last = Frontier(), 0, 0
    async for rows in _leaves(conn):
        hashes = []
        for row in rows:
            findings.check("positions follow one another", f"position {row[0]}", expected=expected, found=row[0])
            expected = row[0] + 1
            hashes.append(_checked_leaf(row, findings))
        at = 0
        while checkpoint is not None and checkpoint[0] <= frontier.size + len(hashes) - at:
            take = max(0, checkpoint[0] - frontier.size)
            frontier = frontier.extend(hashes[at : at + take])
            judge.checkpoint(checkpoint, frontier)
            at, last = at + take, checkpoint[0]
            checkpoint = await anext(signed, None)
        frontier = frontier.extend(hashes[at:])
        findings.records += len(rows)
    while checkpoint is not None:
        judge.checkpoint(checkpoint, frontier)
        last = checkpoint[0]
        checkpoint = await anext(signed, None)
    if last < covered or (frontier.size and not last):
        findings.add(
            "a checkpoint covers it", f"positions {last} to {frontier.size - 1}", expected=covered or "one", found=last
        )
    await _check_lost(conn, findings)
    return frontier.root()


def _checked_leaf(row: tuple[Any, ...], findings: Findings) -> bytes:
    """Check a leaf against its record; give the hash that the tree takes at its place.

    That is the stored one, so that one leaf that was changed does not break every later checkpoint too.
    """
    position, record_id, tenant, stored, record_tenant, task_id, leaf = row
    where = f"position {position} (record {record_id})"
    stored = bytes(stored)
    if leaf is None:
        findings.add("its record is there", where, expected=stored)
        return stored if len(stored) == HASH_BYTES else leaf_hash(b"")
    hashed = leaf_hash(leaf.encode())
    findings.check("the leaf's hash is that of its text", where, expected=stored, found=hashed)
    try:
        facts = canonical.loads(leaf)
        said = (facts["tenant"], facts.get("task"))
    except (ValueError, KeyError, TypeError, AttributeError):
        findings.add("the leaf can be read", where, found=hashed)
    else:
        findings.check(
            "the record is of the leaf's tenant and task", where, expected=said, found=(record_tenant, task_id)
        )
    findings.check("the position is of the record's tenant", where, expected=record_tenant, found=tenant)
    return stored if len(stored) == HASH_BYTES else hashed


class _Judge:
    """Checks stored checkpoints against the tree."""

    def __init__(self, origin: str, key_name: str, public_key: Ed25519PublicKey, findings: Findings) -> None:
        self._origin = origin
        self._key_name = key_name
        self._public_key = public_key
        self._findings = findings

    def checkpoint(self, row: tuple[Any, ...], tree: Frontier) -> None:
        """Check one against the tree of its size (`tree` is of another size where the log has no such number of positions)."""
        size, root, frontier, note = row[0], bytes(row[1]), bytes(row[2]), row[3]
        where, findings = f"checkpoint {size}", self._findings
        findings.checkpoints += 1
        if not findings.check("the log is as long as its checkpoint", where, expected=size, found=tree.size):
            return
        findings.check("the root is that of the tree", where, expected=tree.root(), found=root)
        findings.check("the frontier is that of the tree", where, expected=tree.to_bytes(), found=frontier)
        try:
            signed = checkpoints.verify(note, self._key_name, self._public_key)
        except AuditBroken as error:
            findings.add("it is signed", where, found=error.detail)
            return
        expected = (self._origin, size, tree.root().hex())
        findings.check(
            "what was signed is the tree",
            where,
            expected=expected,
            found=(signed.origin, signed.size, signed.root.hex()),
        )


async def _check_lost(conn: Connection, findings: Findings) -> None:
    for what, where in await (await conn.execute(_LOST.encode())).fetchall():
        findings.add(what, where)
    row = await (await conn.execute(_PENDING)).fetchone()
    findings.pending = int(row[0]) if row else 0


async def _leaves(conn: Connection) -> AsyncIterator[list[tuple[Any, ...]]]:
    last = _BEFORE_ALL
    while rows := await (await conn.execute(_LEAVES, (last, LEAVES_BATCH))).fetchall():
        yield rows
        last = rows[-1][0]


async def _checkpoints(conn: Connection) -> AsyncIterator[tuple[Any, ...]]:
    last = _BEFORE_ALL
    while rows := await (await conn.execute(_CHECKPOINTS, (last, CHECKPOINTS_BATCH))).fetchall():
        for row in rows:
            yield row
        last = rows[-1][0]
