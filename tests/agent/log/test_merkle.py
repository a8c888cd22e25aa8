"""The Merkle tree: published vectors, the recursive definitions of RFC 9162, and every changed bit."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.agent.log.told import told
from veridical.agent.log.merkle import (
    EMPTY,
    MAX_SIZE,
    Frontier,
    check_consistency,
    check_inclusion,
    consistency_path,
    inclusion_path,
    leaf_hash,
    node_hash,
    root_at,
    tree_root,
)
from veridical.errors import InputError, IntegrityError

VECTORS = json.loads((Path(__file__).parent / "vectors_merkle.json").read_text("utf-8"))
LEAVES = [leaf_hash(bytes([number])) for number in range(70)]


def split(size: int) -> int:
    """Largest power of two below size."""
    k = 1
    while k * 2 < size:
        k *= 2
    return k


def defined_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 9162, section 2.1.1, as it is written there."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return hashlib.sha256(b"\x01" + defined_root(leaves[:k]) + defined_root(leaves[k:])).digest()


def defined_path(number: int, leaves: list[bytes]) -> list[bytes]:
    """PATH of RFC 9162, section 2.1.3.1."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if number < k:
        return [*defined_path(number, leaves[:k]), defined_root(leaves[k:])]
    return [*defined_path(number - k, leaves[k:]), defined_root(leaves[:k])]


def defined_proof(old: int, leaves: list[bytes], whole: bool = True) -> list[bytes]:
    """SUBPROOF of RFC 9162, section 2.1.4.1."""
    if old == len(leaves):
        return [] if whole else [defined_root(leaves)]
    k = split(len(leaves))
    if old <= k:
        return [*defined_proof(old, leaves[:k], whole), defined_root(leaves[k:])]
    return [*defined_proof(old - k, leaves[k:], False), defined_root(leaves[:k])]


def sides(number: int, size: int) -> str | None:
    """On which side each hash of the path lies, lowest first: all that an inclusion proof knows of number and size."""
    if not 0 <= number < size:
        return None
    if size == 1:
        return ""
    k = split(size)
    if number < k:
        return f"{sides(number, k)}r"
    return f"{sides(number - k, size - k)}l"


def steps(old: int, new: int, whole: bool = True) -> str | None:
    """The same of a consistency proof: l counts in both trees, r in the new alone, s is a seed of its own."""
    if not 0 < old <= new:
        return None
    if old == new:
        return "" if whole else "s"
    k = split(new)
    return f"{steps(old, k, whole)}r" if old <= k else f"{steps(old - k, new - k, False)}l"


def stored(leaves: list[bytes]):
    """A tree as storage has it: the full subtrees that appending gave, each once."""
    nodes: dict[tuple[int, int], bytes] = {}
    frontier = Frontier()
    for leaf in leaves:
        for level, position, value in frontier.append(leaf):
            assert (level, position) not in nodes
            nodes[level, position] = value
    return lambda level, position: nodes[level, position]


NODE = stored(LEAVES)


