"""The commands ``veridical concepts``: banks fitted, shown, and acted on by operators; graphs of many decisions."""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError
from .cli_banks import counted, described, fit_banks, lines_of, lines_of_choice, read_acted
from .cli_options import json_option
from .systems import load_system

if TYPE_CHECKING:
    import networkx as nx

    from ..concepts.acts import Act, Acted
    from ..concepts.bank import ConceptBank

__all__ = ["ENDINGS", "check_graph_file", "concepts"]

ENDINGS = (".json", ".graphml", ".dot", ".mmd")
"""Endings of a graph's file, each of its format."""

_folder = click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
_CONCEPT = re.compile(r"([^\s#]+)#(0|[1-9][0-9]{0,5})")


def check_graph_file(path: Path) -> None:
    """Raise at once if a graph cannot be written to ``path``; its parent folders are made.

    Raises:
        InputError: an ending that names no format, a folder, or no way to write there.
    """
    if path.suffix.lower() not in ENDINGS:
        raise InputError(f"graph: {path} ends in {path.suffix!r}; the endings known are {', '.join(ENDINGS)}")
    if path.is_dir():
        raise InputError(f"graph: {path} is a folder; name a file, such as {path / 'graph.json'}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"graph: {path.parent} cannot be made: {error.strerror}; name another place") from error


def _on_concept(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the folder and the concept that are acted on, and who does it and why."""
    by = click.option("--by", required=True, metavar="WHO", help="Who does it; kept with the act.")
    reason = click.option("--reason", required=True, metavar="WHY", help="Why it is done; kept with the act.")
    concept = click.argument("concept", metavar="SENSE#K")
    return _folder(concept(by(reason(command))))


@click.group()
def concepts() -> None:
    """Find the concepts of a system, look at them, name them, and put decisions' graphs together."""


@concepts.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="FOLDER")
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, metavar="DIR", help="A new folder, where the banks go."
)
@click.option("--system", "name", default="courier", show_default=True, metavar="NAME", help="The system to look into.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="The most observations to use.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="The seed of all that is drawn.")
@click.option("--no-names", is_flag=True, help="Give no names: quicker, and no encoder is loaded for them.")
@json_option
def fit(folder: Path, out: Path, name: str, limit: int | None, seed: int, no_names: bool, as_json: bool) -> None:
    """Find a system's concepts, and name them.

    A concept that does not show clearly what it is stays unnamed. FOLDER is laid out as for `veridical evaluate`; at
    least 8 observations of a sense are wanted, some hundreds are better. They are read a second time for the names.
    `veridical explain --concepts DIR` measures what the concepts do to a decision.
    """
    with contextlib.redirect_stdout(sys.stderr):  # whatever a library prints, it is not the result
        from ..concepts.bank_file import write_banks
        from .folders import find_observations
        from .record import check_target

        check_target(out)
        observations = find_observations(folder)[:limit]
        found = fit_banks(load_system(name), observations, seed, not no_names)
        written = write_banks(out, found.banks)
    senses = _described(found.banks)
    if as_json:
        told = {"folder": str(out), "files": [path.name for path in written], "system": name, "senses": senses}
        _dump({**told, "notes": list(found.notes), "passed_over": list(found.passed_over)})
        return
    for m, bank in found.banks.items():
        _say_bank(bank, senses[m], fitted=True)
    for line in (*found.notes, *(f"passed over: {each}" for each in found.passed_over)):
        _say(line, err=True)
    _say(f"written: {out}", err=True)


@concepts.command()
@_folder
@json_option
def show(folder: Path, as_json: bool) -> None:
    """Show banks, concepts and names.

    Those in DIR, as they are after the acts of operators.
    """
    from ..concepts.acts import read_acts

    banks, acted = read_acted(folder)
    senses, count = _described(banks, acted), len(read_acts(folder))
    if as_json:
        _dump({"folder": str(folder), "senses": senses, "acts": count})
        return
    for m, bank in banks.items():
        _say_bank(bank, senses[m], fitted=False)
    _say(f"acts of operators: {count or 'none'}" + ("; `veridical concepts log` lists them" if count else ""))


@concepts.command("name")
@_on_concept
@click.argument("text", metavar="TEXT")
def name_concept(folder: Path, concept: str, text: str, by: str, reason: str) -> None:
    """Give a concept a name.

    It stands in place of the name that the concept earned, if any. SENSE#K is, for example, vision#3.
    """
    _do(folder, "name", concept, by, reason, text=text)


@concepts.command("unname")
@_on_concept
def unname_concept(folder: Path, concept: str, by: str, reason: str) -> None:
    """Take back a name that was given.

    The name that the concept earned holds again, if there is one.
    """
    _do(folder, "unname", concept, by, reason)


@concepts.command("merge")
@_on_concept
@click.argument("into", metavar="SENSE#INTO")
def merge_concept(folder: Path, concept: str, into: str, by: str, reason: str) -> None:
    """Merge a concept into another one.

    SENSE#K counts as part of SENSE#INTO from then on; both are of one sense.
    """
    sense, index = _parsed(into)
    if sense != _parsed(concept)[0]:
        raise InputError(f"concepts: {concept} and {into} are of two senses; merge concepts of one sense")
    _do(folder, "merge", concept, by, reason, into=index)


