"""From answers to views on the raw axes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.toys import EARS, EYES, READER, SENTENCE, SIDE, Toy, linear, picture, sound, weights
from veridical.errors import InputError
from veridical.modalities.engines.task import Contributions, LayerMap, Sensitivities, Task, Term, UnitValues
from veridical.modalities.layout import lay_out
from veridical.modalities.observation import prepare
from veridical.modalities.scorer import Scorer
from veridical.modalities.spectrum import forward, inverse, spectral_gradient
from veridical.modalities.target import Target

TOY = Toy(linear({}))
PREPARED = prepare(TOY, {"vision": picture(2), "audio": sound(), "text": SENTENCE})
TASK = Task(Scorer(TOY, Target(0)), PREPARED)
SLOPES = {m: w[None] for m, w in weights(3, PREPARED).items()}


def zeros() -> dict:
    return {m: torch.zeros_like(p.tensor) for m, p in PREPARED.items()}


def test_every_view_of_contributions_sums_to_the_share_of_its_sense():
    own = {m: p.baseline for m, p in PREPARED.items()}
    found = lay_out(Contributions((Term(SLOPES, own),)), TASK)
    for m, p in PREPARED.items():
        share = float((SLOPES[m].double() * (p.tensor - p.baseline)).sum())
        for _, _, values in found[m].values():
            assert values.sum() == pytest.approx(share, rel=1e-5, abs=1e-6)


def test_several_baselines_give_the_mean_of_their_contributions():
    terms = (Term(SLOPES, zeros()), Term(SLOPES, {m: p.baseline for m, p in PREPARED.items()}))
    both = lay_out(Contributions(terms), TASK)
    each = [lay_out(Contributions((term,)), TASK) for term in terms]
    for m in PREPARED:
        for view, (_, _, values) in both[m].items():
            mean = (each[0][m][view][2] + each[1][m][view][2]) / 2
            np.testing.assert_allclose(values, mean, atol=1e-12)


def test_a_sensitivity_is_the_length_over_colours_and_features():
    found = lay_out(Sensitivities(SLOPES), TASK)
    np.testing.assert_allclose(found["vision"]["pixels"][2], SLOPES["vision"][0].norm(dim=1), rtol=1e-6)
    np.testing.assert_allclose(found["audio"]["waveform"][2], SLOPES["audio"][0].abs(), rtol=1e-6)
    tokens = SLOPES["text"][0].norm(dim=1).numpy()
    np.testing.assert_allclose(found["text"]["units"][2], tokens, rtol=1e-6)
    owner = PREPARED["text"].detail["words"]
    for word, value in enumerate(found["text"]["words"][2]):
        assert value == pytest.approx(np.linalg.norm(tokens[owner == word]), rel=1e-6)


def test_variances_are_summed_and_say_nothing_of_frequencies():
    found = lay_out(Sensitivities({m: s.square() for m, s in SLOPES.items()}, squared=True), TASK)
    np.testing.assert_allclose(found["vision"]["pixels"][2], SLOPES["vision"][0].square().sum(1), rtol=1e-6)
    assert list(found["audio"]) == ["waveform"]


def test_the_gradient_by_the_spectrum_is_the_chain_rule_through_the_inverse_transform():
    slope = SLOPES["audio"][0].double()
    spectrum = forward(PREPARED["audio"].tensor[0].double())
    found = spectral_gradient(slope)
    change = torch.zeros_like(spectrum)
    change[40, 30] = torch.tensor(1e-3 * (1 + 2j))
    effect = float(slope @ (inverse(spectrum + change, len(slope)) - inverse(spectrum, len(slope))))
    assert effect == pytest.approx(1e-3 * float(found[40, 30].real + 2 * found[40, 30].imag), rel=1e-6)


def test_unit_values_are_spread_so_that_each_unit_sums_to_its_value():
    rng = np.random.default_rng(0)
    values = {m: rng.standard_normal(len(s)) for m, s in TASK.segmentations.items()}
    found = lay_out(UnitValues(values), TASK)
    for m, segmentation in TASK.segmentations.items():
        np.testing.assert_allclose(segmentation.total(found[m]["units"][2]), values[m], atol=1e-12)
        np.testing.assert_array_equal(found[m]["evidence"][2], values[m])
        assert found[m]["units"][2][segmentation.labels < 0].sum() == 0


def test_a_layers_map_of_one_grid_a_frame_is_drawn_out_to_the_pixels():
    values = np.stack([np.full((4, 4), 2.0), np.arange(16.0).reshape(4, 4)])
    found = lay_out(LayerMap("eyes", values, ("row", "y", "x"), "vision"), TASK)["vision"]
    dims, _, pixels = found["pixels"]
    assert dims == ("frame", "y", "x")
    assert pixels.shape == (2, SIDE, SIDE)
    np.testing.assert_allclose(pixels[0], 2.0)
    assert (pixels[1, 0, 0], pixels[1, -1, -1]) == (0.0, 15.0)
    np.testing.assert_array_equal(found["layer"][2], values)


def test_a_layer_of_windows_keeps_its_own_grid():
    found = lay_out(LayerMap("ears", np.ones((5, 3, 2)), ("row", "y", "x"), "audio"), TASK)
    assert list(found["audio"]) == ["layer"]
    assert found["audio"]["layer"][2].shape == (5, 3, 2)


def test_a_layer_must_belong_to_a_sense_that_is_there():
    with pytest.raises(InputError, match="which sense does layer 'x' read"):
        lay_out(LayerMap("x", np.ones((1, 2, 2)), ("row", "y", "x")), TASK)
    with pytest.raises(InputError, match="no sense 'smell'"):
        lay_out(LayerMap("x", np.ones((1, 2, 2)), ("row", "y", "x"), "smell"), TASK)


@pytest.mark.usefixtures("unchecked")
def test_a_sense_without_a_view_of_sensitivities_is_named():
    class Mute:
        name = "vision"

    toy = Toy(linear({}), EYES, EARS, READER)
    toy.modalities["vision"] = Mute()  # type: ignore[assignment]
    with pytest.raises(InputError, match="the sense vision has no method `sensitivity`"):
        lay_out(Sensitivities({"vision": SLOPES["vision"]}), Task(Scorer(toy, Target(0)), PREPARED))
