from __future__ import annotations

import json

import jsonschema
import numpy as np
import pytest

from tests.agent.record import vectors
from tests.agent.sample import result_and_arrays
from veridical.agent.record import (
    RESULT_FORMAT,
    Context,
    compose,
    plain,
    read_arrays,
    read_manifest,
    read_result,
    record_schema,
)
from veridical.agent.record.canonical import canonical_json, digest_of
from veridical.agent.record.sealing import Sealer, is_raw
from veridical.errors import InputError, IntegrityError, RecordError

SCHEMA = jsonschema.Draft202012Validator(record_schema())
KEY = bytes(range(32))
SMALL = {"format": RESULT_FORMAT, "value": 0.25}


@pytest.fixture(scope="module")
def sample():
    return result_and_arrays()


def composed(sample, context):
    result, arrays = sample
    return compose(result, arrays, context)


def taken(manifest, blobs):
    return len(canonical_json(manifest)) + sum(map(len, blobs.values()))


@pytest.mark.parametrize("precision", ["exact", "fp16", "int8", "sparse"])
def test_what_is_composed_is_read_back_and_holds_the_schema(sample, precision):
    result, arrays = sample
    manifest, blobs = compose(result, arrays, Context(precision=precision))
    SCHEMA.validate(json.loads(canonical_json(manifest)))
    assert all(digest_of(content) == digest for digest, content in blobs.items())
    read = read_manifest(canonical_json(manifest), "r", canonical=True)
    assert read["result"] == plain(result)
    found = read_arrays(read, blobs.__getitem__)
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        coding = read["arrays"][name]["coding"]
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        if coding["kind"] == "exact":
            np.testing.assert_array_equal(found[name], array)
        else:
            assert read["arrays"][name]["unit"] == "nat"
            assert np.abs(found[name].astype(float) - array).max() == coding["loss"]["max"]
    assert (precision in read["critical"]) == (precision != "exact")
    assert "zlib" in read["critical"]


def test_coarser_is_smaller(sample):
    sizes = [taken(*composed(sample, Context(precision=p))) for p in ("exact", "fp16", "int8", "sparse")]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 1.1 * sizes[1] > 1.15 * sizes[2]


def test_the_same_context_makes_the_same_record(sample):
    context = Context()
    one, two = (composed(sample, context) for _ in range(2))
    assert canonical_json(one[0]) == canonical_json(two[0])
    assert one[1] == two[1]


def test_maps_say_what_they_are(sample):
    result, arrays = sample
    told = plain(result)
    told["attribution"] |= {"additive": True, "map_change": 0.125, "baseline_action": "PROCEED"}
    entries = compose(told, arrays, Context())[0]["arrays"]
    entry = entries["vision.saliency"]
    assert entry["attrs"]["method"] == told["attribution"]["method"]
    assert entry["attrs"]["target"] == told["decision"]["target"]
    assert entry["attrs"]["gap"] == told["attribution"]["gap"]
    assert entry["uncertainty"] == {"kind": "relative", "value": 0.125}
    assert "attrs" not in entries["vision.frames"]
    told["attribution"]["additive"] = False
    assert "uncertainty" not in compose(told, arrays, Context())[0]["arrays"]["vision.saliency"]


def test_layers_say_which_they_are():
    result = SMALL | {"fusion": {"depths": [{"layer": "stage1"}, {"layer": "stage2"}]}}
    arrays = {f"fusion.depth.{k}": np.zeros((1, 2, 2), np.float32) for k in (1, 2)}
    entries = compose(result, arrays, Context())[0]["arrays"]
    assert entries["fusion.depth.1"]["attrs"] == {"method": "gradient times change, first order", "layer": "stage2"}
    assert entries["fusion.depth.2"]["attrs"] == {"method": "gradient times change, first order"}


