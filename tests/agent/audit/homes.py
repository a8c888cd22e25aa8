"""Homes with a small log of real explanations, made once and copied where a test writes."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import shutil
import sys
import tempfile
import unittest.mock
from pathlib import Path

from tests.agent.audit.content_sample import made
from veridical.agent import cli
from veridical.agent.log.log import Log
from veridical.agent.log.statement import new_statement
from veridical.agent.logged import log_decision
from veridical.agent.record.context import Context

ORDER = "order 4711"
ACT = {"act": "overridden", "who": "Ann", "reason": "the road was free", "action": "GO"}


@functools.cache
def shared() -> Path:
    """A home that nobody may write to: the log begins, decisions 1 to 3, an operator's act 4 about decision 2.

    Decision 1 is a subject of its own; 2 and 3, which rest on a concept, are of `ORDER`, and 3 is stored at a loss.
    """
    home = Path(tempfile.mkdtemp(prefix="audit-")) / "home"
    with Log.open(home) as log:
        log_decision(log, *made("simple"), Context(labels={"group": "A"}))
        log_decision(log, *made("concepts"), Context(labels={"group": "B"}), ORDER)
        log_decision(log, *made("concepts"), Context(labels={"group": "A", "lane": "=1"}, precision="int8"), ORDER)
        entry = log.entry(2)
        said = {"about": entry.statement.id, **ACT}
        log.append(new_statement("operator", said, [(f"record {entry.statement.id}", entry.digest)]))
    return home


def copied(folder: Path) -> Path:
    """A copy that may be written to."""
    return Path(shutil.copytree(shared(), folder / "home"))


def run(home: Path | None, *arguments: object) -> tuple[int, str, str]:
    """Run ``veridical audit`` in this process; returns status, stdout and stderr."""
    words = [str(argument) for argument in arguments]
    before, at = sys.argv, 1 + (words[0] in ("hold", "key"))
    if home is not None:
        words[at:at] = ["--home", str(home)]
    sys.argv = ["veridical", "audit", *words]
    out, err, status = io.StringIO(), io.StringIO(), 0
    try:
        # As wide as that, whatever terminal the tests run in, or pytest-xdist says that they do.
        with (
            unittest.mock.patch.dict(os.environ, {"COLUMNS": "100"}),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            cli.main()
    except SystemExit as left:
        status = left.code if isinstance(left.code, int) else 0
    finally:
        sys.argv = before
    return status, out.getvalue(), err.getvalue()


def ran(home: Path | None, *arguments: object) -> str:
    """Run a command that must succeed; returns stdout."""
    status, out, err = run(home, *arguments)
    assert status == 0, err or out
    return out


def failed(home: Path | None, *arguments: object) -> str:
    """Run a command that must fail with one line; returns it."""
    status, out, err = run(home, *arguments)
    assert (status, out) == (2, ""), out
    lines = err.splitlines()
    assert lines[0].startswith("veridical: error: ")
    assert len(lines) == 1 or lines[1].startswith("Try: ")
    return lines[0].removeprefix("veridical: error: ")
