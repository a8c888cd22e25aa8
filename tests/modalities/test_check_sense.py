"""The checker for those who write a modality: one broken sense for each defect."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from tests.toys import EARS, EYES, RATE, READER, SENTENCE, SIDE, picture, sound
from veridical.errors import ContractError, InputError
from veridical.modalities.audio import Audio
from veridical.modalities.check_sense import check_modality
from veridical.modalities.evidence import Segmentation
from veridical.modalities.text import Text
from veridical.modalities.vision import Vision


@pytest.mark.parametrize(
    ("sense", "signal"),
    [(EYES, picture(2)), (EARS, sound()), (READER, SENTENCE), (Text.minilm(), "stop at the kerb")],
    ids=["vision", "audio", "text", "minilm"],
)
def test_the_senses_at_hand_are_sound(sense, signal):
    right = check_modality(sense, signal)
    assert right[0] == f"two operators or more: {', '.join(sense.operators)}"
    assert "view 'units' sums to (gradient * (tensor - baseline)).sum()" in right
    assert right[-1] == "units are shown in words"
    assert len(right) == len(set(right)) > 20


@pytest.mark.parametrize(
    ("sense", "signal"),
    [(EYES, np.full((20, 30, 3), 128, np.uint8)), (EARS, np.zeros(RATE, np.float32)), (READER, ""), (READER, "cat")],
    ids=["one colour", "silence", "no words", "one word"],
)
def test_a_signal_that_holds_little_is_no_fault_of_the_sense(sense, signal):
    assert check_modality(sense, signal)


def test_what_the_sense_refuses_it_refuses_itself():
    with pytest.raises(InputError, match="text: a int is not a string"):
        check_modality(READER, 3)


class Eyes(Vision):
    """Vision, to be broken."""

    def __init__(self) -> None:
        super().__init__(size=SIDE, units=9)


class Ears(Audio):
    def __init__(self) -> None:
        super().__init__(rate=RATE, cell=(0.25, 3))


def wrong(sense: Any, match: str, signal: Any = None) -> None:
    signal = signal if signal is not None else sound() if isinstance(sense, Audio) else picture()
    with pytest.raises(ContractError, match=match):
        check_modality(sense, signal)


def prepared_with(**changes):
    """Vision that changes what it prepared; a change is a function of what it was."""

    class Broken(Eyes):
        def prepare(self, signal):
            found = super().prepare(signal)
            return replace(found, **{k: change(getattr(found, k)) for k, change in changes.items()})

    return Broken()


def cut_with(**changes):
    class Broken(Eyes):
        def segment(self, prepared):
            found = super().segment(prepared)
            parts = {k: getattr(found, k) for k in ("labels", "units", "neighbours")}
            return Segmentation(**parts | {k: change(parts[k]) for k, change in changes.items()})

    return Broken()


def filled_with(change, changed="mean"):
    """Vision of which one operator's fill is changed: a function of (prepared, edits, filled)."""

    class Broken(Eyes):
        def infill(self, prepared, edits, operator, segmentation):
            out = super().infill(prepared, edits, operator, segmentation)
            return change(prepared, edits, out) if operator == changed else out

    return Broken()


def scheduled(g, slope):
    class Broken(Eyes):
        def schedule(self, u):
            return g(u), slope(u)

    return Broken()


def viewed(change):
    """Vision of which the view ``units`` is changed: a function of (dims, coords, values)."""

    class Broken(Eyes):
        def attribute(self, prepared, gradient):
            views = dict(super().attribute(prepared, gradient))
            return views | {"units": change(*views["units"])}

    return Broken()


def test_methods_that_are_lacking(unchecked: None):
    wrong(object(), "object lacks name, operators, prepare, segment")


def test_one_operator_alone():
    class Broken(Eyes):
        operators = ("blur",)

    wrong(Broken(), r"operators \('blur',\); at least two names are wanted")


def test_prepare_fails_otherwise_than_by_an_input_error():
    class Broken(Eyes):
        def prepare(self, signal):
            return super().prepare(signal["frame"])

    wrong(Broken(), "prepare fails: IndexError: .*; what it cannot use is an InputError")


def test_prepare_gives_a_bare_tensor():
    class Broken(Eyes):
        def prepare(self, signal) -> Any:
            return super().prepare(signal).tensor

    wrong(Broken(), "prepare gives a Tensor; a Prepared is wanted")


def test_prepare_gives_a_batch_of_two():
    double = prepared_with(tensor=lambda x: torch.cat((x, x)))
    wrong(double, r"prepare gives a tensor of shape \(2, 1, 3, 32, 32\); a batch of one")


def test_prepare_gives_whole_numbers():
    wrong(prepared_with(tensor=lambda x: (255 * x).long()), "prepare gives int64, which has no gradient")


