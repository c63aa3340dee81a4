"""The Merkle tree of the audit log: pure functions over leaf hashes (RFC 9162, section 2.1; the hashing of RFC 6962).

Leaves and nodes hash under different prefixes, so that a node can never pass for a leaf. A tree of n leaves splits at the
largest power of two below n. `Frontier` holds what appending needs: the roots of its perfect subtrees, O(log n) hashes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

from interlock.domain.errors import AuditBroken

HASH_BYTES: Final = 32
# Roots of perfect subtrees are kept at every eighth height, as in C2SP tiles: a row for 256 leaves, and a proof reads a few hundred hashes.
NODE_HEIGHT_STEP: Final = 8
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


class Node(NamedTuple):
    """The root of the perfect subtree over leaves `place << height` and the next `1 << height` ones."""

    height: int
    place: int
    hash: bytes


@dataclass(frozen=True, kw_only=True)
class Frontier:
    """The right edge of a tree: enough to append to it and to give its root, without its leaves.

    Attributes:
        size: number of leaves.
        hashes: roots of the perfect subtrees, the largest (leftmost) first: one for each bit that is set in `size`.
    """

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.hashes) != self.size.bit_count():
            raise AuditBroken(f"A frontier of size {self.size} cannot have {len(self.hashes)} hashes.")
        _check_hashes(self.hashes)

    def append(self, leaf: bytes) -> Frontier:
        """Give the frontier with one more leaf hash: amortised one node hash, at most log2(size)."""
        return self.extend((leaf,))

    def extend(self, leaves: Iterable[bytes], nodes: list[Node] | None = None) -> Frontier:
        """Give the frontier with these leaf hashes appended in order; `nodes` takes the subtrees of kept heights that they complete."""
        size, hashes = self.size, list(self.hashes)
        for leaf in leaves:
            _check_hashes((leaf,))
            # Each trailing set bit of the size is a perfect subtree that the new one completes.
            merged, bits, height = leaf, size, 0
            while bits & 1:
                merged = node_hash(hashes.pop(), merged)
                bits >>= 1
                height += 1
                if nodes is not None and not height % NODE_HEIGHT_STEP:
                    nodes.append(Node(height, size >> height, merged))
            hashes.append(merged)
            size += 1
        return Frontier(size=size, hashes=tuple(hashes))

    def root(self) -> bytes:
        if not self.hashes:
            return EMPTY_ROOT
        root = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            root = node_hash(left, root)
        return root

    def to_bytes(self) -> bytes:
        """Give 8 bytes of size (big-endian) and the hashes."""
        return self.size.to_bytes(8, "big") + b"".join(self.hashes)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` gave; raises AuditBroken where it could not have."""
        if len(data) < 8 or (len(data) - 8) % HASH_BYTES:
            raise AuditBroken(f"A stored frontier has {len(data)} bytes.")
        hashes = tuple(data[at : at + HASH_BYTES] for at in range(8, len(data), HASH_BYTES))
        return cls(size=int.from_bytes(data[:8], "big"), hashes=hashes)


def root(leaves: Iterable[bytes]) -> bytes:
    """Give the root over leaf hashes, MTH of RFC 9162; O(n) time, O(log n) memory."""
    return Frontier().extend(leaves).root()


