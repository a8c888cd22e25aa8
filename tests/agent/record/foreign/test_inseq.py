"""How inseq's files come in and go out.

Those beside this test were made by inseq 0.7.1 with a two-layer GPT-2 of random weights and eight units, on “stop for
the cat”, made to go on “and wait”: by ``save()``, ``save(use_primitives=True)`` and ``save(compress=True)``. inseq
0.7.1 loaded what is written here, and found it equal to its own.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from tests.agent.sample import result_and_arrays
from veridical.agent.record.canonical import canonical_json
from veridical.agent.record.foreign import (
    ForeignMap,
    from_record,
    manifest_to_map,
    map_to_manifest,
    read_foreign,
    read_inseq,
    write_inseq_json,
)
from veridical.errors import InputError, RecordError

HERE = Path(__file__).parent
PATH = HERE / "inseq-integrated-gradients.json"
WORDS = ("stop", "for", "the", "cat", "and", "wait")


def test_integrated_gradients_of_inseq_come_in():
    (one,) = read_inseq(PATH, version="0.7.1")
    assert (one.name, one.dims) == ("inseq.0.target", ("input", "generated", "embedding"))
    assert one.coords == {"input": WORDS, "generated": ("and", "wait")}
    assert (one.method, one.target, one.version) == ("integrated_gradients", "probability_fn", "0.7.1")
    assert one.extras["absent"][:, :, 0].tolist() == [[False, False]] * 4 + [[True, False], [True, True]]
    assert not one.values[one.extras["absent"]].any()
    assert one.gap == pytest.approx(1.28e-8, rel=0.01)
    assert one.extras["step.probability"].shape == (2,)


@pytest.mark.parametrize("name", ["inseq-integrated-gradients.json", "inseq-occlusion.json.gz"])
def test_files_of_inseq_come_back_bit_for_bit(tmp_path, name):
    found = read_inseq(HERE / name)
    write_inseq_json(found, tmp_path / "a.json")
    assert all(a.same_as(b) for a, b in zip(found, read_inseq(tmp_path / "a.json"), strict=True))


def test_a_file_by_way_of_the_log_says_what_it_said(tmp_path):
    manifest, blobs = map_to_manifest(read_inseq(PATH)[0])
    logged = manifest_to_map(canonical_json(manifest), blobs.__getitem__)
    write_inseq_json([logged], tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text()) == json.loads(PATH.read_text())


def test_primitives_say_the_same():
    (plain,) = read_foreign(HERE / "inseq-occlusion-primitives.json")
    (full,) = read_inseq(HERE / "inseq-occlusion.json.gz")
    assert plain.attrs["class"] is None
    assert (plain.values == full.values).all()
    assert plain.coords == full.coords


def test_a_map_of_ours_goes_out_as_a_sequence(tmp_path):
    result, arrays = result_and_arrays()
    ours = from_record(result, arrays, "text.saliency")
    (theirs,) = read_inseq(PATH)
    write_inseq_json([ours, theirs], tmp_path / "a.json")
    back = read_inseq(tmp_path / "a.json")
    assert back[0].same_as(ours)
    assert (back[1].values == theirs.values).all()
    first = json.loads((tmp_path / "a.json").read_text())["attributes"]["sequence_attributions"][0]["attributes"]
    assert [t["attributes"]["token"] for t in first["source"]] == list(ours.coords["word"])
    assert first["target"][0]["attributes"] == {"id": -1, "token": "STOP against the rest"}


def test_only_maps_over_tokens_go_out(tmp_path):
    result, arrays = result_and_arrays()
    for maps, words in (
        ([from_record(result, arrays, "audio.saliency")], "over tokens that are named"),
        ([], "no map to write"),
        ([ForeignMap("m", "inseq", np.ones(1), ("input",), attrs={"tokens": 1, "info": {}, "sequence": 0})], "attrs"),
        ([ForeignMap("m", "inseq", np.ones(1), ("input",), attrs={"tokens": 1, "info": 2})], "over tokens"),
        ([*read_inseq(PATH), *read_inseq(PATH)], "attrs of these maps"),
    ):
        with pytest.raises(InputError, match=words):
            write_inseq_json(maps, tmp_path / "a.json")
    other = read_inseq(HERE / "inseq-occlusion.json.gz")
    with pytest.raises(InputError, match="different outputs"):
        write_inseq_json([*read_inseq(PATH), *other], tmp_path / "a.json")


def tensor(array, name="attribution"):
    return base64.b64encode(save({name: np.asarray(array)})).decode()


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("target_attributions", [[1.0]], "0.6 or later"),
        ("target_attributions", {"__ndarray__": "b64:", "dtype": "float32", "shape": [1]}, "0.6 or later"),
        ("target_attributions", "not base64!", "scores_precision"),
        ("target_attributions", "AAAA", "safetensors"),
        ("target_attributions", tensor(np.ones((6, 2)), "other"), "hold ['other']"),
        ("target_attributions", tensor(np.ones((5, 2))), "6 coordinates of 'input', which has 5"),
        ("target_attributions", tensor(np.full((6, 2), np.inf)), "not finite"),
        ("target_attributions", None, "no sequence in it was attributed"),
        ("target", [{"id": "4", "token": "stop"}], "a token is '4'"),
        ("target", 3, "malformed"),
        ("attr_pos_start", "x", "malformed"),
        ("step_scores", [1], "malformed"),
    ],
)
def test_files_that_do_not_hold_are_refused(tmp_path, key, value, words):
    content = json.loads(PATH.read_text())
    content["attributes"]["sequence_attributions"][0]["attributes"][key] = value
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    with pytest.raises(RecordError, match=r"a\.json") as caught:
        read_inseq(path)
    assert words in str(caught.value)


def test_classes_are_looked_at_and_never_imported(tmp_path):
    content = json.loads(PATH.read_text())
    content["__instance_type__"] = ["subprocess", "Popen"]
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    with pytest.raises(RecordError, match=r"it holds a subprocess\.Popen where inseq has a FeatureAttributionOutput"):
        read_inseq(path)
