"""Control edits."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.verifier.test_claims import connected, line
from veridical.modalities.evidence import EvidenceUnit, Segmentation
from veridical.verifier.controls import Controls, draw_controls


def grid(frames: int, side: int) -> Segmentation:
    """Square cells in frames; a cell touches those beside it, and itself in the next frame."""
    at = [(f, y, x) for f in range(frames) for y in range(side) for x in range(side)]
    index = {place: i for i, place in enumerate(at)}
    steps = ((1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1))
    near = tuple(
        tuple(sorted(index[p] for d in steps if (p := tuple(np.add(place, d).tolist())) in index)) for place in at
    )
    units = tuple(EvidenceUnit("vision", i, (0.0, 1.0), frame=f) for i, (f, _, _) in enumerate(at))
    return Segmentation(np.arange(len(at)), units, near)


def draw(
    segmentation: Segmentation, claim, energy: np.ndarray | None = None, count: int = 19, seed: int = 0
) -> Controls:
    even = np.full(len(segmentation), 1 / len(segmentation))
    return draw_controls(segmentation, even if energy is None else energy, claim, count, np.random.default_rng(seed))


@given(st.integers(1, 3), st.integers(3, 6), st.data())
@settings(deadline=None, max_examples=40)
def test_peers_have_the_claims_count_in_each_frame_grow_together_and_all_differ(frames: int, side: int, data):
    cells = grid(frames, side)
    claim = data.draw(st.sets(st.integers(0, len(cells) - 1), min_size=1, max_size=len(cells) // 4))
    energy = np.random.default_rng(0).random(len(cells)) ** 3
    found = draw(cells, sorted(claim), energy / energy.sum(), seed=data.draw(st.integers(0, 99)))

    def quota(units):
        return Counter(cells.units[u].frame for u in units)

    assert found.peers <= 19
    assert len(found.edits) - found.peers <= 4
    assert len(set(found.edits)) == len(found.edits) == len(found.energies)
    for edit in found.edits:
        assert list(edit) == sorted(set(edit))
    for peer in found.edits[: found.peers]:
        assert quota(peer) == quota(claim)
        assert 3 * len(claim.intersection(peer)) <= 2 * len(claim)
        if frames == 1:
            assert connected(cells, peer)
    for decoy in found.edits[found.peers :]:
        assert claim.isdisjoint(decoy)
        assert set(quota(decoy)) == set(quota(claim))
    ratios = [energy[list(edit)].sum() / energy[list(claim)].sum() for edit in found.edits]
    np.testing.assert_allclose(found.energies, ratios)
    matching = [1 / 1.3 <= r <= 1.3 for r in ratios]
    assert found.matched == sum(matching)
    assert all(matching[found.peers :])


def test_peers_that_match_in_energy_come_first():
    energy = np.where(np.arange(40) < 30, 1.0, 5.0)
    found = draw(line(40), (35,), energy / energy.sum(), count=12)
    assert {edit[0] for edit in found.edits[:9]} == set(range(30, 40)) - {35}
    assert all(edit[0] < 30 for edit in found.edits[9:12])


def test_an_edit_that_is_nearly_the_claim_is_no_control():
    found = draw(line(30), (10, 11, 12, 13), count=30)
    assert (9, 10, 11, 12) not in found.edits
    assert {(8, 9, 10, 11), (12, 13, 14, 15)} <= set(found.edits)


def test_around_a_bright_object_no_control_measures_the_claim_again():
    """One unit holds nearly all the energy: an edit of its energy is one that holds it, and none may."""
    energy = np.full(49, 0.1 / 48)
    energy[24] = 0.9
    found = draw(grid(1, 7), (24,), energy)
    assert found.peers == 19
    assert found.matched == 0
    assert all(24 not in edit for edit in found.edits)


def test_decoys_match_where_peers_do_not():
    energy = np.full(49, 1.0)
    energy[24] = 2.5
    found = draw(grid(1, 7), (24,), energy / energy.sum())
    assert found.peers == 19
    assert found.matched == len(found.edits) - 19 == 4
    assert {len(edit) for edit in found.edits[19:]} <= {2, 3}


@pytest.mark.parametrize(
    ("count", "claim", "peers"),
    [(15, (7,), 14), (20, (3, 4), 18), (20, (3, 4, 5, 6), 14), (1, (0,), 0), (4, (0, 1, 2, 3), 0)],
)
def test_a_small_input_has_fewer_peers_and_decoys_do_not_make_up_for_them(count: int, claim, peers: int):
    assert draw(line(count), claim).peers == peers


def test_peers_are_drawn_from_everywhere_alike():
    """A claim of one unit: each other unit is a control equally often."""
    seen = Counter(
        u for seed in range(600) for edit in draw(line(10), (4,), count=3, seed=seed).edits[:3] for u in edit
    )
    assert set(seen) == set(range(10)) - {4}
    assert max(seen.values()) < 1.35 * min(seen.values())


def test_the_draw_is_the_seeds_and_only_the_seeds():
    assert draw(grid(2, 5), (3, 4, 30), seed=1) == draw(grid(2, 5), (4, 3, 30), seed=1)
    assert draw(grid(2, 5), (3, 4, 30), seed=1) != draw(grid(2, 5), (3, 4, 30), seed=2)


def test_a_signal_of_no_energy_has_controls_all_the_same():
    found = draw(line(30), (3,), np.zeros(30))
    assert found.peers == 19
    assert found.matched == 0
    assert np.isfinite(found.energies).all()
