"""Clocks from a file: when the signals of an observation were, as the command line is told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..modalities.clock import Clock, Stamps
from ..modalities.contract import Observation
from ..modalities.timed import Timed

__all__ = ["read_clocks", "with_clocks"]

_FORMS = {
    "stamps": ("uncertainty",),
    "start": ("drift", "uncertainty", "drift_uncertainty"),
    "events": (),
}
_HINT = 'give e.g. {"vision": {"stamps": [0, 1.2, 2]}, "audio": {"start": 0.2, "drift": 5e-5, "uncertainty": 0.01}}'


def read_clocks(path: str | Path) -> dict[str, Clock | Stamps]:
    """Read a JSON file of clocks by sense.

    Each sense has one of: ``stamps`` (one timestamp for each frame; ``uncertainty``), ``start`` (``drift``,
    ``uncertainty``, ``drift_uncertainty``) or ``events`` (pairs of the signal's own second and the observation's, to
    which a clock is fitted). All are seconds; an uncertainty of null is not known.

    Raises:
        InputError: no such file, not JSON, an unknown key, or numbers that make no clock; the message names the sense.
    """
    content = _read(Path(path))
    if not isinstance(content, dict) or not content:
        told = "nothing" if content == {} else f"a {type(content).__name__}"
        raise InputError(f"clocks: {Path(path).name} holds {told}; {_HINT}")
    return {sense: _clock(sense, entry) for sense, entry in content.items()}


def with_clocks(observation: Observation, clocks: Mapping[str, Clock | Stamps]) -> dict[str, Any]:
    """Return the observation with each signal's clock; senses without one are left as they are.

    Raises:
        InputError: a clock for a sense that the observation does not hold, or that has one already.
    """
    missing = [sense for sense in clocks if observation.get(sense) is None]
    if missing:
        there = ", ".join(sense for sense in observation if observation[sense] is not None) or "nothing"
        raise InputError(f"clocks: a clock for {missing[0]!r}, which was not given; the observation holds {there}")
    return {m: Timed(x, clocks[m]) if m in clocks else x for m, x in observation.items()}


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_once)
    except FileNotFoundError as error:
        raise InputError(f"clocks: no such file: {str(path)!r}; check the path") from error
    except OSError as error:
        raise InputError(f"clocks: {str(path)!r} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"clocks: {path.name} is not UTF-8 text, at byte {error.start}") from error
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"clocks: {path.name} is not JSON ({error}); {_HINT}") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its pairs, none of which may stand twice."""
    keys = [key for key, _ in pairs]
    twice = [key for key in keys if keys.count(key) > 1]
    if twice:
        raise InputError(f"clocks: the key {twice[0]!r} stands twice; keep one")
    return dict(pairs)


def _clock(sense: str, entry: Any) -> Clock | Stamps:
    keys = list(entry) if isinstance(entry, dict) else []
    forms = [form for form in _FORMS if form in keys]
    if len(forms) != 1:
        got = ", ".join(keys) or "nothing" if isinstance(entry, dict) else f"a {type(entry).__name__}"
        raise InputError(f"clocks: {sense} has {got}; one of {', '.join(_FORMS)} is wanted")
    form = forms[0]
    unknown = [key for key in keys if key != form and key not in _FORMS[form]]
    if unknown:
        told = f"beside {form} there may be {', '.join(_FORMS[form])}" if _FORMS[form] else f"{form} stands alone"
        raise InputError(f"clocks: {sense}: unknown key {unknown[0]!r}; {told}")
    try:
        if form == "start":
            return Clock.affine(**entry)
        if form == "stamps":
            return Stamps.of(entry["stamps"], entry.get("uncertainty", 0.0))
        return _fitted(entry["events"])
    except InputError as error:
        raise InputError(f"clocks: {sense}: {error}") from error


def _fitted(events: Any) -> Clock:
    if not isinstance(events, list) or any(not isinstance(e, list) or len(e) != 2 for e in events):
        raise InputError("events are pairs [own second, observation's second]")
    return Clock.fit([own for own, _ in events], [common for _, common in events])
