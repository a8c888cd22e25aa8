from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from veridical.agent.record.coding import (
    EXACT,
    LADDER,
    Coding,
    can_be_coarse,
    check_array,
    decode,
    encode,
    pack,
    unpack,
)
from veridical.agent.record.loss import measure_loss
from veridical.agent.record.tensors import read_tensors, write_tensors
from veridical.errors import IntegrityError, RecordError

FP16, INT8, SPARSE = LADDER[1:4]
MAPS = st.sampled_from([np.float32, np.float64]).flatmap(
    lambda kind: hnp.arrays(
        kind,
        hnp.array_shapes(min_dims=1, max_dims=3, max_side=6),
        elements=st.floats(-(2.0**40), 2.0**40, width=32, allow_subnormal=False),
    )
)


def entry(array, told=None, packed=None):
    return {
        "dims": [f"axis_{i}" for i in range(array.ndim)],
        "dtype": array.dtype.name,
        "shape": list(array.shape),
        "coding": told or {"kind": "exact"},
        "packed": packed,
    }


def back(array, coding):
    content, told = encode(array, coding)
    return decode(entry(array, told), content, "x"), told


@given(hnp.arrays(st.sampled_from([np.uint8, np.int16, np.bool_, np.float32]), (3, 2), elements={"allow_nan": False}))
def test_exact_is_exact(array):
    array = np.nan_to_num(array)
    found, told = back(array, EXACT)
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype
    assert told == {"kind": "exact"}


@given(MAPS, st.sampled_from(LADDER[1:]))
def test_the_loss_told_is_the_loss_there_is(array, coding):
    found, told = back(array, coding)
    assert found.dtype == array.dtype
    assert found.shape == array.shape
    assert told["loss"] == measure_loss(array, found)


@given(MAPS)
def test_fp16_errs_by_half_a_unit_in_the_last_of_eleven_bits(array):
    found, told = back(array, FP16)
    assert np.log2(told["scale"]) % 1 == 0
    peak = np.abs(array).max()
    assert peak / told["scale"] <= 2**15
    # Below the normal numbers of float16 its steps are even: 2⁻²⁴ of the scale.
    limit = np.maximum(np.abs(array.astype(np.float64)) * 2.0**-11, told["scale"] * 2.0**-25) + 1e-300
    assert (np.abs(found.astype(np.float64) - array) <= limit * (1 + 1e-6)).all()


def test_fp16_keeps_what_float16_alone_would_not():
    tiny = np.linspace(1e-9, 3e-8, 300, dtype=np.float32)
    found, told = back(tiny, FP16)
    assert np.abs(found / tiny - 1).max() <= 2**-11
    assert told["loss"]["rank"] > 0.9999
    assert (np.unique(tiny.astype(np.float16)).size) < 4


@given(MAPS)
def test_int8_errs_by_half_a_step(array):
    found, told = back(array, INT8)
    peak = float(np.abs(array.astype(np.float64)).max())
    assert told["scale"] == (peak / 127 or 1.0)
    step = told["scale"] * (0.5 + 1e-5) + peak * 2.0**-23
    assert (np.abs(found.astype(np.float64) - array) <= step).all()


def test_int8_rounds_half_to_even():
    array = np.array([127.0, 0.5, 1.5, 2.5, -0.5, -1.5])
    content, told = encode(array, INT8)
    assert told["scale"] == 1.0
    assert read_tensors(content, "x")["data"].tolist() == [127, 0, 2, 2, 0, -2]


def test_sparse_keeps_the_largest_and_nothing_else():
    array = np.array([[0.5, -4.0, 0.0, 2.0], [1.0, -2.0, 0.25, 0.125]], np.float32)
    found, told = back(array, Coding("sparse", 0.3))
    assert told["kept"] == 3
    np.testing.assert_array_equal(found, [[0, -4, 0, 2], [0, -2, 0, 0]])
    assert told["loss"]["sum"] == pytest.approx(-(0.5 + 1 + 0.25 + 0.125))
    content, _ = encode(array, Coding("sparse", 0.3))
    assert read_tensors(content, "x")["index"].tolist() == [1, 3, 5]


@pytest.mark.parametrize("coding", LADDER)
def test_a_map_of_zeros_and_a_map_of_nothing(coding):
    for array in (np.zeros((2, 3), np.float32), np.zeros((0, 3), np.float32)):
        np.testing.assert_array_equal(back(array, coding)[0], array)


def test_only_maps_may_be_coarse():
    large = np.ones(256, np.float32)
    assert can_be_coarse(large, "nat")
    assert not can_be_coarse(large, "dB")
    assert not can_be_coarse(large[1:], "nat")
    assert not can_be_coarse(large.astype(np.int32), "nat")
    assert not can_be_coarse(large * np.float32(1e31), "nat")


