"""Stability of an effect under noise."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.toys import (
    CAT,
    EYES,
    READER,
    SENTENCE,
    Toy,
    laboratory,
    linear,
    picture,
    reads_cat,
    sees_red,
    sound,
    weights,
)
from veridical.errors import ContractError, InputError
from veridical.fusion.measure import Laboratory
from veridical.modalities.observation import prepare
from veridical.verifier.stability import Stability, measure_stability, noisy

OBSERVATION = {"vision": picture(), "audio": sound(), "text": SENTENCE}
OPERATORS = ({"text": "mask"}, {"text": "delete"})
BOTH = {"vision": picture(), "text": SENTENCE}


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def lab(score=reads_cat) -> Laboratory:
    return laboratory(Toy(score, READER), {"text": SENTENCE})


def test_noise_is_as_strong_as_asked_for_and_stays_within_the_signals_own_bounds():
    prepared = prepare(Toy(linear({})), OBSERVATION)
    for m, found in noisy(prepared, 0.02, rng()).items():
        x, moved = prepared[m].tensor, found.tensor
        assert moved.shape == x.shape
        assert float(moved.min()) >= float(x.min())
        assert float(moved.max()) <= float(x.max())
        # Clipping and still zeros take a little of it away.
        assert float((moved - x).std() / x.std()) == pytest.approx(0.02, rel=0.15)
        assert found.baseline is prepared[m].baseline


def test_no_noise_changes_nothing_and_the_input_is_never_changed_itself():
    prepared = prepare(Toy(linear({})), OBSERVATION)
    before = {m: p.tensor.clone() for m, p in prepared.items()}
    still = noisy(prepared, 0.0, rng())
    noisy(prepared, 0.5, rng())
    for m, p in prepared.items():
        assert torch.equal(still[m].tensor, before[m])
        assert torch.equal(p.tensor, before[m])


def test_padding_stays_padding():
    prepared = prepare(Toy(reads_cat, READER), {"text": SENTENCE})
    padded = torch.cat((prepared["text"].tensor, torch.zeros(1, 5, 8)), 1)
    from dataclasses import replace

    found = noisy({"text": replace(prepared["text"], tensor=padded)}, 0.1, rng())["text"].tensor
    assert not found[:, -5:].any()
    assert (found[:, :-5] != padded[:, :-5]).any(-1).all()


def test_silence_stays_silent():
    prepared = prepare(Toy(linear({})), {**OBSERVATION, "audio": np.zeros(4000, np.float32)})
    assert not noisy(prepared, 0.1, rng())["audio"].tensor.any()


def test_the_effect_of_a_word_on_a_linear_score_stays_what_it_is_but_for_the_words_own_noise():
    own = lab()
    own.measure([{}], {})
    found = measure_stability(own, {"text": (20,)}, OPERATORS, 6, rng())
    assert len(found.effects) == 6
    assert found.mean == pytest.approx(-4, abs=0.1)
    assert 0 < found.noise < 0.5
    assert found.steady


def test_noise_is_what_noise_alone_does():
    like = prepare(Toy(linear({})), {"text": SENTENCE})
    w = weights(3, like)
    own = lab(lambda i: 5 + linear(w)(i))
    own.measure([{}], {})
    found = measure_stability(own, {"text": (20,)}, OPERATORS[:1], 5, rng(4))
    noise, moved = rng(4), []
    for _ in range(5):
        near = noisy(like, 0.01, noise)["text"].tensor
        moved.append(float(((near - like["text"].tensor)[0] * w["text"]).sum()))
    assert found.noise == pytest.approx(np.sqrt(np.mean(np.square(moved))), rel=1e-3)


def test_neighbours_take_the_operators_in_turn():
    own = lab(lambda i: i["text"].square().sum((1, 2)))
    one, two = (measure_stability(own, {"text": (20,)}, (o,), 1, rng()).effects[0] for o in OPERATORS)
    assert abs(one - two) > 0.1
    found = measure_stability(own, {"text": (20,)}, OPERATORS, 4, rng(2)).effects
    assert found[0] == pytest.approx(one, abs=0.1)
    assert found[1] == pytest.approx(two, abs=0.1)
    assert found[2] == pytest.approx(one, abs=0.1)


def test_every_pass_counts():
    own = lab()
    measure_stability(own, {"text": (20,)}, OPERATORS, 4, rng())
    assert own.passes == 4 * 3  # the neighbour alone, beside its edit, and the edit


def test_the_same_seed_gives_the_same_and_another_does_not():
    one, same, other = (measure_stability(lab(), {"text": (20,)}, OPERATORS, 3, rng(s)).effects for s in (1, 1, 2))
    assert one == same != other


@pytest.mark.parametrize(
    ("effects", "noise", "steady"),
    [((-1.0, -3.0), 1.9, True), ((-1.0, -3.0), 2.0, False), ((1.0, -1.0), 0.0, False), ((-9.0, 1.0), 3.0, True)],
)
def test_steady_is_more_than_noise_alone_does(effects: tuple[float, ...], noise: float, steady: bool):
    assert Stability(effects, noise, 0.01).steady is steady


def test_an_effect_that_noise_can_make_as_well_is_not_steady():
    def nervous(inputs) -> torch.Tensor:
        return reads_cat(inputs) + 20 * torch.sin(1e5 * inputs["vision"].mean((1, 2, 3, 4))).abs()

    own = laboratory(Toy(nervous, EYES, READER), BOTH)
    own.measure([{}], {})
    found = measure_stability(own, {"text": (20,)}, OPERATORS, 6, rng())
    assert found.mean == pytest.approx(-4, abs=0.2)
    assert found.noise > 4
    assert not found.steady


def test_a_cliff_beside_the_input_shows():
    """The word counts only while it is exactly as it was."""
    own = lab(lambda i: 4 * (i["text"][:, :, CAT].sum(1) == 1).float() + 2 + 0 * i["text"].sum((1, 2)))
    assert float(own.measure([{"text": (20,)}], OPERATORS[0]).effect[0]) == -4
    assert not measure_stability(own, {"text": (20,)}, OPERATORS, 4, rng()).steady


def test_what_cannot_be_measured_there_is_an_error():
    own = laboratory(Toy(lambda i: reads_cat(i) + 0 * sees_red(i), EYES, READER), BOTH)
    for neighbours, operators in ((0, OPERATORS), (2, ())):
        with pytest.raises(InputError, match="at least 1 of each is wanted"):
            measure_stability(own, {"text": (20,)}, operators, neighbours, rng())
    fragile = lab(lambda i: reads_cat(i) + torch.where(i["text"][:, :, CAT].sum(1) < 0.5, torch.nan, 0.0))
    with pytest.raises(ContractError, match="not finite under the text operator 'mask'"):
        measure_stability(fragile, {"text": (20,)}, OPERATORS, 2, rng())
