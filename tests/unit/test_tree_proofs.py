"""Proofs from ranges of leaves against a tree that is written out as RFC 9162 defines it: every small size, and random larger ones."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.domain.errors import AuditBroken
from interlock.governance import merkle
from interlock.governance.merkle import Frontier, Node

LEAVES = [merkle.leaf_hash(str(n).encode()) for n in range(2_000)]


def naive_root(leaves: Sequence[bytes]) -> bytes:
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return hashlib.sha256(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:])).digest()


def split(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def naive_path(m: int, leaves: Sequence[bytes]) -> list[bytes]:
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return [*naive_path(m, leaves[:k]), naive_root(leaves[k:])]
    return [*naive_path(m - k, leaves[k:]), naive_root(leaves[:k])]


def naive_consistency(m: int, leaves: Sequence[bytes], whole: bool = True) -> list[bytes]:
    if m == len(leaves):
        return [] if whole else [naive_root(leaves)]
    k = split(len(leaves))
    if m <= k:
        return [*naive_consistency(m, leaves[:k], whole), naive_root(leaves[k:])]
    return [*naive_consistency(m - k, leaves[k:], False), naive_root(leaves[:k])]


def from_nodes(size: int, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
    """Compute roots as the store does: from leaves, and subtrees of 256 and 65,536 leaves."""
    nodes: list[Node] = []
    Frontier().extend(LEAVES[:size], nodes)
    stored = {(height, place): hashed for height, place, hashed in nodes}
    stored |= {(0, n): LEAVES[n] for n in range(size)}

    def perfect(height: int, place: int) -> bytes:
        if height % 8 == 0:
            return stored[height, place]
        return merkle.node_hash(perfect(height - 1, place * 2), perfect(height - 1, place * 2 + 1))

    return [merkle.fold([perfect(*one) for one in merkle.perfect_subtrees(low, high)]) for low, high in ranges]


def check(size: int, index: int, old: int) -> None:
    leaves = LEAVES[:size]
    root = naive_root(leaves)
    path = from_nodes(size, merkle.inclusion_ranges(index, size))
    assert path == naive_path(index, leaves)
    merkle.verify_inclusion(leaf=leaves[index], index=index, size=size, proof=path, root=root)
    proof = from_nodes(size, merkle.consistency_ranges(old, size))
    assert proof == naive_consistency(old, leaves)
    merkle.verify_consistency(
        old_size=old, new_size=size, proof=proof, old_root=naive_root(leaves[:old]), new_root=root
    )


def test_every_size_to_64() -> None:
    for size in range(1, 65):
        for one in range(size):
            check(size, one, one + 1)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), size=st.integers(1, 2_000))
def test_random_sizes_to_2000(data: st.DataObject, size: int) -> None:
    check(size, data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size)))


@settings(max_examples=60, deadline=None)
@given(data=st.data(), size=st.integers(2, 500))
def test_a_proof_with_one_wrong_bit_does_not_hold(data: st.DataObject, size: int) -> None:
    index = data.draw(st.integers(0, size - 1))
    path = [bytearray(one) for one in merkle.inclusion_proof(LEAVES[:size], index)]
    at = data.draw(st.integers(0, len(path) * 256 - 1))
    path[at // 256][at % 256 // 8] ^= 1 << at % 8
    with pytest.raises(AuditBroken):
        merkle.verify_inclusion(
            leaf=LEAVES[index],
            index=index,
            size=size,
            proof=[bytes(one) for one in path],
            root=merkle.root(LEAVES[:size]),
        )


def test_ranges_outside_of_the_tree_are_refused() -> None:
    for size, index in ((0, 0), (5, 5), (5, -1)):
        with pytest.raises(IndexError):
            merkle.inclusion_ranges(index, size)
    with pytest.raises(IndexError):
        merkle.consistency_ranges(6, 5)
