"""Which of two accounts named the evidence that matters."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.toys import EARS, EYES, RATE, READER, SENTENCE, Split, Toy, laboratory, sees_red, sound
from tests.verifier.test_controls import grid
from veridical.errors import InputError
from veridical.fusion.attention import attended
from veridical.fusion.frame import contributions
from veridical.fusion.measure import Laboratory
from veridical.modalities.audio import Audio
from veridical.scenarios.courier.model import load
from veridical.verifier.adjudicate import Adjudication, Ruling, adjudicate, top
from veridical.verifier.adjudicate import _components as components
from veridical.verifier.adjudicate import _random as random
from veridical.verifier.ladder import gradient_only
from veridical.verifier.verify import operators_of

LEFT, RIGHT = (8, 8), (8, 24)
"""Centres of two places in the frame, 8 pixels to each side of which count as one."""


def brightness(place: tuple[int, int]):
    y, x = place
    return lambda inputs: inputs["vision"][:, 0, :, y - 8 : y + 8, x - 8 : x + 8].mean((1, 2, 3))


def seen(score) -> Laboratory:
    """A system before one frame: a bright left and a bright right on grey noise."""
    frame = np.random.default_rng(3).integers(90, 110, (1, 32, 32, 3), np.uint8)
    for y, x in (LEFT, RIGHT):
        frame[0, y - 3 : y + 3, x - 3 : x + 3] = 255
    return laboratory(Toy(score, EYES), {"vision": frame})


def at(lab: Laboratory, *places: tuple[int, int]) -> dict[str, np.ndarray]:
    """An account that names what lies at these places, with sizes that fall."""
    labels = lab.segmentations["vision"].labels[0]
    values = np.zeros(len(lab.segmentations["vision"]))
    for k, (y, x) in enumerate(places):
        values[labels[y, x]] = 5 - k
    return {"vision": values}


def rule(lab: Laboratory, first: Any, second: Any, **options: Any) -> Ruling:
    settings = Adjudication(**{"count": 1, **options})
    operators = [{"vision": "surround"}, {"vision": "blur"}]
    return adjudicate(lab, first, second, operators, names=("attention", "gradient"), settings=settings)


def test_the_account_that_names_what_moves_the_score_is_right_whichever_comes_first():
    """The system is moved by the left alone."""
    lab = seen(lambda i: 60 * brightness(LEFT)(i) - 20)
    left, right = at(lab, LEFT), at(lab, RIGHT)
    found = rule(lab, right, left)
    assert (found.right, found.named) == ("second", "gradient")
    assert abs(found.first.effect) < 0.01
    assert abs(found.second.effect) > 1
    assert found.overlap == 0
    assert found.told.endswith("Gradient was right.")
    assert found.second.p == (0.05, 0.05)
    swapped = rule(lab, left, right)
    assert (swapped.right, swapped.named) == ("first", "attention")
    assert swapped.first.effects == pytest.approx(found.second.effects)
    assert swapped.told.endswith("Attention was right.")


def test_an_attentive_system_that_looks_at_one_thing_and_is_moved_by_another_is_found_out():
    """Its attention is on the right, all of it; its score is the left's."""

    class Distracted(Split):
        def attention(self, features):
            return ({"vision": torch.tensor([[[[0.0, 1.0], [0.0, 0.0]]]])},)

    lab = seen(sees_red)
    system = Distracted(lambda i: 60 * brightness(LEFT)(i) - 20, EYES)
    lab = laboratory(system, {"vision": np.stack(lab.prepared["vision"].raw)})
    attention = attended(lab.system, lab.prepared, lab.segmentations)
    gradient = contributions(lab.system, lab.prepared, lab.segmentations, gradient_only(lab, 0.05).gradients)
    found = rule(lab, attention, gradient)
    assert found.named == "gradient"
    assert found.correlation is not None
    assert found.correlation < 0


def test_what_moves_the_score_alike_decides_nothing():
    lab = seen(lambda i: 60 * (brightness(LEFT)(i) + brightness(RIGHT)(i)) - 40)
    found = rule(lab, at(lab, LEFT), at(lab, RIGHT), margin=0.5)
    assert found.first.p == found.second.p == (0.05, 0.05)
    assert found.second.effect == pytest.approx(found.first.effect, rel=0.5)
    assert found.right == "undecided"
    assert "decides nothing" in found.told


