"""The part of `verify` that reads the log itself: positions in order, leaves, the tree with its stored subtrees, every checkpoint, and
every checkpoint that a witness saw."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from interlock.domain import canonical
from interlock.domain.errors import AuditBroken
from interlock.governance.audit_keys import KeyRing
from interlock.governance.audit_log import KEY_ROTATED
from interlock.governance.findings import FINDINGS_MAX, Findings
from interlock.governance.merkle import HASH_BYTES, Frontier, Node, leaf_hash
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


_NODES = """
select asked.height, asked.index, n.hash from unnest(%s::smallint[], %s::bigint[]) as asked(height, index)
left join audit_nodes n on n.height = asked.height and n.index = asked.index"""
_NEWEST = "select coalesce(max(size), 0) from audit_checkpoints"
_NODE_COUNT = "select count(*) from audit_nodes"


@dataclass(frozen=True, kw_only=True)
class Witnessed:
    """A checkpoint that a witness holds, or that a stored statement of one speaks of."""

    witness: str
    size: int
    root: bytes


async def check_tree(
    conn: Connection, *, ring: KeyRing, covered: int, findings: Findings, witnessed: Sequence[Witnessed] = ()
) -> bytes:
    """Check positions, leaf hashes, tree and checkpoints, in one pass over the positions; give the root over all of them.

    Args:
        conn: the relay's snapshot.
        ring: every key that signed.
        covered: how many positions a checkpoint covered before the snapshot was taken.
        witnessed: what outsiders saw, in any order.
    """
    judge = _Judge(ring, findings)
    [(newest,)] = await (await conn.execute(_NEWEST)).fetchall()
    marks = _marks(conn, sorted(witnessed, key=lambda one: one.size))
    mark = await anext(marks, None)
    frontier, expected, nodes_total, rotations = Frontier(), 0, 0, _Rotations()
    async for rows in _leaves(conn):
        hashes = []
        nodes: list[Node] = []
        for row in rows:
            findings.check("positions follow one another", f"position {row[0]}", expected=expected, found=row[0])
            expected = row[0] + 1
            hashes.append(_checked_leaf(row, findings))
            rotations.see(row[0], row[6])
        at = 0
        while mark is not None and mark[0] <= frontier.size + len(hashes) - at:
            take = max(0, mark[0] - frontier.size)
            frontier = frontier.extend(hashes[at : at + take], nodes)
            judge(mark[1], frontier)
            at += take
            mark = await anext(marks, None)
        frontier = frontier.extend(hashes[at:], nodes)
        findings.records += len(rows)
        nodes_total += await _check_nodes(conn, nodes, newest, findings)
    while mark is not None:
        judge(mark[1], frontier)
        mark = await anext(marks, None)
    last = judge.last
    if last < covered or (frontier.size and not last):
        findings.add(
            "a checkpoint covers it", f"positions {last} to {frontier.size - 1}", expected=covered or "one", found=last
        )
    rotations.check(ring, findings)
    [(stored,)] = await (await conn.execute(_NODE_COUNT)).fetchall()
    if stored > nodes_total:
        findings.add("no subtree is stored that the tree does not have", "nodes", expected=nodes_total, found=stored)
    await _check_lost(conn, findings)
    return frontier.root()


async def _check_nodes(conn: Connection, nodes: Sequence[Node], covered: int, findings: Findings) -> int:
    """Hold stored subtrees against the tree; those over what a checkpoint covers may not be stored yet. Gives how many there are."""
    if not nodes:
        return 0
    expected = {(node.height, node.place): node.hash for node in nodes}
    asked = ([height for height, _ in expected], [index for _, index in expected])
    count = 0
    for height, index, stored in await (await conn.execute(_NODES.encode(), asked)).fetchall():
        low, high = index << height, (index + 1) << height
        if stored is None and high > covered:
            continue
        count += stored is not None
        findings.check(
            "the stored subtree is that of the tree",
            f"positions {low} to {high - 1}",
            expected=expected[height, index],
            found=None if stored is None else bytes(stored),
        )
    return count


class _Rotations:
    """The records of rotated keys, held against the keys themselves."""

    def __init__(self) -> None:
        self._seen: list[tuple[int, str]] = []

    def see(self, position: int, leaf: str | None) -> None:
        if leaf is not None and f'"kind":"{KEY_ROTATED}"' in leaf:
            self._seen.append((position, leaf))

    def check(self, ring: KeyRing, findings: Findings) -> None:
        """Each key after the first has one record below the size from which it signs, and each record its key."""
        left = dict(self._seen)
        for old, new in zip(ring.keys, ring.keys[1:], strict=False):
            said = f'"new_key":"{ring.verifier(new)}"', f'"old_key":"{ring.verifier(old)}"'
            found = [at for at, leaf in left.items() if at < new.from_size and all(one in leaf for one in said)]
            findings.check("a signing key has one record", f"key {new.number}", expected=1, found=len(found))
            for at in found:
                del left[at]
        for at in left:
            findings.add("a recorded signing key is there", f"position {at}")


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
    """Checks stored checkpoints, and what witnesses saw, against the tree."""

    def __init__(self, ring: KeyRing, findings: Findings) -> None:
        self._ring = ring
        self._findings = findings
        self._agreed: dict[str, int] = {}
        self.last = 0

    def __call__(self, mark: tuple[Any, ...] | Witnessed, tree: Frontier) -> None:
        """Check one against the tree of its size (`tree` is of another size where the log has no such number of positions)."""
        if isinstance(mark, Witnessed):
            self._witnessed(mark, tree)
        else:
            self.last = mark[0]
            self._checkpoint(mark, tree)

    def _witnessed(self, seen: Witnessed, tree: Frontier) -> None:
        findings, agreed = self._findings, self._agreed.get(seen.witness, 0)
        findings.witnessed += 1
        if seen.size > tree.size:
            findings.add(
                "the log is as long as what a witness saw",
                f"witness {seen.witness}: positions {tree.size} to {seen.size - 1}",
                expected=seen.size,
                found=tree.size,
            )
        elif findings.check(
            "the log is the one that a witness saw",
            f"witness {seen.witness}: positions {agreed} to {seen.size - 1}",
            expected=seen.root,
            found=tree.root(),
        ):
            self._agreed[seen.witness] = seen.size

    def _checkpoint(self, row: tuple[Any, ...], tree: Frontier) -> None:
        size, root, frontier, note = row[0], bytes(row[1]), bytes(row[2]), row[3]
        where, findings = f"checkpoint {size}", self._findings
        findings.checkpoints += 1
        if not findings.check("the log is as long as its checkpoint", where, expected=size, found=tree.size):
            return
        findings.check("the root is that of the tree", where, expected=tree.root(), found=root)
        findings.check("the frontier is that of the tree", where, expected=tree.to_bytes(), found=frontier)
        try:
            signed = self._ring.verify(note)
        except AuditBroken as error:
            findings.add("it is signed", where, found=error.detail)
            return
        expected = (self._ring.origin, size, tree.root().hex())
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


async def _marks(
    conn: Connection, witnessed: Sequence[Witnessed]
) -> AsyncIterator[tuple[int, tuple[Any, ...] | Witnessed]]:
    """Give stored checkpoints and witnessed ones by size, each with its size first."""
    last, at = _BEFORE_ALL, 0
    while rows := await (await conn.execute(_CHECKPOINTS, (last, CHECKPOINTS_BATCH))).fetchall():
        for row in rows:
            while at < len(witnessed) and witnessed[at].size < row[0]:
                yield witnessed[at].size, witnessed[at]
                at += 1
            yield row[0], row
        last = rows[-1][0]
    for one in witnessed[at:]:
        yield one.size, one
