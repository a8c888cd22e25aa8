"""The guide to concepts is run as it stands: every Python block, in order, on the small system that it makes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.test_guide import run
from veridical.agent.explainer import Explainer

GUIDE = Path(__file__).parents[2] / "docs" / "guide-concepts.md"


def test_the_guide_to_concepts_prints_what_it_says(tmp_path, monkeypatch: pytest.MonkeyPatch):
    # The salt is held still, so that the controls, and with them a text, are the same in each run.
    monkeypatch.setattr(Explainer, "_salt", lambda self, digest: self.settings.salt or "guide")
    monkeypatch.setattr(Explainer, "_input_salt", lambda self, sense: "00" * 16)
    monkeypatch.chdir(tmp_path)
    told = run(GUIDE, {"__name__": "guide"})
    assert len(told) == 9
    for line, (printed, text) in told.items():
        pattern = re.escape(text.strip()).replace("…", ".*")
        assert re.fullmatch(pattern, printed.strip()), f"guide-concepts.md:{line}: printed {printed!r}"
    assert (tmp_path / "graph.mmd").read_text(encoding="utf-8").startswith("flowchart LR")
