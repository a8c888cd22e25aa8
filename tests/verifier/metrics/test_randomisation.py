"""The model parameter randomisation test."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.data
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tests.toys import EYES, Toy, picture, sees_red
from tests.verifier.nets import ACTIONS, Deep, Edges, Eyes, Linear, digest
from veridical.errors import ContractError, InputError
from veridical.verifier.metrics.randomisation import (
    EntropyRise,
    Randomisation,
    Stage,
    entropy_rise,
    histogram_entropy,
    mprt,
)

SCENE = {"vision": picture()}


def test_the_gradient_of_a_linear_system_has_nothing_in_common_with_that_of_another():
    """One layer, one stage: lengths of three independent weights at each of 1024 pixels."""
    found = mprt(Linear(), SCENE, "gradient")
    assert [stage.layers for stage in found.stages] == [("layer",)]
    assert found.similarity is not None
    assert abs(found.similarity) < 4 / np.sqrt(1024)
    assert found.similarity == found.last == found.by_sense["vision"]


def test_a_map_of_the_inputs_edges_never_changes():
    found = mprt(Deep(), SCENE, Edges())
    assert [stage.similarity for stage in found.stages] == pytest.approx([1.0] * 7)
    assert entropy_rise(Deep(), SCENE, Edges()).rise == 0


def test_the_stages_are_cumulative_named_and_the_unrandomised_system_is_none_of_them():
    found = mprt(Deep(), SCENE, "gradient-times-input", most=3)
    names = [name for stage in found.stages for name in stage.layers]
    assert names == ["top", "middle.1", "middle.0", "Deep", "norm", "bottom", "unused"]
    assert len(found.stages) == 3
    values = [stage.by_sense["vision"] for stage in found.stages]
    assert found.similarity == pytest.approx(np.mean(values))
    assert max(values) < 1 - 1e-6
    # all at once is the last stage of the cascade: a layer's draw does not depend on the groups
    assert mprt(Deep(), SCENE, "gradient-times-input", most=1).last == found.last


def test_another_seed_draws_other_weights_and_the_same_the_same():
    values = [mprt(Deep(), SCENE, seed=seed).similarity for seed in (0, 0, 1)]
    assert values[0] == values[1] != values[2]


def test_the_system_is_left_bit_for_bit_as_it_was_found():
    deep = Deep().train()
    before, random = digest(deep), torch.get_rng_state()
    mprt(deep, SCENE)
    entropy_rise(deep, SCENE)
    assert digest(deep) == before
    assert torch.equal(torch.get_rng_state(), random)


def test_the_system_is_left_as_it_was_found_by_an_exception_in_the_midst():
    deep = Deep()
    before = digest(deep)

    def stop(share: float) -> None:
        if share >= 0.25:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        mprt(deep, SCENE, progress=stop)
    assert digest(deep) == before  # while the traceback still holds every frame
    del caught


def test_progress_rises_to_one():
    shares: list[float] = []
    mprt(Deep(), SCENE, most=4, progress=shares.append)
    assert shares == sorted(shares)
    assert shares[0] == 0.25
    assert shares[-1] == 1.0


class Fragile(nn.Module):
    """Scores that are not finite once its one weight, learned to be 1, is drawn to be negative."""

    def __init__(self) -> None:
        super().__init__()
        self.modalities, self.actions = {"vision": EYES}, ACTIONS
        self.weight = nn.Parameter(torch.ones(1))
        self.grid = nn.Parameter(torch.randn(3, 32, 32, generator=torch.Generator().manual_seed(0)))

    def forward(self, inputs):
        score = (inputs["vision"][:, 0] * self.grid).flatten(1).sum(1) * self.weight.log()
        return torch.stack((score, -score, 0 * score), 1) + (inputs["vision"].mean((1, 2, 3, 4)) * self.weight)[:, None]


def seed_of(sign: int) -> int:
    for seed in range(50):
        found = mprt(Fragile(), SCENE, "gradient-times-input", seed=seed)
        if (found.stages[0].trouble is None) == (sign > 0):
            return seed
    raise AssertionError("no such seed")


def test_a_stage_whose_scores_are_not_finite_is_told_and_in_no_mean():
    found = mprt(Fragile(), SCENE, "gradient-times-input", seed=(seed := seed_of(-1)))
    assert "the scores are not finite" in (found.stages[0].trouble or "")
    assert found.stages[0].by_sense == {}
    assert found.similarity is None
    with pytest.raises(ContractError, match="with all weights at random, system: the scores are not finite"):
        entropy_rise(Fragile(), SCENE, "gradient-times-input", seed=seed)
    assert mprt(Fragile(), SCENE, "gradient-times-input", seed=seed_of(1)).stages[0].trouble is None


class Dead(Linear):
    """All weights zero: a map that ranks nothing."""

    def __init__(self) -> None:
        super().__init__()
        nn.init.zeros_(self.layer.weight)


def test_a_map_of_zeros_is_said_to_rank_nothing():
    found = mprt(Dead(), SCENE)
    assert found.unranked == ("vision",)
    assert found.similarity is None
    assert entropy_rise(Dead(), SCENE).rise is None


def test_a_system_without_torch_modules_is_refused_in_words():
    with pytest.raises(InputError, match="Toy holds no torch module, so there are no weights to draw anew"):
        mprt(Toy(sees_red, EYES), SCENE)
    with pytest.raises(InputError, match="0 stages"):
        mprt(Linear(), SCENE, most=0)


def test_means_are_over_senses_then_stages():
    stages = (
        Stage(("a",), {"vision": 0.8, "text": 0.2}),
        Stage(("b",), {}, "trouble"),
        Stage(("c",), {"vision": 0.1, "text": 0.1}),
    )
    found = Randomisation("gradient", "STOP against the rest", stages)
    assert found.similarity == pytest.approx(0.3)
    assert found.by_sense == {"vision": pytest.approx(0.45), "text": pytest.approx(0.15)}
    assert found.last == pytest.approx(0.1)
    assert Randomisation("gradient", "", stages[1:2]).similarity is None


def test_entropies_in_closed_form():
    assert histogram_entropy(np.arange(100.0)) == pytest.approx(np.log(100))
    assert histogram_entropy(np.repeat([0.0, 1.0], 50)) == pytest.approx(np.log(2))
    one_of_eight = np.eye(8)[0]
    assert histogram_entropy(one_of_eight) == pytest.approx(np.log(8) / 8 + 7 / 8 * np.log(8 / 7))
    assert histogram_entropy(np.full((3, 3), 2.0)) == histogram_entropy(np.zeros(0)) == 0


@given(st.lists(st.integers(-50, 50), min_size=2, max_size=60), st.sampled_from([1e-200, 0.5, 1.0, 8.0, 2.0**60]))
def test_the_entropy_knows_no_scale(values: list[int], scale: float):
    x = np.array(values, np.float64)
    assert histogram_entropy(scale * x) == pytest.approx(histogram_entropy(x))
    assert 0 <= histogram_entropy(x) <= np.log(min(len(x), 100)) + 1e-12


def test_the_rise_is_relative_and_leaves_out_what_had_no_entropy():
    rise = EntropyRise({"vision": 2.0, "text": 0.0}, {"vision": 3.0, "text": 1.0})
    assert rise.by_sense == {"vision": 0.5}
    assert rise.rise == 0.5


def test_guided_backpropagation_outlives_the_top_of_efficientnet_and_the_gradient_does_not():
    """As Adebayo et al. found; and the efficient form, which sees full randomisation alone, does not show it."""
    eyes = Eyes()
    before, scene = digest(eyes), {"vision": skimage.data.cat()}
    guided, plain = (mprt(eyes, scene, method, most=4) for method in ("guided-backprop", "gradient"))
    assert guided.target == "Egyptian cat against the rest"
    assert guided.stages[0].similarity is not None
    assert guided.stages[0].similarity > 0.9  # the classifier and a quarter of the layers are gone
    assert guided.similarity is not None
    assert guided.similarity > 0.55
    assert plain.stages[0].similarity is not None
    assert plain.stages[0].similarity < 0.5
    assert plain.similarity is not None
    assert plain.similarity < 0.4
    assert (entropy_rise(eyes, scene, "guided-backprop").rise or 0) > 0
    assert digest(eyes) == before
