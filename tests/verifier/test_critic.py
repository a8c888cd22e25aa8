"""The critic: where prediction and measurement part."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from tests.toys import CAT, READER, SENTENCE, SIREN, Toy, laboratory, reads_cat
from veridical.fusion.measure import Laboratory
from veridical.verifier.critic import Critique, criticise
from veridical.verifier.judge import Verdict
from veridical.verifier.verify import Verification, VerifySettings, operators_of, verify

TWO = SENTENCE.replace("street", "siren")
"""The ninth word is "siren", the 21st "cat"."""


def either(inputs) -> torch.Tensor:
    return 4 * inputs["text"][:, :, [CAT, SIREN]].sum(1).amax(1).clamp(max=1) - 1


def both(inputs) -> torch.Tensor:
    return 4 * inputs["text"][:, :, [CAT, SIREN]].sum(1).prod(1).clamp(max=1) - 1


def examine(score: Callable, values: dict[int, float], text: str = SENTENCE, **options: Any):
    """The critique of an account that gives some words values, and what it is about."""
    lab = laboratory(Toy(score, READER), {"text": text})
    given = np.zeros(len(lab.segmentations["text"]))
    given[list(values)] = list(values.values())
    settings = VerifySettings(**options)
    found = verify(lab, {"text": given}, {}, lambda digest: "salt", settings)
    return criticise(lab, found, operators_of(lab, 2), settings.criteria), found, lab


def test_words_that_stand_in_for_each_other_are_an_interaction_and_are_to_be_looked_at_together():
    critique, found, _ = examine(either, {8: 2.0, 20: 2.0}, TWO)
    assert found.verdict.cause == "not-confirmed"
    assert critique.kind == "interaction"
    assert critique.figures == pytest.approx({"predicted": -4, "measured": 0, "together": -4})
    assert critique.found == (("text", (8, 20)),)
    assert "alone the claims change the score by 0.00 nats, together by −4.00" in critique.sentence
    assert "To do: measure groups instead of adding up parts." in critique.sentence


def test_words_of_which_each_is_needed_are_saturation():
    critique, _, _ = examine(both, {8: 1.2, 20: 1.2}, TWO)
    assert critique.kind == "saturation"
    assert critique.figures == pytest.approx({"predicted": -2.4, "measured": -8, "together": -4})
    assert "alone the claims change the score by −8.00 nats, together by −4.00" in critique.sentence
    assert critique.found == ()


@pytest.mark.parametrize(("factor", "told"), [(3, "0.33"), (0.1, "10.00"), (1e-12, "1000000000000.00")])
def test_predictions_that_are_all_too_large_or_too_small_are_a_matter_of_scale(factor: float, told: str):
    critique, found, _ = examine(reads_cat, {20: 4 * factor})
    assert found.verdict.cause == "inaccurate"
    assert critique.kind == "scale"
    assert f"the sizes are off by a factor of {told}, the places are right" in critique.sentence
    two, _, _ = examine(
        lambda i: 4 * i["text"][:, :, CAT].sum(1) + 2 * i["text"][:, :, SIREN].sum(1),
        {20: 4 * factor, 8: 2 * factor},
        TWO,
    )
    assert two.kind == "scale"


def test_a_word_that_does_nothing_is_misplaced_and_named_with_its_figures():
    critique, _, _ = examine(reads_cat, {3: 4.0})
    assert (critique.kind, critique.modality, critique.claim, critique.units) == ("misplaced", "text", "c1", (3,))
    assert critique.sentence == (
        "Prediction and measurement part most at claim 1 (text): −4.00 nats predicted, 0.00 measured; "
        "what is named does little. To do: rank the evidence anew with a longer path, or measure."
    )


def test_a_word_that_does_the_contrary_is_told_so():
    critique, _, _ = examine(lambda i: 6 - reads_cat(i), {20: 4.0})
    assert critique.kind == "misplaced"
    assert "−4.00 nats predicted, +4.00 measured; what is named speaks against the decision" in critique.sentence


def test_right_places_in_wrong_proportions_are_told_so():
    critique, found, _ = examine(
        lambda i: 9 * i["text"][:, :, SIREN].sum(1) + i["text"][:, :, CAT].sum(1), {20: 9.0, 8: 1.0}, TWO
    )
    assert found.verdict.cause == "inaccurate"
    assert critique.kind == "misplaced"
    assert "matters, but not in the proportions predicted" in critique.sentence


def test_the_claim_that_is_farthest_off_is_named():
    critique, _, _ = examine(reads_cat, {20: 9.0, 3: 8.5})
    assert (critique.claim, critique.units) == ("c2", (3,))
    assert critique.sentence.startswith("Prediction and measurement part most at claim 2 (text): −8.50 nats predicted")


def test_evidence_that_does_more_is_missed_and_handed_on_strongest_first():
    words = SENTENCE.split()
    for k in range(15):
        words[2 * k] = "cat"
    words[1] = "siren"
    score = lambda i: i["text"][:, :, CAT].sum(1) + 0.5 * i["text"][:, :, SIREN].sum(1)  # noqa: E731
    critique, found, lab = examine(score, {1: 0.5}, " ".join(words))
    assert found.verdict.cause == "overtaken"
    assert critique.kind == "missed"
    assert f"{len(critique.found)} of the control edits lower the score more" in critique.sentence
    assert critique.found
    effects = [float(lab.measure([{m: units}], {"text": "mask"}).effect[0]) for m, units in critique.found]
    assert effects == sorted(effects)
    assert max(effects) < found.claims[0].measured
    controls = set(found.controls.edits)
    assert all(units in controls for _, units in critique.found)


def test_what_holds_parts_nowhere():
    critique, found, _ = examine(reads_cat, {20: 3.9})
    assert found.verdict.verdict == "supported"
    assert critique.kind == "none"
    assert critique.sentence.endswith("prediction and measurement do not part. To do: nothing is to be mended.")


@pytest.mark.parametrize(
    ("score", "values", "text", "told"),
    [
        (reads_cat, {}, SENTENCE, "Nothing speaks for the decision"),
        (lambda i: 0 * reads_cat(i) + 1, {3: 1.0}, SENTENCE, "No edit changes the score"),
        (reads_cat, {1: 4.0}, "stop cat", "To do: cut the input into more evidence units."),
        (lambda i: i["text"][:, :, CAT].sum(1).log() + 1, {20: 4.0}, SENTENCE, "To do: mend the system"),
    ],
)
def test_what_cannot_be_tested_is_told_with_the_reason(score: Callable, values: dict, text: str, told: str):
    critique, found, _ = examine(score, values, text)
    assert critique.kind == "untestable"
    assert critique.claim is None
    assert critique.sentence.startswith(found.verdict.reasons[0])
    assert told in critique.sentence


CAUSES = (
    "holds unmeasurable no-claim nothing-moves not-confirmed operators-disagree inaccurate off-record too-small "
    "unspecific overtaken unstable off-data"
).split()


def some() -> tuple[Laboratory, Verification]:
    _, found, lab = examine(reads_cat, {20: 4.0, 3: 2.0})
    return lab, found


@pytest.mark.parametrize("cause", CAUSES)
def test_whatever_the_verdict_there_is_a_critique_in_words(cause: str):
    lab, found = some()
    for claims in (found.claims, found.claims[:1], ()):
        given = replace(found, claims=claims, verdict=Verdict("unsupported", ("A reason.",), cause))
        critique = criticise(lab, given, operators_of(lab, 2))
        assert critique.sentence.endswith(".")
        assert "To do: " in critique.sentence
        assert json.loads(json.dumps(critique.to_dict()))["kind"] == critique.kind


@pytest.mark.parametrize(
    ("cause", "kind"),
    [("off-data", "off-data"), ("unstable", "noise"), ("operators-disagree", "operators"), ("unspecific", "missed")],
)
def test_what_the_verdict_says_already_is_the_kind(cause: str, kind: str):
    lab, found = some()
    given = replace(found, verdict=Verdict("unsupported", ("A reason.",), cause))
    assert criticise(lab, given, operators_of(lab, 2)).kind == kind


def test_only_the_claims_together_are_measured_anew():
    lab = laboratory(Toy(reads_cat, READER), {"text": SENTENCE})
    values = np.zeros(30)
    values[[20, 3]] = 4.0, 2.0
    found = verify(lab, {"text": values}, {}, lambda digest: "salt")
    spent = lab.passes
    criticise(lab, found, operators_of(lab, 2))
    assert lab.passes - spent == 2 + 1
    criticise(lab, found, operators_of(lab, 2))
    assert lab.passes - spent == 2 + 1


def test_claims_that_cannot_be_taken_out_together_leave_the_other_figures():
    """The scores are not finite where both words are gone."""

    def fragile(inputs) -> torch.Tensor:
        gone = inputs["text"][:, :, [CAT, SIREN]].sum((1, 2)) < 0.5
        return reads_cat(inputs) + torch.where(gone, torch.nan, 0.0)

    critique, _, _ = examine(fragile, {8: 3.0, 20: 3.0}, TWO)
    assert set(critique.figures) == {"predicted", "measured"}
    assert critique.kind in ("scale", "misplaced")


def test_as_json_it_is_plain():
    critique = Critique("missed", "text", "c1", (3,), {"measured": -1.0}, "So.", (("text", (4, 5)),))
    assert json.loads(json.dumps(critique.to_dict())) == {
        "kind": "missed",
        "modality": "text",
        "claim": "c1",
        "units": [3],
        "figures": {"measured": -1.0},
        "sentence": "So.",
        "found": [{"modality": "text", "units": [4, 5]}],
    }
