"""The Merkle tree against the reference vectors of RFC 6962's own tests, and against the definitions of RFC 9162."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.domain.errors import AuditBroken
from interlock.governance import merkle
from interlock.governance.merkle import Frontier, leaf_hash, node_hash

INPUTS = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LEAVES = [leaf_hash(number.to_bytes(2, "big")) for number in range(70)]


def split(size: int) -> int:
    power = 1
    while power * 2 < size:
        power *= 2
    return power


def defined_root(leaves: Sequence[bytes]) -> bytes:
    """MTH, as RFC 9162, section 2.1.1 defines it."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return node_hash(defined_root(leaves[:k]), defined_root(leaves[k:]))


def defined_path(index: int, leaves: Sequence[bytes]) -> tuple[bytes, ...]:
    """PATH, section 2.1.3.1."""
    if len(leaves) == 1:
        return ()
    k = split(len(leaves))
    if index < k:
        return (*defined_path(index, leaves[:k]), defined_root(leaves[k:]))
    return (*defined_path(index - k, leaves[k:]), defined_root(leaves[:k]))


def defined_subproof(size: int, leaves: Sequence[bytes], known: bool) -> tuple[bytes, ...]:
    """SUBPROOF, section 2.1.4.1."""
    if size == len(leaves):
        return () if known else (defined_root(leaves),)
    k = split(len(leaves))
    if size <= k:
        return (*defined_subproof(size, leaves[:k], known), defined_root(leaves[k:]))
    return (*defined_subproof(size - k, leaves[k:], False), defined_root(leaves[:k]))


@pytest.mark.parametrize("size", range(9))
def test_reference_roots(size: int) -> None:
    leaves = [leaf_hash(data) for data in INPUTS[:size]]
    assert merkle.root(leaves).hex() == ROOTS[size]
    frontier = Frontier()
    for leaf in leaves:
        frontier = frontier.append(leaf)
    assert frontier.root().hex() == ROOTS[size]


@given(st.integers(0, 70), st.integers(0, 70))
def test_a_frontier_continues_where_it_was_stored(size: int, more: int) -> None:
    size, total = sorted((size, more))
    stored = Frontier().extend(LEAVES[:size]).to_bytes()
    assert len(stored) == 8 + 32 * size.bit_count()
    continued = Frontier.from_bytes(stored).extend(LEAVES[size:total])
    assert continued == Frontier().extend(LEAVES[:total])
    assert continued.root() == defined_root(LEAVES[:total])


@pytest.mark.parametrize("data", [b"", b"\0" * 7, bytes(8) + bytes(32), (3).to_bytes(8, "big") + bytes(32), bytes(9)])
def test_what_is_no_frontier_is_refused(data: bytes) -> None:
    with pytest.raises(AuditBroken):
        Frontier.from_bytes(data)


def test_a_leaf_that_is_no_hash_is_refused() -> None:
    with pytest.raises(AuditBroken):
        Frontier().append(b"record")


def test_every_inclusion_proof_of_small_trees() -> None:
    for size in range(1, 34):
        leaves, root = LEAVES[:size], merkle.root(LEAVES[:size])
        for index in range(size):
            proof = merkle.inclusion_proof(leaves, index)
            assert proof == defined_path(index, leaves)
            merkle.verify_inclusion(leaf=leaves[index], index=index, size=size, proof=proof, root=root)


def test_every_consistency_proof_of_small_trees() -> None:
    for new in range(34):
        leaves = LEAVES[:new]
        for old in range(new + 1):
            proof = merkle.consistency_proof(leaves, old)
            assert proof == (defined_subproof(old, leaves, True) if old else ())
            merkle.verify_consistency(
                old_size=old,
                new_size=new,
                proof=proof,
                old_root=merkle.root(leaves[:old]),
                new_root=merkle.root(leaves),
            )


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8 % len(data)] ^= 1 << bit % 8
    return bytes(changed)


