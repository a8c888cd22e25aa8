from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests import toys
from tests.scenarios.suite import trial_sample as sample
from veridical.errors import ContractError, InputError
from veridical.fusion.measure import Laboratory
from veridical.modalities.evidence import EvidenceUnit, Segmentation
from veridical.scenarios.suite.expect_trial import Trial
from veridical.scenarios.suite.reliance import LEAST, Effect, Group, measure_groups
from veridical.scenarios.suite.reliance_parts import Parts
from veridical.scenarios.suite.reliance_units import box_units, divided, masked_share, span_share, wave_share


def laboratory(score: toys.Score) -> Laboratory:
    return toys.laboratory(toys.Toy(score), sample.observation())


def test_shares_of_words_are_their_weights():
    parts = Parts.of(laboratory(sample.reads(cat=4, siren=2)), sample.variant())
    found = measure_groups(parts.laboratory, parts.groups())
    cat, siren = found.of("clause 1"), found.of("clause 2")
    assert cat is not None
    assert siren is not None
    assert cat.effects == pytest.approx((-4.0, -4.0), abs=1e-5)
    assert siren.effects == pytest.approx((-2.0, -2.0), abs=1e-5)
    assert cat.share == pytest.approx(4 / 6, abs=1e-5)
    assert siren.share == pytest.approx(2 / 6, abs=1e-5)
    assert all(g.effect == pytest.approx(0, abs=1e-5) for g in found.groups if g.name not in ("clause 1", "clause 2"))
    assert sum(g.share or 0.0 for g in found.groups) == pytest.approx(1.0)


def test_what_speaks_against_has_an_effect_and_no_share():
    parts = Parts.of(laboratory(sample.reads(cat=4, siren=-2)), sample.variant())
    found = measure_groups(parts.laboratory, parts.groups())
    siren = found.of("clause 2")
    assert siren is not None
    assert siren.effect == pytest.approx(2.0, abs=1e-5)
    assert siren.share == 0.0


def test_the_groups_are_all_units_each_once():
    parts = Parts.of(laboratory(sample.reads()), sample.variant())
    for sense, cut in parts.laboratory.segmentations.items():
        units = [u for group in parts.groups() if group.sense == sense for u in group.units]
        assert sorted(units) == list(range(len(cut)))


def test_each_part_lies_where_it_was_put():
    parts = Parts.of(laboratory(sample.reads()), sample.variant())
    (thing, *_), tone = parts.units["vision"].values(), parts.units["audio"]["sound 0"]
    cut = parts.laboratory.segmentations
    assert thing
    assert all(sample.SQUARE[0][cut["vision"].labels[0] == unit].mean() >= 0.5 for unit in thing)
    assert tone
    assert all(cut["audio"].units[u].time[0] < 0.65 and cut["audio"].units[u].time[1] > 0.48 for u in tone)
    words = [cut["text"].units[u].text for u in parts.units["text"]["clause 2"]]
    assert words == ["wait", "at", "siren"]


def test_a_thing_a_sound_and_a_word_each_carry_the_score():
    for name, weights in (("thing 0", (1, 0, 0)), ("sound 0", (0, 1, 0)), ("clause 1", (0, 0, 1))):
        parts = Parts.of(laboratory(sample.senses(*map(float, weights))), sample.variant())
        found = measure_groups(parts.laboratory, parts.groups())
        own = found.of(name)
        assert own is not None
        assert own.share is not None
        assert own.share > 0.75
        assert own.share == max(group.share for group in found.groups if group.share is not None)
        assert own.settled


def test_a_part_without_a_unit_is_none_and_never_zero():
    speck = np.zeros((1, toys.SIDE, toys.SIDE), bool)
    speck[0, 3, 3] = True
    made = sample.scene()
    small = sample.Piece("thing 0", "vision", dict, mask=speck)
    varied = sample.Varied("speck", made.observation, sample.Made(made.observation, {**made.parts, "thing 0": small}))
    parts = Parts.of(laboratory(sample.reads()), varied)
    own = measure_groups(parts.laboratory, parts.groups()).of("thing 0")
    assert own is not None
    assert (own.effect, own.share, own.settled) == (None, None, False)
    assert "no evidence unit" in own.told()


def test_where_nothing_moves_the_score_there_are_no_shares():
    parts = Parts.of(laboratory(sample.reads(cat=0.02, siren=0.01)), sample.variant())
    found = measure_groups(parts.laboratory, parts.groups())
    assert all(group.share is None for group in found.groups)
    assert any("nothing to share out" in note for note in found.notes)


def test_operators_that_disagree_in_sign_settle_nothing():
    """``mask`` leaves the tokens of a word and its full stop, ``delete`` does not: a score that counts them differs."""

    def counts(inputs):
        text = inputs["text"]
        tokens = (text.abs().sum(2) > 0).float().sum(1)
        return 50 + text[:, :, toys.CAT].sum(1) - tokens

    lab = toys.laboratory(toys.Toy(counts, toys.READER), {"text": sample.TEXT})
    cat = tuple(u.index for u in lab.segmentations["text"].units if u.text == "cat")
    (own,) = measure_groups(lab, [Group("cat", "text", cat)]).groups
    assert own.effects == pytest.approx((-1.0, 1.0), abs=1e-4)
    assert not own.settled
    assert "disagree in sign" in own.told()


