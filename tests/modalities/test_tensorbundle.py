import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veridical.errors import WeightsError
from veridical.modalities._tensorbundle import read_bundle

FLOAT32, INT64 = 1, 9


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def entry(dtype: int, shape: tuple[int, ...], offset: int, size: int) -> bytes:
    dimensions = b"".join(field(2, field(1, extent)) for extent in shape)
    checksum = varint(6 << 3 | 5) + bytes(4)
    return field(1, dtype) + field(2, dimensions) + field(4, offset) + field(5, size) + checksum


def block(pairs: list[tuple[bytes, bytes]]) -> bytes:
    """Entries with shared key beginnings left out, one restart point, and behind it: plain, no checksum."""
    out, last = b"", b""
    for key, value in pairs:
        shared = next((i for i, (a, b) in enumerate(zip(key, last, strict=False)) if a != b), min(len(key), len(last)))
        out += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        last = key
    return out + struct.pack("<II", 0, 1)


def table(pairs: list[tuple[bytes, bytes]], compression: int = 0) -> bytes:
    """A LevelDB table of one data block."""
    trailer = bytes([compression]) + bytes(4)
    data = block(pairs)
    handle = varint(0) + varint(len(data))
    index = block([(b"z", handle)])
    footer = handle + varint(len(data) + 5) + varint(len(index))
    return data + trailer + index + bytes(5) + footer.ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)


HEADER = (b"", field(1, 1))
MATRIX = np.arange(6, dtype="<f4").reshape(2, 3)
SCALAR = np.float32(7.5)
DATA = MATRIX.tobytes() + SCALAR.tobytes() + bytes(8)
PAIRS = [
    HEADER,
    (b"layer/count", entry(INT64, (), 28, 8)),
    (b"layer/kernel", entry(FLOAT32, (2, 3), 0, 24)),
    (b"layer/kernel_scale", entry(FLOAT32, (), 24, 4)),
]


def test_float_variables_come_back_by_name_and_others_are_left_out():
    bundle = read_bundle(table(PAIRS), DATA)
    assert sorted(bundle) == ["layer/kernel", "layer/kernel_scale"]
    np.testing.assert_array_equal(bundle["layer/kernel"], MATRIX)
    assert bundle["layer/kernel_scale"].shape == ()
    assert bundle["layer/kernel_scale"] == SCALAR


def test_an_index_that_is_no_table_is_refused():
    with pytest.raises(WeightsError, match="index of 13 bytes does not end as a LevelDB table does"):
        read_bundle(b"not a table!!", b"")


def test_a_compressed_block_is_refused():
    with pytest.raises(WeightsError, match="block at byte 0 is compressed, expected plain"):
        read_bundle(table(PAIRS, compression=1), DATA)


def test_data_that_is_too_short_is_refused():
    with pytest.raises(
        WeightsError, match=r"entry layer/kernel: shape \(2, 3\) at bytes 0..24 does not fit the data of 23"
    ):
        read_bundle(table(PAIRS), DATA[:23])


def test_a_size_that_does_not_fit_the_shape_is_refused():
    with pytest.raises(WeightsError, match=r"shape \(3, 3\) at bytes 0..24"):
        read_bundle(table([HEADER, (b"a", entry(FLOAT32, (3, 3), 0, 24))]), DATA)


@pytest.mark.parametrize("header", [field(1, 2), field(1, 1) + field(2, 1)])
def test_several_shards_and_big_endian_data_are_refused(header):
    with pytest.raises(WeightsError, match=r"tensor bundle of \d shards, byte order \d: want 1, 0"):
        read_bundle(table([(b"", header)]), b"")


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_damaged_index_never_ends_in_another_error(data):
    index = bytearray(table(PAIRS))
    at = data.draw(st.integers(0, len(index) - 1))
    index[at] = data.draw(st.integers(0, 255))
    index = index[data.draw(st.sampled_from([0, 0, 1, 7])) :]
    try:
        bundle = read_bundle(bytes(index), DATA)
    except WeightsError:
        return
    assert all(value.dtype == np.float32 for value in bundle.values())
