from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from tests.scenarios.suite import trial_sample as sample
from veridical.errors import InputError
from veridical.scenarios.suite.result import STATUSES, About, Checked, Exhibits, Result, Seen
from veridical.scenarios.suite.suite_report import (
    MARKS,
    render_scenario,
    render_suite,
    write_scenario_report,
    write_suite_report,
)

NASTY = "<script>alert(1)</script>\u202e"


class Parser(HTMLParser):
    """Every tag is closed in order, nothing is fetched."""

    VOID = frozenset("meta img br source path".split())

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []
        self.sources: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.sources += [value for name, value in attrs if name in ("src", "href") and value]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert tag in self.VOID or self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text.append(data)


def parsed(page: str) -> Parser:
    parser = Parser()
    parser.feed(page)
    assert parser.open == []
    assert "script" not in parser.tags
    assert all(source.startswith(("data:", "a")) for source in parser.sources)
    return parser


def made(status: str = "failed", title: str = "A dog in the way", **more) -> Result:
    about = About(
        title, "A dog matters.", "right-reason", ("dog",), "toy",
        "the head never saw one" if status in ("known failure", "unexpectedly passed") else None,
        "suite/dog.scenario.yaml", "sha256:" + "0" * 64,
    )  # fmt: skip
    checked = (
        Checked("action", True, "STOP", "STOP (99 %)", {}, "minimum functionality", "as written"),
        Checked("rely_on[0]", False, "rests on thing 0", "a share of 3 %", {}, "reason", "as written"),
        Checked("rely_on[1]", None, "rests on sound 0", "not settled", {}, "reason", "as written"),
    )
    odds = {"STOP": 0.99, "GO": 0.01}
    seen = (
        Seen("as written", {}, (), "STOP", odds, 4.6, 4.6),
        Seen("noise", {}, ("noise of vision, strength 0.1",), None, {}, None, None, "system: it failed"),
    )
    groups = [
        {"name": "thing 0", "sense": "vision", "units": 3, "effect": -2.0, "effects": [-2.5, -1.5], "share": 0.8,
         "shares": [0.8, 0.8], "settled": True, "actions": ["GO", "GO"], "why": ""},
        {"name": "sound 0", "sense": "audio", "units": 2, "effect": 0.5, "effects": [-0.2, 1.2], "share": 0.0,
         "shares": [0.0, 0.0], "settled": False, "actions": ["STOP", "STOP"], "why": ""},
        {"name": "clause 0", "sense": "text", "units": 0, "effect": None, "effects": None, "share": None,
         "shares": [], "settled": False, "actions": [], "why": "it is not there"},
    ]  # fmt: skip
    told = {
        "reliance": {"action": "STOP", "score": 4.6, "groups": groups, "operators": [{}, {}], "passes": 7, "notes": [],
                     "variant": "as written"},
        "verdict": {"verdict": "supported", "cause": "holds", "reasons": ["the claims hold"], "p": 0.05,
                    "agreement": 0.9},
        "claims": ({"id": "c1", "name": None, "modality": "vision", "where": "the middle", "predicted": -2.0,
                    "measured": -1.8, "status": "confirmed",
                    "effects": [{"operator": "surround", "effect": -1.8, "action": "GO"}]},),
        "justification": "STOP, for there is a dog.",
        "exhibits": Exhibits(
            frames=tuple(np.full((32, 32, 3), 90, np.uint8) for _ in range(2)),
            masks={"thing 0": sample.SQUARE.repeat(2, 0)},
            sound=(sample.sounding(), 8000),
            spans={"sound 0": (0.5, 0.625)},
            text=sample.TEXT,
            clauses={"clause 0": (0, len(sample.CLAUSES[0]))},
        ),
        **more,
    }  # fmt: skip
    return Result(about, status, checked, seen, 2.0, **told)


@pytest.mark.parametrize("status", STATUSES)
def test_a_scenarios_report_says_all_there_is(status: str):
    text = " ".join(parsed(render_scenario(made(status))).text).replace("\u00a0", " ")
    for words in ("A dog in the way", "A dog matters.", MARKS[status][0], status, "not met", "not settled",
                  "a share of 3 %", "1 of 3 expectations met", "thing 0", "It is not there.", "The claims hold.",
                  "STOP, for there is a dog.", "confirmed", "veridical scenarios run suite/dog.scenario.yaml",
                  "system: it failed", "noise of vision, strength 0.1"):  # fmt: skip
        assert words in text, words


def test_failures_come_first():
    page = render_scenario(made())
    assert page.index("rely_on[0]") < page.index("rely_on[1]") < page.index("<code>action</code>")


def test_nothing_that_a_file_says_becomes_markup():
    hostile = made(title=NASTY, justification=NASTY, notes=(NASTY,))
    for page in (render_scenario(hostile), render_suite([hostile])):
        assert "<script" not in page
        assert "\u202e" not in page
        parsed(page)


def test_a_result_with_nothing_in_it_is_shown():
    about = made().scenario
    check = Checked("run", False, "it can be run", "no such picture", {}, "run")
    text = " ".join(parsed(render_scenario(Result(about, "error", (check,), (), 0.1))).text)
    assert "no such picture" in text
    assert "Nothing was decided." in text


def test_parts_are_outlined_where_they_are():
    page = render_scenario(made())
    assert page.count('class="halo"') == 2
    assert "M16 16H24" in page


def test_a_suite_is_counted_by_family_and_linked(tmp_path: Path):
    results = [made(status, f"Number {i}", report=str(tmp_path / f"a{i}.html")) for i, status in enumerate(STATUSES)]
    coverage = [{"title": "Action by cause", "given": "As exercised.", "rows": ["STOP", "GO"],
                 "columns": ["animal", "siren"], "cells": [[3, 0], [None, 1]]}]  # fmt: skip
    path = write_suite_report(tmp_path / "suite.html", results, coverage)
    page = path.read_text(encoding="utf-8")
    found = parsed(page)
    text = " ".join(found.text)
    assert {f"a{i}.html" for i in range(5)} <= set(found.sources)
    for words in ("3 scenarios did not do as they should", "right-reason", "5 of 15", "Action by cause", "animal",
                  "the head never saw one"):  # fmt: skip
        assert words in text, words
    assert page.index("Number 4") < page.index("Number 1") < page.index("Number 0")
    assert "--level:1.0" in page


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        ({"title": "x"}, "a matrix without cells, columns, rows"),
        ({"title": "x", "rows": ["a"], "columns": ["b"], "cells": [[1, 2]]}, "1 rows of .2. cells for 1 rows and 1"),
    ],
)
def test_a_matrix_of_another_form_is_refused(matrix: dict, words: str):
    with pytest.raises(InputError, match=words):
        render_suite([made()], [matrix])


def test_a_report_is_written_whole_or_not_at_all(tmp_path: Path):
    path = write_scenario_report(tmp_path / "new" / "dog.html", made())
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [each.name for each in path.parent.iterdir()] == ["dog.html"]
    with pytest.raises(InputError, match="is a folder"):
        write_scenario_report(tmp_path, made())


def test_an_empty_suite_is_no_success():
    assert "No scenario was run" in render_suite([])
