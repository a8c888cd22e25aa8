"""Occlusion: what the score loses when a piece of evidence is taken away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import skimage.data
import torch
from captum.attr import FeatureAblation
from torch import Tensor

from tests.modalities.engines.blackbox.test_coalitions import (
    ALL,
    PAIR,
    WORDS,
    additive,
    asked,
    blind,
    both,
    either,
    flat,
    mixed,
)
from tests.toys import READER, SENTENCE, Split, Toy, laboratory, reads_cat
from veridical.errors import InputError
from veridical.modalities.engines.blackbox.occlusion import Occlusion, spread_effects, windows
from veridical.modalities.engines.task import Method, Task
from veridical.modalities.vision import Vision


def feature_mask(task: Task, m: str = "text") -> Tensor:
    """Captum's mask of features: one number a word, and one for all special tokens."""
    labels = torch.from_numpy(task.segmentations[m].labels)
    return torch.where(labels < 0, labels.max() + 1, labels)[None, :, None].expand_as(task.inputs[m]).contiguous()


def test_it_is_a_method():
    assert isinstance(Occlusion(), Method)


@pytest.mark.parametrize("kind", [Toy, Split])
def test_of_a_linear_score_each_units_value_is_its_contribution(kind: type[Toy]):
    task, expected = additive(ALL, kind)
    found = Occlusion().run(task)
    for m in ALL:
        np.testing.assert_allclose(found.values[m], expected[m], atol=1e-5)
    assert found.facts["evaluations"] == 2 + sum(len(s) for s in task.segmentations.values())
    assert found.gap is None


@pytest.mark.parametrize("kind", [Toy, Split])
@pytest.mark.parametrize("operator", [0, 1])
def test_it_is_the_effect_that_the_laboratory_measures_sign_turned(kind: type[Toy], operator: int):
    lab = laboratory(kind(mixed), ALL)
    names = {m: sense.operators[operator] for m, sense in lab.system.modalities.items()}
    found = Occlusion(names).run(asked(lab.system, ALL, action=lab.action))
    for m, s in lab.segmentations.items():
        effect = lab.measure([{m: (u,)} for u in range(len(s))], names).effect
        np.testing.assert_allclose(found.values[m], -effect.numpy(), atol=2e-5)


def test_it_is_captums_feature_ablation():
    task = asked(Toy(lambda i: torch.tanh(i["text"] @ torch.arange(8.0)).sum(1) ** 2, READER), {"text": SENTENCE})
    ablation = FeatureAblation(lambda x: task.scorer({"text": x}))
    theirs = ablation.attribute(
        task.inputs["text"], baselines=task.baselines["text"], feature_mask=feature_mask(task), perturbations_per_eval=8
    )
    first = [int(np.flatnonzero(task.segmentations["text"].labels == u)[0]) for u in range(30)]
    np.testing.assert_allclose(Occlusion().run(task).values["text"], theirs[0, first, 0].numpy(), rtol=1e-4, atol=1e-5)


def test_of_a_product_each_has_the_whole_and_of_an_alternative_neither_has_anything():
    assert Occlusion().run(asked(Toy(both, READER), PAIR)).values["text"].tolist() == [0, 1, 1, 0]
    assert Occlusion().run(asked(Toy(either, READER), PAIR)).values["text"].tolist() == [0, 0, 0, 0]


def test_a_callable_without_gradient_will_do():
    assert Occlusion("delete").run(asked(Toy(blind, READER), PAIR)).values["text"].tolist() == [0, 3, 3, 0]


def test_without_units_there_are_no_values():
    found = Occlusion().run(asked(Toy(reads_cat, READER), {"text": ""}))
    assert found.values["text"].shape == (0,)
    assert found.facts["score"] == -1.0


def test_a_window_holds_the_unit_and_what_is_near_it_in_its_sense():
    task = asked(Toy(mixed), ALL)
    held = {k: windows(task.segmentations, k) for k in (1, 2, 3, 1000)}
    assert np.array_equal(held[1], np.eye(len(held[1]), dtype=bool))
    first = 0
    for s in task.segmentations.values():
        for unit, near in enumerate(s.neighbours):
            assert np.flatnonzero(held[2][first + unit]).tolist() == sorted(first + u for u in (unit, *near))
        first += len(s)
    words = held[3][-30:, -30:]
    assert words[10].nonzero()[0].tolist() == [8, 9, 10, 11, 12]
    assert not held[1000][-30:, :-30].any()
    assert held[1000][-30:, -30:].all()


def test_a_windows_effect_is_spread_over_its_units():
    held = np.array([[1, 1, 0], [1, 1, 1], [0, 1, 1]], bool)
    lost = np.array([2.0, 6.0, 4.0])  # 1, 2, 2 by unit
    np.testing.assert_allclose(spread_effects(lost, held), [1.5, 5 / 3, 2.0])


def test_a_wider_window_finds_what_neighbours_do_in_each_others_place():
    found = Occlusion(window=2).run(asked(Toy(either, READER), PAIR)).values["text"]
    # Only the windows around "cat" and "siren", of three words each, take both away.
    np.testing.assert_allclose(found, [1 / 6, 2 / 9, 2 / 9, 1 / 6])
    task, expected = additive(WORDS)
    held = windows(task.segmentations, 2)
    values = Occlusion(window=2).run(task).values["text"]
    np.testing.assert_allclose(values, spread_effects(held @ expected["text"], held), atol=1e-5)


def test_a_second_run_gives_the_same_bits_and_the_chunk_does_not_matter():
    task = asked(Toy(mixed), ALL)
    first = flat(Occlusion().run(task).values)
    assert np.array_equal(first, flat(Occlusion().run(task).values))
    np.testing.assert_allclose(first, flat(Occlusion(chunk=1).run(task).values), atol=1e-5)


@pytest.mark.parametrize(
    ("wrong", "message"), [({"window": 0}, "occlusion: window 0"), ({"chunk": 0}, "occlusion: chunk 0")]
)
def test_settings_out_of_range_are_refused(wrong: dict, message: str):
    with pytest.raises(InputError, match=message):
        Occlusion(**wrong)


class Classifier:
    """EfficientNet-Lite0 on one picture."""

    def __init__(self) -> None:
        from veridical.modalities.encoders.efficientnet import load_efficientnet_lite0

        self.network = load_efficientnet_lite0()
        self.actions = self.network.class_names
        self.modalities = {"vision": Vision(units=36)}

    def __call__(self, inputs: Mapping[str, Any]) -> Tensor:
        return self.network.classify(self.network.features(inputs["vision"][:, 0]))


def test_a_real_network_recognises_the_cat_by_its_face():
    system = Classifier()
    task = asked(system, {"vision": skimage.data.cat()}, action=system.actions.index("Egyptian cat"))
    found = Occlusion().run(task)
    values = found.values["vision"]
    first, second = values.argsort()[:-3:-1]
    left, top, right, bottom = task.segmentations["vision"].units[first].box or (0, 0, 0, 0)
    assert 225 < (left + right) / 2 < 325  # the face, in the picture's 451 x 300 pixels
    assert 85 < (top + bottom) / 2 < 185
    assert values[first] > values[second] + 0.2
    assert found.facts["evaluations"] == len(values) + 2
