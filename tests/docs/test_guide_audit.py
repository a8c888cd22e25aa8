"""The auditor's guide is run as it stands: Python blocks and commands, in order, in a home of its own."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import sys
from pathlib import Path

import pytest

from veridical.agent import cli

GUIDE = Path(__file__).parents[2] / "docs" / "guide-audit.md"
STEP = re.compile(r"^```(python|text)\n(.*?)^```$|^    veridical ([^\n]+)$", re.M | re.S)


def steps(document: str):
    """Blocks and commands in their order: line, kind and content."""
    for match in STEP.finditer(document):
        line = document[: match.start()].count("\n") + 1
        yield (line, match[1], match[2]) if match[1] else (line, "command", match[3])


def run(command: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(sys, "argv", ["veridical", *shlex.split(command)])
    with contextlib.redirect_stdout(io.StringIO()) as out, pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code in (0, 1 if "--quick" in command else 0), f"veridical {command}: {out.getvalue()}"
    return out.getvalue()


def test_the_auditors_guide_prints_what_it_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VERIDICAL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "100")
    printed, compared, namespace = "", 0, {"__name__": "guide"}
    for line, kind, content in steps(GUIDE.read_text(encoding="utf-8")):
        if kind == "python":
            code = compile("\n" * line + content, str(GUIDE), "exec")
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(code, namespace)  # noqa: S102 - our own document
            printed = out.getvalue()
        elif kind == "command":
            printed = "" if "# not run here" in content else run(content, monkeypatch)
        else:
            compared += 1
            pattern = re.escape(content.strip()).replace("…", ".*")
            assert re.fullmatch(pattern, printed.strip(), re.S), f"guide-audit.md:{line}: printed {printed!r}"
    assert compared == 13
    assert {"letter.html", "period.html", "entry-1.html", "case.zip"} <= {path.name for path in tmp_path.iterdir()}
