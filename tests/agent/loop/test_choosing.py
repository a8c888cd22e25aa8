"""Choosing: what the system itself would decide, computed once, and waiting for nobody."""

from __future__ import annotations

import math
import threading

import numpy as np
import pytest
import torch
from torch import nn

from tests.toys import CAT, EYES, READER, SENTENCE, Dropping, Split, Toy, picture, reads_cat, sees_red
from veridical.agent.explainer import Explainer
from veridical.agent.loop.choosing import choose, stand_still
from veridical.errors import ContractError, InputError
from veridical.modalities.given import Given
from veridical.modalities.held import held
from veridical.modalities.observation import prepare

OBSERVATION = {"vision": picture(), "text": SENTENCE}


def both(inputs):
    return sees_red(inputs) + reads_cat(inputs)


def split() -> Split:
    return Split(both, EYES, READER)


@pytest.mark.parametrize("system", [Toy(both, EYES, READER), split()], ids=["whole", "split"])
def test_the_choice_is_the_systems_own(system):
    choice = choose(system, OBSERVATION)
    with torch.no_grad():
        logits = system({m: p.tensor for m, p in prepare(system, OBSERVATION).items()})[0]
    stop, go = logits.tolist()
    assert choice.action == Explainer(system).decide(OBSERVATION) == "STOP"
    torch.testing.assert_close(choice.logits, logits)
    assert choice.score == pytest.approx(stop - go)  # of two actions the log-odds are the difference
    assert choice.margin == pytest.approx(stop - go)
    assert choice.probabilities == pytest.approx({"STOP": 1 / (1 + math.exp(go - stop)), "GO": 1 - choice_p(stop, go)})
    assert not choice.logits.requires_grad


def choice_p(stop: float, go: float) -> float:
    return 1 / (1 + math.exp(go - stop))


def test_each_sense_is_encoded_once_and_the_features_are_kept_for_explaining():
    system = split()
    choice = choose(system, OBSERVATION)
    assert system.encoded == [("vision", 1), ("text", 1)]
    assert choice.features is not None
    assert set(choice.features) == {"vision", "text"} == set(choice.prepared)
    again = choose(system, OBSERVATION, choice.given)
    assert system.encoded == [("vision", 1), ("text", 1)]
    assert again.probabilities == choice.probabilities


def test_what_is_given_of_one_sense_is_not_encoded_again():
    system = split()
    whole = choose(system, OBSERVATION)
    assert whole.features is not None
    given = Given(whole.prepared, features={"vision": whole.features["vision"]})
    system.encoded.clear()
    assert choose(system, OBSERVATION, given).score == whole.score
    assert system.encoded == [("text", 1)]


def test_a_system_with_its_carried_state_decides_in_the_place_of_the_one_that_was_wrapped():
    other = Toy(lambda x: -both(x), EYES, READER)
    choice = choose(split(), OBSERVATION, Given({}, system=other))
    assert choice.action == "GO"
    assert choice.system is other


@pytest.mark.parametrize(
    ("notes", "found"),
    [
        (("Sensor: vision stalled at 3.0 s",), ("sensor",)),
        (("the audio FELL SILENT",), ("sensor",)),
        (("vision was resized",), ()),
        ((), ()),
    ],
)
def test_a_sense_that_cannot_be_used_is_a_finding(notes, found):
    assert choose(split(), OBSERVATION, Given({}, notes=notes)).findings == found


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("kind", [Toy, Split])
def test_a_score_that_is_not_finite_is_no_choice(kind, value):
    system = kind(lambda x: both(x) * 0 + value, EYES, READER)
    with pytest.raises(ContractError, match="finite"):
        choose(system, OBSERVATION)


@pytest.mark.parametrize(
    "observation",
    [
        {"vision": np.full((32, 32, 3), np.nan)},
        {"vision": "no such file.png"},
        {"vision": 3 + 4j},
        {"smell": 1},
        {},
        None,
        [1, 2],
        "text",
        {"text": 7},
    ],
    ids=str,
)
@pytest.mark.usefixtures("unchecked")
def test_an_observation_that_cannot_be_used_is_said_to_be_so(observation):
    with pytest.raises(InputError):
        choose(split(), observation)


def test_it_waits_for_nobody_who_holds_the_system_still():
    system = Dropping()
    stand_still(system)
    holding, release = threading.Event(), threading.Event()

    def hold() -> None:
        with held(system):
            holding.set()
            release.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    holding.wait(20)
    chosen: list[str] = []
    decider = threading.Thread(target=lambda: chosen.append(choose(system, {"text": SENTENCE}).action), daemon=True)
    decider.start()
    decider.join(10)
    blocked = decider.is_alive()
    release.set()
    thread.join()
    assert not blocked
    assert chosen


def test_it_stands_still_for_good_and_says_so():
    system = Dropping()
    (note,) = stand_still(system)
    assert "training mode" in note
    assert not system.drop.training
    assert stand_still(system) == []
    first, second = (choose(system, {"text": SENTENCE}).score for _ in range(2))
    assert first == second


def test_a_system_without_torch_modules_stands_still_anyway():
    assert stand_still(split()) == []
    system = split()
    system.layers = [nn.Dropout()]  # type: ignore[attr-defined]
    assert len(stand_still(system)) == 1


def test_no_gradient_is_kept_of_a_decision():
    weight = torch.ones(1, requires_grad=True)
    system = Split(lambda x: weight * x["text"][:, :, CAT].sum(1), READER)
    choice = choose(system, {"text": SENTENCE})
    assert not choice.logits.requires_grad
    assert choice.features is not None
    assert not choice.features["text"].requires_grad
