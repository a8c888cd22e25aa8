"""Growing: what is planted and new is found, and nothing is found where nothing is new."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from tests.concepts.planted import features, planted
from veridical.concepts import grow
from veridical.concepts.bank_file import read_banks, write_banks
from veridical.concepts.grow import Growth, GrowthSettings
from veridical.concepts.project import Projector
from veridical.errors import ContractError, InputError

OLD = np.array([[1, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0], [0, 0.6, 0.8, 0, 0, 0]])
NEW = np.array([0.5, 0, 0, 0.8, 0, -np.sqrt(0.11)])
"""At a cosine of 0.5 with a present direction."""
BANK = planted(OLD, channels=8)


def stream(rng: np.random.Generator, decisions: int = 60, new: np.ndarray | None = None, noise: float = 0.2):
    """Decisions of 6 rows: old concepts in some, the new one, if any, in one row of each other decision."""
    for i in range(decisions):
        rows = noise * rng.normal(size=(6, OLD.shape[1]))
        for row in np.flatnonzero(rng.random(6) < 0.4):
            rows[row] += rng.exponential(2) * OLD[rng.integers(len(OLD))]
        if new is not None and i % 2:
            rows[i % 6] += (3 + rng.random()) * new
        yield f"o{i}", rows


def fed(growth: Growth, seed: int = 0, **options) -> Growth:
    for i, (name, rows) in enumerate(stream(np.random.default_rng(seed), **options)):
        growth.observe(features(growth.bank, rows), name, "STOP" if i % 2 else "GO")
    return growth


@pytest.fixture(scope="module")
def grown():
    found = fed(Growth(BANK), new=NEW).grow()
    assert found is not None
    return found


def test_a_planted_concept_is_found(grown):
    assert len(grown) == 4
    assert grown.directions[-1] @ NEW > 0.99
    assert grown.typical[-1] == pytest.approx(3.5 / 1.05, rel=0.1)
    assert 0 < grown.threshold[-1] < grown.typical[-1]
    assert grown.stability[-1] > 0.98
    assert grown.names == (*BANK.names, None)


def test_its_prototypes_are_where_it_was_planted(grown):
    found = grown.prototypes[-1]
    assert len({p.observation for p in found}) == len(found) == 8
    for prototype in found:
        i = int(prototype.observation[1:])
        assert i % 2 == 1
        assert (prototype.place, prototype.grid) == ((i % 6,), (6,))
    assert [p.strength for p in found] == sorted((p.strength for p in found), reverse=True)


def test_the_action_that_it_goes_with_and_its_usual_strengths(grown):
    found = grown.associations[-1]
    assert found is not None
    assert (found.action, found.share) == ("STOP", 1.0)
    assert found.usual == pytest.approx(0.5)
    assert grown.usual[-1, 8] < grown.threshold[-1] < grown.usual[-1, 24]
    assert grown.made["counted"] == [100, 100, 100, 60]


def test_what_was_there_stays(grown):
    for name, array in BANK.arrays().items():
        found = grown.arrays()[name]
        kept = found[:, :3] if name == "replicas" else found[:3] if len(array) == 3 else found
        np.testing.assert_array_equal(kept, array)
    for name in ("prototypes", "associations", "names"):
        assert getattr(grown, name)[:3] == getattr(BANK, name)
    assert grown.version == 2
    assert grown.made["parent"] == BANK.digest
    assert grown.made["system"] == "toy"


def test_its_figures(grown):
    figures = grown.made["grown"]
    assert figures["concept"] == 3
    assert figures["decisions"] == 60
    assert figures["gain"] > 0.8
    assert figures["by_chance"] < 0.5
    assert figures["found_again"] > 0.98
    assert figures["nearest"] == pytest.approx(0.5, abs=0.05)


def test_it_can_be_written_read_and_projected_on(grown, tmp_path):
    write_banks(tmp_path, {"vision": grown})
    assert read_banks(tmp_path)["vision"].digest == grown.digest
    found = Projector(grown)(features(grown, [3 * NEW]))
    assert int(found.strengths.argmax()) == 3
    assert found.unexplained < 0.02


def test_it_grows_once_and_then_no_more(grown):
    assert fed(Growth(grown), new=NEW).grow() is None


def test_it_is_the_same_each_time(grown):
    again = fed(Growth(BANK), new=NEW).grow()
    assert again is not None
    assert again.digest == grown.digest


@pytest.mark.usefixtures("unchecked")  # many decisions
def test_noise_makes_no_concept():
    """Of 200 streams of noise and of old concepts none grows, though they are not asked to be strong."""
    settings = GrowthSettings(strength=0.0, rows=64, chances=4)
    false = sum(fed(Growth(BANK, settings), seed, decisions=24).grow() is not None for seed in range(200))
    assert false == 0


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("chance_knows_the_cone", [True, False])
def test_the_shape_of_the_cone_makes_no_concept(chance_knows_the_cone: bool, monkeypatch: pytest.MonkeyPatch):
    """Of a full basis all residuals lie in one orthant: one direction explains half of them, and in each half."""
    if not chance_knows_the_cone:
        monkeypatch.setattr(grow, "anywhere", lambda left, *_: np.random.default_rng(0).normal(size=left.shape))
    bank, rng, found = planted(np.eye(4)), np.random.default_rng(0), 0
    for _ in range(12):
        growth = Growth(bank, GrowthSettings(strength=0.0))
        for i in range(40):
            growth.observe(features(bank, rng.normal(size=(6, 4))), f"o{i}")
        found += growth.grow() is not None
    assert found == (0 if chance_knows_the_cone else 12)


@pytest.mark.parametrize(
    "new",
    [
        np.array([0.95, 0, 0, np.sqrt(1 - 0.95**2), 0, 0]),  # nearly a present direction
        np.array([1, 1, 0, 0, 0, 0]) / np.sqrt(2),  # what two present ones account for
    ],
)
def test_what_is_known_makes_no_concept(new):
    assert fed(Growth(BANK), new=new, noise=0.05).grow() is None


def test_what_is_weak_makes_no_concept():
    weak = replace(BANK, typical=np.full(3, 8.0, np.float32))
    assert fed(Growth(weak), new=NEW).grow() is None


def test_what_lies_outside_the_space_cannot_be_seen():
    growth = Growth(BANK)
    outside = np.linalg.svd(BANK.space)[0][:, -1]
    assert np.abs(outside @ BANK.space).max() < 1e-6
    for name, rows in stream(np.random.default_rng(0), noise=0.0):
        given = features(BANK, rows) + torch.from_numpy((5 * outside).astype(np.float32))
        growth.observe(given, name)
    assert growth.grow() is None


def test_one_odd_decision_makes_no_concept():
    growth = Growth(BANK)
    for _ in range(60):
        growth.observe(features(BANK, np.tile(5 * NEW, (6, 1))), "the same")
    assert len(growth) > 0
    assert growth.grow() is None


def test_a_larger_gain_can_be_asked_for():
    growth = fed(Growth(BANK), new=NEW)
    assert growth.grow(min_gain=0.999) is None
    assert growth.grow() is not None
    with pytest.raises(InputError, match="min_gain"):
        growth.grow(min_gain=1.5)


def test_memory_is_bounded_and_the_worst_are_kept():
    settings = GrowthSettings(rows=20, each=2, sample=5)
    growth = Growth(BANK, settings)
    for i in range(50):
        growth.observe(features(BANK, [[0, 0, 0, i, 0, 0], [1, 0, 0, 0.1 * i, 0, 0], [2, 0, 0, 0, 0, 0]]), f"o{i}")
    assert len(growth) == 20
    assert len(growth._whole) == 5
    assert min(k.left for k in growth._kept) == pytest.approx(30.0**2, rel=1e-3)
    assert growth.seen == 50


def test_an_absent_sense_is_not_counted():
    growth = Growth(BANK)
    growth.observe(torch.zeros(1, 6, 8), "none")
    assert (growth.seen, len(growth)) == (0, 0)
    assert growth.grow() is None


def test_the_worst_of_many_rows_are_taken_up_with_their_places():
    growth = Growth(BANK, GrowthSettings(each=1))
    rows = np.zeros((6, 6))
    rows[4, 5] = 3.0
    given = features(BANK, rows)[0].T.reshape(1, 8, 2, 3)
    growth.observe(given, "picture")
    (kept,) = growth._kept
    assert (kept.grid, kept.prototype(1.0).place) == ((2, 3), (1, 1))


def test_what_cannot_be_used_is_refused():
    growth = Growth(BANK)
    with pytest.raises(ContractError, match="5 channels"):
        growth.observe(torch.zeros(1, 6, 5), "a")
    with pytest.raises(InputError, match="of several decisions"):
        growth.observe(torch.zeros(2, 6, 8), "a")
    with pytest.raises(InputError, match="not finite"):
        growth.observe(torch.full((1, 6, 8), torch.nan), "a")
    wrong: dict[str, Any]
    for wrong in ({"min_gain": 0.0}, {"each": 0}, {"rows": 3}, {"strength": -1.0}, {"apart": 1.0}):
        with pytest.raises(InputError, match="lie between 0 and 1"):
            GrowthSettings(**wrong)
