"""Roots of subtrees from what is stored: every leaf's hash, and the roots of perfect subtrees at every eighth height.

A proof in a log of a million records reads some hundred hashes in two or three statements, and no leaf's text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from interlock.domain.errors import AuditBroken
from interlock.governance import merkle
from interlock.governance.merkle import NODE_HEIGHT_STEP, Node
from interlock.infra.database import Connection

_NODES: Final = """
select n.index, n.hash from unnest(%s::bigint[], %s::bigint[]) as asked(low, high)
join audit_nodes n on n.height = %s and n.index >= asked.low and n.index < asked.high"""
_LEAVES: Final = "select place, hash from audit_hashes(%s::bigint[], %s::bigint[])"
_INSERT: Final = """
insert into audit_nodes (height, index, hash) select * from unnest(%s::smallint[], %s::bigint[], %s::bytea[])
on conflict do nothing"""
_COUNT: Final = "select count(*) from audit_nodes where height = 8"

# As many as the database's function gives of one range.
RANGE_MAX: Final = 65_536

Range = tuple[int, int]


async def roots(conn: Connection, ranges: Sequence[Range]) -> list[bytes]:
    """Give the root of each range of leaves; each must be a subtree of a tree that a checkpoint covers.

    Raises:
        AuditBroken: hashes are missing.
    """
    parts = [merkle.perfect_subtrees(low, high) for low, high in ranges]
    wanted: dict[int, set[Range]] = {}
    for height, index in (one for some in parts for one in some):
        base, span = _stored(height)
        wanted.setdefault(base, set()).add((index * span, (index + 1) * span))
    have = {base: await hashes_at(conn, base, sorted(some)) for base, some in wanted.items()}
    return [merkle.fold([_root(have, height, index) for height, index in some]) for some in parts]


async def hashes_at(conn: Connection, height: int, ranges: Sequence[Range]) -> dict[int, bytes]:
    """Give the stored hashes of a height (a multiple of 8) in ranges of their index. Raises AuditBroken where one is missing."""
    merged = _merged(ranges)
    lows, highs = [low for low, _ in merged], [high for _, high in merged]
    if height == 0:
        rows = await (await conn.execute(_LEAVES, (lows, highs))).fetchall()
    else:
        rows = await (await conn.execute(_NODES.encode(), (lows, highs, height))).fetchall()
    found = {row[0]: bytes(row[1]) for row in rows}
    if len(found) != sum(high - low for low, high in merged):
        missing = next(n for low, high in merged for n in range(low, high) if n not in found)
        raise AuditBroken(
            f"The audit log has no hash for {_named(height, missing)}.",
            fix="Run `interlock audit verify`; nodes of an older version's log are filled in by the relay's first checkpoint.",
        )
    return found


async def keep(conn: Connection, nodes: Sequence[Node]) -> None:
    """Store roots of perfect subtrees; those that are there stay as they are."""
    if nodes:
        columns = ([n.height for n in nodes], [n.place for n in nodes], [n.hash for n in nodes])
        await conn.execute(_INSERT.encode(), columns)


async def complete(conn: Connection, size: int) -> bool:
    """Tell whether the subtrees of a tree of this size are all stored, by their number at the lowest height."""
    row = await (await conn.execute(_COUNT)).fetchone()
    return row is not None and int(row[0]) >= size >> NODE_HEIGHT_STEP


def _stored(height: int) -> tuple[int, int]:
    """Give the height at which hashes are stored below this one, and how many of them make one up."""
    base = height - height % NODE_HEIGHT_STEP
    return base, 1 << (height - base)


def _root(have: dict[int, dict[int, bytes]], height: int, index: int) -> bytes:
    base, span = _stored(height)
    level = [have[base][n] for n in range(index * span, (index + 1) * span)]
    while len(level) > 1:
        level = [merkle.node_hash(level[n], level[n + 1]) for n in range(0, len(level), 2)]
    return level[0]


def _merged(ranges: Iterable[Range]) -> list[Range]:
    merged: list[Range] = []
    for low, high in sorted(ranges):
        if merged:
            low = max(low, merged[-1][1])
        if low >= high:
            continue
        if merged and low <= merged[-1][1] and high - merged[-1][0] <= RANGE_MAX:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return merged


def _named(height: int, index: int) -> str:
    return f"position {index}" if height == 0 else f"positions {index << height} to {((index + 1) << height) - 1}"
