"""The parts of a scenario that can be left out, and the scenario without some of them, as plain data.

Whatever is numbered is numbered anew: where thing 0 is left out, thing 1 becomes thing 0 wherever it is named.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Collection, Mapping
from typing import Any

from .schema import Scenario
from .swept import place_of, values_of

__all__ = ["EXPECTED", "Unit", "alone", "kept", "plain_of", "unit_of", "units_of"]

Unit = tuple[str | int, ...]
"""A part by what and where it is: ``("thing", 0)``, ``("value", "light", 2)``, ``("expect", "rely_on", 1)`` …"""

EXPECTED = ("expect", "must")
"""First words of the parts that are expectations: of the decisions, and of the drive in a closed loop."""

_MANY = ("probability", "rely_on", "not_rely_on", "direction", "counterfactual", "robust")
_ONE = ("action", "not_action", "verdict", "same_as", "oversight")
_MUST = ("stop_before", "yield_within", "speed_near")  # a drive's other criteria stand alone
_MUST_ONE = ("time_to_collision", "needless_stops")
_NAMED = {"things": "thing", "sounds": "sound"}


def plain_of(scenario: Scenario) -> dict[str, Any]:
    """Return what a scenario's file says, as plain data: swept values written out, marks of known failure left out."""
    plain = scenario.model_dump(by_alias=True, exclude_unset=True, mode="json")
    plain.pop("known_failure", None)
    if scenario.vary:
        plain["vary"] = {path: list(values_of(values)) for path, values in scenario.vary.items()}
    for specs, together in zip(plain.get("perturb", ()), scenario.perturb, strict=True):
        for spec, model in zip(specs, together, strict=True):
            spec["strength"] = list(model.strength)  # 1, where the file does not say
    return plain


def units_of(plain: Mapping[str, Any]) -> list[Unit]:
    """Return all parts that can be left out: expectations first, then variants, then what is in the scene."""
    must = (plain.get("storyboard") or {}).get("must") or {}
    asked: list[Unit] = [("must", key) for key in _MUST_ONE if must.get(key) is not None]
    asked += [("must", key, i) for key in _MUST for i in range(len(must.get(key) or ()))]
    return [*_expected(plain.get("expect") or {}), *asked, *_varied(plain), *_shown(plain)]


def _expected(expect: Mapping[str, Any]) -> list[Unit]:
    found: list[Unit] = [("expect", key) for key in _ONE if expect.get(key) is not None]
    found += [("expect", key, i) for key in _MANY for i in range(len(expect.get(key) or ()))]
    return [*found, *(("expect", "latency_ms", what) for what in expect.get("latency_ms") or ())]


def _varied(plain: Mapping[str, Any]) -> list[Unit]:
    vary = plain.get("vary") or {}
    if plain.get("combine") == "zip":
        found: list[Unit] = [("row", i) for i in range(len(next(iter(vary.values()), ())))]
    else:
        found = [("value", path, i) for path, values in vary.items() for i in range(len(values))]
    for i, specs in enumerate(plain.get("perturb") or ()):
        found += [("strength", i, j, k) for j, spec in enumerate(specs) for k in range(len(spec["strength"]))]
    return found


def _shown(plain: Mapping[str, Any]) -> list[Unit]:
    seen: list[Unit] = [("file", key) for key in plain.get("observation") or ()]
    for i, actor in enumerate((plain.get("storyboard") or {}).get("actors") or ()):
        seen += [("actor", i), *(("event", i, j) for j in range(len(actor.get("events") or ())))]
    scene = plain.get("scene")
    if scene is None:
        return seen
    for key, name in _NAMED.items():
        seen += [(name, i) for i in range(len(scene.get(key) or ()))]
    seen += [("clause", i) for i in range(len(scene.get("instruction") or ()))]
    seen += [("patch",)] if scene.get("patch") is not None else []
    return [*seen, ("traffic",)] if scene.get("traffic", 0.0) is not None else seen


def unit_of(expectation: str) -> Unit | None:
    """Return the part that a check is about, by its name: ``rely_on[1]``; None where it cannot be left out.

    A closed loop always asks that the robot arrives and runs into nothing.
    """
    if expectation.startswith("storyboard."):
        key, _, rest = expectation.partition(".")[2].partition("[")
        if key in _MUST and rest[:-1].isdecimal():
            return "must", key, int(rest[:-1])
        return ("must", key) if key in _MUST_ONE else None
    key, _, rest = expectation.partition("[")
    if key in _MANY and rest[:-1].isdecimal():
        return "expect", key, int(rest[:-1])
    if expectation.startswith("latency_ms."):
        return "expect", "latency_ms", expectation.partition(".")[2]
    return ("expect", expectation) if expectation in _ONE else None


def alone(expectation: str) -> str:
    """Return the name of a check once all other expectations are left out: ``rely_on[0]`` for ``rely_on[1]``."""
    unit = unit_of(expectation)
    numbered = unit is not None and len(unit) == 3 and isinstance(unit[2], int)
    return f"{expectation.partition('[')[0]}[0]" if numbered else expectation