def test_the_baseline_has_another_shape():
    wrong(prepared_with(baseline=lambda x: x[..., 0]), r"the baseline is \(1, 1, 3, 32\) .* the two must be alike")


def test_the_baseline_has_another_precision():
    wrong(prepared_with(baseline=torch.Tensor.double), "torch.float64 on cpu, the tensor .* must be alike")


def test_a_value_that_is_not_finite():
    wrong(prepared_with(tensor=lambda x: x / 0), "values that are not finite; look for a division")


def test_a_tensor_with_a_graph():
    wrong(prepared_with(tensor=lambda x: x.requires_grad_(True)), "the prepared tensor requires a gradient; detach")


def test_another_name_in_the_prepared_signal():
    wrong(prepared_with(modality=lambda name: "eyes"), "prepared.modality is 'eyes'; the modality's name is 'vision'")


def test_dither_from_no_seed():
    count = itertools.count()
    wrong(prepared_with(tensor=lambda x: x + 1e-3 * next(count)), "preparing a signal twice gives different tensors")


def test_prepare_writes_into_the_signal():
    class Broken(Ears):
        def prepare(self, signal):
            found = super().prepare(signal)
            signal *= 0.5
            return found

    wrong(Broken(), "prepare writes into the signal; work on a copy")


def test_labels_of_floats(unchecked: None):
    wrong(cut_with(labels=lambda x: x.astype(float)), "labels are float64; integers are wanted")


def test_labels_beyond_the_units():
    wrong(cut_with(labels=lambda x: x + 1), r"labels run from 1 to (\d+), for \1 units; give 0 to")


def test_labels_below_none():
    wrong(cut_with(labels=lambda x: np.where(x == 0, -2, x)), "labels run from -2 to")


def test_a_unit_without_elements():
    wrong(cut_with(labels=lambda x: np.where(x == 2, 1, x)), "unit 2 has no element; leave it out")


def test_units_out_of_order():
    wrong(cut_with(units=lambda units: units[::-1]), r"units\[0\] has another index or modality")


def test_neighbours_of_one_side():
    wrong(cut_with(neighbours=lambda lines: (lines[0][1:], *lines[1:])), "of two each must name the other")


def test_a_unit_that_is_its_own_neighbour():
    wrong(cut_with(neighbours=lambda lines: ((0, *lines[0]), *lines[1:])), "neighbours: for each unit")


def test_a_segmentation_from_no_seed():
    count = itertools.count()
    wrong(cut_with(labels=lambda x: np.roll(x, next(count), 1)), "segmenting twice gives different labels")


def test_a_schedule_that_begins_above_zero():
    wrong(scheduled(lambda u: 0.1 + 0.9 * u, lambda u: 0.9 + 0 * u), "the schedule runs from 0.1 to 1; g")


def test_a_schedule_that_does_not_arrive():
    wrong(scheduled(lambda u: u / 2, lambda u: 0.5 + 0 * u), "the schedule runs from 0 to 0.5; g")


def test_a_schedule_that_turns_back():
    def g(u):
        return u + torch.sin(2 * torch.pi * u)

    wrong(scheduled(g, lambda u: 1 + 2 * torch.pi * torch.cos(2 * torch.pi * u)), "the schedule falls somewhere")


def test_a_derivative_of_another_schedule():
    wrong(
        scheduled(lambda u: u**3, lambda u: 2 * u**2),
        "derivative differs from finite differences by 0.3",
    )


def test_a_schedule_of_one_number():
    wrong(scheduled(lambda u: u, lambda u: torch.ones(())), r"schedule gives shapes \(65,\) and \(\) for \(65,\)")


def test_no_view_of_the_units():
    class Broken(Eyes):
        def attribute(self, prepared, gradient):
            return {"pixels": super().attribute(prepared, gradient)["pixels"]}

    wrong(Broken(), "attribute gives the views pixels; the view 'units' is wanted")


def test_a_view_of_another_shape_than_the_labels():
    def turned(dims, coords, values):
        flipped = ("y", "frame", "x")
        return flipped, coords, np.moveaxis(values, 0, 1)

    wrong(viewed(turned), r"view 'units' has shape \(32, 1, 32\), the segmentation's labels \(1, 32, 32\)")


def test_an_axis_without_coordinates():
    wrong(viewed(lambda d, c, v: (d, {"x": c["x"]}, v)), "name each axis, with one coordinate for each place")


def test_coordinates_of_another_length():
    wrong(viewed(lambda d, c, v: (d, {**c, "x": c["x"][1:]}, v)), r"coordinates of lengths .*'x': 31.* values of shape")


def test_a_view_that_does_not_add_up():
    wrong(viewed(lambda d, c, v: (d, c, np.abs(v))), "view 'units' sums to something else than .*counted twice")


def test_a_view_that_forgets_the_baseline():
    class Broken(Eyes):
        def attribute(self, prepared, gradient):
            return super().attribute(replace(prepared, baseline=0 * prepared.baseline), gradient)

    wrong(Broken(), "view 'units' sums to something else")


