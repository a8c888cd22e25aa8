"""Removal: scores with elements gone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from veridical.errors import ContractError, InputError
from veridical.verifier.metrics.fills import blur_image, fill_image, pixels
from veridical.verifier.metrics.removal import (
    Elements,
    Named,
    Remembered,
    Units,
    checked_map,
    class_probability,
    order_of,
    scored_in_order,
)

PICTURE = torch.rand(1, 3, 6, 8, generator=torch.Generator().manual_seed(0))


def total(x: torch.Tensor) -> torch.Tensor:
    return x.flatten(1).sum(1)


def test_removed_pixels_take_the_fill_in_all_channels_and_no_other_moves():
    seen = []

    def look(x):
        seen.append(x.clone())
        return total(x)

    removed = np.zeros((2, 48), bool)
    removed[1, 9] = True  # row 1, column 1
    pixels(look, PICTURE, "mean")(removed)
    assert torch.equal(seen[0][0], PICTURE[0])
    changed = seen[0][1] != PICTURE[0]
    assert changed.any(0).nonzero().tolist() == [[1, 1]]
    torch.testing.assert_close(seen[0][1, :, 1, 1], PICTURE[0].mean((1, 2)))


@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_chunks_do_not_change_the_scores(chunk: int):
    removed = np.random.default_rng(0).random((7, 48)) < 0.5
    removal = pixels(total, PICTURE, "zero", chunk)
    kept = np.where(removed, 0.0, PICTURE.double().sum(1).numpy().reshape(-1))
    np.testing.assert_allclose(removal(removed), kept.sum(1), rtol=1e-5)
    assert removal.shape == (6, 8)
    assert removal(removed[:0]).shape == (0,)


def test_frames_have_maps_of_frames_and_each_its_own_mean():
    frames = torch.stack([PICTURE[0], PICTURE[0] / 2])[None]
    assert pixels(total, frames, "mean").shape == (2, 6, 8)
    torch.testing.assert_close(fill_image(frames, "mean")[0, 1], fill_image(frames, "mean")[0, 0] / 2)


def test_a_signal_without_channels_is_removed_element_by_element():
    wave = torch.tensor([[1.0, 2.0, 4.0]])
    removal = Elements(total, wave, torch.zeros(1, 3))
    assert removal(np.array([[0, 0, 0], [1, 0, 0], [0, 1, 1]], bool)).tolist() == [7.0, 6.0, 1.0]


def test_the_blur_is_the_one_of_torchvision_inside_and_keeps_a_plain_picture():
    blurred = pytest.importorskip("torchvision.transforms.functional").gaussian_blur
    big = torch.rand(1, 3, 40, 40, generator=torch.Generator().manual_seed(1))
    theirs = blurred(big, [11, 11], [5.0, 5.0])
    torch.testing.assert_close(blur_image(big)[..., 5:-5, 5:-5], theirs[..., 5:-5, 5:-5])
    torch.testing.assert_close(blur_image(torch.full((1, 1, 4, 4), 0.3)), torch.full((1, 1, 4, 4), 0.3))


def test_a_colour_stands_in_as_given():
    assert fill_image(PICTURE, (0.1, 0.2, 0.3))[0, :, 2, 3].tolist() == pytest.approx([0.1, 0.2, 0.3])
    with pytest.raises(InputError, match=r"colour \(0\.5,\) has 1 values; the picture has 3 channels"):
        fill_image(PICTURE, (0.5,))


@pytest.mark.usefixtures("unchecked")
def test_an_unknown_fill_is_told():
    with pytest.raises(InputError, match="fill: 'black'; one of mean, zero, blur or a colour"):
        fill_image(PICTURE, "black")  # type: ignore[arg-type]


def test_the_name_tells_score_substrate_and_fill():
    score = class_probability(lambda x: torch.stack([total(x), -total(x)], 1), 1)
    assert pixels(score, PICTURE, "mean").name == (
        "softmax probability of class 1; pixels of a single-channel map, the picture's mean colour"
    )
    assert pixels(total, PICTURE, "zero").name.startswith("the score given; ")
    assert float(score(PICTURE)[0]) == pytest.approx(1 / (1 + np.exp(2 * float(total(PICTURE)[0]))))


def test_units_are_asked_for_what_is_there_and_told_as_wanted():
    worth = np.array([1.0, 2.0, 4.0])
    units = Units(lambda there: there @ worth, 3, told=np.exp)
    np.testing.assert_allclose(units(np.array([[True, False, False]])), [np.exp(6.0)])
    assert units.shape == (3,)


def test_no_edit_is_scored_twice():
    asked = []

    def worth(there):
        asked.append(len(there))
        return there.sum(1).astype(float)

    removal = Remembered(Units(worth, 4))
    rows = np.eye(4, dtype=bool)
    assert removal(rows[[0, 1, 0]]).tolist() == [3.0, 3.0, 3.0]
    assert removal(rows).tolist() == [3.0] * 4
    assert removal(rows[2:]).tolist() == [3.0, 3.0]
    assert asked == [2, 2]
    assert removal.scored == 4


def test_order_is_descending_ties_as_they_lie_and_a_constant_has_none():
    order = order_of(np.array([1.0, 3.0, 3.0, -2.0]))
    assert order is not None
    assert order.tolist() == [1, 2, 0, 3]
    assert order_of(np.full(5, 0.3)) is None
    assert order_of(np.zeros(0)) is None


def test_keeping_is_removing_the_others(monkeypatch):
    monkeypatch.setattr("veridical.verifier.metrics.removal._BLOCK", 8)  # two masks of four elements at once
    removal = Units(lambda there: there @ np.array([1.0, 2.0, 4.0, 8.0]), 4)
    order, counts = np.array([2, 0, 3, 1]), np.arange(5)
    assert scored_in_order(removal, order, counts).tolist() == [15.0, 11.0, 10.0, 2.0, 0.0]
    assert scored_in_order(removal, order, counts, keep=True).tolist() == [0.0, 4.0, 5.0, 13.0, 15.0]


@pytest.mark.parametrize(
    ("score", "message"),
    [
        (lambda x: x, r"a tensor of shape \(1, 3, 6, 8\) for 1 rows; one number for each row"),
        (lambda x: 1.0, "a float for 1 rows"),
        (lambda x: total(x) * torch.nan, "nan for an edited input"),
    ],
)
def test_a_score_that_is_no_score_is_told(score, message: str):
    with pytest.raises(ContractError, match=message):
        pixels(score, PICTURE, "zero")(np.zeros((1, 48), bool))


def test_inputs_that_do_not_fit_are_told():
    with pytest.raises(InputError, match="a batch of one is wanted"):
        Elements(total, torch.zeros(2, 3), torch.zeros(2, 3))
    with pytest.raises(InputError, match=r"fill \(1, 4\)"):
        Elements(total, torch.zeros(1, 3), torch.zeros(1, 4))
    with pytest.raises(InputError, match="channel axis -2 is that of the batch"):
        Elements(total, torch.zeros(1, 3), torch.zeros(1, 3), -2)
    with pytest.raises(InputError, match=r"a picture \(1, channels, height, width\) is wanted"):
        pixels(total, torch.zeros(1, 3), "zero")
    with pytest.raises(InputError, match=r"map: shape \(2, 3\); \(6, 8\) is wanted"):
        checked_map(np.zeros((2, 3)), (6, 8))
    with pytest.raises(InputError, match="1 values are not finite"):
        checked_map(torch.tensor([0.0, torch.nan]), (2,))


def test_a_named_score_is_the_score():
    assert Named(total, "sum")(PICTURE) == total(PICTURE)
