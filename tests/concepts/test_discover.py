"""Discovery: a planted dictionary is found again, in the space that the gradients span."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from tests.concepts.planted import turned
from veridical.concepts.bank import ConceptBank
from veridical.concepts.discover import DiscoverySettings, discover, factorise, matched
from veridical.concepts.gather import Gathered, Rows
from veridical.errors import InputError

CHANNELS, DIMS = 10, 3
TRUE = np.array([[1.0, 0, 0], [0.6, 0.8, 0], [0, -0.6, 0.8]])
"""Not orthogonal: principal components would miss them."""
SETTINGS = DiscoverySettings(dims=DIMS, candidates=(2, 3), replicas=2, rows=400, prototypes=3)
SPACE = turned(CHANNELS, seed=3)[:, :DIMS]
SCALES = np.array([3.0, 2.0, 1.0])
"""Root mean squares of the gradients along the axes of the space."""


def gathered(observations: int = 60, seed: int = 0) -> tuple[Gathered, list[np.ndarray]]:
    """Observations of a grid of 2 by 3, in each of which at most one concept stands; the first one makes for STOP."""
    rng, rows, actions, told = np.random.default_rng(seed), Rows(), {}, []
    gradients = (SPACE * SCALES).T * np.sqrt(DIMS)
    for i in range(observations):
        weights = np.zeros((6, len(TRUE)))
        k = i % 4
        if k < len(TRUE):
            weights[rng.integers(6), k] = 2 + rng.random()
        told.append(weights)
        coordinates = weights @ TRUE + 0.01 * rng.normal(size=(6, DIMS))
        values = 0.3 + (coordinates / SCALES) @ SPACE.T
        image = torch.from_numpy(values.astype(np.float32)).reshape(1, 2, 3, CHANNELS).permute(0, 3, 1, 2)
        rows.add(f"o{i}", image.contiguous(), gradients.astype(np.float32))
        actions[f"o{i}"] = "STOP" if k == 0 else ("GO", "SLOW")[i % 2]
    return Gathered({"vision": rows}, actions, "toy"), told


GATHERED, WEIGHTS = gathered()


@pytest.fixture(scope="module")
def bank() -> ConceptBank:
    return discover(GATHERED, "vision", SETTINGS)


def order(bank: ConceptBank) -> np.ndarray:
    """Which of the bank's concepts is which of those planted; the space's own axes may be reflected."""
    shown = bank.directions @ bank.back
    planted = (TRUE / SCALES) @ SPACE.T
    planted /= np.linalg.norm(planted, axis=1, keepdims=True)
    shown /= np.linalg.norm(shown, axis=1, keepdims=True)
    return np.abs(planted @ shown.T - 1).argmin(1)


def test_the_space_is_that_of_the_gradients_in_nats(bank):
    np.testing.assert_allclose(bank.space @ bank.space.T, (SPACE * SCALES**2) @ SPACE.T, atol=1e-4)
    np.testing.assert_allclose(bank.back @ bank.space, np.eye(DIMS), atol=1e-4)
    assert bank.made["gradient_share"] == pytest.approx(1.0)


def test_fewer_dimensions_tell_what_they_hold():
    two = discover(GATHERED, "vision", replace(SETTINGS, dims=2, candidates=(2,), replicas=1, rows=100))
    assert two.made["gradient_share"] == pytest.approx(13 / 14, abs=1e-4)


def test_the_way_back_is_the_smallest_change(bank):
    np.testing.assert_allclose(bank.back, np.linalg.pinv(bank.space), atol=1e-4)


def test_the_centre_is_the_usual_place(bank):
    np.testing.assert_allclose(bank.centre, 0.3, atol=0.02)


def test_planted_directions_are_found(bank):
    which = order(bank)
    assert sorted(which) == [0, 1, 2]
    pairs = TRUE @ TRUE.T
    np.testing.assert_allclose((bank.directions @ bank.directions.T)[np.ix_(which, which)], pairs, atol=0.06)
    assert (bank.stability > 0.98).all()


def test_the_largest_number_that_is_stable_is_taken(bank):
    assert [each["concepts"] for each in bank.made["tried"]] == [2, 3]
    assert bank.made["tried"][0]["left"] > 0.05
    assert bank.made["tried"][1]["left"] < 0.01


def test_levels_prototypes_and_usual_strengths(bank):
    which = order(bank)
    for k, mine in enumerate(which):
        own = np.array([w[:, k].max() for w in WEIGHTS])
        assert bank.typical[mine] == pytest.approx(np.median(own[own > 0]), rel=0.12)
        assert 0.01 < bank.threshold[mine] < bank.typical[mine]
        assert (np.diff(bank.usual[mine]) >= 0).all()
        assert bank.usual[mine, -1] == pytest.approx(own.max(), rel=0.12)
        best = bank.prototypes[mine][0]
        i = int(best.observation[1:])
        assert len(bank.prototypes[mine]) == SETTINGS.prototypes
        assert best.grid == (2, 3)
        assert WEIGHTS[i][:, k].argmax() == np.ravel_multi_index(best.place, best.grid)
        assert own[i] > 0.95 * own.max()


def test_the_action_that_a_concept_goes_with(bank):
    found = bank.associations[order(bank)[0]]
    assert found is not None
    assert (found.action, found.share, found.usual, found.count) == ("STOP", 1.0, 0.25, 15)
    assert found.p < 1e-8


def test_it_is_the_same_each_time_and_another_seed_is_told():
    one = replace(SETTINGS, candidates=(3,), replicas=1, rows=100)
    found = discover(GATHERED, "vision", one)
    assert discover(GATHERED, "vision", one).digest == found.digest
    assert discover(GATHERED, "vision", replace(one, seed=1)).digest != found.digest


def test_rows_of_padding_do_not_count(bank):
    from copy import deepcopy

    padded = deepcopy(GATHERED)
    padded.rows["vision"].features.append(np.zeros((6, CHANNELS), np.float16))
    padded.rows["vision"].grids.append((2, 3))
    padded.rows["vision"].names.append("empty")
    padded = replace(padded, actions={**padded.actions, "empty": "GO"})
    found = discover(padded, "vision", replace(SETTINGS, candidates=(2,), replicas=1, rows=100))
    assert found.made["rows"] == bank.made["rows"]
    np.testing.assert_allclose(found.centre, bank.centre, atol=1e-6)


def test_matched_pairs_each_with_one_other():
    turned_ = TRUE[[2, 0, 1]].astype(np.float32)
    found, cosine = matched(TRUE.astype(np.float32), turned_)
    np.testing.assert_allclose(found, TRUE, atol=1e-6)
    np.testing.assert_allclose(cosine, 1, atol=1e-6)
    alone, cosine = matched(TRUE.astype(np.float32), turned_[:1])
    np.testing.assert_allclose(alone, TRUE, atol=1e-6)
    assert (cosine == 0).sum() == 2


def test_directions_that_no_row_needs_are_left_out():
    rng = np.random.default_rng(0)
    rows = np.outer(1 + rng.random(100), [0.6, 0.8])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = factorise(rows, 3, 0.1)
    assert len(found) >= 1
    assert (found @ [0.6, 0.8]).max() > 0.999
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)


def test_what_cannot_be_used_is_refused():
    with pytest.raises(InputError, match="nothing was gathered of 'audio'; there is vision"):
        discover(GATHERED, "audio")
    with pytest.raises(InputError, match="7 observations of vision; at least 8"):
        discover(gathered(7)[0], "vision")
    flat = gathered(8)[0]
    flat.rows["vision"].outer[:] = 0
    with pytest.raises(InputError, match="no gradient reaches"):
        discover(flat, "vision")
    with pytest.raises(InputError, match="one number of concepts is to be tried"):
        discover(GATHERED, "vision", replace(SETTINGS, candidates=()))
    wrong: dict[str, Any]
    for wrong in ({"stable": 0.0}, {"present": 1.0}, {"dims": 0}, {"candidates": (0,)}, {"replicas": 0}):
        with pytest.raises(InputError, match="one number of concepts"):
            DiscoverySettings(**wrong)