def test_a_view_that_is_not_finite():
    wrong(viewed(lambda d, c, v: (d, c, np.where(v == v.max(), np.nan, v))), "view 'units' holds float64 or values")


def test_a_sensitivity_with_signs():
    class Broken(Ears):
        def sensitivity(self, prepared, gradient, squared=False):
            return self.attribute(prepared, gradient)

    wrong(Broken(), "sensitivity 'units' has values below 0; sizes are wanted")


def test_an_empty_edit_that_changes_the_signal():
    wrong(
        filled_with(lambda p, edits, out: out + 0.01),
        "changes the signal where no unit is edited, by up to 0.01",
    )


def test_an_edit_that_changes_nothing():
    idle = filled_with(lambda p, edits, out: p.tensor.expand_as(out).clone())
    wrong(idle, "infill by 'mean' changes nothing where all units are edited")


def test_an_operator_that_gives_one_row():
    wrong(
        filled_with(lambda p, edits, out: out[:1]),
        r"infill by 'mean' gives \(1, 1, 3, 32, 32\) torch.float32 for 4",
    )


def test_an_operator_that_gives_another_precision():
    wrong(filled_with(lambda p, edits, out: out.double()), "torch.float64 for 4 edits")


def test_an_operator_that_gives_what_is_not_finite():
    wrong(filled_with(lambda p, edits, out: out.where(out != out.max(), torch.nan)), "gives values not finite")


def test_edits_that_pile_up():
    def piled(prepared, edits, out):
        return torch.stack([torch.where(out[: i + 1] != prepared.tensor, 0.0, out[i]).amin(0) for i in range(len(out))])

    wrong(filled_with(piled), "infill by 'mean' gives an edit in a batch otherwise than alone.*mix")


def test_a_fill_from_no_seed():
    def noisy(prepared, edits, out):
        return torch.where(out != prepared.tensor, out + torch.randn_like(out), out)

    wrong(filled_with(noisy), "otherwise than alone, .*or the fill is drawn at random")


def test_an_edit_of_the_signal_itself():
    def spoiling(prepared, edits, out):
        prepared.tensor[:] = out[-1:]
        return out

    wrong(filled_with(spoiling), "infill by 'mean' writes into prepared.tensor; work on a copy")


def test_an_operator_that_fails():
    wrong(filled_with(lambda p, edits, out: {}["mean"]), "infill by 'mean' fails: KeyError: 'mean'")


@pytest.mark.parametrize(
    ("energy", "message"),
    [
        (lambda e: e + 1, "energy by 'surround' is 1 for no edit and"),
        (lambda e: 0 * e, "energy by 'surround' is 0 for no edit and 0 for all units"),
        (lambda e: e.sum(), r"energy by 'surround' gives \(\) .*; one finite number for each edit"),
        (lambda e: e / 0, "one finite number for each edit"),
    ],
    ids=["of nothing", "none at all", "one for all", "not finite"],
)
def test_an_energy_that_is_no_size(energy, message: str):
    class Broken(Eyes):
        def energy(self, prepared, edited):
            return energy(super().energy(prepared, edited))

    wrong(Broken(), message)


def test_an_unknown_operator_that_is_taken():
    class Broken(Eyes):
        def infill(self, prepared, edits, operator, segmentation):
            known = operator if operator in self.operators else "blur"
            return super().infill(prepared, edits, known, segmentation)

    wrong(Broken(), "infill takes an unknown operator 'no such operator' without a word; raise InputError")


def test_an_unknown_unit_that_is_taken():
    class Broken(Eyes):
        def infill(self, prepared, edits, operator, segmentation):
            known = [[u % len(segmentation) for u in edit] for edit in edits]
            return super().infill(prepared, known, operator, segmentation)

    wrong(Broken(), r"an unknown unit \d+ without a word; .*an unknown unit -1 without a word")


def test_an_unknown_unit_that_is_an_index_error():
    class Broken(Eyes):
        def infill(self, prepared, edits, operator, segmentation):
            for edit in edits:
                [segmentation.units[u] for u in edit]
            return super().infill(prepared, edits, operator, segmentation)

    wrong(Broken(), r"infill answers an unknown unit \d+ by IndexError; raise InputError")


@pytest.mark.parametrize("told", ["", "left\nright", 3], ids=["nothing", "two lines", "a number"])
def test_units_not_shown_in_a_line_of_words(told):
    class Broken(Eyes):
        def show(self, units):
            return told

    wrong(Broken(), r"show gives .* for 1 units; a line of words is wanted")


def test_all_that_is_wrong_is_told_at_once():
    class Broken(Eyes):
        operators = ("mean",)

        def show(self, units):
            return ""

    wrong(Broken(), "at least two names.*; show gives")
