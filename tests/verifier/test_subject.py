"""One decision and one method, asked again and again."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.toys import EYES, READER, Toy, linear, picture, weights
from tests.verifier.nets import Linear
from veridical.errors import InputError
from veridical.modalities.observation import prepare
from veridical.modalities.target import Target
from veridical.verifier.subject import find_subject

SCENE = {"vision": picture(), "text": "stop if you meet a cat"}
PARTS = weights(0, prepare(Toy(linear({})), SCENE))
TOY = Toy(linear(PARTS), EYES, READER)


def test_the_map_of_a_linear_system_is_its_weights_times_the_input():
    found = find_subject(TOY, SCENE, "gradient-times-input", Target(0)).maps()
    for m, p in find_subject(TOY, SCENE).prepared.items():
        product = (PARTS[m] * p.tensor[0]).double().numpy()
        np.testing.assert_allclose(found[m], product.sum(1), atol=1e-5)  # over colours, or over features


def test_padding_and_special_tokens_are_no_elements():
    subject = find_subject(TOY, SCENE)
    maps = subject.maps()
    words = (subject.segmentations["text"].labels >= 0).sum()
    assert maps["text"].size > words == subject.elements(maps)["text"].size == 6
    assert subject.elements(maps)["vision"].size == maps["vision"].size


def test_a_density_is_the_mean_in_a_unit():
    subject = find_subject(TOY, SCENE, "gradient-times-input")
    maps = subject.maps()
    labels = subject.segmentations["vision"].labels
    wanted = [maps["vision"][labels == u].mean() for u in range(len(subject.segmentations["vision"]))]
    np.testing.assert_allclose(subject.densities(maps)["vision"], wanted)
    assert "vision" not in subject.densities({"vision": np.zeros((2, 2))})


def test_the_question_is_the_decision_unless_another_is_asked():
    net = Linear()
    subject = find_subject(net, {"vision": picture()})
    assert subject.target == Target(int(np.argmax(subject.logits)))
    other = next(k for k in range(3) if k != subject.target.action)
    found = subject.maps(Target(other, kind="logit"))["vision"]
    wanted = net.layer.weight[other].detach().view(3, 32, 32).norm(dim=0)
    np.testing.assert_allclose(found[0], wanted, rtol=1e-5)
    # a system of one action has a score, and no odds
    assert find_subject(Linear(("GO",)), {"vision": picture()}).target == Target(0, kind="logit")


def test_noise_is_of_the_size_said_spares_zeros_and_keeps_the_inputs_bounds():
    frame = picture()
    frame[:, :8] = 0
    subject = find_subject(Linear(), {"vision": frame}, "gradient-times-input")
    x = subject.inputs["vision"]
    system = subject.system
    seen: list[torch.Tensor] = []

    def watch(inputs):
        seen.append(inputs["vision"].detach())
        return Linear.forward(system, inputs)  # type: ignore[arg-type]

    system.forward = watch  # type: ignore[attr-defined]
    subject.maps(noise=0.01, seed=1)
    moved = seen[-1] - x
    assert not moved[x == 0].any()
    wanted = 0.01 * x[x != 0].square().mean().sqrt()
    assert float(moved[x != 0].std()) == pytest.approx(float(wanted), rel=0.1)
    assert float(seen[-1].max()) <= float(x.max())
    assert float(seen[-1].min()) >= float(x.min())


def test_the_same_seed_gives_the_same_noise_and_another_another():
    subject = find_subject(Linear(), {"vision": picture()}, "gradient-times-input")
    first, again, other = (subject.maps(noise=0.05, seed=seed)["vision"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_what_is_no_method_is_told(unchecked: None):
    with pytest.raises(InputError, match="int is no method; give a name or one of veridical's methods"):
        find_subject(TOY, SCENE, 3)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no method 'nonsense'"):
        find_subject(TOY, SCENE, "nonsense")