def test_a_variant_without_a_scene_has_its_senses_alone():
    lab = toys.laboratory(toys.Toy(sample.reads(), toys.READER), {"text": sample.TEXT})
    parts = Parts.of(lab, sample.Varied("text", {"text": sample.TEXT}))
    assert [group.name for group in parts.groups()] == ["rest of the words"]
    assert [group.name for group in parts.senses()] == ["text"]
    with pytest.raises(InputError, match="region: the observation has no vision, only text"):
        parts.region((0, 0, 1, 1))


def test_words_of_ones_own_and_a_region_take_their_senses_place():
    parts = Parts.of(laboratory(sample.reads()), sample.variant())
    found = measure_groups(parts.laboratory, parts.words("cat"))
    names = [group.name for group in found.groups]
    assert names == ["thing 0", "rest of the picture", "sound 0", "rest of the sound", "words “cat”",
                     "rest of the words"]  # fmt: skip
    own = found.of("words “cat”")
    assert own is not None
    assert own.share == pytest.approx(4 / 6, abs=1e-5)
    gone = measure_groups(parts.laboratory, parts.words("tram")).of("words “tram”")
    assert gone is not None
    assert gone.share is None
    assert "letter for letter" in gone.why
    region = parts.region((0.5, 0.5, 0.75, 0.75))
    assert region[0].units
    assert set(region[0].units) >= set(parts.units["vision"]["thing 0"])


def test_a_sense_that_is_absent_is_said():
    made = sample.scene()
    seen = {"text": made.observation["text"]}
    lab = toys.laboratory(toys.Toy(sample.reads()), seen)
    parts = Parts.of(lab, sample.Varied("deaf", seen, made))
    found = measure_groups(lab, parts.groups())
    thing = found.of("thing 0")
    assert thing is not None
    assert thing.why == "its sense is absent"
    assert thing.share is None


def test_what_was_edited_once_costs_nothing_again():
    trial = Trial(toys.Split(sample.reads()), [sample.variant()])
    first = trial.reliance(trial.variants[0])
    assert first.passes > 0
    again = trial.measured(trial.variants[0], lambda parts: parts.groups())
    assert again.passes == 0
    assert again.groups == first.groups


def test_a_system_that_fails_on_edits_is_told_in_a_sentence():
    def breaks(inputs):
        if len(inputs["text"]) > 1:
            raise RuntimeError("out of\nmemory")
        return inputs["text"].sum((1, 2)) * 0 + 3

    trial = Trial(toys.Toy(breaks, toys.READER), [sample.Varied("text", {"text": sample.TEXT})])
    with pytest.raises(ContractError, match="it failed on variant 'text', edited with RuntimeError: out of memory"):
        trial.reliance(trial.variants[0])


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=6))
def test_shares_are_parts_of_one_or_none(weights: list[float]):
    effects = [Effect(str(i), "text", 1, (w, w), None, (None, None), ("GO", "GO")) for i, w in enumerate(weights)]
    assert all(effect.settled for effect in effects)
    from veridical.scenarios.suite.reliance import _shares

    shares = _shares(weights)
    if sum(max(-w, 0.0) for w in weights) < LEAST:
        assert shares == [None] * len(weights)
    else:
        assert sum(share or 0.0 for share in shares) == pytest.approx(1.0)
        assert all(share == 0 for share, w in zip(shares, weights, strict=True) if w >= 0)


@given(st.integers(0, 30), st.integers(0, 30))
def test_a_words_share_of_a_span_is_its_characters(first: int, past: int):
    units = (EvidenceUnit("text", 0, (0, 0), span=(0, 10)), EvidenceUnit("text", 1, (0, 0), span=(11, 21)))
    cut = Segmentation(np.array([0, 1]), units, ((1,), (0,)))
    found = span_share(cut, (first, past))
    inside = [len(set(range(*unit.span)) & set(range(first, past))) / 10 for unit in units if unit.span]
    assert found.tolist() == pytest.approx(inside)


def test_divided_parts_are_disjoint_and_the_first_of_equals_has_it():
    found = divided({"a": np.array([0.5, 0.2, 0.0]), "b": np.array([0.5, 0.8, 0.4])})
    assert found == {"a": (0,), "b": (1,)}
    assert divided({}) == {}


def test_a_mask_of_another_resolution_or_number_of_frames():
    labels = np.repeat(np.arange(2), 8)[None, None, :].repeat(16, 1)
    units = tuple(EvidenceUnit("vision", i, (0, 1), frame=0, box=(0, 0, 1, 1)) for i in range(2))
    cut = Segmentation(labels, units, ((1,), (0,)))
    mask = np.zeros((1, 4, 4), bool)
    mask[:, :, :2] = True
    assert masked_share(cut, mask).tolist() == [1.0, 0.0]
    assert masked_share(cut, mask.repeat(2, 0)).tolist() == [0.0, 0.0]
    assert box_units(cut, (0.5, 0.0, 1.0, 1.0)) == (1,)


def test_a_sounds_share_of_energy():
    lab = laboratory(sample.reads())
    cut, tone = lab.segmentations["audio"], toys.TONE
    assert (wave_share(cut, tone, torch.zeros_like(tone)) > 0.99).any()
    assert wave_share(cut, tone, tone).max() == pytest.approx(0.5)
    assert not wave_share(cut, tone, torch.zeros(17)).any()