def test_what_a_sense_was_given_is_told():
    seen = {"vision": {"present": True, "digest": "sha256:1"}, "audio": {"present": False}}
    inputs = compose(SMALL | {"observation": seen}, {}, Context())[0]["inputs"]
    assert inputs == {
        "vision": {"present": True, "commitment": "sha256:1"},
        "audio": {"present": False, "commitment": None},
    }


@pytest.mark.parametrize("budget", [3_500_000, 2_000_000, 900_000, 700_000])
def test_a_budget_is_held_to_the_byte(sample, budget):
    manifest, blobs = composed(sample, Context(budget=budget))
    assert budget * 0.5 < taken(manifest, blobs) <= budget
    assert set(manifest["arrays"]) | set(manifest["omitted"]) == set(sample[1])
    assert set(manifest["omitted"].values()) == {"over the record's budget"}
    SCHEMA.validate(json.loads(canonical_json(manifest)))
    name = min(manifest["omitted"])
    with pytest.raises(RecordError, match="was left out: over the record's budget"):
        read_arrays(manifest, blobs.__getitem__, [name])


def test_a_budget_that_cannot_be_held_names_the_least_that_can(sample):
    with pytest.raises(InputError, match=r"needs at least \d+; allow as many") as told:
        composed(sample, Context(budget=1000))
    least = int(str(told.value).split("at least ")[1].split(";")[0])
    manifest, blobs = composed(sample, Context(budget=least))
    assert least - 200 < taken(manifest, blobs) <= least
    with pytest.raises(InputError):
        composed(sample, Context(budget=least - 1))


def test_raw_signals_and_words_are_sealed(sample):
    result, arrays = sample
    manifest, blobs = compose(result, arrays, Context(seal=Sealer("s-1", KEY), budget=3_000_000))
    assert taken(manifest, blobs) <= 3_000_000
    SCHEMA.validate(json.loads(canonical_json(manifest)))
    assert manifest["subject"] == "s-1"
    assert "sealed" in manifest["critical"]
    for name, entry in manifest["arrays"].items():
        assert ("sealed" in entry) == is_raw(name)
    words = result["observation"]["text"]["text"]
    content = canonical_json(manifest)
    assert words.encode() not in content
    assert all(words.encode() not in blob for blob in blobs.values())

    read = read_manifest(content, "r")
    opened = read_arrays(read, blobs.__getitem__)
    assert set(opened) == {name for name in manifest["arrays"] if not is_raw(name)}
    assert read_result(read, blobs.__getitem__) == read["result"]
    assert read_result(read, blobs.__getitem__, KEY) == plain(result)
    for name, array in read_arrays(read, blobs.__getitem__, key=KEY).items():
        np.testing.assert_array_equal(array, arrays[name])
    with pytest.raises(RecordError, match=r"array 'vision\.frames' is sealed; it can be read with its subject's key"):
        read_arrays(read, blobs.__getitem__, ["vision.frames"])
    with pytest.raises(IntegrityError, match="the key is another subject's"):
        read_arrays(read, blobs.__getitem__, ["vision.frames"], key=bytes(32))
    with pytest.raises(IntegrityError, match="the key is another subject's"):
        read_result(read, blobs.__getitem__, bytes(32))


def test_sealed_texts_that_are_no_object_are_refused():
    part, blob = Sealer("s-1", KEY).seal(b"[]")
    manifest = {"sealed": {"texts": part}, "result": {}}
    with pytest.raises(IntegrityError, match="the sealed texts are no object"):
        read_result(manifest, lambda _: blob, KEY)


def test_equal_arrays_share_a_blob():
    array = np.ones(4, np.float32)
    manifest, blobs = compose(SMALL, {"a": array, "b": array.copy()}, Context())
    assert len(blobs) == 1
    assert manifest["arrays"]["a"]["blob"] == manifest["arrays"]["b"]["blob"]