@concepts.command("split")
@_on_concept
def split_concept(folder: Path, concept: str, by: str, reason: str) -> None:
    """Take back the merge of a concept."""
    _do(folder, "split", concept, by, reason)


@concepts.command("veto")
@_on_concept
def veto_concept(folder: Path, concept: str, by: str, reason: str) -> None:
    """Refuse a concept.

    It goes without a name, and is marked as vetoed wherever it is told.
    """
    _do(folder, "veto", concept, by, reason)


@concepts.command("allow")
@_on_concept
def allow_concept(folder: Path, concept: str, by: str, reason: str) -> None:
    """Take back the veto on a concept."""
    _do(folder, "allow", concept, by, reason)


@concepts.command()
@_folder
@json_option
def log(folder: Path, as_json: bool) -> None:
    """List the acts of operators.

    Those on the banks in DIR, the first one first; their chain is checked.
    """
    from ..concepts.acts import read_acts

    read_acted(folder)
    acts = read_acts(folder)
    if as_json:
        _dump({"folder": str(folder), "acts": [{**act.to_dict(), "digest": act.digest} for act in acts]})
        return
    for act in acts:
        _say(f"{act.when}  {_act_line(act)}")
    if not acts:
        _say("no acts of operators")


@concepts.command()
@click.argument("records", type=click.Path(path_type=Path), nargs=-1, required=True, metavar="RECORD...")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="Where it goes; the ending names the format: .json, .graphml, .dot or .mmd (Mermaid).",
)
def graph(records: tuple[Path, ...], out: Path) -> None:
    """Write the causal graph of recorded decisions.

    That of one record is the decision's, several are put together into the system's: it tells for each concept and
    action how often they go together, and what taking the concept out does to the decision, over all decisions in which
    that was tested. They must be of one system and one bank.
    """
    from ..concepts.graph_export import export
    from ..concepts.system_graph import merge

    check_graph_file(out)
    if len({record.resolve() for record in records}) < len(records):
        raise InputError("concepts graph: a record is named twice, and would count twice; name each once")
    graphs = [_recorded(record) for record in records]
    found = graphs[0] if len(graphs) == 1 else merge(graphs)
    export(found, out)
    if len(graphs) > 1:
        decided = ", ".join(f"{action} {times}" for action, times in found.graph["decided"].items())
        roles = [data["role"] for _, _, data in found.edges(data=True) if "role" in data]
        counted = ", ".join(f"{role} {roles.count(role)}" for role in sorted(set(roles))) or "none"
        _say(f"{len(graphs)} decisions: {decided}. Pairs of a concept and an action: {counted}.")
    _say(f"graph: {out}", err=True)


def _recorded(record: Path) -> nx.DiGraph:
    """The graph of a recorded decision."""
    from .explanation import Explanation
    from .record import read_record

    try:
        return Explanation(read_record(record)[0], {}).graph()
    except InputError as error:
        raise InputError(f"{record}: {error}") from error


def _parsed(concept: str) -> tuple[str, int]:
    """Sense and index of a concept."""
    match = _CONCEPT.fullmatch(concept)
    if match is None:
        raise InputError(f"concepts: {concept!r} names no concept; give a sense and a number, such as vision#3")
    return match[1], int(match[2])


def _do(folder: Path, act: str, concept: str, by: str, reason: str, **more: Any) -> None:
    """Add an act to a folder's log, and say it."""
    from ..concepts.acts import Act, append_act

    sense, index = _parsed(concept)
    banks, _ = read_acted(folder)  # with the acts before: what is on another bank is found now, not when explaining
    if sense not in banks:
        raise InputError(f"concepts: {folder} holds no bank of {sense!r}; it has {', '.join(banks)}")
    done = append_act(folder, Act.on(banks[sense], act, index, by=by, reason=reason, **more))
    _say(_act_line(done))


def _act_line(act: Act) -> str:
    what = f" “{act.text}”" if act.text is not None else f" into {act.sense}#{act.into}" if act.into is not None else ""
    return f"{act.act} {act.sense}#{act.concept}{what}, by {act.by}: {act.reason}"


def _described(banks: Mapping[str, ConceptBank], acted: Mapping[str, Acted] | None = None) -> dict[str, dict[str, Any]]:
    return {m: described(bank, (acted or {}).get(m)) for m, bank in banks.items()}


def _say_bank(bank: ConceptBank, told: Mapping[str, Any], *, fitted: bool) -> None:
    """Print a bank; of one just fitted also how its number of concepts came about."""
    _say(
        f"{bank.sense}: {counted(len(bank))}, version {bank.version}, from {told['observations']} observations; "
        f"bank {bank.digest[:15]}…"
    )
    for line in [*(lines_of_choice(told) if fitted else ()), *lines_of(told)]:
        _say(line, indent=2)


def _say(text: str, *, indent: int = 0, err: bool = False) -> None:
    """Print a line; what files and users wrote in it cannot move the cursor."""
    from .terminal import tidy
    from .wording import clean

    stream = sys.stderr if err else sys.stdout
    click.echo(tidy(" " * indent + clean(text), stream.encoding or "utf-8"), err=err)


def _dump(told: Mapping[str, Any]) -> None:
    click.echo(json.dumps(told, indent=2, allow_nan=False))
