from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from veridical.agent.record.canonical import canonical_json
from veridical.agent.record.foreign import ForeignMap, manifest_to_map, map_to_manifest
from veridical.errors import InputError, IntegrityError, RecordError

KINDS = st.sampled_from(["float32", "float64", "float16", "int16", "uint8", "bool"])


def small(**told):
    fields: dict[str, Any] = {"name": "m", "source": "captum", "dims": ("example", "axis_1")}
    fields["values"] = np.array([[1.0, -0.0], [0.25, 3.0]], np.float32)
    return ForeignMap(**fields | told)


@st.composite
def fields(draw):
    """Draw what a map is made of; made outside, for what checks types at run time draws at random itself."""
    shape = draw(hnp.array_shapes(max_dims=3, max_side=4))

    def array(shape):
        kind = np.dtype(draw(KINDS))
        finite: dict[str, Any] = {"allow_nan": False, "allow_infinity": False} if kind.kind == "f" else {}
        return draw(hnp.arrays(kind, shape, elements=hnp.from_dtype(kind, **finite)))

    dims = tuple(f"d{i}" for i in range(len(shape)))
    coords = {}
    for dim, size in zip(dims, shape, strict=True):
        kind = draw(st.sampled_from(["none", "labels", "array"]))
        if kind == "labels":
            coords[dim] = tuple(draw(st.lists(st.text(max_size=5), min_size=size, max_size=size)))
        elif kind == "array":
            coords[dim] = array((size,))
    plain = st.none() | st.text(max_size=5) | st.integers(-9, 9)
    baseline = draw(st.sampled_from([None, 0.5, "blurred", "array"]))
    return {
        "name": draw(st.text(min_size=1, max_size=9)),
        "source": draw(st.sampled_from(["captum", "shap", "inseq", "veridical"])),
        "values": array(shape),
        "dims": dims,
        "version": draw(st.none() | st.just("1.0")),
        "target": draw(plain | st.lists(plain, max_size=2)),
        "coords": coords,
        "baseline": array(shape) if baseline == "array" else baseline,
        "gap": draw(st.none() | st.floats(-5, 5)),
        "attrs": draw(st.dictionaries(st.text(max_size=5), plain, max_size=2)),
        "extras": {"data": array((2, 3))} if draw(st.booleans()) else {},
    }


@settings(max_examples=60, deadline=None)
@given(fields())
def test_a_map_comes_back_from_its_manifest_bit_for_bit(drawn):
    one = ForeignMap(**drawn)
    manifest, blobs = map_to_manifest(one)
    content = canonical_json(manifest)
    back = manifest_to_map(content, blobs.__getitem__)
    assert back.same_as(one)
    again, the_same = map_to_manifest(back)
    assert canonical_json(again) == content
    assert the_same == blobs


def test_the_manifest_says_what_a_record_says_of_an_array():
    manifest, blobs = map_to_manifest(small(unit="logit"))
    entry = manifest["arrays"]["values"]
    assert manifest["format"] == "veridical.map/1"
    assert (entry["dims"], entry["dtype"], entry["shape"]) == (["example", "axis_1"], "float32", [2, 2])
    assert (entry["unit"], entry["coding"], entry["packed"]) == ("logit", {"kind": "exact"}, None)
    assert entry["bytes"] == len(blobs[entry["blob"]])


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"values": np.array([[np.nan, 1.0]])}, "1 of 2 are not finite"),
        ({"values": np.zeros((0, 2))}, "shape (0, 2)"),
        ({"values": np.array([["a"]])}, "are of <U1"),
        ({"values": np.zeros((1, 1), complex)}, "are of complex128"),
        ({"dims": ("a", "a")}, "name each axis once"),
        ({"dims": ("a",)}, "2 axes, but dims are ('a',)"),
        ({"coords": {"z": ("a", "b")}}, "the axes are example, axis_1"),
        ({"coords": {"axis_1": ("a",)}}, "1 coordinates of 'axis_1', which has 2 positions"),
        ({"coords": {"axis_1": np.zeros((2, 2))}}, "2 coordinates of 'axis_1'"),
        ({"source": "lime"}, "known are captum, inseq, shap, veridical"),
        ({"gap": float("nan")}, "gap is nan"),
        ({"baseline": float("inf")}, "baseline is inf"),
        ({"attrs": {"a": {1}}}, "attrs.a is a set"),
        ({"attrs": {"a": 2**60}}, "canonical JSON"),
        ({"name": ""}, "named by"),
    ],
)
def test_what_is_no_map_is_refused_in_words(told, words):
    with pytest.raises(InputError, match="map ") as caught:
        small(**told)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_maps_differ_in_any_bit():
    assert small().same_as(small())
    assert not small().same_as(small(values=np.array([[1.0, 0.0], [0.25, 3.0]], np.float32)))
    assert not small().same_as(small(values=np.array([[1.0, -0.0], [0.25, 3.0]])))
    assert not small().same_as(small(coords={"axis_1": ("a", "b")}))
    assert not small().same_as(small(attrs={"a": 1}))


def altered(change):
    manifest, blobs = map_to_manifest(small(coords={"axis_1": ("a", "b")}))
    manifest = json.loads(json.dumps(manifest))
    change(manifest, blobs)
    return manifest, blobs


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda m, b: m.update(format="veridical.map/2"), "format"),
        (lambda m, b: m.update(critical=["later"]), "format"),
        (lambda m, b: m["arrays"]["values"].update(coding={"kind": "fp16"}), "format"),
        (lambda m, b: m["arrays"]["values"].update(shape=[2, 2**40]), "size"),
        (lambda m, b: m["arrays"]["values"].update(bytes=10**9), "size"),
        (lambda m, b: m["arrays"]["values"].update(shape=[4, 1]), "digest"),
        (lambda m, b: b.update({k: v[:-1] + b"\1" for k, v in b.items()}), "digest"),
        (lambda m, b: b.update({k: v[:-1] for k, v in b.items()}), "size"),
    ],
)
def test_a_manifest_that_does_not_hold_is_told_by_its_cause(change, cause):
    manifest, blobs = altered(change)
    with pytest.raises(IntegrityError) as caught:
        manifest_to_map(manifest, blobs.__getitem__)
    assert caught.value.cause == cause


@pytest.mark.parametrize(
    "change",
    [
        lambda m, b: m.pop("arrays"),
        lambda m, b: m["arrays"].pop("values"),
        lambda m, b: m["arrays"].update(values=3),
        lambda m, b: m["arrays"]["values"].update(dtype="object of mine"),
        lambda m, b: m["arrays"]["values"].update(dims=["a", 3]),
        lambda m, b: m.update(coords=[]),
        lambda m, b: m.update(coords={"axis_1": {"array": "elsewhere"}}),
        lambda m, b: m.update(coords={"axis_1": {"labels": [1, 2]}}),
        lambda m, b: m.update(baseline={}),
        lambda m, b: m.update(gap="large"),
        lambda m, b: m.update(attrs=[]),
        lambda m, b: m.update(name=7),
        lambda m, b: m.update(version=7),
    ],
)
def test_a_malformed_manifest_is_an_error_of_ours(change):
    manifest, blobs = altered(change)
    with pytest.raises((RecordError, InputError)):
        manifest_to_map(manifest, blobs.__getitem__)


def test_a_manifest_that_is_not_canonical_is_refused():
    manifest, blobs = map_to_manifest(small())
    with pytest.raises(RecordError, match="not canonical"):
        manifest_to_map(json.dumps(manifest).encode(), blobs.__getitem__)
