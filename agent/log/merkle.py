"""The Merkle tree of RFC 9162, section 2.1, over SHA-256: roots, proofs and their checks, without any storage.

A tree of n leaves splits at the largest power of two below n. Whoever stores a tree keeps its full subtrees alone
(they never change once they are full) and hands them over through a `Node`; every other hash follows from them.
Hashes are 32 raw bytes. Whatever is handed over as a hash and has another length gives an IntegrityError, cause
``tree``, from every function here but `leaf_hash` and `node_hash`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ...errors import InputError, IntegrityError

__all__ = [
    "EMPTY",
    "HASH_BYTES",
    "MAX_PATH",
    "MAX_SIZE",
    "Frontier",
    "Node",
    "check_consistency",
    "check_inclusion",
    "consistency_path",
    "inclusion_path",
    "leaf_hash",
    "node_hash",
    "root_at",
    "tree_root",
]

HASH_BYTES = 32
"""Bytes of a hash (SHA-256)."""

EMPTY = hashlib.sha256(b"").digest()
"""Root of the tree without leaves: the hash of nothing (RFC 9162, section 2.1.1)."""

MAX_SIZE = 2**63 - 1
"""The most leaves a tree may have: what a signed 64-bit number holds, so that every reader can count them."""

MAX_PATH = 64
"""The most hashes that any proof over a tree of `MAX_SIZE` leaves can need."""

Node = Callable[[int, int], bytes]
"""Takes (level, position) and returns the hash of the full subtree over the leaves from position·2^level up to, and
without, (position + 1)·2^level. Level 0 holds the hashes of the leaves."""


def leaf_hash(content: bytes) -> bytes:
    """Hash the content of a leaf: SHA-256 of 0x00 and the content (RFC 9162, section 2.1.1)."""
    return hashlib.sha256(b"\x00" + content).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two subtrees into one: SHA-256 of 0x01 and both hashes (RFC 9162, section 2.1.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def tree_root(leaves: Sequence[bytes]) -> bytes:
    """Compute the root over hashes of leaves, level by level; a hash left alone at the end moves up as it is."""
    level = [_checked(leaf, "leaf", number) for number, leaf in enumerate(leaves)]
    if not level:
        return EMPTY
    sha256 = hashlib.sha256  # a name of its own: this loop runs once per leaf of the log
    while len(level) > 1:
        alone = level[-1:] if len(level) % 2 else []
        pairs = zip(level[0::2], level[1::2], strict=False)
        level = [sha256(b"\x01" + left + right).digest() for left, right in pairs] + alone
    return level[0]


@dataclass
class Frontier:
    """What must be remembered of a tree to append to it: the roots of its full subtrees, as many as size has 1-bits.

    Attributes:
        size: leaves in the tree.
        hashes: roots of the full subtrees, largest first: they lie side by side, from left to right.

    Raises:
        InputError: a size out of range, or another number of hashes than the size asks for.
    """

    size: int = 0
    hashes: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        _check_size(self.size)
        if len(self.hashes) != self.size.bit_count():
            raise InputError(
                f"{len(self.hashes)} subtrees cannot be the frontier of {self.size} leaves; use Frontier.at"
            )

    def append(self, leaf: bytes) -> list[tuple[int, int, bytes]]:
        """Add the hash of a leaf.

        Returns:
            The nodes that are full now, and never change again, as (level, position, hash), the leaf itself first.
        """
        found = [(0, self.size, _checked(leaf, "leaf", self.size))]
        level, position = 0, self.size
        while position & 1:  # each trailing 1-bit of the size is a full subtree that waits for its right half
            leaf = node_hash(self.hashes.pop(), leaf)
            level, position = level + 1, position >> 1
            found.append((level, position, leaf))
        self.hashes.append(leaf)
        self.size += 1
        return found

    def root(self) -> bytes:
        """Compute the root of the tree."""
        return _joined(self.hashes)

    @classmethod
    def at(cls, size: int, node: Node) -> Frontier:
        """Read the frontier of the first `size` leaves from a stored tree; InputError if no tree has that size."""
        _check_size(size)
        return cls(size, _full_subtrees(0, size, node))


def root_at(size: int, node: Node) -> bytes:
    """Compute the root of the first `size` leaves of a stored tree.

    Raises:
        InputError: a size out of range.
    """
    return Frontier.at(size, node).root()


def inclusion_path(number: int, size: int, node: Node) -> list[bytes]:
    """Prove that a leaf is in the tree of the first `size` leaves (RFC 9162, section 2.1.3.1).

    Returns:
        The hashes beside the way from leaf `number`, counted from 0, to the root, the leaf's neighbour first.

    Raises:
        InputError: no such leaf in a tree of this size.
    """
    _check_size(size)
    if not 0 <= number < size:
        raise InputError(f"leaf {number} is not in a tree of {size} leaves, which are numbered from 0")
    return _descend(number, size, node, to_leaf=True)[1]


def consistency_path(old: int, new: int, node: Node) -> list[bytes]:
    """Prove that the first `old` leaves of a tree of `new` leaves are those it once had (RFC 9162, section 2.1.4.1).

    Returns:
        The proof, deepest hash first; empty where old is 0 or equals new, for then there is nothing to prove.

    Raises:
        InputError: sizes out of range, or an old size beyond the new.
    """
    _check_size(new)
    if not 0 <= old <= new:
        raise InputError(f"a tree of {old} leaves is no earlier state of one of {new}; give the smaller size first")
    if old == 0:
        return []
    start, path = _descend(old - 1, new, node, to_leaf=False)
    if start:  # the verifier cannot take the old root itself as the seed: it covers more than this subtree
        return [_joined(_full_subtrees(start, old, node)), *path]
    return path


def check_inclusion(leaf: bytes, number: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Check that a leaf is in the tree that has this root (RFC 9162, section 2.1.3.2).

    The size is bound to the root by the checkpoint that signs both: by itself, a proof fits every size whose tree has
    the same way from the leaf to the root. `leaf` is the leaf's hash, `path` what `inclusion_path` gives.

    Raises:
        IntegrityError: it is not proven; the cause is ``tree``.
    """
    where = f"the proof that leaf {number} is in the tree of {size} leaves"
    if not 0 <= number < size <= MAX_SIZE:
        raise _broken(f"{where} is for no such leaf: numbers go from 0 to {size - 1}, sizes to {MAX_SIZE}")
    _check_hashes(where, path, leaf, root)
    found = _climb(number, size - 1, (leaf, leaf), path, where)[1]
    if found != root:
        raise _broken(f"{where} leads to the root {found.hex()}, not to {root.hex()}; entry, proof or root is altered")


