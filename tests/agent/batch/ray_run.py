"""A batch by Ray on this machine, in a process of its own, told as JSON: folder and home are given."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path

from veridical.agent.batch.batch import explain_all
from veridical.agent.batch.plan import Plan
from veridical.agent.batch.sources import open_source
from veridical.agent.log.log import Log

NAME = "tests.agent.batch.systems:fragile"


def main(folder: str, home: str) -> None:
    """Explain a folder with one worker at a time."""
    with contextlib.redirect_stdout(sys.stderr), Log.open(home) as log:  # Ray tells of the dead on standard output
        tally = explain_all(open_source(Path(folder)), Plan(NAME, "verdict", "ray", 1, salt="fixed"), log)
    sys.stdout.write(json.dumps(tally.to_dict()))


if __name__ == "__main__":
    main(*sys.argv[1:])
