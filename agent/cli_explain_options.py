"""Options of ``veridical explain`` that are about concepts, the task and the text, and what they ask for."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError
from .cli_banks import read_acted
from .cli_concepts import check_graph_file

if TYPE_CHECKING:
    from ..concepts.sentences import Length
    from ..concepts.task import Task
    from .conclude import Known

__all__ = ["at_length", "check_asked", "concept_options", "known_of", "why_not_lines", "why_not_told"]

_FILE = click.Path(path_type=Path, dir_okay=False)
_OPTIONS = (
    click.option(
        "--concepts",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Concept banks made by `veridical concepts fit`, with operators' acts; unless said, the system's own.",
    ),
    click.option("--no-concepts", is_flag=True, help="Look for no concepts: quicker."),
    click.option(
        "--task",
        type=_FILE,
        metavar="FILE.toml",
        help="A task statement, which the decision's reasons are held against.",
    ),
    click.option("--expected", metavar="ACTION", help="The action that would have been right; goes with --task."),
    click.option("--why-not", metavar="ACTION", help="Say, too, why this action was not chosen."),
    click.option(
        "--length",
        type=click.Choice(("short", "medium", "full")),
        default="medium",
        show_default=True,
        help="How much of the justification is printed.",
    ),
    click.option(
        "--graph",
        type=_FILE,
        metavar="FILE",
        help="Write the causal graph; the ending names the format: .json, .graphml, .dot or .mmd (Mermaid).",
    ),
)


def concept_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that are about concepts, the task and the text."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def check_asked(options: Mapping[str, Any]) -> Task | None:
    """Check what can be checked without the system, and return the task statement, if one is given.

    Raises:
        InputError: options that exclude each other or lack another, a graph's file that cannot be written, or no task.
    """
    if options["concepts"] and options["no_concepts"]:
        raise InputError("--concepts and --no-concepts: concepts are looked for or not; give one of the two")
    if options["expected"] is not None and options["task"] is None:
        raise InputError(
            f"--expected {options['expected']}: there is no task to hold it against; give --task FILE.toml"
        )
    if options["graph"]:
        check_graph_file(options["graph"])
    if options["task"] is None:
        return None
    from ..concepts.task import read_task

    return read_task(options["task"])


def known_of(system: Any, task: Task | None, options: Mapping[str, Any]) -> Known:
    """Return what the options say is known of the system beforehand.

    Raises:
        InputError: an action that the system does not have; banks or acts that cannot be read, were altered, or were
            made for another system.
    """
    from .conclude import Known

    wanted = {"--expected": options["expected"], "--why-not": options["why_not"]}
    named = [(option, action) for option, action in wanted.items() if action is not None]
    named += [(f"--task {options['task']}", action) for action in (task.actions if task else ())]
    for option, action in named:
        if action not in system.actions:
            raise InputError(f"{option}: {action!r} is no action of this system; it has {', '.join(system.actions)}")
    if options["no_concepts"]:
        return Known(task=task, expected=options["expected"], settings=None)
    folder = options["concepts"]
    banks, acted = read_acted(folder, _identity(system)) if folder else ({}, {})
    return Known(banks, acted, task, options["expected"])


def _identity(system: Any) -> str:
    """What banks call the system that they were fitted for; see `concepts.gather`."""
    return getattr(system, "digest", None) or getattr(system, "name", type(system).__name__)


def at_length(result: Mapping[str, Any], length: Length) -> Mapping[str, Any]:
    """Return a result whose justification is of another length, to be printed."""
    if length == "medium":
        return result
    from .explanation import Explanation

    found = Explanation(result, {})
    sentences = [
        {"text": s.text, "claims": list(s.claims), "confirmed": s.confirmed, "kind": s.kind}
        for s in found.sentences(length)
    ]
    return {**result, "justification": {**result["justification"], "text": found.text(length), "sentences": sentences}}


def why_not_told(result: Mapping[str, Any], action: str) -> dict[str, Any]:
    """Return why another action was not chosen, as plain values; of the decided one, that it was."""
    from .explanation import Explanation

    if action == result["decision"]["action"]:
        return {"action": action, "text": f"{action} is what was decided.", "sentences": []}
    sentences = Explanation(result, {}).why_not(action)
    told = [{"text": s.text, "kind": s.kind, "edges": [list(edge) for edge in s.edges]} for s in sentences]
    return {"action": action, "text": " ".join(s.text for s in sentences), "sentences": told}


def why_not_lines(result: Mapping[str, Any], action: str, width: int) -> str:
    """Return the same as lines for a terminal, with an empty one before them."""
    from .wording import clean

    text = clean(why_not_told(result, action)["text"])
    return (
        f"\nWhy not {clean(action)}?\n" + "\n".join(textwrap.wrap(text, max(width, 60), break_on_hyphens=False)) + "\n"
    )
