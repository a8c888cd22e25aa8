"""Operators' acts: what holds after them, and that no byte of their file can change unseen."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st

from veridical.concepts import acts as module
from veridical.concepts.act import ACTS
from veridical.concepts.acts import FILE, Act, append_act, apply_acts, read_acts
from veridical.concepts.bank import ConceptBank, ConceptName
from veridical.errors import InputError

COUNT = 5
EARNED = ConceptName("animal", "ImageNet", 0.6, 0.4)


def made_bank(sense: str = "vision", **made: Any) -> ConceptBank:
    eye = np.eye(COUNT, dtype=np.float32)
    each = np.ones(COUNT, np.float32)
    return ConceptBank(
        sense=sense, centre=np.zeros(COUNT, np.float32), space=eye, back=eye, directions=eye,
        replicas=np.zeros((0, COUNT, COUNT), np.float32), usual=eye, natural=eye,
        typical=each, threshold=each, stability=each,
        prototypes=((),) * COUNT, associations=(None,) * COUNT, names=(EARNED,) + (None,) * (COUNT - 1), made=made,
    )  # fmt: skip


BANK = made_bank()
WHO: dict[str, Any] = {"by": "A. Operator", "reason": "seen on the contact sheet"}


def act(kind: str, concept: int, value: str | int | None = None, bank: ConceptBank = BANK) -> Act:
    text, into = (value if kind == "name" else None), (value if kind == "merge" else None)
    return Act.on(bank, kind, concept, text=text, into=into, **WHO)  # pyright: ignore[reportArgumentType]


def names(*acts: Act) -> list[str | None]:
    return [name.text if name else None for name in apply_acts(BANK, acts).bank.names]


def test_the_last_naming_holds_and_is_the_operators():
    acted = apply_acts(BANK, [act("name", 2, "cow"), act("name", 2, "horned animal")])
    assert acted.bank.names[2] == ConceptName("horned animal", "operator", 1.0, 1.0)
    assert acted.bank.names[0] == EARNED
    assert acted.bank.names[1] is None


def test_unname_gives_the_earned_name_back():
    given_name = act("name", 0, "cow")
    assert names(given_name)[0] == "cow"
    assert names(given_name, act("unname", 0))[0] == "animal"


def test_chains_of_merges_are_followed_to_their_end_and_share_its_name():
    acted = apply_acts(BANK, [act("merge", 1, 2), act("merge", 2, 3), act("merge", 4, 1), act("name", 3, "cow")])
    assert acted.merges == {1: 3, 2: 3, 4: 3}
    assert [n.text if n else None for n in acted.bank.names] == ["animal", "cow", "cow", "cow", "cow"]


def test_what_is_split_off_takes_its_own_with_it():
    acted = apply_acts(BANK, [act("merge", 1, 2), act("merge", 2, 3), act("split", 2)])
    assert acted.merges == {1: 2}


def test_a_veto_holds_for_what_was_merged_into_it_until_it_is_allowed():
    start = [act("merge", 1, 2), act("veto", 2)]
    assert apply_acts(BANK, start).vetoed == {1, 2}
    assert apply_acts(BANK, [*start, act("allow", 2)]).vetoed == frozenset()
    assert apply_acts(BANK, [*start, act("split", 1)]).vetoed == {2}


@pytest.mark.parametrize(
    ("before", "last", "told"),
    [
        ([act("merge", 1, 2)], act("merge", 1, 3), "concept 1 was merged into 2"),
        ([act("merge", 1, 2)], act("name", 1, "cow"), "split 1 off first"),
        ([act("merge", 1, 2)], act("veto", 1), "act on that one"),
        ([act("merge", 1, 2)], act("merge", 2, 1), "into itself by way of 1"),
        ([], act("merge", 2, 2), "into itself"),
        ([act("veto", 2)], act("merge", 1, 2), "concept 2 is vetoed"),
        ([act("veto", 2), act("allow", 2), act("merge", 1, 2), act("veto", 2)], act("merge", 3, 1), "2 is vetoed"),
        ([act("veto", 1)], act("merge", 1, 2), "concept 1 is vetoed"),
        ([act("veto", 1)], act("veto", 1), "vetoed already"),
        ([], act("unname", 0), "no 'name' is in force"),
        ([], act("split", 0), "no 'merge' is in force"),
        ([], act("allow", 0), "no 'veto' is in force"),
    ],
)
def test_what_makes_no_sense_is_refused_and_never_written(tmp_path: Path, before: list[Act], last: Act, told: str):
    with pytest.raises(InputError, match=told):
        apply_acts(BANK, [*before, last])
    for each in before:
        append_act(tmp_path, each)
    with pytest.raises(InputError, match=told):
        append_act(tmp_path, last)
    assert len(read_acts(tmp_path)) == len(before)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"by": " "}, "by ' '; give words"),
        ({"reason": ""}, "reason ''; give words"),
        ({"reason": "two\nlines"}, r"U\+000A"),
        ({"text": "x" * 61}, "61 characters; 60 at most"),
        ({"text": "safe\u202eelbat"}, r"U\+202E, which cannot be seen"),
        ({"text": "a\ud800"}, r"U\+D800"),
        ({"text": "a\u2028b"}, r"U\+2028"),
        ({"text": None}, "it needs text"),
        ({"into": 1}, "it takes no into"),
        ({"act": "rename"}, "no act 'rename'; there is name, unname"),
        ({"concept": -1}, "concept -1; give the index"),
        ({"concept": True}, "concept True"),
        ({"when": "yesterday"}, "when 'yesterday'"),
        ({"when": "2026-13-01T00:00:00Z"}, "there is no time"),
        ({"bank": "sha256:1"}, "bank 'sha256:1'"),
    ],
)
def test_an_act_says_what_is_wrong_with_it(changed: dict[str, Any], told: str):
    with pytest.raises(InputError, match=told):
        replace(act("name", 1, "cow"), **changed)


def test_a_concept_that_the_bank_does_not_have_is_refused():
    for kind, concept, value in (("veto", COUNT, None), ("merge", 0, COUNT)):
        with pytest.raises(InputError, match="no vision concept 5; the bank has 0 to 4"):
            act(kind, concept, value)
    with pytest.raises(InputError, match="no vision concept 9"):
        apply_acts(BANK, [replace(act("veto", 1), concept=9)])


STEPS = st.lists(
    st.tuples(
        st.sampled_from(ACTS), st.integers(0, COUNT - 1), st.integers(0, COUNT - 1), st.text("abc é", max_size=4)
    ),
    max_size=25,
)


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_whatever_is_taken_leaves_no_contradiction(steps: list[tuple[str, int, int, str]]):
    taken: list[Act] = []
    last: dict[int, str | None] = {}
    for kind, concept, into, text in steps:
        value = f"n{text}n" if kind == "name" else into if kind == "merge" else None
        try:
            apply_acts(BANK, [*taken, act(kind, concept, value)])
        except InputError:
            continue
        taken.append(act(kind, concept, value))
        if kind in ("name", "unname"):
            last[concept] = str(value) if kind == "name" else None
    acted = apply_acts(BANK, taken)
    for concept, root in acted.merges.items():
        assert root not in acted.merges  # chains are at their end
        assert acted.bank.names[concept] == acted.bank.names[root]
        assert (concept in acted.vetoed) == (root in acted.vetoed)
    for concept in set(range(COUNT)) - set(acted.merges):
        wanted = last.get(concept) or (EARNED.text if concept == 0 else None)
        found = acted.bank.names[concept]
        assert (found.text if found else None) == wanted
    np.testing.assert_array_equal(acted.bank.directions, BANK.directions)


def written(folder: Path) -> list[Act]:
    return [append_act(folder, each) for each in (act("name", 1, "cow"), act("merge", 2, 1), act("veto", 3))]


def test_what_was_written_is_read(tmp_path: Path):
    acts = written(tmp_path)
    assert read_acts(tmp_path) == tuple(acts)
    assert read_acts(tmp_path, BANK) == tuple(acts)
    lines = (tmp_path / FILE).read_text().splitlines()
    assert len(lines) == 3
    first = json.loads(lines[0])
    assert {k: first[k] for k in ("act", "sense", "concept", "text", "bank", *WHO)} == {
        "act": "name", "sense": "vision", "concept": 1, "text": "cow", "bank": BANK.digest, **WHO,
    }  # fmt: skip
    assert first["when"].endswith("Z")
    assert json.loads(lines[1])["previous"] == first["digest"]
    assert apply_acts(BANK, acts).digest != apply_acts(BANK, acts[:2]).digest


def test_no_file_is_no_acts(tmp_path: Path):
    assert read_acts(tmp_path, BANK) == ()
    assert apply_acts(BANK, ()).bank.names == BANK.names
    for call in (lambda: read_acts(tmp_path / "none"), lambda: append_act(tmp_path / "none", act("veto", 1))):
        with pytest.raises(InputError, match="no folder"):
            call()


def test_any_one_byte_altered_is_found(tmp_path: Path):
    written(tmp_path)
    path = tmp_path / FILE
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    last = whole.rindex(b"\n", 0, -1)
    for at in (*range(0, last, 4), *range(last, len(whole))):  # no line after the last one vouches for it
        other = bytes([whole[at] ^ int(rng.integers(1, 256))])
        path.write_bytes(whole[:at] + other + whole[at + 1 :])
        with pytest.raises(InputError, match=r"acts\.jsonl, line [123]"):
            read_acts(tmp_path)


@pytest.mark.parametrize(
    ("keep", "told"),
    [([1, 2], "line 1: follows"), ([0, 2], "line 2: follows"), ([0, 2, 1], "line 2: follows"), ([0, 0, 1], "line 2")],
)
def test_lines_taken_out_or_moved_are_found(tmp_path: Path, keep: list[int], told: str):
    written(tmp_path)
    path = tmp_path / FILE
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[i] for i in keep))
    with pytest.raises(InputError, match=told):
        read_acts(tmp_path)
    with pytest.raises(InputError, match=told):
        append_act(tmp_path, act("veto", 4))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"{", "line 1: cut off"),
        (b"\n", "line 1: altered, not JSON"),
        (b"[]\n", "not a canonical JSON object"),
        (b"{}\n", "another format"),
        (b'{"format":"veridical.acts/1"}\n', r"fields \[\]"),
        (b"[" * 100_000 + b"\n", "not JSON"),
        (b'{"a":NaN}\n', "not JSON"),
        (b'{"a":1e999}\n', "not JSON"),
        (b"\xff\xfe\n", "not JSON"),
    ],
)
def test_files_of_another_making_are_refused_in_words(tmp_path: Path, content: bytes, told: str):
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(InputError, match=told):
        read_acts(tmp_path)


def test_acts_on_another_bank_are_refused_and_those_on_what_it_grew_from_are_not(tmp_path: Path):
    written(tmp_path)
    other = made_bank(seed=1)
    with pytest.raises(InputError, match=r"line 1 is on the bank sha256:.* move acts\.jsonl"):
        read_acts(tmp_path, other)
    with pytest.raises(InputError, match="act 1 on vision is on the bank"):
        apply_acts(other, read_acts(tmp_path))
    for grown in (made_bank(parent=BANK.digest), made_bank(parent=other.digest, ancestors=[BANK.digest])):
        assert len(apply_acts(grown, read_acts(tmp_path, grown)).vetoed) == 1


def test_each_sense_has_its_own_acts_in_one_chain(tmp_path: Path):
    heard = made_bank("audio")
    acts = [append_act(tmp_path, each) for each in (act("veto", 1), act("veto", 1, bank=heard), act("veto", 2))]
    assert read_acts(tmp_path, BANK) == (acts[0], acts[2])
    assert read_acts(tmp_path, heard) == (acts[1],)
    assert apply_acts(heard, acts).vetoed == {1}


def test_several_at_once_make_one_chain(tmp_path: Path):
    threads = [threading.Thread(target=append_act, args=(tmp_path, act("name", i % COUNT, f"n{i}"))) for i in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read_acts(tmp_path)) == 12


def test_a_file_held_by_another_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_WAIT", 0.05)
    with FileLock(tmp_path / f".{FILE}.lock"), pytest.raises(InputError, match="held by another process"):
        append_act(tmp_path, act("veto", 1))


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path):
    (tmp_path / FILE).mkdir()
    with pytest.raises(InputError, match="cannot be"):
        append_act(tmp_path, act("veto", 1))