def test_where_neither_does_more_than_chance_neither_is_right():
    lab = seen(lambda i: 60 * brightness((24, 16))(i) - 20)  # of the lower middle, where nothing stands out
    found = rule(lab, at(lab, LEFT), at(lab, RIGHT))
    assert found.right == found.named == "neither"
    assert max(map(abs, (*found.first.effects, *found.second.effects))) < 0.01
    assert "Neither moves it more than chance does." in found.told


def test_operators_that_disagree_decide_nothing():
    """Colour counts at the left under one operator, and under the other at the right."""
    lab = seen(lambda i: 60 * brightness(LEFT)(i) - 20)
    left, right = at(lab, LEFT), at(lab, RIGHT)

    class Torn(Laboratory):
        def measure(self, edits, operators):
            name, found = operators["vision"], super().measure(edits, operators)
            place = right if name == "blur" else left
            moved = [5.0 if place["vision"][list(edit["vision"])].any() else 0.0 for edit in edits]
            return type(found)(torch.tensor(moved), found.logits)

    torn = Torn(lab.system, lab.prepared, lab.segmentations, lab.action)
    found = rule(torn, left, right)
    assert (found.first.effects, found.second.effects) == ((5.0, 0.0), (0.0, 5.0))
    assert found.right == "undecided"


def test_accounts_that_name_the_same_agree_and_their_effect_is_told():
    lab = seen(lambda i: 60 * brightness(LEFT)(i) - 20)
    found = rule(lab, at(lab, LEFT), {"vision": -3 * at(lab, LEFT)["vision"]})
    assert found.right == "agree"
    assert found.overlap == 1
    assert found.first.effects == found.second.effects
    assert found.first.random == found.second.random
    assert abs(found.first.effect) > 1
    assert "name the same evidence" in found.told


def test_only_what_one_alone_names_is_edited():
    lab = seen(lambda i: 60 * brightness(LEFT)(i) - 20)
    middle = (24, 16)
    found = rule(lab, at(lab, LEFT, middle), at(lab, RIGHT, middle), count=2)
    shared = set(found.first.top) & set(found.second.top)
    assert len(shared) == 1
    assert found.overlap == pytest.approx(1 / 3)
    assert (found.first.alone, found.second.alone) == tuple(
        tuple(set(side.top) - shared) for side in (found.first, found.second)
    )
    assert found.right == "first"


def test_both_name_as_many_as_the_account_that_names_fewer():
    lab = seen(lambda i: 60 * brightness(LEFT)(i) - 20)
    found = rule(lab, at(lab, LEFT), at(lab, RIGHT, (24, 16)), count=5)
    assert (len(found.first.top), len(found.second.top)) == (1, 1)


def test_by_default_a_twentieth_of_the_units_is_named():
    lab = seen(lambda i: 60 * brightness(LEFT)(i) - 20)
    values = np.random.default_rng(0).standard_normal(len(lab.segmentations["vision"]))
    found = rule(lab, {"vision": values}, {"vision": values[::-1].copy()}, count=None)
    assert len(found.first.top) == round(0.05 * len(values)) == 2


def test_of_too_few_words_nothing_is_told_from_chance():
    lab = laboratory(Toy(lambda i: 3 * i["text"].sum((1, 2)), READER), {"text": "stop cat go"})
    operators = [{"text": o} for o in READER.operators[:2]]
    accounts = {"text": np.array([1.0, 0, 0])}, {"text": np.array([0, 0, 1.0])}
    found = adjudicate(lab, *accounts, operators)
    assert [len(side.random[0]) for side in (found.first, found.second)] == [1, 1]
    assert found.right == "undecided"


def test_a_ruling_is_plain_json_with_the_accounts_under_their_names():
    lab = seen(lambda i: 60 * brightness(LEFT)(i) - 20)
    found = rule(lab, at(lab, RIGHT), at(lab, LEFT))
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert told["right"] == "gradient"
    assert told["attention"]["units"] == list(found.first.alone)
    assert told["gradient"]["effect"] == pytest.approx(np.mean(found.second.effects))
    assert told["gradient"]["where"] in told["told"]
    low, high = told["random"]
    every = [e for side in (found.first, found.second) for effects in side.random for e in effects]
    assert min(every) <= low <= high <= max(every)


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=30), st.integers(1, 30))
def test_the_top_are_the_largest_by_size_and_never_zeros(values, count: int):
    array = np.array(values)
    found = top(array, count)
    assert list(found) == sorted(set(found))
    assert len(found) == min(count, np.count_nonzero(array))
    rest = np.delete(np.abs(array), list(found))
    assert not len(rest) or not found or rest.max() <= np.abs(array[list(found)]).min()


