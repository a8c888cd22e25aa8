"""What the page on scenario files says of expectations, statuses and pytest's options is so."""

from __future__ import annotations

import re
from pathlib import Path
from unittest.mock import Mock

import pytest

from veridical.scenarios.suite import plugin
from veridical.scenarios.suite.expect import EXPLAINED
from veridical.scenarios.suite.expect_bounds import BISECTIONS
from veridical.scenarios.suite.reliance import LEAST
from veridical.scenarios.suite.result import RESULT_FORMAT, STATUSES
from veridical.scenarios.suite.schema_expect import Expect

PAGE = (Path(__file__).parents[2] / "docs" / "scenarios.md").read_text(encoding="utf-8")


def section(heading: str) -> str:
    """What stands below a heading, up to the next one."""
    return PAGE.split(f" {heading}\n")[1].partition("\n#")[0]


def keys(text: str) -> set[str]:
    """Words in code in the first cells of a table's rows."""
    return {word for cell in re.findall(r"^\| (.+?) \|", text, re.M) for word in re.findall(r"`([a-z_ ]+)`", cell)}


@pytest.mark.parametrize("heading", ["`expect`", "Of which variants, and when it holds"])
def test_every_expectation_is_told(heading):
    assert set(Expect.model_fields) - {"on"} <= keys(section(heading))


def test_every_status_is_told():
    assert keys(section("What comes of it")) == set(STATUSES)
    assert RESULT_FORMAT in PAGE


def test_figures_of_the_semantics():
    words = {4: "four", 6: "six"}
    assert f"the first {words[EXPLAINED]}" in PAGE
    assert f"halved {words[BISECTIONS]} times" in PAGE
    assert f"less than {LEAST:g} nats" in PAGE


def test_every_option_of_pytest_is_told():
    group = Mock()
    plugin.pytest_addoption(Mock(getgroup=lambda *_: group))
    added = {call.args[0] for call in group.addoption.call_args_list}
    assert added == set(re.findall(r"^\| `(--veridical-[a-z]+)", PAGE, re.M))