def inclusion_proof(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """Give the path of the leaf at `index` to the root of all `leaves`; raises IndexError where there is no such leaf."""
    return tuple(root(leaves[low:high]) for low, high in inclusion_ranges(index, len(leaves)))


def inclusion_ranges(index: int, size: int) -> list[tuple[int, int]]:
    """Give the ranges of leaves whose roots are the path of a leaf in a tree of `size`, leaf to root (RFC 9162, section 2.1.3.1).

    Raises:
        IndexError: there is no such leaf.
    """
    if not 0 <= index < size:
        raise IndexError(f"leaf {index} of {size}")
    path: list[tuple[int, int]] = []
    low, high = 0, size
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append((middle, high))
            high = middle
        else:
            path.append((low, middle))
            low = middle
    return path[::-1]


def verify_inclusion(*, leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that the leaf hash is number `index` of the tree of `size` with this root (RFC 9162, section 2.1.3.2).

    Raises:
        AuditBroken: it is not, or the proof is not one.
    """
    _check_hashes((leaf, root, *proof))
    if not 0 <= index < size:
        raise AuditBroken(f"Leaf {index} lies outside a tree of {size}.")
    first, last, computed = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise AuditBroken("The inclusion proof is too long.")
        if first & 1 or first == last:
            computed = node_hash(sibling, computed)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            computed = node_hash(computed, sibling)
        first, last = first >> 1, last >> 1
    if last:
        raise AuditBroken("The inclusion proof is too short.")
    if computed != root:
        raise AuditBroken(f"Leaf {index} is not in the tree of {size} with this root.")


def consistency_proof(leaves: Sequence[bytes], size: int) -> tuple[bytes, ...]:
    """Prove that the tree of the first `size` leaves is a beginning of the tree of all; raises IndexError for a size over theirs."""
    return tuple(root(leaves[low:high]) for low, high in consistency_ranges(size, len(leaves)))


def consistency_ranges(old_size: int, new_size: int) -> list[tuple[int, int]]:
    """Give the ranges of leaves whose roots prove that one tree begins the other (RFC 9162, section 2.1.4.1).

    Empty where the trees are the same or the first is empty: the roots alone say it all.

    Raises:
        IndexError: `old_size` is over `new_size`.
    """
    if not 0 <= old_size <= new_size:
        raise IndexError(f"size {old_size} of {new_size}")
    if old_size in (0, new_size):
        return []
    path: list[tuple[int, int]] = []
    low, high, known = 0, new_size, True
    while old_size != high:
        middle = low + _split(high - low)
        if old_size <= middle:
            path.append((middle, high))
            high = middle
        else:
            path.append((low, middle))
            low, known = middle, False
    # The subtree that both trees end in: the verifier knows it only if it is the whole of the first tree.
    if not known:
        path.append((low, high))
    return path[::-1]


def perfect_subtrees(low: int, high: int) -> list[tuple[int, int]]:
    """Split a range that is a subtree (as the functions above give it) into perfect ones as (height, index), left to right."""
    found = []
    while low < high:
        # What begins at `low` is as large as its alignment and the rest allow.
        height = (high - low).bit_length() - 1
        if low:
            height = min(height, (low & -low).bit_length() - 1)
        found.append((height, low >> height))
        low += 1 << height
    return found


def fold(hashes: Sequence[bytes]) -> bytes:
    """Give the root of a subtree from the roots of its perfect parts, left to right, the largest first."""
    result = hashes[-1]
    for left in reversed(hashes[:-1]):
        result = node_hash(left, result)
    return result


def verify_consistency(
    *, old_size: int, new_size: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes
) -> None:
    """Check that the new tree begins with all of the old one (RFC 9162, section 2.1.4.2).

    Raises:
        AuditBroken: it does not, or the proof is not one.
    """
    _check_hashes((old_root, new_root, *proof))
    if not 0 <= old_size <= new_size:
        raise AuditBroken(f"A tree of {new_size} cannot continue one of {old_size}.")
    if old_size in (0, new_size):
        expected = EMPTY_ROOT if old_size == 0 else new_root
        if proof or old_root != expected or (new_size == 0 and new_root != EMPTY_ROOT):
            raise AuditBroken(f"The tree of {new_size} does not continue that of {old_size}.")
        return
    path = list(proof) if old_size & (old_size - 1) else [old_root, *proof]
    if not path:
        raise AuditBroken("The consistency proof is empty.")
    first, last = old_size - 1, new_size - 1
    while first & 1:
        first, last = first >> 1, last >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise AuditBroken("The consistency proof is too long.")
        if first & 1 or first == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        first, last = first >> 1, last >> 1
    if last:
        raise AuditBroken("The consistency proof is too short.")
    if old != old_root or new != new_root:
        raise AuditBroken(f"The tree of {new_size} does not continue that of {old_size}.")


def _split(size: int) -> int:
    """Give the largest power of two below `size` (which is over 1)."""
    return 1 << ((size - 1).bit_length() - 1)


def _check_hashes(hashes: Iterable[bytes]) -> None:
    if any(len(h) != HASH_BYTES for h in hashes):
        raise AuditBroken(f"A hash of the tree does not have {HASH_BYTES} bytes.")
