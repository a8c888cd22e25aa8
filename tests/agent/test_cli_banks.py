"""Concept banks on the command line: fitting, reading with acts, describing."""

from __future__ import annotations

import functools
from dataclasses import replace

import pytest

from tests.concepts.planted import planted
from tests.toys import CAT, READER, SIREN, WORDS, Split
from veridical.agent.cli_banks import counted, described, fit_banks, lines_of, lines_of_choice, read_acted
from veridical.concepts.acts import Act, append_act, apply_acts
from veridical.concepts.bank_file import write_banks
from veridical.errors import InputError, WeightsError

PLAIN = [word for word in WORDS if word not in ("cat", "siren")]
SETTINGS = {"stable": 0.85}


def listening(inputs):
    return 4 * inputs["text"][:, :, CAT].sum(1) + 2 * inputs["text"][:, :, SIREN].sum(1) - 2


def texts(count: int):
    """Sentences by name: every second one has a cat, every third a siren."""
    made = []
    for i in range(count):
        words = [*PLAIN[i : i + 7], "cat" if i % 2 else PLAIN[i + 8], "siren" if i % 3 == 0 else PLAIN[i + 9]]
        made.append((f"{i}.txt", functools.partial(dict, text=" ".join(words))))
    return made


def bank(**tried):
    made = {"system": "toy", "observations": 100, "settings": SETTINGS, **tried}
    return planted([[1, 0], [0, 1]], made=made)


def test_concepts_are_found_and_named_from_files_read_twice():
    def unread():
        raise InputError("not a text")

    found = fit_banks(Split(listening, READER), [*texts(20), ("x", unread)])
    names = [name.text for name in found.banks["text"].names if name]
    assert "cat" in names
    assert (found.notes, found.passed_over) == ((), ("x: not a text",))
    assert found.banks["text"].made["observations"] == 20


def test_without_names_none_are_looked_for(monkeypatch):
    monkeypatch.setattr("veridical.concepts.earn.name_bank", None)
    found = fit_banks(Split(listening, READER), texts(10), named=False)
    assert set(found.banks["text"].names) == {None}


def test_names_that_cannot_be_had_cost_nothing_else(monkeypatch):
    def fail(*_):
        raise WeightsError("no weights")

    monkeypatch.setattr("veridical.concepts.earn.name_bank", fail)
    found = fit_banks(Split(listening, READER), texts(10))
    assert found.notes == ("text: no names: no weights",)
    assert len(found.banks["text"])


def test_too_few_observations_are_refused():
    with pytest.raises(InputError, match="text: no bank: concepts: 3 observations of text; at least 8 are wanted"):
        fit_banks(Split(listening, READER), texts(3))


@pytest.mark.parametrize(
    ("tried", "why"),
    [
        ([(1, 0.9, 0.3), (2, 0.95, 0.08), (3, 0.5, 0.01)], "the most that are stable"),
        ([(2, 0.95, 0.08), (3, 0.9, 0.01)], "stable"),
        ([(1, 0.7, 0.3), (2, 0.8, 0.08)], "none of the numbers tried is stable"),
        ([(1, 0.9, 0.3), (2, 0.8, 0.08)], "not stable"),
    ],
)
def test_what_sets_the_number_apart_is_told_from_what_was_tried(tried, why):
    found = bank(tried=[{"concepts": n, "stability": s, "left": left} for n, s, left in tried])
    told = described(found)
    stability = next(s for n, s, _ in tried if n == 2)
    assert (told["chosen"]["concepts"], told["chosen"]["why"]) == (2, why)
    lines = lines_of_choice(told)
    assert lines[0] == (
        f"2 concepts: {why} (stability {stability:.2f}, at least 0.85 asked for; 8\u00a0% left unaccounted for)"
    )
    assert lines[1].count("left") == len(tried) + 1


def test_a_bank_that_does_not_tell_how_it_came_about_says_nothing_of_it():
    assert lines_of_choice(described(bank())) == []
    assert lines_of_choice(described(bank(tried=[{"concepts": 9, "stability": 0.9, "left": 0.1}]))) == []
    assert (counted(1), counted(2)) == ("1 concept", "2 concepts")


def test_a_bank_is_told_as_it_is_after_the_acts():
    plain = bank()
    assert lines_of(described(plain)) == [
        "vision#0  “cat” (ImageNet: score 0.80, margin 0.30); stability 0.95; "
        "goes with STOP (90\u00a0%, usually 30\u00a0%)",
        "vision#1  unnamed; stability 0.95",
    ]
    acts = [
        Act.on(plain, "name", 1, by="Ann", reason="seen", text="kerb"),
        Act.on(plain, "merge", 0, by="Ann", reason="one", into=1),
        Act.on(plain, "veto", 1, by="Ann", reason="no"),
    ]
    merged = described(plain, apply_acts(plain, acts[:2]))
    assert merged["concepts"][0]["name"] == "kerb"
    assert lines_of(merged)[0].startswith("vision#0  “kerb” (by an operator); merged into vision#1; stability")
    vetoed = described(plain, apply_acts(plain, [acts[2]]))
    assert (vetoed["concepts"][1]["vetoed"], vetoed["concepts"][0]["vetoed"]) == (True, False)
    assert lines_of(vetoed)[1] == "vision#1  unnamed; vetoed; stability 0.95"


def test_banks_come_with_their_acts_and_only_for_their_system(tmp_path):
    seen, read = bank(), replace(bank(), sense="text")
    write_banks(tmp_path, {"vision": seen, "text": read})
    assert read_acted(tmp_path)[1] == {}
    append_act(tmp_path, Act.on(seen, "veto", 0, by="Ann", reason="no"))
    banks, acted = read_acted(tmp_path, "toy")
    assert (set(banks), set(acted), acted["vision"].vetoed) == ({"vision", "text"}, {"vision"}, frozenset({0}))
    with pytest.raises(InputError, match="was fitted for the system toy, this is other"):
        read_acted(tmp_path, "other")
    write_banks(tmp_path, {"vision": replace(seen, version=2)})
    with pytest.raises(InputError, match="is on the bank"):
        read_acted(tmp_path)