@given(size=st.integers(1, 70), index=st.integers(0, 69), bit=st.integers(0, 255), what=st.integers(0, 6))
def test_a_changed_inclusion_proof_fails(size: int, index: int, bit: int, what: int) -> None:
    index %= size
    leaves = LEAVES[:size]
    leaf, root, proof = leaves[index], merkle.root(leaves), list(merkle.inclusion_proof(leaves, index))
    at_size, at_index = size, index
    if what == 0:
        leaf = flipped(leaf, bit)
    elif what == 1:
        root = flipped(root, bit)
    elif what == 2 and proof:
        proof[bit % len(proof)] = flipped(proof[bit % len(proof)], bit)
    elif what == 3:
        proof.append(root)
    elif what == 4 and proof:
        proof.pop(bit % len(proof))
    elif what == 5 and size > 1:
        at_index = (index + 1 + bit % (size - 1)) % size
    else:
        at_index = size
    with pytest.raises(AuditBroken):
        merkle.verify_inclusion(leaf=leaf, index=at_index, size=at_size, proof=proof, root=root)


@given(sizes=st.tuples(st.integers(0, 70), st.integers(0, 70)), bit=st.integers(0, 255), what=st.integers(0, 4))
def test_a_changed_consistency_proof_fails(sizes: tuple[int, int], bit: int, what: int) -> None:
    old, new = sorted(sizes)
    old_root, new_root = merkle.root(LEAVES[:old]), merkle.root(LEAVES[:new])
    proof = list(merkle.consistency_proof(LEAVES[:new], old))
    if what == 0 or (old == 0 and what != 1):
        old_root = flipped(old_root, bit)
    elif what == 1:
        proof.append(new_root)
    elif what == 2 and proof:
        proof[bit % len(proof)] = flipped(proof[bit % len(proof)], bit)
    elif what == 3 and proof:
        proof.pop(bit % len(proof))
    else:
        new_root = flipped(new_root, bit)
    with pytest.raises(AuditBroken):
        merkle.verify_consistency(old_size=old, new_size=new, proof=proof, old_root=old_root, new_root=new_root)


@given(size=st.integers(2, 70), index=st.integers(0, 69), old=st.integers(1, 70), bit=st.integers(0, 255))
def test_a_rewritten_record_breaks_consistency(size: int, index: int, old: int, bit: int) -> None:
    old = 1 + old % (size - 1)
    index %= old
    rewritten = [flipped(leaf, bit) if at == index else leaf for at, leaf in enumerate(LEAVES[:size])]
    with pytest.raises(AuditBroken):
        merkle.verify_consistency(
            old_size=old,
            new_size=size,
            proof=merkle.consistency_proof(rewritten, old),
            old_root=merkle.root(LEAVES[:old]),
            new_root=merkle.root(rewritten),
        )


def test_a_proof_of_another_length_says_so() -> None:
    leaves, root = LEAVES[:7], merkle.root(LEAVES[:7])
    proof = merkle.inclusion_proof(leaves, 3)
    for wrong, what in (((*proof, root), "too long"), (proof[:-1], "too short")):
        with pytest.raises(AuditBroken, match=what):
            merkle.verify_inclusion(leaf=leaves[3], index=3, size=7, proof=wrong, root=root)
    proof, old = merkle.consistency_proof(leaves, 3), merkle.root(leaves[:3])
    for wrong, what in (((*proof, root), "too long"), (proof[:-1], "too short"), ((), "empty")):
        with pytest.raises(AuditBroken, match=what):
            merkle.verify_consistency(old_size=3, new_size=7, proof=wrong, old_root=old, new_root=root)


def test_proofs_of_what_is_not_there() -> None:
    with pytest.raises(IndexError):
        merkle.inclusion_proof(LEAVES, len(LEAVES))
    with pytest.raises(IndexError):
        merkle.consistency_proof(LEAVES, len(LEAVES) + 1)
    with pytest.raises(AuditBroken, match="cannot continue"):
        merkle.verify_consistency(old_size=2, new_size=1, proof=(), old_root=LEAVES[0], new_root=LEAVES[0])