def kept(plain: Mapping[str, Any], units: Collection[Unit]) -> dict[str, Any] | None:
    """Return a scenario with these of its parts alone; None where one that is kept speaks of one that is not.

    That is not all that can be wrong with it: the schema may refuse what is left.
    """
    have, made = frozenset(units), copy.deepcopy(dict(plain))
    numbers = _scene(made, have)
    if "observation" in made:
        made["observation"] = {key: value for key, value in made["observation"].items() if ("file", key) in have}
    if made.get("storyboard"):
        _storyboard(made["storyboard"], have)
    _vary(made, have, numbers)
    _perturb(made, have)
    return made if _expect(made, have, numbers) else None


def _scene(made: dict[str, Any], have: frozenset[Unit]) -> dict[str, dict[int, int]]:
    """Leave out what is not kept of the scene; the new number of each thing, sound and clause, by its old one."""
    scene, numbers = made.get("scene"), {}
    if scene is None:
        return {}
    for key, name in {**_NAMED, "instruction": "clause"}.items():
        every = scene.get(key) or []
        stay = [i for i in range(len(every)) if (name, i) in have]
        numbers[key] = {old: new for new, old in enumerate(stay)}
        if every:
            scene[key] = [every[i] for i in stay]
            if not stay:
                del scene[key]
    if ("patch",) not in have:
        scene.pop("patch", None)
    if ("traffic",) not in have:
        scene["traffic"] = None
    return numbers


def _storyboard(board: dict[str, Any], have: frozenset[Unit]) -> None:
    actors = []
    for i, actor in enumerate(board.pop("actors", None) or ()):
        events = [event for j, event in enumerate(actor.pop("events", None) or ()) if ("event", i, j) in have]
        if ("actor", i) in have:
            actors.append({**actor, "events": events} if events else actor)
    if actors:
        board["actors"] = actors
    must = board["must"]
    for key in _MUST_ONE:
        if ("must", key) not in have:
            must.pop(key, None)
    for key in _MUST:
        stay = [one for i, one in enumerate(must.pop(key, None) or ()) if ("must", key, i) in have]
        if stay:
            must[key] = stay


def _vary(made: dict[str, Any], have: frozenset[Unit], numbers: Mapping[str, Mapping[int, int]]) -> None:
    zipped, found = made.get("combine") == "zip", {}
    for path, values in (made.get("vary") or {}).items():
        stay = [v for i, v in enumerate(values) if (("row", i) if zipped else ("value", path, i)) in have]
        new = _renumbered(path, numbers)
        if stay and new is not None and not (place_of(path)[0] == "patch" and ("patch",) not in have):
            found[new] = stay
    made.pop("vary", None)
    if found:
        made["vary"] = found
    else:
        made.pop("combine", None)


def _renumbered(path: str, numbers: Mapping[str, Mapping[int, int]]) -> str | None:
    """A swept path with the new number of what it is about; None where that is left out."""
    place = place_of(path)
    if len(place) < 2 or not isinstance(place[1], int) or place[0] not in numbers:
        return path
    new = numbers[str(place[0])].get(place[1])
    if new is None:
        return None
    steps = path.split(".")
    at = next(i for i, step in enumerate(steps) if step.isdecimal())
    return ".".join([*steps[:at], str(new), *steps[at + 1 :]])


def _perturb(made: dict[str, Any], have: frozenset[Unit]) -> None:
    found = []
    for i, specs in enumerate(made.pop("perturb", ())):
        for j, spec in enumerate(specs):
            spec["strength"] = [s for k, s in enumerate(spec["strength"]) if ("strength", i, j, k) in have]
        together = [spec for spec in specs if spec["strength"]]
        found += [together] if together else []
    if found:
        made["perturb"] = found


def _expect(made: dict[str, Any], have: frozenset[Unit], numbers: Mapping[str, Mapping[int, int]]) -> bool:
    """Leave out what is not kept of the expectations; whether the others speak of nothing that is gone."""
    expect = made.get("expect")
    if expect is None:
        return True
    for key in _ONE:
        if ("expect", key) not in have:
            expect.pop(key, None)
    for key in _MANY:
        stay = [one for i, one in enumerate(expect.pop(key, None) or ()) if ("expect", key, i) in have]
        if stay:
            expect[key] = stay
    timed = {k: v for k, v in (expect.pop("latency_ms", None) or {}).items() if ("expect", "latency_ms", k) in have}
    if timed:
        expect["latency_ms"] = timed
    named = itertools.chain(
        expect.get("rely_on", ()),
        expect.get("not_rely_on", ()),
        (o["without"] for o in expect.get("counterfactual", ())),
    )
    if not all(_renamed(part, numbers) for part in named):
        return False
    for one in expect.get("direction", ()):
        one["when"] = _renumbered(one["when"], numbers)
        if one["when"] not in (made.get("vary") or {}):
            return False
    if made.get("storyboard") and not expect.keys() - {"on"}:
        del made["expect"]  # the closed loop says itself what must hold
    return True


def _renamed(part: dict[str, Any], numbers: Mapping[str, Mapping[int, int]]) -> bool:
    for key, name in _NAMED.items():
        if part.get(name) is not None:
            part[name] = numbers.get(key, {}).get(part[name])
            if part[name] is None:
                return False
    return True
