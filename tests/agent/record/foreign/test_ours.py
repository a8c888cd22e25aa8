from __future__ import annotations

import numpy as np
import pytest

from tests.agent.sample import result_and_arrays, with_fusion
from veridical.agent.record.foreign import from_record, read_captum, read_shap, write_captum_json, write_shap_json
from veridical.errors import InputError


@pytest.fixture(scope="module")
def sample():
    result, arrays = with_fusion(*result_and_arrays())
    arrays |= {
        "fusion.speech.nats": np.array([0.5, -0.25], np.float32),
        "fusion.speech.seconds": np.array([0, 0.1, 0.2], np.float32),
    }
    return result, arrays


@pytest.mark.parametrize("name", ["text.saliency", "fusion.speech.nats", "fusion.depth.3"])
def test_maps_of_ours_go_out_and_come_back_bit_for_bit(sample, tmp_path, name):
    one = from_record(sample[0], sample[1], name)
    assert (one.source, one.unit, one.values.dtype) == ("veridical", "nat", np.float32)
    write_captum_json([one], tmp_path / "captum.json")
    write_shap_json(one, tmp_path / "shap.json")
    assert read_captum(tmp_path / "captum.json")[0].same_as(one)
    assert read_shap(tmp_path / "shap.json").same_as(one)


def test_a_map_says_where_it_lies_and_what_it_is_of(sample):
    one = from_record(sample[0], sample[1], "audio.saliency")
    assert one.dims == ("frequency", "time")
    assert (one.coords["frequency"] == sample[1]["audio.frequencies"]).all()
    assert (one.target, one.gap) == ("STOP against the rest", 0.03)
    assert one.values.sum() == pytest.approx(one.attrs["share"], abs=1e-4)
    words = from_record(sample[0], sample[1], "text.saliency")
    assert words.coords["word"][:2] == ("Go", "down")
    assert words.extras["word_start"][1] == 3
    depth = from_record(sample[0], sample[1], "fusion.depth.0")
    assert depth.gap is None
    assert "share" not in depth.attrs


def test_what_is_no_map_is_refused(sample):
    for name in ("vision.frames", "none"):
        with pytest.raises(InputError, match=f"'{name}' is no map of this record; its maps are: audio.saliency"):
            from_record(sample[0], sample[1], name)
