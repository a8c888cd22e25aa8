"""Ways to make a scenario simpler that leave its parts: keys fall back to what is usual, numbers go towards nothing.

What the policy acts on (an animal in the way, a siren) is never made smaller or quieter than usual: any system would
miss it in the end, and that failure would be another one. What does not count goes towards nothing: the smallest
distractor, the weakest perturbation that still makes the system fail.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .swept import SENSES_OF, put

__all__ = ["simpler", "weaker"]

Place = tuple[str | int, ...]

_HALVINGS = 4
_USUAL = {
    "scene": ("seconds", "background", "seed"),
    "thing": ("motion", "seen", "flip", "size", "counts"),
    "sound": ("start", "seconds", "offset", "speed", "level"),
    "perturb": ("frames", "span", "at", "first", "early", "seed"),
}


def simpler(plain: dict[str, Any], fails: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Return a scenario in which no key can be left out any more without that it fails otherwise, or not at all.

    Swept values of which one is left each are written into the scene, where it fails with them as well.

    Args:
        plain: the scenario, as plain data.
        fails: whether it still fails in the same way.
    """
    now = plain
    for attempt in _attempts:
        for change in list(attempt(now)):
            tried = copy.deepcopy(now)
            if change(tried) and fails(tried):
                now = tried
    return now


def _inlined(plain: Mapping[str, Any]) -> Iterator[Callable[[dict[str, Any]], bool]]:
    vary = plain.get("vary") or {}
    if not vary or any(len(values) > 1 for values in vary.values()):
        return

    def change(tried: dict[str, Any]) -> bool:
        for path, values in tried.pop("vary").items():
            put(tried["scene"], path, values[0])
        tried.pop("combine", None)
        if not tried.get("perturb"):
            tried.get("expect", {}).pop("on", None)
        return True

    yield change


def _without_on(plain: Mapping[str, Any]) -> Iterator[Callable[[dict[str, Any]], bool]]:
    if "on" in plain.get("expect", {}):
        yield lambda tried: tried["expect"].pop("on", None) is not None


def _usual(plain: Mapping[str, Any]) -> Iterator[Callable[[dict[str, Any]], bool]]:
    """Leave out a key of the scene, of a thing, of a sound or of a perturbation; then all of one perturbation's."""
    scene = plain.get("scene") or {}
    for key in _USUAL["scene"]:
        yield _dropped(("scene",), key)
    for key in ("light", "ground", "seed"):
        yield _dropped(("scene", "background"), key)
    for name, many in (("thing", "things"), ("sound", "sounds")):
        for i in range(len(scene.get(many) or ())):
            counts = scene[many][i]["is"] in SENSES_OF
            for key in _USUAL[name]:
                if key in ("size", "level") and not counts:
                    continue  # it goes towards nothing, see `weaker`
                yield _dropped(("scene", many, i), key)
    for i, specs in enumerate(plain.get("perturb") or ()):
        for j in range(len(specs)):
            for key in _USUAL["perturb"]:
                yield _dropped(("perturb", i, j), key)


def _dropped(place: Place, key: str) -> Callable[[dict[str, Any]], bool]:
    def change(tried: dict[str, Any]) -> bool:
        here = _at(tried, place)
        if not isinstance(here, dict) or key not in here:
            return False
        del here[key]
        return True

    return change


def _at(plain: Mapping[str, Any], place: Place) -> Any:
    here: Any = plain
    for step in place:
        try:
            here = here[step]
        except (IndexError, KeyError, TypeError):
            return None
    return here


_attempts = (_inlined, _without_on, _usual)


def weaker(plain: dict[str, Any], fails: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Return a scenario whose numbers are as near to nothing as halving found: strengths, sizes, levels.

    Four halvings of the way from a number to nothing; that a number between fails does not follow, and is not assumed.

    Args:
        plain: the scenario, as plain data.
        fails: whether it still fails in the same way.
    """
    now = plain
    for place, nothing in list(_numbers(plain)):
        now = _nearer(now, place, nothing, fails)
    return now


def _numbers(plain: Mapping[str, Any]) -> Iterator[tuple[Place, float]]:
    """Each number that may go towards nothing, and what nothing is."""
    for i, specs in enumerate(plain.get("perturb") or ()):
        for j, spec in enumerate(specs):
            for k in range(len(spec["strength"])):
                yield ("perturb", i, j, "strength", k), 0.0
    scene = plain.get("scene") or {}
    for i, thing in enumerate(scene.get("things") or ()):
        if thing.get("size") is not None and thing["is"] not in SENSES_OF:
            yield ("scene", "things", i, "size"), 0.02
    for i, sound in enumerate(scene.get("sounds") or ()):
        if sound.get("level") is not None and sound["is"] not in SENSES_OF:
            yield ("scene", "sounds", i, "level"), -100.0
    if (scene.get("patch") or {}).get("side") is not None:
        yield ("scene", "patch", "side"), 0.01


def _nearer(
    plain: dict[str, Any], place: Place, nothing: float, fails: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    *above, last = place
    now, far, near = plain, float(_at(plain, place)), nothing
    for _ in range(_HALVINGS):
        middle = round((far + near) / 2, 4)
        if middle in (far, near):
            break
        tried = copy.deepcopy(now)
        _at(tried, tuple(above))[last] = middle
        if fails(tried):
            now, far = tried, middle
        else:
            near = middle
    return now
