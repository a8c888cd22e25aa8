"""The command ``veridical serve`` with a toy system, as a process of its own; for tests only."""

from __future__ import annotations

import sys

from tests.agent.serve.sample import system
from veridical.agent import cli_options, systems
from veridical.agent.cli import cli, main
from veridical.agent.serve.cli_serve import serve


def toy(name: str) -> object:
    """The sample's system, whatever its name."""
    return system()


if __name__ == "__main__":
    systems.load_system = cli_options.load_system = toy
    cli.add_command(serve)
    sys.argv = ["veridical", *sys.argv[1:]]
    main()
