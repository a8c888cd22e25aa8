"""Results that small systems really gave, for the checks without the model; each made once."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from tests.concepts.tails import BANKS, OBSERVATION, Senses, linear
from tests.toys import CAT, SENTENCE, SIREN, Toy, hears_tone, picture, reads_cat, sees_red, sound
from veridical.agent.audit.content import CHECKS, check_one
from veridical.agent.audit.finding import Case, Finding
from veridical.agent.conclude import Known
from veridical.agent.explainer import Settings, explain
from veridical.concepts.task import Task
from veridical.verifier.ladder import LadderSettings

Record = tuple[dict[str, Any], dict[str, np.ndarray]]

PLAIN = Settings(namer=None, salt="s")
EVERYTHING: dict[str, Any] = {"vision": picture(2), "audio": sound(), "text": SENTENCE}
TASK = {
    "task": {"name": "crossing", "version": 1},
    "reasons": {"animal": {"sense": "text", "names": ["animal"]}},
    "rule": [{"action": ["STOP"], "must": ["animal"]}],
}


def _together(inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """What is seen, heard and read counts only together, and steeply: no gradient gets the sizes right."""
    seen, heard = (sees_red(inputs) + 3) / 8, (hears_tone(inputs) + 2) / 5
    return 8 * (seen * heard * inputs["text"][:, :, CAT].sum(1)) ** 3 - 1


def _mostly_read(inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
    return 0.5 * sees_red(inputs) + 0.5 * hears_tone(inputs) + reads_cat(inputs)


def _record(explanation: Any) -> Record:
    return json.loads(json.dumps(explanation.result, allow_nan=False)), dict(explanation.data)


@functools.cache
def made(name: str) -> Record:
    """A record that is not to be changed: ``climbed``, ``simple``, ``unsupported`` or ``concepts``."""
    ladders = {"climbed": ("gradient", "measured"), "unsupported": ("gradient",)}
    if name in ladders:
        settings = replace(PLAIN, ladder=LadderSettings(rungs=ladders[name]))
        return _record(explain(Toy(_together), EVERYTHING, settings))
    if name == "simple":
        return _record(explain(Toy(_mostly_read), EVERYTHING, PLAIN))
    # The cat is as strong as is usual, so it goes by its name.
    banks = {**BANKS, "text": replace(BANKS["text"], typical=np.array([0.9, 2.0], np.float32))}
    weights = {"text": 4 * torch.eye(8)[CAT] - 0.01 * torch.eye(8)[SIREN], "audio": torch.tensor([0.0, 0.02])}
    known = Known(banks=banks, task=Task.from_dict(TASK), expected="STOP")
    return _record(explain(Senses(linear(weights, -1.0)), OBSERVATION, replace(PLAIN, known=known)))


def changed(name: str, *changes: tuple[str, Any]) -> dict[str, Any]:
    """The result of a record with values changed, ``("claims/0/measured", 1.0)``; what is not there is put there."""
    result = deepcopy(made(name)[0])
    for path, value in changes:
        *parts, last = [int(part) if part.isdigit() else part for part in path.split("/")]
        place: Any = result
        for part in parts:
            place = place[part]
        place[last] = value
    return result


class Faults(Mapping[str, str]):
    """What is found wrong, by check; a check is run when it is asked for."""

    def __init__(self, case: Case) -> None:
        """Nothing is run yet."""
        self.case = case

    def __getitem__(self, what: str) -> str:
        """Return what a check found wrong."""
        found = check_one(self.case, what)
        if found.ok:
            raise KeyError(f"{what}: {found.told}")
        return found.told

    def __iter__(self) -> Iterator[str]:
        """Go through the checks that found something."""
        return (what for what in CHECKS if what in self)

    def __len__(self) -> int:
        """Return how many found something."""
        return sum(1 for _ in self)


def faults(name: str, *changes: tuple[str, Any]) -> Faults:
    """What is found wrong once values are changed."""
    return Faults(Case(changed(name, *changes), made(name)[1]))


def checked(what: str, name: str, arrays: Mapping[str, np.ndarray] | None = None) -> Finding:
    """One check of a record as it is."""
    result, own = made(name)
    return check_one(Case(result, own if arrays is None else arrays), what)
