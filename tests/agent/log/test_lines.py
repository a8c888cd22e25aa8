"""Strict text: one way to write each thing, and nothing else is read."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.agent.log.told import told
from veridical.agent.log.lines import from_base64, from_decimal, is_line, is_name, shown, to_base64
from veridical.errors import IntegrityError


@given(st.binary(max_size=80))
def test_base64_is_read_back(content):
    assert from_base64(to_base64(content), "it", "tree") == content


@given(st.binary(min_size=1, max_size=8), st.integers(0, 12), st.characters())
def test_no_other_text_means_the_same_bytes(content, place, character):
    text = to_base64(content)
    altered = text[:place] + character + text[place + 1 :]
    if told(from_base64, altered, "it", "tree") is None:
        assert altered == base64.b64encode(from_base64(altered, "it", "tree")).decode()


@pytest.mark.parametrize(
    "text", ["QQ=", "QQ", "QR==", "QQ==\n", " QQ==", "Q-_=", "QQ==QQ==", "=", "é", "\udc80", "\x00"]
)
def test_sloppy_base64_is_refused(text):
    with pytest.raises(
        IntegrityError, match=r"^the root: .* is not base64 as it is written; it was altered$"
    ) as caught:
        from_base64(text, "the root", "checkpoint")
    assert caught.value.cause == "checkpoint"


@given(st.integers(0, 2**63 - 1))
def test_numbers_are_read_back(number):
    assert from_decimal(str(number), "it", "tree") == number


@pytest.mark.parametrize("text", ["", "00", "01", "+1", "-1", " 1", "1 ", "1\n", "1_0", "²", "٣", "1e3", "0x1"])
def test_sloppy_numbers_are_refused(text):
    with pytest.raises(IntegrityError, match=r"the size: .* is no whole number from 0 to 9223372036854775807"):
        from_decimal(text, "the size", "tree")


@pytest.mark.parametrize("text", [str(2**63), "9" * 5000])
def test_numbers_beyond_a_tree_are_refused(text):
    with pytest.raises(IntegrityError, match="is no whole number"):
        from_decimal(text, "the size", "tree")


def test_lines_and_names():
    assert all(map(is_line, ["", "a b+c", "è — \u2028\x85"]))
    assert not any(map(is_line, ["a\nb", "\x00", "\t", "\r", "\x1f", "\udc80"]))
    assert all(map(is_name, ["a", "example.com/log", "é"]))
    assert not any(map(is_name, ["", "a b", "a+b", "a\u00a0b", "a\u2028b", "a\x85", "a\n", "\ud800"]))


def test_foreign_text_is_shown_short_and_on_one_line():
    assert shown("a\nb") == r"'a\nb'"
    assert shown("\udc80") == r"'\udc80'"
    assert len(shown("x" * 1000)) == 63
