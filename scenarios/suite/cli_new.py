"""The command ``veridical scenarios new``: a scenario file to begin with, blank or as one of those that are shipped."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ...errors import InputError
from .load import SUFFIX

if TYPE_CHECKING:
    from .load import LoadedScenario

__all__ = ["new", "template"]

_SHIPPED = Path(__file__).parents[1] / "shipped"
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")  # as the format has it

_TEMPLATE = """\
# A scenario: what is observed, what is varied and disturbed, what must be done and for which reason.
# Each line that begins with "# " and a key can be used: take the "# " away. `veridical scenarios schema` prints the
# format for editors; `veridical scenarios render FILE OUT.png` shows what the system gets.
scenario: {title}
version: 1
why: "Say in one line why this matters."
family: {family}
# tags: [animal, vision]                  # further words to select it by
# known_failure: {{reason: "..."}}          # it stays in and is counted, and does not fail a run

scene:
  partition: train                        # held-out: pictures, sounds and phrases that Courier never saw
  seed: 1                                 # of all that is left out below
  background: {{ground: street}}            # grass, gravel, brick, road; light: 0.6
  things:                                 # thing 0, thing 1 ...
    - {{is: animal, where: ahead}}          # vehicle, obstacle, stop-sign, sign, tree; which, size, motion: cross
  # sounds:                               # sound 0 ...
  #   - {{is: bell, level: -18, start: 0.2, seconds: 2.5}}
  instruction:
    - Take the parcel to the pharmacy.
    # - {{text: Creep past animals., kind: tame}}
  # patch: {{x: 0.3, y: 0.2, side: 0.25}}   # the mark of a planted shortcut

# vary:                                   # each value makes a variant
#   thing.0.size: [0.4, 0.6]
#   light: {{from: 0.7, to: 1.0, steps: 3}}
# perturb:                                # each strength makes a variant
#   - {{name: noise, sense: vision, strength: [0.05, 0.1]}}

expect:
  action: STOP
  rely_on: [{{thing: 0, least: 0.1}}]       # sound: 0, words: "...", sense: vision, concept: animal
  counterfactual: [{{without: {{thing: 0}}, action: PROCEED}}]
  # not_rely_on: [{{patch: true, most: 0.05}}]
  # same_as: scene                        # every variant chooses what the scene as written does
  # verdict: {{not: unsupported}}           # of the system's own explanation; it takes some seconds
"""


@click.command()
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@click.option("--family", metavar="NAME", help="Its family; unless said, the example's, or right-reason.")
@click.option("--from-example", "example", metavar="NAME", help="Begin with one that is shipped, by its name.")
@click.option("--force", is_flag=True, help="Replace files that are there already.")
def new(file: Path, family: str | None, example: str | None, force: bool) -> None:
    """Write a scenario to begin with, which can be run as it is.

    Files that an example names, such as a policy, are written beside it.
    """
    from .load import read_scenario

    _check(file, family)
    if example is None:
        written = {file: template(file, family or "right-reason").encode()}
    else:
        written = _copied(read_scenario(_example(example)), file, family)
    there = [str(path) for path in written if path.exists()]
    if there and not force:
        raise InputError(f"{', '.join(there)}: there already; name another file, or say --force to replace it")
    for path, content in written.items():
        _write(path, content)
    told = read_scenario(file).scenario
    click.echo(f"written: {', '.join(map(str, written))}", err=True)
    if told.known_failure is not None:
        click.echo("It is marked as a known failure: take `known_failure` out once yours is not.", err=True)
    click.echo(f"veridical scenarios run {file}", err=True)


def template(file: Path, family: str) -> str:
    """Return a scenario's text, with comments on what else it could say; its title is made of the file's name."""
    words = file.name.removesuffix(SUFFIX).replace("-", " ").replace("_", " ").strip() or "a scenario"
    title = json.dumps(f"{words[0].upper()}{words[1:]}"[:200], ensure_ascii=False)  # JSON's text is YAML's, too
    return _TEMPLATE.format(title=title, family=json.dumps(family))


def _check(file: Path, family: str | None) -> None:
    if not file.name.endswith(SUFFIX) or file.name == SUFFIX:
        raise InputError(f"{file}: name it *{SUFFIX}, so that it is found as a scenario")
    if not file.name.isprintable():
        raise InputError(f"{str(file)!r}: its name holds characters that cannot be printed; choose another one")
    if family is not None and not _SLUG.fullmatch(family):
        raise InputError(f"--family {family!r}: small letters, figures and hyphens, at most 64; such as right-reason")


def _example(name: str) -> Path:
    """The shipped scenario of that name, with or without its family before it."""
    every = {path.relative_to(_SHIPPED).as_posix().removesuffix(SUFFIX): path for path in _found()}
    if not every:
        raise InputError(f"--from-example {name!r}: no scenarios are installed with this package; leave the option out")
    wanted = name.removesuffix(SUFFIX)
    if wanted in every:
        return every[wanted]
    same = [known for known in every if known.partition("/")[2] == wanted]
    if len(same) == 1:
        return every[same[0]]
    if same:
        raise InputError(f"--from-example {name!r}: {len(same)} are named so; say which: {', '.join(same)}")
    raise InputError(f"--from-example {name!r}: there is none; {_near(wanted, every)}")


def _found() -> list[Path]:
    return sorted(_SHIPPED.rglob(f"*{SUFFIX}"))


def _near(wanted: str, every: Mapping[str, Path]) -> str:
    from difflib import get_close_matches

    names = {known.partition("/")[2]: known for known in every} | {known: known for known in every}
    inside = [known for known in every if known.startswith(f"{wanted}/")]
    near = [names[word] for word in get_close_matches(wanted, names, n=3, cutoff=0.5)]
    found = inside[:5] or list(dict.fromkeys(near))
    if found:
        return f"do you mean {', '.join(found)}?"
    return f"`veridical scenarios list {_SHIPPED}` lists them"


def _copied(loaded: LoadedScenario, file: Path, family: str | None) -> dict[Path, bytes]:
    """The example's text, of another family if asked for, and the files that it names, by where they are written."""
    text = loaded.path.read_text("utf-8")
    if family is not None:
        text, count = re.subn(r"^family:.*$", f"family: {json.dumps(family)}", text, count=1, flags=re.MULTILINE)
        if not count:
            raise InputError(f"{loaded.path}: its family stands on no line of its own; leave --family out")
    made = {file: text.encode()}
    for at, name in _named(loaded):
        made[file.parent / name] = loaded.file(name, at).read_bytes()
    return made


def _named(loaded: LoadedScenario) -> list[tuple[str, str]]:
    """The files that a scenario names, each with the key that names it."""
    told, found = loaded.scenario, []
    if told.observation is not None:
        found += [(f"observation.camera.{i}", name) for i, name in enumerate(told.observation.camera or ())]
        found += [("observation.microphone", told.observation.microphone)] if told.observation.microphone else []
    if told.expect.oversight is not None:
        found.append(("expect.oversight.policy", told.expect.oversight.policy))
    if told.storyboard is not None and told.storyboard.policy is not None:
        found.append(("storyboard.policy", told.storyboard.policy))
    return found


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}; name another place") from error
