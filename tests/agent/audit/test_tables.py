from __future__ import annotations

import io
import sys
import unicodedata

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from veridical.agent.audit.tables import Column, heading, paint, pairs, say, table, width

COLUMNS = [Column("number", right=True), Column("what", least=4), Column("more", least=4, spare=1), Column("end")]


def plain(lines):
    return [click.unstyle(line) for line in lines]


def test_columns_are_as_wide_as_what_stands_in_them():
    lines = plain(table(COLUMNS, [("1", "a word", "b", "z"), ("12", "c", "", "zz")], 80))
    assert lines == ["number  what    more  end", "     1  a word  b     z", "    12  c             zz"]


def test_a_narrow_terminal_cuts_then_leaves_out():
    rows = [("1", "abcdefghij", "klmnopqrst", "z")]
    assert plain(table(COLUMNS, rows, 30))[1] == "     1  abcdef…  klmnopq…  z"
    assert plain(table(COLUMNS, rows, 22))[1] == "     1  abcdefgh…  z"
    assert plain(table(COLUMNS, rows, 4))[1] == "     1  abc…  z"


def test_a_column_with_nothing_in_it_is_left_out():
    assert plain(table(COLUMNS, [("1", "", "", "z")], 80)) == ["number  end", "     1  z"]
    assert plain(table(COLUMNS, [], 80)) == ["number  what  more  end"]


def test_wide_characters_take_two_columns():
    assert plain(table([Column("a", least=3), Column("b")], [("日本語", "x")], 80))[1] == "日本語  x"
    assert plain(table([Column("a", least=3), Column("b")], [("日本語", "x")], 7))[1] == "日…   x"
    assert plain(table([Column("a"), Column("b")], [("e\u0301", "x"), ("ee", "x")], 80))[1] == "e\u0301   x"


@given(st.lists(st.tuples(st.text(max_size=40), st.text(max_size=40)), max_size=5), st.integers(12, 60))
def test_no_line_is_longer_than_the_terminal_nor_holds_controls(rows, wide):
    for line in plain(table([Column("a", least=4), Column("b", least=4)], rows, wide)):
        assert len(line) <= wide
        assert not any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co") for c in line)


def test_pairs_are_wrapped_beside_their_names():
    lines = plain(pairs([("name", "one two three four five six seven"), ("n", "")], 26))
    assert lines == ["name  one two three four", "      five six seven", "n     "]


def test_colour_goes_with_words_and_not_without_them():
    assert paint("supported", "supported") != "supported"
    assert click.unstyle(paint("x", "✗", bold=True)) == "x"
    assert click.unstyle(heading("T")) == "\nT"
    coloured = table([Column("a")], [("✓ supported",)], 80)[1]
    assert coloured != click.unstyle(coloured)


def test_a_stream_without_unicode_gets_plain_characters(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    say("✓ a – b…")
    stream.flush()
    assert stream.buffer.getvalue() == b"+ a - b...\n"


@pytest.mark.parametrize(("given", "wide"), [("20", 60), ("90", 90), ("400", 120), ("x", 100)])
def test_the_width_is_bounded(monkeypatch, given, wide):
    monkeypatch.setenv("COLUMNS", given)
    assert width() == wide
