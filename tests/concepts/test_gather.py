"""Gathering: features and gradients of toys whose derivatives are known."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
import torch

from tests.toys import EYES, READER, SENTENCE, Split, Toy, picture, reads_cat
from veridical.concepts.gather import Rows, gather
from veridical.errors import InputError

WEIGHTS = torch.arange(1.0, 9.0)


def scored(inputs) -> torch.Tensor:
    """The same weights at every token."""
    return (inputs["text"] * WEIGHTS).sum((1, 2))


def test_features_actions_and_gradients():
    """Scores are s and 0, less their mean s/2 and -s/2: the gradient of each is half the weights at each token."""
    done: list[int] = []
    system = Split(scored, READER)
    words = [SENTENCE, "stop if you meet cat", "go left"]
    found = gather(system, ((f"o{i}", {"text": text}) for i, text in enumerate(words)), done.append)
    rows = found.rows["text"]
    assert done == [1, 2, 3]
    assert rows.names == ["o0", "o1", "o2"]
    assert rows.gradients % 12 == 0 or len(rows.features[2]) < 20
    np.testing.assert_allclose(rows.outer / rows.gradients, np.outer(WEIGHTS, WEIGHTS) / 4, rtol=1e-5)
    for i, text in enumerate(words):
        tensor = READER.prepare(text).tensor
        np.testing.assert_allclose(rows.features[i], tensor[0].half().numpy())
        assert rows.grids[i] == (tensor.shape[1],)
        assert found.actions[f"o{i}"] == ("STOP" if float(scored({"text": tensor})) > 0 else "GO")
    assert found.system == "toy"
    assert found.passed_over == ()


def test_the_steepest_rows_are_kept():
    found = gather(Split(reads_cat, READER), [("one", {"text": SENTENCE})]).rows["text"]
    assert found.gradients == 2 * 2 * 20  # strengths, actions, rows
    assert found.outer[6, 6] == pytest.approx(4 * 20 * 2.0**2)
    assert np.count_nonzero(found.outer) == 1


def test_every_sense_is_gathered_with_its_own_grid():
    system = Split(lambda x: x["text"].sum((1, 2)) + x["vision"].mean((1, 2, 3, 4)), EYES, READER)
    found = gather(system, [("one", {"text": "go", "vision": picture(2)})])
    assert found.rows["vision"].grids == [(2, 32, 32)]
    assert found.rows["vision"].features[0].shape == (2048, 3)
    assert found.rows["text"].features[0].dtype == np.float16


def test_what_cannot_be_used_is_passed_over_and_told():
    system = Split(reads_cat, READER)
    found = gather(system, [("bad", {"text": 3}), ("good", lambda: {"text": SENTENCE})])
    assert list(found.actions) == ["good"]
    assert len(found.passed_over) == 1
    assert found.passed_over[0].startswith("bad: ")


@pytest.mark.usefixtures("unchecked")
def test_nothing_that_can_be_used_is_refused():
    with pytest.raises(InputError, match="none of 1 observations can be used: bad: "):
        gather(Split(reads_cat, READER), [("bad", {"text": 3})])
    with pytest.raises(InputError, match="none of 0 observations"):
        gather(Split(reads_cat, READER), [])
    with pytest.raises(InputError, match="cannot be split"):
        gather(cast("Any", Toy(reads_cat, READER)), [("one", {"text": SENTENCE})])


def test_half_of_the_features_may_be_more_than_the_system_bears():
    def fragile(inputs):
        total = scored(inputs)
        return torch.where(inputs["text"].abs().sum((1, 2)) > 0.75 * SIZE, total, torch.full_like(total, torch.nan))

    SIZE = float(READER.prepare(SENTENCE).tensor.abs().sum())
    found = gather(Split(fragile, READER), [("one", {"text": SENTENCE})])
    assert found.rows["text"].gradients == 2 * 20


def test_outer_products_add_up_over_observations():
    rows, rng = Rows(), np.random.default_rng(0)
    gradients = rng.normal(size=(2, 5, 3)).astype(np.float32)
    for i in range(2):
        rows.add(f"o{i}", torch.rand(1, 4, 3), gradients[i])
    np.testing.assert_allclose(rows.outer, np.einsum("nic,nid->cd", gradients, gradients), rtol=1e-5)
    assert rows.gradients == 10