@given(st.binary(max_size=400))
def test_packing_comes_back(content):
    stored, packed = pack(content)
    assert unpack(stored, packed, len(content), "x") == content
    assert packed is None or len(stored) <= 0.9 * len(content)
    assert pack(content, always=True)[1] == "zlib"


def refused(told, content, message, cause):
    with pytest.raises(IntegrityError, match=message) as error:
        decode(told, content, "array 'a'")
    assert error.value.cause == cause


def test_a_bomb_is_never_unpacked():
    array = np.ones(3, np.float32)
    content = zlib.compress(bytes(2**28), 9)
    assert len(content) < 2**19
    refused(entry(array, packed="zlib"), content, r"larger than its dtype and shape declare \(4116 bytes", "size")
    refused(entry(array), bytes(5000), "larger than its dtype and shape", "size")


@pytest.mark.parametrize(
    ("change", "message", "cause"),
    [
        ({"dtype": "object"}, "dtype 'object' is not known", "format"),
        ({"dtype": "<f4"}, "dtype '<f4' is not known", "format"),
        ({"shape": [2**31 + 1]}, "is more than is read", "size"),
        ({"shape": [2**20, 2**20]}, "is more than is read", "size"),
        ({"shape": [1] * 17}, "is more than is read", "size"),
        ({"shape": [4]}, r"the manifest says data float32 \[4\], the file holds data float32 \[3\]", "format"),
        ({"dtype": "int32"}, "the manifest says data int32", "format"),
        ({"packed": "gzip"}, "packed by 'gzip'", "format"),
        ({"packed": "zlib"}, "cannot be unpacked", "format"),
        ({"coding": {"kind": "int4"}}, "coding 'int4' is not known; a newer veridical", "format"),
        ({"coding": {"kind": "fp16"}}, "a scale above zero, not None", "format"),
        ({"coding": {"kind": "int8", "scale": 0}}, "a scale above zero", "format"),
        ({"coding": {"kind": "int8", "scale": True}}, "a scale above zero", "format"),
        ({"coding": {"kind": "int8", "scale": 1}, "dtype": "int16"}, "int8 asks for floats", "format"),
        ({"coding": {"kind": "int8", "scale": 1}}, "the manifest says data int8", "format"),
        ({"coding": {"kind": "sparse", "scale": 1}}, "kept is None, of 3 elements", "format"),
        ({"coding": {"kind": "sparse", "scale": 1, "kept": 4}}, "kept is 4, of 3 elements", "format"),
    ],
)
def test_an_entry_that_its_content_is_not_is_refused(change, message, cause):
    array = np.ones(3, np.float32)
    refused(entry(array) | change, encode(array)[0], message, cause)


@pytest.mark.parametrize("index", [[1, 1], [2, 1], [0, 3]])
def test_indices_must_rise_within_the_array(index):
    content = write_tensors({"index": np.array(index, np.uint32), "value": np.ones(2, np.float16)})
    told = entry(np.ones(3, np.float32), {"kind": "sparse", "scale": 1, "kept": 2})
    refused(told, content, "do not rise within its 3 elements", "format")


@pytest.mark.parametrize(("value", "scale"), [(np.nan, 1), (np.inf, 1), (1.0, 1e300)])
def test_values_that_are_not_finite_are_refused(value, scale):
    content = write_tensors({"data": np.array([value], np.float16)})
    refused(entry(np.ones(1, np.float32), {"kind": "fp16", "scale": scale}), content, "not finite", "format")


def test_a_packed_file_with_something_after_it_is_refused():
    array = np.zeros(3000, np.float32)
    content, packed = pack(encode(array)[0])
    assert packed == "zlib"
    for spoilt in (content + b"x", content[:-1]):
        refused(entry(array, packed="zlib"), spoilt, "cut short, or more follows", "format")


def test_an_array_that_cannot_be_recorded_is_named():
    with pytest.raises(RecordError, match="array 'a' is of complex128"):
        check_array("a", np.ones(2, np.complex128))
    with pytest.raises(RecordError, match="array 'a' is of list"):
        check_array("a", [1.0])
    with pytest.raises(RecordError, match="array 'a' has 1 of 2 values that are not finite"):
        check_array("a", np.array([1, np.nan]))
    huge = np.lib.stride_tricks.as_strided(np.zeros(1, np.uint8), (2**30 + 1,), (0,))
    with pytest.raises(RecordError, match="a record holds at most 1073741824 an array"):
        check_array("a", huge)
