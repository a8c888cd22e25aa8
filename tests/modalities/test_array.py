"""Arrays: the sense for any real-valued signal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import veridical
from tests.toys import Toy
from veridical.errors import InputError
from veridical.modalities.array import Array
from veridical.modalities.axis import Axis
from veridical.modalities.contract import Modality
from veridical.modalities.evidence import EvidenceUnit
from veridical.modalities.path import PathSettings, integrate_path

TABLE = Array("customer", [("age", "income", "debt")], baseline=(40.0, 30.0, 1.0))
ROW = TABLE.prepare([33.0, 52.0, 7.5])
MEL = Array("mel", [Axis("band", 8, unit="Hz", step=100.0), Axis("frame", unit="s", step=0.01)], units=16)
SIGNAL = np.random.default_rng(0).standard_normal((8, 20))
SEEN = MEL.prepare(SIGNAL)
CELLS = MEL.segment(SEEN)
few = settings(deadline=None, max_examples=40)
subsets = st.sets(st.integers(0, len(CELLS) - 1)).map(sorted)


def test_an_array_is_a_modality():
    assert isinstance(TABLE, Modality)
    assert (TABLE.name, MEL.name) == ("customer", "mel")


@pytest.mark.parametrize(
    "signal",
    [
        [[1.5, 2.5], [3.5, 4.5]],
        np.array([[1.5, 2.5], [3.5, 4.5]]),
        np.array([[1.5, 3.5], [2.5, 4.5]], ">f4").T,
        torch.tensor([[1.5, 3.5], [2.5, 4.5]]).T,
        torch.tensor([[1.5, 2.5], [3.5, 4.5]], dtype=torch.bfloat16, requires_grad=True),
        np.array([[1.5, 2.5], [3.5, 4.5]], np.longdouble),
    ],
    ids=["lists", "float64", "big-endian, strided", "strided tensor", "bfloat16 with a gradient", "long double"],
)
def test_whatever_holds_the_floats_they_arrive_as_they_are(signal: Any):
    prepared = Array("point", [2, 2]).prepare(signal)
    assert prepared.tensor.dtype == torch.float32
    assert torch.equal(prepared.tensor, torch.tensor([[[1.5, 2.5], [3.5, 4.5]]]))
    assert not prepared.tensor.requires_grad
    assert prepared.raw.shape == (2, 2)


def test_preparing_copies():
    mine = torch.ones(3)
    prepared = Array("x", [3]).prepare(mine)
    mine += 1
    assert prepared.tensor.sum() == 3


def test_the_baseline_is_spread_over_the_signal():
    assert ROW.baseline.tolist() == [[40.0, 30.0, 1.0]]
    by_band = Array("mel", [2, Axis("frame")], baseline=[[-1.0], [-2.0]])
    assert by_band.prepare(np.zeros((2, 3))).baseline.tolist() == [[[-1.0] * 3, [-2.0] * 3]]
    assert TABLE.absent is not None
    assert TABLE.absent.tolist() == [[40.0, 30.0, 1.0]]
    assert by_band.absent is None


def test_units_have_place_time_and_band():
    assert len(CELLS) == 12
    assert MEL.segment(SEEN).labels.shape == (8, 20)
    assert CELLS.units[0].band == (0.0, 200.0)
    assert CELLS.units[0].time == pytest.approx((0, 0.08))
    assert CELLS.units[0].text == "0–200 Hz, 0–0.08 s"
    assert SEEN.duration == pytest.approx(0.2)
    assert [unit.text for unit in TABLE.segment(ROW).units] == ["feature “age”", "feature “income”", "feature “debt”"]


def test_units_partition_the_signal_and_neighbours_share_a_side():
    assert sorted(np.unique(CELLS.labels)) == list(range(len(CELLS)))
    for unit, near in zip(CELLS.units, CELLS.neighbours, strict=True):
        for other in near:
            assert unit.index in CELLS.neighbours[other]
            mine, its = (np.argwhere(CELLS.labels == k) for k in (unit.index, other))
            assert np.abs(mine[:, None] - its[None]).sum(2).min() == 1


def test_blocks_are_those_asked_for():
    words = Array("tokens", [Axis("token", block=1), Axis("feature", 6, block="all")])
    cells = words.segment(words.prepare(np.ones((4, 6))))
    assert [unit.text for unit in cells.units] == ["token 0", "token 1", "token 2", "token 3"]
    assert cells.neighbours == ((1,), (0, 2), (1, 3), (2,))
    assert (cells.labels == np.arange(4)[:, None]).all()


def test_where_units_lie_is_told_with_blocks_joined():
    assert MEL.show(CELLS.units) == "0–0.2 s"  # of the bands it has them all
    assert MEL.show([CELLS.units[0], CELLS.units[4]]) == "0–200 Hz, 0–0.08 s; 200–400 Hz, 0.08–0.16 s"
    assert MEL.show([]) == ""
    fine = Array("mel", [Axis("band", 4, block=1), Axis("frame", 4, block=1)])
    checks = [u for u in fine.segment(fine.prepare(np.ones((4, 4)))).units if (u.index // 4 + u.index) % 2 == 0]
    assert fine.show(checks).startswith("band 0, frame 0; band 0, frame 2; band 1, frame 1")
    assert fine.show(checks).endswith(" and 2 more places")


def test_a_unit_read_back_from_a_record_is_told_by_its_text():
    told: dict[str, Any] = json.loads(json.dumps(CELLS.units[4].to_dict()))
    assert "ranges" not in told
    given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in told.items()}
    read = EvidenceUnit(**given)
    assert MEL.show([read, read]) == CELLS.units[4].text
    with pytest.raises(InputError, match="unit 0 is one of 'customer'"):
        MEL.show(TABLE.segment(ROW).units)


@few
@given(subsets, st.sampled_from(["baseline", "mean"]))
def test_an_edit_changes_its_units_alone(edit: list[int], operator: str):
    out = MEL.infill(SEEN, [edit, ()], operator, CELLS)
    inside = torch.from_numpy(np.isin(CELLS.labels, edit))
    fill = torch.zeros(8, 20) if operator == "baseline" else SEEN.tensor[0].mean(1, keepdim=True).expand(8, 20)
    assert torch.equal(out[0], torch.where(inside, fill, SEEN.tensor[0]))
    assert torch.equal(out[1], SEEN.tensor[0])


def test_the_mean_is_taken_over_elements_that_are_alike():
    # Bands in hertz keep their own mean; features of an embedding too; of a plain point all elements are alike.
    assert MEL.operators == ("baseline", "mean")
    words = Array("tokens", [Axis("token"), Axis("feature", 2, block="all")])
    p = words.prepare([[1.0, 10.0], [3.0, 30.0]])
    assert words.infill(p, [[0]], "mean", words.segment(p))[0].tolist() == [[2.0, 20.0], [3.0, 30.0]]
    point = Array("point", [2])
    p = point.prepare([1.0, 3.0])
    assert point.infill(p, [[0]], "mean", point.segment(p))[0].tolist() == [2.0, 3.0]


def test_named_features_are_not_averaged_with_one_another():
    cells = TABLE.segment(ROW)
    assert TABLE.operators == ("baseline", "halfway")
    assert TABLE.infill(ROW, [[1]], "halfway", cells)[0].tolist() == [33.0, 41.0, 7.5]
    with_means = Array("customer", [("age", "income", "debt")], mean=[45, 25, 2])
    assert with_means.operators == ("baseline", "mean")
    assert with_means.infill(ROW, [[0, 2]], "mean", cells)[0].tolist() == [45.0, 52.0, 2.0]


@few
@given(subsets)
def test_the_energy_is_the_share_of_what_there_is_to_remove(edit: list[int]):
    out = MEL.infill(SEEN, [edit, range(len(CELLS)), ()], "baseline", CELLS)
    inside = np.isin(CELLS.labels, edit)
    share = float(np.linalg.norm(SIGNAL[inside]) / np.linalg.norm(SIGNAL))
    assert MEL.energy(SEEN, out).tolist() == pytest.approx([share, 1.0, 0.0], abs=1e-6)


def test_a_signal_that_is_its_baseline_has_no_energy():
    p = TABLE.prepare([40.0, 30.0, 1.0])
    assert TABLE.energy(p, p.tensor + 1).tolist() == [0.0]


def test_contributions_and_gradients_stand_on_the_axes():
    dims, coords, values = MEL.attribute(SEEN, torch.full_like(SEEN.tensor, 2.0))["units"]
    assert dims == ("band", "frame")
    np.testing.assert_allclose(values, 2 * SIGNAL.astype(np.float32), rtol=1e-6)
    np.testing.assert_allclose(coords["frame"], np.arange(20) * 0.01)
    assert coords["band"][-1] == 700
    slope = torch.randn_like(SEEN.tensor)
    np.testing.assert_array_equal(MEL.sensitivity(SEEN, slope)["units"][2], slope[0].double().numpy())


def test_the_path_is_straight_so_a_linear_score_is_attributed_exactly():
    weights = torch.tensor([0.5, -0.25, 2.0])

    def score(inputs: Mapping[str, Tensor]) -> Tensor:
        return inputs["customer"] @ weights

    path = integrate_path(Toy(score, TABLE), {"customer": ROW}, 0, PathSettings(first=1, last=1))
    values = TABLE.attribute(ROW, path.gradients["customer"])["units"][2]
    np.testing.assert_allclose(values, [-3.5, -5.5, 13.0], rtol=1e-6)


def test_veridical_explains_a_system_with_an_array_and_verifies_it():
    weights = torch.zeros(8, 20)
    weights[2:4, 8:16] = 1.0  # one cell of 12

    def score(inputs: Mapping[str, Tensor]) -> Tensor:
        return (inputs["mel"] * weights).sum((1, 2)) - 2

    signal = SIGNAL.copy() * 0.1
    signal[2:4, 8:16] += 1
    found = veridical.explain(Toy(score, MEL), {"mel": signal})
    assert found.decision == "STOP"
    assert found.claims[0]["where"] == "200–400 Hz, 0.08–0.16 s"
    expected = -(MEL.prepare(signal).tensor[0] * weights).sum()
    gradient = found.result["verdict"]["attempts"][0]
    assert gradient["claims"][0]["predicted"] == pytest.approx(float(expected), rel=1e-4)
    assert gradient["cause"] == "too-small"  # twelve cells: one claim has eleven others to be held against
    assert found.claims[0]["measured"] < -5
    assert found.claims[0]["status"] == "confirmed"


@pytest.mark.parametrize(
    ("signal", "message"),
    [
        ([1.0, np.nan, 2.0], r"customer: the signal is nan at \(1,\)"),
        ([1.0, 2.0, 1e300], r"is .*e\+300 at \(2,\); finite float32"),
        ([1, 2, 3], "holds int64, which has no gradient; for token ids give their embeddings, for counts floats"),
        (torch.tensor([1, 2, 3]), "holds int64, which has no gradient; for token ids"),
        ([True, False, True], "holds bool, which has no gradient; give floats"),
        (torch.zeros(3, dtype=torch.complex64), "holds complex64"),
        ([1j, 2j, 3j], "holds complex128; give floats"),
        (["a", "b", "c"], "holds <U1; give floats"),
        ([[1.0], [2.0, 3.0], []], "the signal is no array"),
        (None, "holds object; give floats"),
        ([1.0, 2.0], r"shape \(2,\); \(3\) is wanted \(axes: feature\)"),
        ([[1.0, 2.0, 3.0]], r"shape \(1, 3\); \(3\) is wanted \(leave out the batch axis\)"),
    ],
)
def test_what_cannot_be_read_is_said(signal: Any, message: str):
    with pytest.raises(InputError, match=message):
        TABLE.prepare(signal)


def test_an_empty_signal_is_refused():
    with pytest.raises(InputError, match=r"shape \(8, 0\); \(8, any\) is wanted"):
        MEL.prepare(np.zeros((8, 0)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "text"}, "one that no other kind of sense has"),
        ({"axes": []}, "a list of at least one axis"),
        ({"axes": 3}, "a list of at least one axis"),
        ({"axes": [3, "ab"]}, "axis 'ab'; an Axis, a number"),
        ({"axes": [("a",), ("b",)]}, "give each its own name"),
        ({"units": 0}, "0 units"),
        ({"baseline": [1.0, 2.0]}, r"a baseline of shape \(2,\) for signals of shape \(3,\)"),
        ({"baseline": np.inf}, "the baseline is inf"),
        ({"mean": "m"}, "the mean holds <U1"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_options_that_cannot_be_used_are_refused(options: dict, message: str):
    with pytest.raises(InputError, match=message):
        Array(**{"name": "x", "axes": [3], **options})


def test_unknown_operators_and_units_are_refused():
    with pytest.raises(InputError, match="no infill operator 'mean'; it has baseline, halfway"):
        TABLE.infill(ROW, [[0]], "mean", TABLE.segment(ROW))
    with pytest.raises(InputError, match="unit 3; this signal has units 0 to 2"):
        TABLE.infill(ROW, [[3]], "baseline", TABLE.segment(ROW))
    with pytest.raises(InputError, match="segment this very signal"):
        MEL.infill(SEEN, [[0]], "baseline", MEL.segment(MEL.prepare(np.zeros((8, 21)))))
