"""Coming to a verdict again, from the record and the model."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from tests.toys import CAT, READER, SENTENCE, Toy, hears_tone, picture, reads_cat, sees_red, sound
from veridical.agent.explainer import Settings, explain
from veridical.agent.recheck import Recheck, recheck
from veridical.agent.record import read_record
from veridical.errors import RecordError
from veridical.verifier.ladder import LadderSettings

PLAIN = Settings(namer=None)
EVERYTHING: dict[str, Any] = {"vision": picture(2), "audio": sound(), "text": SENTENCE}


def together(inputs) -> torch.Tensor:
    """What is seen, heard and read counts only together, and steeply: no gradient gets the sizes right."""
    seen, heard = (sees_red(inputs) + 3) / 8, (hears_tone(inputs) + 2) / 5
    return 8 * (seen * heard * inputs["text"][:, :, CAT].sum(1)) ** 3 - 1


def mostly_read(inputs) -> torch.Tensor:
    return 0.5 * sees_red(inputs) + 0.5 * hears_tone(inputs) + reads_cat(inputs)


CLIMBED, READING = Toy(together), Toy(mostly_read)


@pytest.fixture(scope="module")
def climbed(tmp_path_factory) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """A record of a decision that needed the last rung, as it is read back."""
    settings = replace(PLAIN, ladder=LadderSettings(rungs=("gradient", "measured")))
    found = explain(CLIMBED, EVERYTHING, settings)
    return read_record(found.record(tmp_path_factory.mktemp("records") / "climbed"))


@pytest.fixture(scope="module")
def simple(tmp_path_factory) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """A record of a decision that the gradient at the input accounts for."""
    return read_record(explain(READING, EVERYTHING, PLAIN).record(tmp_path_factory.mktemp("records") / "simple"))


def tampered(record: tuple[dict[str, Any], Any], *change: tuple[str, Any]) -> dict[str, Any]:
    """The result with values changed: ``("verdict.attempts.0.salt", "x")``."""
    result = deepcopy(record[0])
    for path, value in change:
        *parts, last = [int(part) if part.isdigit() else part for part in path.split(".")]
        place: Any = result
        for part in parts:
            place = place[part]
        place[last] = value
    return result


def differing(found: Recheck) -> dict[str, str]:
    assert not found.agrees
    return {point.what: point.told for point in found.points if not point.agrees}


def test_a_verdict_of_the_last_rung_comes_out_the_same_bit_for_bit(climbed):
    result, arrays = climbed
    assert [a["rung"] for a in result["verdict"]["attempts"]] == ["gradient", "measured"]
    found = recheck(result, CLIMBED, EVERYTHING, arrays)
    assert [point for point in found.points if not point.agrees] == []
    assert found.agrees
    assert found.verdict == found.recorded == "supported"
    names = [point.what for point in found.points]
    assert "search of attempt 2" in names
    assert names[-4:-2] == ["attempt 1", "attempt 2"]
    first, last = (a["passes"] for a in result["verdict"]["attempts"])
    assert found.passes == first["verifying"] + last["proposing"] + last["verifying"]
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["agrees"] is True


def test_nothing_is_drawn_anew_so_that_checking_twice_says_the_same(simple):
    one, other = (recheck(simple[0], READING, EVERYTHING, simple[1]) for _ in range(2))
    assert one.agrees
    assert one == other


def test_an_unsupported_verdict_is_come_to_again_too(tmp_path):
    found = explain(CLIMBED, EVERYTHING, replace(PLAIN, ladder=LadderSettings(rungs=("gradient",))))
    result, arrays = read_record(found.record(tmp_path / "record"))
    assert (result["verdict"]["verdict"], result["verdict"]["attempts"][0]["critique"]["kind"]) != ("supported", None)
    assert recheck(result, CLIMBED, EVERYTHING, arrays).agrees


def test_a_system_that_cannot_be_measured_is_not_measured_again_either():
    def broken(inputs) -> torch.Tensor:
        cat = inputs["text"][:, :, CAT]
        return torch.where((cat.sum(1) > 0.5) & (cat[:, 21] < 0.5), float("nan"), reads_cat(inputs))

    found = explain(Toy(broken, READER), {"text": SENTENCE}, PLAIN)
    again = recheck(found.result, Toy(broken, READER), {"text": SENTENCE}, found.data)
    assert (again.verdict, again.agrees) == ("inconclusive", True)


@pytest.mark.parametrize(
    ("path", "where", "told"),
    [
        (
            "claims.0.predicted",
            "the record with itself",
            "claims: claim 1 is not as it was committed to, its predicted",
        ),
        ("verdict.attempts.0.claims.0.predicted", "the record with itself", "attempt 1: claim 1 is not as it was"),
        ("verdict.committed.claims.0.predicted", "the record with itself", "verdict.committed.claims[0].predicted"),
    ],
)
def test_a_prediction_that_was_changed_is_found(simple, path: str, where: str, told: str):
    found = recheck(tampered(simple, (path, -9.5)), READING, EVERYTHING, simple[1])
    assert told in differing(found)[where]
    assert "-9.5" in differing(found)[where]


def test_a_prediction_changed_wherever_it_stands_is_not_what_was_committed_to(simple):
    copies = (
        "claims.0",
        "verdict.attempts.0.claims.0",
        "verdict.committed.claims.0",
        "verdict.attempts.0.committed.claims.0",
    )
    found = recheck(tampered(simple, *((f"{copy}.predicted", -9.5) for copy in copies)), READING, EVERYTHING)
    told = differing(found)
    assert "attempt 1: what is said to have been committed to has the digest sha256:" in told["commitments"]
    assert told["attempt 1"].startswith("commitment is sha256:")
    assert "the record with itself" not in told


def test_a_measured_effect_that_was_changed_is_measured_otherwise(simple):
    result = simple[0]
    was = result["claims"][0]["effects"][0]["effect"]
    told = differing(recheck(tampered(simple, ("claims.0.effects.0.effect", was - 1e-6)), READING, EVERYTHING))
    assert list(told) == ["claims and senses"]
    assert told["claims and senses"].startswith("claims[0].effects[0].effect is ")
    assert told["claims and senses"].endswith(" now")
    told = differing(recheck(tampered(simple, ("verdict.attempts.0.measured.0", 0.25)), READING, EVERYTHING))
    assert told["attempt 1"].startswith("measured[0] is 0.25 in the record, -")


def test_a_salt_that_was_changed_gives_other_controls(simple):
    changes = [("verdict.salt", "chosen"), ("verdict.attempts.0.salt", "chosen")]
    told = differing(recheck(tampered(simple, *changes), READING, EVERYTHING))
    assert "controls[0].controls[0]" in told["attempt 1"]
    assert "tests[0].controls[0]" in told["tests"]
    told = differing(recheck(tampered(simple, changes[0]), READING, EVERYTHING))
    assert list(told) == ["the record with itself"]
    assert "verdict.salt is chosen in the record" in told["the record with itself"]


def test_a_verdict_that_was_changed_is_told_beside_the_one_come_to(climbed):
    changes = [("verdict.attempts.0.verdict", "supported"), ("verdict.attempts.1.p", 0.5)]
    told = differing(recheck(tampered(climbed, *changes), CLIMBED, EVERYTHING))
    assert told["attempt 1"] == "verdict is supported in the record, unsupported now"
    assert told["attempt 2"].startswith("p is 0.5 in the record, 0.0")


def test_contributions_and_maps_that_were_changed_are_found(simple, climbed):
    found = recheck(tampered(simple, ("verdict.attempts.0.values.text.3", 0.75)), READING, EVERYTHING)
    assert (
        "attempt 1: the contributions of text are not those committed to" in differing(found)["the record with itself"]
    )
    found = recheck(tampered(climbed, ("verdict.attempts.1.values.text.3", 0.75)), CLIMBED, EVERYTHING)
    assert "values.text[3] is 0.75 in the record" in differing(found)["search of attempt 2"]
    arrays = simple[1] | {"text.saliency": simple[1]["text.saliency"] * 2}
    told = differing(recheck(simple[0], READING, EVERYTHING, arrays))
    assert "text.saliency has the digest sha256:" in told["saliency maps"]


def test_another_observation_or_system_is_said_and_nothing_is_measured(simple):
    other = recheck(simple[0], READING, {**EVERYTHING, "vision": picture(2, seed=1)})
    assert differing(other) == {"observation": "vision is another signal"}
    assert (other.verdict, other.passes) == (None, 0)
    assert other.skipped == ("Nothing was measured again: a verdict holds for one system before one observation.",)
    less = {m: signal for m, signal in EVERYTHING.items() if m != "audio"}
    assert "audio was there and is missing now" in differing(recheck(simple[0], READING, less))["observation"]
    stranger = Toy(mostly_read, name="stranger")
    assert (
        "toy (None) decided, this is stranger (None)" in differing(recheck(simple[0], stranger, EVERYTHING))["system"]
    )


def test_a_system_of_the_same_name_that_decides_otherwise_is_found(simple):
    told = differing(recheck(simple[0], Toy(lambda i: mostly_read(i) + 1), EVERYTHING))
    assert told["decision"].startswith("logits.STOP is ")
    nearly = Toy(lambda i: mostly_read(i) + 0.1 * (sees_red(i) - sees_red(i).detach()[:1]) * 0)
    assert recheck(simple[0], nearly, EVERYTHING).agrees


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("verdict.attempts", []), "no attempt is recorded"),
        (("verdict.attempts.0", {}), "'committed' is missing"),
        (("verdict.attempts.0.rung", "guess"), "there is no rung 'guess'"),
        (("verdict.attempts.0.committed.parameters.luck", 7), "luck"),
        (("verdict.attempts.0.committed.parameters.controls", 0), "controls 0"),
        (("verdict.attempts.0.values.text", [1.0]), "1 contributions of 'text' for 30 units"),
        (("verdict.attempts.0.committed.claims.0.units", [999]), "names units of 'vision' beyond the 75 there are"),
    ],
)
def test_a_record_that_cannot_be_checked_is_refused(simple, change, message: str):
    with pytest.raises(RecordError, match=message):
        recheck(tampered(simple, change), READING, EVERYTHING)
