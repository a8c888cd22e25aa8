"""Verification as a whole, on systems whose true cause is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.toys import (
    EARS,
    EYES,
    READER,
    SENTENCE,
    Toy,
    hears_tone,
    laboratory,
    picture,
    reads_cat,
    sees_red,
    sound,
)
from veridical.errors import InputError
from veridical.fusion.frame import contributions
from veridical.modalities.path import PathSettings, integrate_path
from veridical.verifier.claims import ClaimSettings
from veridical.verifier.commitment import commit
from veridical.verifier.judge import rank_test
from veridical.verifier.measure import Laboratory
from veridical.verifier.verify import Verification, VerifySettings, verify

PLANTED = {
    "vision": (Toy(sees_red, EYES), {"vision": picture()}),
    "frames": (Toy(sees_red, EYES), {"vision": picture(2)}),
    "audio": (Toy(hears_tone, EARS), {"audio": sound()}),
    "text": (Toy(reads_cat, READER), {"text": SENTENCE}),
}
WHERE = {"vision": "middle", "frames": "frame 2 (1–2 s)", "audio": "0.5–0.62 s, 0.8–1.5 kHz", "text": "“cat”"}
MAPS = 400

each_cause = pytest.mark.parametrize("name", PLANTED)


def set_up(name: str) -> tuple[Laboratory, dict[str, np.ndarray]]:
    """A laboratory, and the contributions that integrated gradients give."""
    system, observation = PLANTED[name]
    lab = laboratory(system, observation)
    path = integrate_path(system, lab.prepared, lab.action)
    return lab, contributions(system, lab.prepared, lab.segmentations, path.gradients)


def checked(lab: Laboratory, values: Mapping[str, np.ndarray], salt: str = "salt", **options: Any) -> Verification:
    return verify(lab, values, {}, lambda digest: salt, VerifySettings(**options))


@each_cause
def test_the_planted_cause_is_the_first_claim_and_is_supported_whatever_the_salt(name: str):
    lab, values = set_up(name)
    verdicts = [checked(lab, values, f"salt {i}") for i in range(20)]
    first = verdicts[0].claims[0]
    sense = lab.system.modalities[first.claim.modality]
    assert WHERE[name] in sense.show([lab.segmentations[first.claim.modality].units[u] for u in first.claim.units])
    assert first.status == "confirmed"
    assert sum(v.verdict.verdict == "supported" for v in verdicts) >= 19
    assert len({v.commitment.digest for v in verdicts}) == 1
    assert len({v.controls.edits for v in verdicts}) >= 19


@pytest.mark.parametrize("name", ["vision", "audio", "text"])
def test_a_random_map_is_supported_about_as_rarely_as_the_level_says(name: str):
    lab, values = set_up(name)
    rng = np.random.default_rng(11)
    supported = 0
    for i in range(MAPS):
        random = {m: rng.standard_normal(len(v)) for m, v in values.items()}
        supported += checked(lab, random, str(i)).verdict.verdict == "supported"
    assert supported / MAPS <= 0.09


@each_cause
def test_the_map_turned_round_is_not_supported(name: str):
    lab, values = set_up(name)
    found = checked(lab, {m: -v for m, v in values.items()})
    assert found.verdict.verdict in ("unsupported", "inconclusive")
    assert all(test.effect > -1 for test in found.tests)


def test_what_was_committed_is_all_that_decides_the_controls():
    lab, values = set_up("text")
    asked: list[str] = []

    def salt(digest: str) -> str:
        asked.append(digest)
        assert lab.passes == 0  # nothing is measured before the commitment is fixed
        return "drawn"

    found = verify(lab, values, {"observation": "sha256:1"}, salt)
    assert asked == [found.commitment.digest]
    content = found.commitment.content
    assert commit(content).digest == found.commitment.digest
    assert content["observation"] == "sha256:1"
    assert content["operators"] == {"text": ["mask", "delete"]}
    assert content["parameters"] == asdict(VerifySettings())
    predicted = pytest.approx(-4.0, rel=PathSettings().tolerance)
    assert content["claims"][0] == {"name": "c1", "modality": "text", "units": [20], "predicted": predicted}
    assert found.salt == "drawn"


def test_verifying_twice_with_the_same_salt_gives_the_same_figures():
    one, other = (checked(*set_up("audio")) for _ in range(2))
    assert one.tests == other.tests
    assert one.verdict == other.verdict
    assert [c.measured for c in one.claims] == [c.measured for c in other.claims]
    assert one.control_energies == other.control_energies


def test_the_figures_hang_together():
    lab, values = set_up("vision")
    spent = lab.passes
    found = checked(lab, values)
    assert [t.operator for t in found.tests] == ["surround", "blur"]
    for k, test in enumerate(found.tests):
        assert test == rank_test(test.operator, found.claims[0].effects[k].effect, test.controls)
        assert len(test.controls) == len(found.controls.edits) == len(found.control_energies[test.operator])
    for claim in found.claims:
        assert claim.measured == pytest.approx(np.mean([e.effect for e in claim.effects]))
        assert all(e.edited is not None and e.edited.shape == (1, 3, 32, 32) for e in claim.effects)
    assert [e.operator for e in found.senses["vision"]] == ["surround", "blur"]
    assert [e.edited for e in found.senses["vision"]] == [None, None]
    assert [e.operator for e in found.complement] == ["surround", "blur"]
    assert all(e.energy > 0 for e in found.complement)
    # Of each operator: the input, the claims, the whole sense, the controls. Then the complement, and the input alone.
    each = 1 + len(found.claims) + 1 + len(found.controls.edits)
    assert found.passes == lab.passes - spent == 2 * each + 2 * 2 + 1


def test_the_complement_of_the_true_cause_keeps_the_decision():
    found = checked(*set_up("text"))
    assert [e.effect for e in found.complement] == [0.0, 0.0]
    assert [round(e.effect, 6) for e in found.senses["text"]] == [-4.0, -4.0]


def test_three_operators_are_used_where_they_are_asked_for():
    found = checked(*set_up("vision"), operators=3)
    assert [t.operator for t in found.tests] == ["surround", "blur", "mean"]
    assert len(found.complement) == 3


def test_a_claim_that_raises_the_score_is_contradicted_and_one_without_effect_negligible():
    lab, values = set_up("text")
    wrong = {"text": np.zeros_like(values["text"])}
    wrong["text"][3] = 1.0
    assert checked(lab, wrong).claims[0].status == "negligible"
    lab = laboratory(Toy(lambda i: 6 - reads_cat(i), READER), {"text": SENTENCE})
    wrong["text"][3], wrong["text"][20] = 0.0, 1.0
    found = checked(lab, wrong)
    assert found.claims[0].status == "contradicted"
    assert found.verdict.verdict == "unsupported"


@pytest.mark.parametrize("words", ["cat", "stop cat", "stop if you meet a cat", " ".join(SENTENCE.split()[5:24])])
def test_a_text_of_fewer_than_twenty_words_is_inconclusive_in_plain_words(words: str):
    lab = laboratory(Toy(reads_cat, READER), {"text": words})
    values = np.array([4.0 * (word == "cat") for word in words.split()])
    found = checked(lab, {"text": values}).verdict
    assert found.verdict == "inconclusive"
    assert "The input is too small for the test" in found.reasons[0]


def test_a_text_of_twenty_words_is_enough_for_one_word():
    words = " ".join(SENTENCE.split()[4:24])
    lab = laboratory(Toy(reads_cat, READER), {"text": words})
    values = np.array([4.0 * (word == "cat") for word in words.split()])
    assert len(values) == 20
    assert checked(lab, {"text": values}).verdict.verdict == "supported"


def test_a_claim_that_covers_everything_cannot_be_told_from_chance():
    lab = laboratory(Toy(reads_cat, READER), {"text": "stop cat"})
    found = checked(lab, {"text": np.array([1.0, 4.0])}, claims=ClaimSettings(largest=1.0, threshold=0.01))
    assert found.claims[0].claim.units == (0, 1)
    assert found.verdict.verdict == "inconclusive"
    assert "no other exists" in found.verdict.reasons[0]


def test_nothing_to_edit_is_inconclusive_and_nothing_is_measured():
    lab = laboratory(Toy(lambda i: i["text"].sum((1, 2)), READER), {"text": ""})
    found = checked(lab, {"text": np.zeros(0)})
    assert found.verdict.verdict == "inconclusive"
    assert found.verdict.reasons == ("The observation holds nothing to edit, so there is no claim to test.",)
    assert found.senses == {}
    assert found.passes == 0


def test_an_empty_text_beside_a_picture_is_left_out():
    system = Toy(lambda i: sees_red(i) + i["text"].sum((1, 2)), EYES, READER)
    lab = laboratory(system, {"vision": picture(), "text": ""})
    _, values = set_up("vision")
    found = checked(lab, {**values, "text": np.zeros(0)})
    assert list(found.senses) == ["vision"]
    assert found.verdict.verdict == "supported"
    assert [e.operator for e in found.complement] == ["surround + mask", "blur + delete"]


def test_a_system_that_answers_to_nothing_is_inconclusive():
    lab = laboratory(Toy(lambda i: 0 * reads_cat(i) + 1, READER), {"text": SENTENCE})
    assert checked(lab, {"text": np.zeros(30)}).verdict.reasons[0].startswith("Nothing speaks for the decision")
    found = checked(lab, {"text": np.arange(30.0)})
    assert found.verdict.verdict == "inconclusive"
    assert found.verdict.reasons[0].startswith("No edit changes the score")


@given(st.integers(0, 10**6))
@settings(deadline=None, max_examples=15)
def test_p_never_falls_below_what_the_number_of_controls_allows(seed: int):
    lab, values = set_up("text")
    random = np.random.default_rng(seed).standard_normal(len(values["text"]))
    for test in checked(lab, {"text": random}, str(seed)).tests:
        assert 1 / (len(test.controls) + 1) <= test.p <= 1


@pytest.mark.parametrize("wrong", [{"operators": 0}, {"controls": 0}, {"alpha": 0.0}, {"alpha": 1.0}, {"least": -1.0}])
def test_settings_out_of_range_are_refused(wrong: dict):
    with pytest.raises(InputError, match="operators and controls are at least 1"):
        VerifySettings(**wrong)


def test_contributions_that_are_not_finite_are_refused():
    lab, values = set_up("text")
    values["text"][3] = np.nan
    with pytest.raises(InputError, match="contribution of text unit 3 is not finite"):
        checked(lab, values)