@given(st.sets(st.integers(0, 71), min_size=1, max_size=6), st.sets(st.integers(0, 71), max_size=10), st.integers(0, 9))
@settings(deadline=None, max_examples=30)
def test_random_sets_are_like_the_claim_in_parts_and_frames_and_keep_clear(claim, clear, seed: int):
    cells, own = grid(2, 6), tuple(sorted(claim - clear))
    if not own:
        return
    energy = np.full(len(cells), 1 / len(cells))
    found = random(cells, energy, own, tuple(clear), 8, np.random.default_rng(seed))
    assert len(set(found)) == len(found) <= 8
    for drawn in found:
        assert not clear.intersection(drawn)
        assert len(drawn) == len(own)
        assert sorted(cells.units[u].frame or 0 for u in drawn) == sorted(cells.units[u].frame or 0 for u in own)


def test_parts_hang_together_and_make_up_the_whole():
    cells = grid(1, 6)
    assert components(cells, (0, 1, 6, 20, 35, 34)) == [(0, 1, 6), (34, 35), (20,)]


@pytest.mark.parametrize(
    ("first", "second", "changed", "told"),
    [
        ([1.0], [1.0], {}, r"first gives vision values of shape \(1,\), 1 of them not 0"),
        (None, "zeros", {}, r"second gives vision values of shape .*, 0 of them not 0"),
        (None, "nan", {}, "a finite value for each"),
        (None, None, {"sense": "audio"}, "no sense 'audio'; both accounts speak of vision"),
        (None, None, {"names": ("a", "a")}, "two names"),
        (None, None, {"operators": [{"vision": "blur"}, {"vision": "blur"}]}, "operators blur of vision"),
    ],
)
def test_accounts_that_cannot_be_compared_are_refused(first, second, changed, told: str):
    lab = seen(lambda i: 60 * brightness(LEFT)(i) - 20)
    good = at(lab, LEFT)["vision"]
    made = {"zeros": 0 * good, "nan": np.full_like(good, np.nan)}
    one, other = (good if v is None else made[v] if isinstance(v, str) else np.array(v) for v in (first, second))
    options = {"operators": [{"vision": "surround"}, {"vision": "blur"}], **changed}
    with pytest.raises(InputError, match=told):
        adjudicate(lab, {"vision": one}, {"vision": other}, options.pop("operators"), **options)


def test_of_several_senses_one_is_named():
    system = Toy(lambda i: i["text"].sum((1, 2)) + i["audio"].sum(1), EARS, READER)
    lab = laboratory(system, {"audio": (sound(), RATE), "text": SENTENCE})
    values = {m: np.ones(len(s)) for m, s in lab.segmentations.items()}
    with pytest.raises(InputError, match="no sense is named; both accounts speak of audio and text"):
        adjudicate(lab, values, values, operators_of(lab, 2))


@pytest.mark.parametrize(
    ("name", "value"),
    [("count", 0), ("share", 0.0), ("controls", 3), ("alpha", 1.0), ("margin", 1.0), ("least", -1.0), ("seed", -1)],
)
def test_settings_out_of_range_are_refused(name: str, value):
    with pytest.raises(InputError, match="adjudicate: Adjudication"):
        Adjudication(**{name: value})


def test_couriers_attention_is_ruled_on_in_words_and_sound():
    courier = load()
    lab = laboratory(courier, courier.example())
    segmentations = {**lab.segmentations, "audio": Audio(cell=(0.25, 1)).segment(lab.prepared["audio"])}
    lab = Laboratory(courier, lab.prepared, segmentations, lab.action)
    attention = attended(courier, lab.prepared, segmentations)
    gradient = contributions(courier, lab.prepared, segmentations, gradient_only(lab, 0.05).gradients)
    for m in ("audio", "text"):
        found = adjudicate(
            lab,
            attention,
            gradient,
            operators_of(lab, 2),
            names=("attention", "gradient"),
            sense=m,
            settings=Adjudication(controls=6),
        )
        assert found.sense == m
        assert len(found.operators) == len(found.first.effects) == 2
        assert found.right in ("first", "second", "neither", "undecided", "agree")
        best = int(np.argmax(attention[m]))
        assert best in found.first.top
        edits = [{m: found.second.alone}]
        again = [float(lab.measure(edits, {m: o}).effect[0]) for o in found.operators]
        assert again == pytest.approx(found.second.effects)