def test_only_what_is_asked_for_is_read():
    manifest, blobs = compose(SMALL, {"a": np.ones(2), "b": np.zeros(3)}, Context())
    asked = []
    found = read_arrays(manifest, lambda digest: asked.append(digest) or blobs[digest], ["b"])
    assert list(found) == ["b"]
    assert asked == [manifest["arrays"]["b"]["blob"]]
    with pytest.raises(RecordError, match="array 'c' is not there; the record has a, b"):
        read_arrays(manifest, blobs.__getitem__, ["c"])


def test_a_blob_that_is_not_its_digests_is_refused():
    manifest, blobs = compose(SMALL, {"a": np.ones(2)}, Context())
    digest, content = next(iter(blobs.items()))
    with pytest.raises(IntegrityError, match=rf"array 'a': expected {digest}, got sha256:[0-9a-f]{{64}}") as told:
        read_arrays(manifest, lambda _: content[:-1] + b"x")
    assert told.value.cause == "digest"
    manifest["arrays"]["a"]["bytes"] += 1
    with pytest.raises(IntegrityError, match=r"bytes, \d+ are declared") as told:
        read_arrays(manifest, blobs.__getitem__)
    assert told.value.cause == "size"


def test_another_result_format_is_not_composed():
    with pytest.raises(RecordError, match=r"result\.format is 'x/2'; this version writes"):
        compose({"format": "x/2"}, {}, Context())


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("a", np.array([1.0, np.nan, np.inf]), "array 'a' has 2 of 3 values that are not finite"),
        ("a", np.array(["text"]), "array 'a' is of <U4"),
        ("a", np.array([None]), "array 'a' is of object"),
        ("vision.frames", np.zeros((2, 2)), r"array 'vision.frames' has shape \(2, 2\), but its dimensions are frame"),
    ],
)
def test_an_array_that_cannot_be_recorded_is_named(name, array, message):
    with pytest.raises(RecordError, match=message):
        compose(SMALL, {name: array}, Context())


class TestVectors:
    """The files of ``docs/vectors`` are what they say, to this reader."""

    told = json.loads((vectors.VECTORS / "expected.json").read_text(encoding="utf-8"))

    def record(self, name):
        folder = vectors.VECTORS / name

        def get(digest):
            path = folder / "blobs" / digest[7:]
            if not path.is_file():
                raise IntegrityError("there is none", "missing")
            return path.read_bytes()

        return (folder / "manifest.json").read_bytes(), get

    @pytest.mark.parametrize(("name", "key"), [("open", None), ("sealed", KEY)])
    def test_they_are_read_as_expected(self, name, key):
        content, get = self.record(name)
        manifest = read_manifest(content, name, canonical=True)
        SCHEMA.validate(json.loads(content))
        arrays = read_arrays(manifest, get, key=key)
        want = dict(self.told[name])
        assert want.pop("key", None) == (key.hex() if key else None)
        assert want.pop("text", "") in read_result(manifest, get, key)["observation"]["text"]["text"]
        assert vectors.expected(manifest, content, arrays) == want

    def test_they_are_still_what_is_written(self):
        content, get = self.record("open")
        manifest, _ = vectors.open_record()
        old = read_manifest(content, "open")
        for name, array in read_arrays(manifest, vectors.open_record()[1].__getitem__).items():
            np.testing.assert_array_equal(array, read_arrays(old, get)[name])
            assert manifest["arrays"][name]["coding"] == old["arrays"][name]["coding"]
        for one in (manifest, old):
            one.pop("arrays")  # another zlib may pack the same bytes otherwise
        assert json.loads(canonical_json(manifest)) == old

    @pytest.mark.parametrize("case", told["refused"], ids=lambda case: case["what"])
    def test_what_is_to_be_refused_is(self, case):
        content, get = self.record("open")
        spoilt = vectors.merged(json.loads(content), case["patch"])
        with pytest.raises(IntegrityError) as error:
            read_arrays(read_manifest(canonical_json(spoilt), "r"), get)
        assert error.value.cause == case["cause"]

    def test_they_are_small(self):
        assert sum(path.stat().st_size for path in vectors.VECTORS.rglob("*")) < 60_000
