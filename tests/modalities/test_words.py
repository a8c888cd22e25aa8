"""Words in a string."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veridical.modalities.words import find_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("wait at the kerb,", ["wait", "at", "the", "kerb"]),
        ("«Stop!» … don't", ["Stop", "…", "don't"]),
        ("  $5 at 10:30 \n", ["$5", "at", "10:30"]),
        ("中文 a-b", ["中文", "a-b"]),
        ("-- ?!", ["--", "?!"]),
        ("", []),
        (" \t ", []),
    ],
)
def test_spans_leave_out_punctuation_at_the_ends(text: str, words: list[str]):
    assert [text[slice(*word.span)] for word in find_words(text)] == words


@given(st.text())
def test_runs_hold_every_character_but_space_once(text: str):
    runs = [text[slice(*word.run)] for word in find_words(text)]
    assert runs == text.split() or "".join(runs) == "".join("".join(runs).split())
    for word in find_words(text):
        assert word.run[0] <= word.span[0] < word.span[1] <= word.run[1]
