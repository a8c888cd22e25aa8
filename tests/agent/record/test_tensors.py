from __future__ import annotations

import contextlib
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import load, save

from veridical.agent.record.tensors import MAX_HEADER, read_tensors, write_tensors
from veridical.errors import IntegrityError, RecordError

DTYPES = st.sampled_from("bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64".split())
ARRAYS = DTYPES.flatmap(lambda name: hnp.arrays(name, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)))


@given(ARRAYS)
def test_the_bytes_are_those_of_the_library(array):
    content = write_tensors({"data": array})
    assert content == save({"data": np.asarray(array, order="C")})
    for found in (read_tensors(content, "x")["data"], load(content)["data"]):
        np.testing.assert_array_equal(found, array)
        assert found.dtype == array.dtype
        assert found.shape == array.shape


def test_two_tensors_are_laid_out_as_the_library_does():
    both = {"index": np.arange(3, dtype=np.uint32), "value": np.ones(3, np.float16)}
    assert write_tensors(both) == save(both)
    assert list(read_tensors(save(both), "x")) == ["index", "value"]


def test_memory_layout_and_byte_order_do_not_matter():
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    plain = write_tensors({"data": array})
    for other in (np.asfortranarray(array), array.astype(">f4"), np.repeat(array, 2, 1)[:, ::2]):
        assert write_tensors({"data": other}) == plain


def test_a_dtype_that_the_format_lacks_is_named():
    with pytest.raises(RecordError, match="an array of complex128 cannot be written"):
        write_tensors({"data": np.ones(2, np.complex128)})


def file(header, body: bytes) -> bytes:
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(head).to_bytes(8, "little") + head + body


GOOD = {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cut short or too long"),
        (b"\x01\x00\x00", "cut short or too long"),
        (file(b"{}", b"")[:-1], "cut short or too long"),
        (file(b" " * (MAX_HEADER + 1), b""), "cut short or too long"),
        ((2**63).to_bytes(8, "little") + b"{}", "cut short or too long"),
        (file(b"nothing", b""), "its header is not the JSON"),
        (file(b'{"a":{},"a":{}}', b""), "key 'a' stands twice"),
        (file([], b""), "its header is no object"),
        (file({"data": 3}, b""), "other members"),
        (file({"__metadata__": {"x": "y"}}, b""), "other members"),
        (file({"data": GOOD | {"dtype": "F8"}}, b"ab"), "dtype 'F8' is not known"),
        (file({"data": GOOD | {"dtype": ["U8"]}}, b"ab"), r"dtype \['U8'\] is not known"),
        (file({"data": GOOD | {"shape": [-2]}}, b"ab"), r"shape \[-2\] is not one"),
        (file({"data": GOOD | {"shape": [True, 2]}}, b"ab"), "is not one"),
        (file({"data": GOOD | {"shape": [2**40]}}, b"ab"), "is not one"),
        (file({"data": GOOD | {"shape": [1] * 17}}, b"ab"), "is not one"),
        (file({"data": GOOD | {"shape": [3]}}, b"ab"), "does not lie where its shape puts it"),
        (file({"data": GOOD | {"data_offsets": [1, 3]}}, b"abc"), "does not lie where its shape puts it"),
        (file({"data": GOOD}, b"a"), "does not lie where its shape puts it"),
        (file({"data": GOOD}, b"abc"), "1 bytes are left over"),
        (file({"one": GOOD, "two": GOOD}, b"ab"), "'two' does not lie where"),
        (file({"data": GOOD | {"dtype": "BOOL"}}, b"\x01\x02"), "booleans beyond 0 and 1"),
    ],
)
def test_a_file_that_is_not_one_is_refused(content, message):
    with pytest.raises(IntegrityError, match=message) as told:
        read_tensors(content, "array 'a'")
    assert told.value.cause == "format"
    assert str(told.value).startswith("array 'a'")


@given(st.binary(max_size=200))
def test_whatever_the_bytes_nothing_but_an_integrity_error_comes(content):
    with contextlib.suppress(IntegrityError):
        read_tensors(content, "x")
