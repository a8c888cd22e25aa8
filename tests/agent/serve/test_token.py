"""Where the token comes from, and how it is compared."""

from __future__ import annotations

import contextlib
import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veridical.agent.serve.problem import Problem
from veridical.agent.serve.routes import check_token
from veridical.agent.serve.settings import TOKEN, ServeSettings
from veridical.agent.serve.token import find_token, same
from veridical.errors import InputError

FIRST, SECOND = "a-token-of-the-tests", "an-operators-token"


def test_a_file_comes_before_the_environment_and_both_before_a_new_one(tmp_path, monkeypatch):
    (tmp_path / "token").write_text(f"  {FIRST}\n")
    monkeypatch.setenv("VERIDICAL_TOKEN", SECOND)
    assert find_token(tmp_path / "token") == (FIRST, False)
    assert "VERIDICAL_TOKEN" not in os.environ  # no child of the process inherits it
    monkeypatch.setenv("VERIDICAL_TOKEN", f"{SECOND}\n")
    assert find_token(None) == (SECOND, False)
    (one, made), (other, _) = find_token(None), find_token(None)
    assert made
    assert one != other
    assert TOKEN.fullmatch(one)


@pytest.mark.parametrize("content", [b"", b"two words", b"\xff\xfe", b"a\nb"])
def test_a_file_that_holds_no_token_is_refused(tmp_path, content):
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(InputError, match="--token-file"):
        find_token(tmp_path / "token")


@given(st.text(), st.text())
def test_only_the_same_is_the_same(one, other):
    assert same(one, one)
    assert same(one, other) == (one == other)


@pytest.mark.parametrize("token", ["", "short", "x" * 513, "with a space in it it is none", "ünïcödé-ünïcödé-ünïcödé"])
def test_a_token_that_is_none_is_refused_without_being_told(token):
    with pytest.raises(InputError, match="no bearer token") as caught:
        ServeSettings(token)
    assert not token or token not in str(caught.value)


@pytest.mark.parametrize(
    ("shown", "operator", "status"),
    [(None, False, 401), ("", False, 401), (FIRST, False, None), (FIRST, True, 403), (SECOND, False, None),
     (SECOND, True, None), ("another-token-of-none", True, 401)],
)  # fmt: skip
def test_who_may_ask_what(shown, operator, status):
    refusing: Any = contextlib.nullcontext() if status is None else pytest.raises(Problem)
    with refusing as caught:
        check_token(shown, ServeSettings(FIRST, SECOND), operator)
    assert status is None or caught.value.status == status