def flipped(value: bytes, bit: int) -> bytes:
    return bytes(byte ^ (1 << bit % 8 if index == bit // 8 else 0) for index, byte in enumerate(value))


def holds(check, *arguments) -> bool:
    cause = told(check, *arguments)
    assert cause in {None, "tree"}
    return cause is None


def test_roots_are_those_of_certificate_transparency():
    leaves = [leaf_hash(bytes.fromhex(content)) for content in VECTORS["leaves"]]
    assert [tree_root(leaves[: n + 1]).hex() for n in range(8)] == VECTORS["roots"]
    assert tree_root([]) == EMPTY == bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")


@pytest.mark.parametrize("case", VECTORS["inclusion"], ids=lambda case: case["file"])
def test_published_inclusion_proofs(case):
    leaf, root, *path = map(base64.b64decode, [case["leaf"], case["root"], *case["path"]])
    assert holds(check_inclusion, leaf, case["number"], case["size"], path, root) == case["holds"]


@pytest.mark.parametrize("case", VECTORS["consistency"], ids=lambda case: case["file"])
def test_published_consistency_proofs(case):
    old_root, new_root, *path = map(base64.b64decode, [case["old_root"], case["new_root"], *case["path"]])
    assert holds(check_consistency, case["old"], case["new"], path, old_root, new_root) == case["holds"]


def test_published_proofs_are_those_that_are_made():
    leaves = [leaf_hash(bytes.fromhex(content)) for content in VECTORS["leaves"]]
    node = stored(leaves)
    for case in VECTORS["inclusion"]:
        if case["holds"]:
            made = inclusion_path(case["number"], case["size"], node)
            assert made == list(map(base64.b64decode, case["path"]))
    for case in VECTORS["consistency"]:
        if case["holds"]:
            assert consistency_path(case["old"], case["new"], node) == list(map(base64.b64decode, case["path"]))


def test_roots_and_frontiers_are_the_definition_at_every_size():
    grown = Frontier()
    for size in range(len(LEAVES) + 1):
        wanted = defined_root(LEAVES[:size])
        assert tree_root(LEAVES[:size]) == grown.root() == root_at(size, NODE) == wanted
        assert Frontier.at(size, NODE) == grown
        if size < len(LEAVES):
            grown.append(LEAVES[size])


def test_appending_gives_each_full_subtree_once_the_leaf_first():
    frontier = Frontier()
    added = [frontier.append(leaf) for leaf in LEAVES[:4]]
    assert added[0] == [(0, 0, LEAVES[0])]
    assert added[1] == [(0, 1, LEAVES[1]), (1, 0, node_hash(LEAVES[0], LEAVES[1]))]
    assert [pair[:2] for pair in added[3]] == [(0, 3), (1, 1), (2, 0)]
    assert added[3][-1][2] == frontier.root() == defined_root(LEAVES[:4])


def test_every_inclusion_proof_is_the_definition_and_checks():
    for size in range(1, 41):
        root = root_at(size, NODE)
        for number in range(size):
            path = inclusion_path(number, size, NODE)
            assert path == defined_path(number, LEAVES[:size])
            check_inclusion(LEAVES[number], number, size, path, root)


def test_every_consistency_proof_is_the_definition_and_checks():
    for new in range(1, 41):
        for old in range(1, new + 1):
            path = consistency_path(old, new, NODE)
            assert path == defined_proof(old, LEAVES[:new])
            check_consistency(old, new, path, root_at(old, NODE), root_at(new, NODE))


def test_no_inclusion_proof_fits_another_leaf_or_another_way():
    for size in range(1, 13):
        root = root_at(size, NODE)
        for number in range(size):
            path = inclusion_path(number, size, NODE)
            for other in range(16):
                for stated in range(16):
                    fits = sides(other, stated) == sides(number, size)
                    assert holds(check_inclusion, LEAVES[number], other, stated, path, root) == fits
                    assert not (fits and stated == size and other != number)


def test_no_consistency_proof_fits_other_sizes_but_those_of_the_same_steps():
    for new in range(2, 14):
        for old in range(1, new):
            path = consistency_path(old, new, NODE)
            roots = root_at(old, NODE), root_at(new, NODE)
            for first in range(16):
                for second in range(16):
                    fits = steps(first, second) == steps(old, new)
                    assert holds(check_consistency, first, second, path, *roots) == fits


@given(st.data())
def test_every_changed_bit_of_an_inclusion_proof_shows(data):
    size = data.draw(st.integers(1, len(LEAVES)))
    number = data.draw(st.integers(0, size - 1))
    path, root, leaf = inclusion_path(number, size, NODE), root_at(size, NODE), LEAVES[number]
    bit, place = data.draw(st.integers(0, 255)), data.draw(st.integers(0, len(path) + 1))
    values = [leaf, root, *path]
    values[place] = flipped(values[place], bit)
    assert not holds(check_inclusion, values[0], number, size, values[2:], values[1])
    swapped = number ^ 1 << bit % 64
    assert not holds(check_inclusion, leaf, swapped, size, path, root)
    stated = size ^ 1 << bit % 64
    fits = stated <= MAX_SIZE and sides(number, stated) == sides(number, size)
    assert holds(check_inclusion, leaf, number, stated, path, root) == fits


@given(st.data())
def test_every_changed_bit_of_a_consistency_proof_shows(data):
    new = data.draw(st.integers(2, len(LEAVES)))
    old = data.draw(st.integers(1, new - 1))
    path, roots = consistency_path(old, new, NODE), [root_at(old, NODE), root_at(new, NODE)]
    bit, place = data.draw(st.integers(0, 255)), data.draw(st.integers(0, len(path) + 1))
    values = [*roots, *path]
    values[place] = flipped(values[place], bit)
    assert not holds(check_consistency, old, new, values[2:], *values[:2])
    for first, second in ((old ^ 1 << bit % 64, new), (old, new ^ 1 << bit % 64)):
        fits = second <= MAX_SIZE and steps(first, second) == steps(old, new)
        assert holds(check_consistency, first, second, path, *roots) == fits


@given(st.data())
def test_proofs_with_hashes_dropped_doubled_or_swapped_fail(data):
    new = data.draw(st.integers(3, len(LEAVES)))
    old = data.draw(st.integers(1, new - 1))
    number = data.draw(st.integers(0, new - 1))
    for check, path, arguments in (
        (check_inclusion, inclusion_path(number, new, NODE), (root_at(new, NODE),)),
        (check_consistency, consistency_path(old, new, NODE), (root_at(old, NODE), root_at(new, NODE))),
    ):
        place = data.draw(st.integers(0, len(path) - 1))
        first = (LEAVES[number], number, new) if check is check_inclusion else (old, new)
        for wrong in (
            path[:place] + path[place + 1 :],
            path[: place + 1] + path[place:],
            [*path[:place], path[place][:31], *path[place + 1 :]],
            [*path[:place], path[place] + b"\x00", *path[place + 1 :]],
            path * 65,
        ):
            assert not holds(check, *first, wrong, *arguments)
        if len(path) > 1:
            assert not holds(check, *first, path[1:] + path[:1], *arguments)


def test_everything_grew_from_the_empty_tree_and_equal_trees_are_equal():
    for new in (0, 1, 7):
        assert consistency_path(0, new, NODE) == consistency_path(new, new, NODE) == []
        check_consistency(0, new, [], EMPTY, root_at(new, NODE))
        check_consistency(new, new, [], root_at(new, NODE), root_at(new, NODE))
    assert not holds(check_consistency, 0, 7, [], LEAVES[0], root_at(7, NODE))
    assert not holds(check_consistency, 0, 7, [LEAVES[0]], EMPTY, root_at(7, NODE))
    assert not holds(check_consistency, 7, 7, [], LEAVES[0], root_at(7, NODE))
    assert not holds(check_consistency, 7, 6, [], root_at(7, NODE), root_at(6, NODE))


def test_a_rewritten_history_is_told():
    changed = [LEAVES[0], LEAVES[9], *LEAVES[2:8]]
    path = consistency_path(5, 8, stored(changed))
    with pytest.raises(IntegrityError, match=r"the tree of 5 leaves grew to 8 leads to the old root .*rewritten"):
        check_consistency(5, 8, path, root_at(5, NODE), tree_root(changed))


def test_the_largest_tree_takes_no_longer():
    """No loop runs over the size: a tree with one hash everywhere, of 2^63 - 1 leaves."""
    levels = [LEAVES[0]]
    for _ in range(63):
        levels.append(node_hash(levels[-1], levels[-1]))
    node = lambda level, position: levels[level]  # noqa: E731
    for number in (0, 1, MAX_SIZE // 3, MAX_SIZE - 1):
        path = inclusion_path(number, MAX_SIZE, node)
        assert len(path) <= 64
        check_inclusion(LEAVES[0], number, MAX_SIZE, path, root_at(MAX_SIZE, node))
    path = consistency_path(MAX_SIZE // 3, MAX_SIZE, node)
    assert len(path) <= 64
    check_consistency(MAX_SIZE // 3, MAX_SIZE, path, root_at(MAX_SIZE // 3, node), root_at(MAX_SIZE, node))


def test_a_hundred_thousand_leaves_take_well_under_two_seconds():
    start = time.process_time()
    root = tree_root([b"%032d" % number for number in range(100_000)])
    assert time.process_time() - start < 2
    assert len(root) == 32


def test_damaged_storage_is_told():
    short = lambda level, position: NODE(level, position)[:31]  # noqa: E731
    for read in (
        lambda: root_at(7, short),
        lambda: inclusion_path(2, 7, short),
        lambda: consistency_path(3, 7, short),
        lambda: Frontier().append(b"short"),
        lambda: tree_root([b"short"]),
    ):
        with pytest.raises(IntegrityError, match="bytes, not 32; it was altered"):
            read()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: inclusion_path(7, 7, NODE), "leaf 7 is not in a tree of 7 leaves"),
        (lambda: inclusion_path(-1, 7, NODE), "leaf -1 is not in a tree"),
        (lambda: inclusion_path(0, 0, NODE), "leaf 0 is not in a tree of 0 leaves"),
        (lambda: consistency_path(8, 7, NODE), "8 leaves is no earlier state of one of 7"),
        (lambda: consistency_path(-1, 7, NODE), "-1 leaves is no earlier state"),
        (lambda: root_at(-1, NODE), "a tree cannot have -1 leaves"),
        (lambda: root_at(MAX_SIZE + 1, NODE), "a tree cannot have 9223372036854775808 leaves"),
        (lambda: Frontier(3, [EMPTY]), "1 subtrees cannot be the frontier of 3 leaves"),
    ],
)
def test_what_no_tree_has_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()
