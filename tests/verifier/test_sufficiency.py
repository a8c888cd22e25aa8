"""Sufficiency and necessity of the named evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from tests.toys import CAT, READER, SENTENCE, SIREN, Toy, laboratory, picture, reads_cat, sees_red, sound
from veridical.errors import ContractError, InputError
from veridical.fusion.measure import Laboratory
from veridical.verifier.account import CheckedClaim
from veridical.verifier.bounds import hoeffding
from veridical.verifier.claims import Claim
from veridical.verifier.sufficiency import measure_necessity, measure_sufficiency, union

OPERATORS = (
    {"vision": "surround", "audio": "silence", "text": "mask"},
    {"vision": "mean", "audio": "floor", "text": "delete"},
)
ALL = {"vision": picture(), "audio": sound(), "text": SENTENCE}


def claim(modality: str, *units: int, predicted: float = -1.0) -> CheckedClaim:
    return CheckedClaim(Claim("c1", modality, units, predicted), (), predicted, "confirmed")


def lab(score=reads_cat) -> Laboratory:
    return laboratory(Toy(score, READER), {"text": SENTENCE})


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def test_the_union_is_by_sense_and_sorted():
    found = union([claim("text", 4, 9), claim("audio", 3), claim("text", 1, 4)])
    assert found == {"text": (1, 4, 9), "audio": (3,)}
    assert union([]) == {}


def test_evidence_that_decides_alone_is_sufficient_and_the_interval_is_hoeffdings():
    found = measure_sufficiency(lab(), [claim("text", 20)], OPERATORS[0], 60, rng())
    assert found == hoeffding(60, 60, 0.9)
    assert found.value == 1.0
    assert found.low == pytest.approx(1 - np.sqrt(np.log(2 / 0.1) / 120))


def test_evidence_that_decides_nothing_keeps_the_decision_as_often_as_the_cause_stays_by_chance():
    found = measure_sufficiency(lab(), [claim("text", 3)], OPERATORS[0], 400, rng())
    assert found.value == pytest.approx(0.5, abs=0.08)
    assert found.low < 0.5 < found.high


def test_supersets_keep_all_claims_and_drop_half_of_the_rest_in_every_sense(monkeypatch):
    own = laboratory(Toy(lambda i: reads_cat(i) + 0 * sees_red(i) + 0 * i["audio"].sum(1)), ALL)
    made: list[Mapping[str, Sequence[int]]] = []
    measure = own.measure
    monkeypatch.setattr(own, "measure", lambda edits, operators: made.extend(edits) or measure(edits, operators))
    measure_sufficiency(own, [claim("text", 20, 21), claim("vision", 5)], OPERATORS[0], 60, rng())
    assert len(made) == 60
    for edit in made:
        assert {20, 21}.isdisjoint(edit["text"])
        assert 5 not in edit["vision"]
    for m, s in own.segmentations.items():
        kept = {"text": {20, 21}, "vision": {5}, "audio": set()}[m]
        share = np.mean([len(edit[m]) for edit in made]) / (len(s) - len(kept))
        assert share == pytest.approx(0.5, abs=0.05)


def test_the_draw_is_the_seeds():
    one, same = (measure_sufficiency(lab(), [claim("text", 3)], OPERATORS[0], 50, rng()) for _ in range(2))
    assert one == same


def test_no_supersets_are_refused():
    with pytest.raises(InputError, match="sufficiency: 0 supersets; at least 1 is wanted"):
        measure_sufficiency(lab(), [claim("text", 3)], OPERATORS[0], 0, rng())


def test_without_the_cause_the_decision_flips_under_every_operator():
    found = measure_necessity(lab(), [claim("text", 20, predicted=-3.5), claim("text", 3, predicted=-0.5)], OPERATORS)
    assert found.predicted == -4.0
    assert found.effects == pytest.approx((-4.0, -4.0))
    assert found.flips == (True, True)
    other = measure_necessity(lab(), [claim("text", 3)], OPERATORS)
    assert other.effects == (0.0, 0.0)
    assert other.flips == (False, False)


def test_together_counts_not_each_alone():
    """Either word suffices: each alone changes nothing, both together everything."""
    text = SENTENCE.replace("street", "siren")
    own = laboratory(
        Toy(lambda i: 4 * i["text"][:, :, [CAT, SIREN]].sum(1).amax(1).clamp(max=1) - 1, READER), {"text": text}
    )
    alone = [measure_necessity(own, [claim("text", u)], OPERATORS).effects for u in (8, 20)]
    assert alone == [(0.0, 0.0), (0.0, 0.0)]
    found = measure_necessity(own, [claim("text", 8), claim("text", 20)], OPERATORS)
    assert found.effects == pytest.approx((-4.0, -4.0))
    assert found.flips == (True, True)


def test_what_cannot_be_measured_is_an_error():
    fragile = lab(lambda i: i["text"][:, :, CAT].sum(1).log() + 1)
    with pytest.raises(ContractError, match="not finite"):
        measure_necessity(fragile, [claim("text", 20)], OPERATORS)
    with pytest.raises(ContractError, match="not finite"):
        measure_sufficiency(fragile, [claim("text", 3)], OPERATORS[0], 20, rng())