def check_consistency(old: int, new: int, path: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """Check that a tree has only grown (RFC 9162, section 2.1.4.2).

    Everything is consistent with the empty tree: there, the old root must be `EMPTY` and the path empty, and nothing
    is said of the new root. `old` and `new` are numbers of leaves, `path` is what `consistency_path` gives.

    Raises:
        IntegrityError: it is not proven; the cause is ``tree``.
    """
    where = f"the proof that the tree of {old} leaves grew to {new}"
    if not 0 <= old <= new <= MAX_SIZE:
        raise _broken(f"{where} is for no such trees: a log never shrinks, and sizes go from 0 to {MAX_SIZE}")
    _check_hashes(where, path, old_root, new_root)
    if old in (0, new):
        if path:
            raise _broken(f"{where} has {len(path)} hashes where none is wanted; it was altered")
        if (old == 0 and old_root != EMPTY) or (old == new and old_root != new_root):
            raise _broken(f"{where} holds not: the old root is {old_root.hex()}, the new {new_root.hex()}")
        return
    if not path:
        raise _broken(f"{where} has no hashes; it was cut short")
    whole = old & (old - 1) == 0  # then the old root is itself a full subtree, and the proof leaves it out
    seed, rest = (old_root, path) if whole else (path[0], path[1:])
    level = (old & -old).bit_length() - 1  # trailing 1-bits of the last old leaf's number: the height of the seed
    before, after = _climb(old - 1 >> level, new - 1 >> level, (seed, seed), rest, where)
    for name, found, root in (("old", before, old_root), ("new", after, new_root)):
        if found != root:
            raise _broken(f"{where} leads to the {name} root {found.hex()}, not to {root.hex()}; history was rewritten")


def _descend(number: int, size: int, node: Node, *, to_leaf: bool) -> tuple[int, list[bytes]]:
    """Go from the root to a leaf, or down to where the leaf is the last of a subtree.

    Returns the first leaf of the subtree that was reached, and the hashes beside the way, lowest first.
    """
    start, end, path = 0, size, list[bytes]()
    while end - start > 1 and (to_leaf or end != number + 1):
        middle = start + (1 << (end - start - 1).bit_length() - 1)
        beside = (middle, end) if number < middle else (start, middle)
        path.append(_joined(_full_subtrees(*beside, node)))
        start, end = (start, middle) if number < middle else (middle, end)
    return start, path[::-1]


def _climb(
    number: int, last: int, seeds: tuple[bytes, bytes], path: Sequence[bytes], where: str
) -> tuple[bytes, bytes]:
    """Go from a node to the root, by the steps of RFC 9162, sections 2.1.3.2 and 2.1.4.2.

    `number` is the node's on its level, `last` that of the level's last node, `seeds` the node's hashes. Returns the
    roots of the tree that ends with this node, and of the whole one.
    """
    before, after = seeds
    for beside in path:
        if last == 0:
            raise _broken(f"{where} has more hashes than the way to the root has; it was altered")
        if number & 1 or number == last:
            before, after = node_hash(beside, before), node_hash(beside, after)
            while number and not number & 1:  # on the right edge, levels without a neighbour are passed over
                number, last = number >> 1, last >> 1
        else:
            after = node_hash(after, beside)
        number, last = number >> 1, last >> 1
    if last:
        raise _broken(f"{where} has fewer hashes than the way to the root has; it was cut short")
    return before, after


def _full_subtrees(start: int, end: int, node: Node) -> list[bytes]:
    """Roots of the full subtrees that lie side by side from start to end; start is a multiple of the first's width."""
    found = list[bytes]()
    while start < end:
        level = (end - start).bit_length() - 1
        found.append(_checked(node(level, start >> level), f"node of level {level}", start >> level))
        start += 1 << level
    return found


def _joined(hashes: Sequence[bytes]) -> bytes:
    """Root over full subtrees that lie side by side, largest first: joined from the right."""
    if not hashes:
        return EMPTY
    root = hashes[-1]
    for left in reversed(hashes[:-1]):
        root = node_hash(left, root)
    return root


def _check_size(size: int) -> None:
    """Refuse a size that no tree can have."""
    if not 0 <= size <= MAX_SIZE:
        raise InputError(f"a tree cannot have {size} leaves; sizes go from 0 to {MAX_SIZE}")


def _checked(value: bytes, what: str, position: int) -> bytes:
    """A stored hash, which must have the length of one."""
    if len(value) != HASH_BYTES:
        raise _broken(f"{what} {position} of the tree has {len(value)} bytes, not {HASH_BYTES}; it was altered")
    return value


def _check_hashes(where: str, path: Sequence[bytes], *others: bytes) -> None:
    """Refuse a proof of absurd length, and whatever is no hash: other lengths could be read as two other hashes."""
    if len(path) > MAX_PATH:
        raise _broken(f"{where} has {len(path)} hashes, more than the {MAX_PATH} that any tree needs; it was altered")
    for value in (*path, *others):
        if len(value) != HASH_BYTES:
            raise _broken(f"{where} holds a hash of {len(value)} bytes, not {HASH_BYTES}; it was altered")


def _broken(message: str) -> IntegrityError:
    """The error of everything that a tree does not bear out."""
    return IntegrityError(message, "tree")
