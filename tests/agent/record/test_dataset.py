from __future__ import annotations

import sys

import numpy as np
import pytest

from tests.agent.sample import result_and_arrays, with_fusion, without
from veridical.agent.record import read_record, write_record
from veridical.agent.record.dataset import to_xarray
from veridical.errors import InputError

pytest.importorskip("xarray")


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    result, arrays = with_fusion(*result_and_arrays())
    arrays["concept.vision#6.prototypes"] = np.zeros((2, 72, 72, 3), np.uint8)
    arrays["concept.audio#2.prototypes"] = np.zeros((3, 100), np.float32)
    arrays["mine"] = np.zeros((2, 5))
    return read_record(write_record(tmp_path_factory.mktemp("dataset") / "record", result, arrays))


@pytest.fixture(scope="module")
def dataset(sample):
    return to_xarray(*sample)


@pytest.mark.parametrize("sense", ["vision", "audio", "text"])
def test_a_map_sums_to_the_share_of_its_sense(sample, dataset, sense):
    total = float(dataset[f"{sense}.saliency"].sum(dtype="float64"))
    assert total == pytest.approx(sample[0]["attribution"]["shares"][sense], abs=1e-4)


def test_every_array_is_there_bit_for_bit(sample, dataset):
    for name, array in sample[1].items():
        found = dataset[{"audio.frequencies": "frequency", "audio.times": "time"}.get(name, name)]
        assert found.dtype == array.dtype
        assert (found.values == array).all(), name


def test_axes_have_names_and_places(dataset):
    assert dataset["vision.saliency"].dims == ("frame", "y", "x")
    assert dataset["audio.saliency"].dims == ("frequency", "time")
    assert dataset["fusion.depth.1"].dims == ("frame", "y_depth_1", "x_depth_1")
    assert dataset["fusion.attention.audio"].dims == ("unit_audio",)
    assert dataset["concept.vision#6.prototypes"].dims == (
        "prototype_concept_vision_6", "y_concept_vision_6", "x_concept_vision_6", "channel",
    )  # fmt: skip
    assert dataset["concept.audio#2.prototypes"].dims == ("prototype_concept_audio_2", "sample_concept_audio_2")
    assert dataset["mine"].dims == ("axis_0_mine", "axis_1_mine")
    assert dataset["frame_start"].values.tolist() == [0, 1, 2]
    assert dataset["channel"].values.tolist() == ["red", "green", "blue"]
    assert dataset["sample"].values[16_000] == 1
    assert dataset["frequency"].attrs["units"] == "Hz"
    assert dataset["y"].attrs == {"units": "pixel", "long_name": "down from the top"}


def test_words_and_seconds_select(sample, dataset):
    said = [e for e in sample[0]["ranking"] if e["modality"] == "text" and e["unit"]["text"] == "animal"]
    value = float(dataset["text.saliency"].sel(word="animal"))
    assert value == pytest.approx(said[0]["contribution"], abs=1e-6)
    late = dataset["audio.saliency"].sel(time=slice(1, 2), frequency=slice(500, 2000))
    assert 0 < late.size < dataset["audio.saliency"].size


def test_units_and_the_decision_are_attributes(dataset):
    assert dataset["vision.saliency"].attrs["units"] == "nat"
    assert dataset["vision.saliency"].attrs["target"] == "STOP against the rest"
    assert dataset["audio.spectrogram"].attrs["units"] == "dB"
    assert dataset.attrs["action"] == "STOP"
    assert dataset.attrs["score"] == 2.75
    assert dataset.attrs["verdict"] == "supported"
    assert dataset.attrs["Conventions"] == "CF-1.11"
    assert "id" not in dataset.attrs


def test_a_manifest_tells_more(sample):
    result, arrays = sample
    entry = {"dims": ["frame", "y", "x"], "unit": "nat", "coding": {"kind": "int8", "loss": {"max": 0.01, "sum": 0.0}}}
    entry["uncertainty"] = {"kind": "relative", "value": 0.15}
    manifest = {"id": "an id", "time": {"start": "s", "end": "e"}, "arrays": {"vision.saliency": entry}}
    found = to_xarray(result, arrays, manifest)
    assert (found.attrs["id"], found.attrs["start"], found.attrs["end"]) == ("an id", "s", "e")
    attrs = found["vision.saliency"].attrs
    assert (attrs["uncertainty"], attrs["uncertainty_kind"]) == (0.15, "relative")
    assert (attrs["coding"], attrs["coding_loss_max"]) == ("int8", 0.01)


def test_a_path_that_still_moved_is_uncertain(sample):
    result = {**sample[0], "attribution": {**sample[0]["attribution"], "map_change": 0.02}}
    assert to_xarray(result, sample[1])["text.saliency"].attrs["uncertainty"] == 0.02


def test_samples_lie_on_the_observation_clock(sample):
    clock = {"local": [0.0, 1.0, 2.0], "reference": [10.0, 11.0, 13.0]}
    audio = {**sample[0]["observation"]["audio"], "clock": clock}
    result = {**sample[0], "observation": {**sample[0]["observation"], "audio": audio}}
    seconds = to_xarray(result, sample[1])["sample"].values
    assert seconds[[0, 8_000, 24_000, 40_000]].tolist() == [10, 10.5, 12, 14]


def test_an_absent_sense_and_an_array_alone_are_no_error():
    result, arrays = without("audio")
    assert "audio.saliency" not in to_xarray(result, arrays)
    bare = to_xarray({}, {"text.saliency": np.ones(2, np.float32)})
    assert bare["text.saliency"].dims == ("word",)


def test_another_size_is_another_axis(sample):
    result, arrays = sample
    short = {**arrays, "counterfactual.c9.floor.audio": np.zeros(7, np.float32)}
    found = to_xarray(result, short)["counterfactual.c9.floor.audio"]
    assert found.dims == ("sample_counterfactual_c9_floor_audio",)
    assert found[found.dims[0]].values[1] == 1 / 16_000


def test_entries_that_do_not_fit_are_refused(sample):
    manifest = {"arrays": {"text.saliency": {"dims": ["a", "b"], "unit": None, "coding": {"kind": "exact"}}}}
    with pytest.raises(InputError, match=r"'text\.saliency' has 1 axes, but its dims are"):
        to_xarray(sample[0], sample[1], manifest)


def test_without_xarray_the_fix_is_told(sample, monkeypatch):
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(InputError, match=r"pip install 'veridical\[analysis\]'"):
        to_xarray(*sample)
