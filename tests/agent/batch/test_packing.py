from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from veridical.agent.batch.frames import from_bytes, to_bytes
from veridical.agent.batch.item import Content
from veridical.agent.batch.packing import pack, unpack
from veridical.errors import InputError, RecordError
from veridical.modalities.images import read_frames
from veridical.modalities.recordings import read_recording

ROWS = st.dictionaries(
    st.text(max_size=8), st.binary(max_size=40) | st.text(max_size=8) | st.booleans() | st.integers()
)


@given(ROWS)
def test_a_row_comes_back_as_it_was(row):
    assert from_bytes(to_bytes(row)) == row


@given(st.binary(max_size=60))
def test_other_bytes_are_refused(content):
    with pytest.raises(RecordError, match="a worker's message"):
        from_bytes(content)


def test_files_are_read_as_from_their_paths(tmp_path):
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (5, 7, 3), np.uint8)).save(tmp_path / "a.png")
    soundfile.write(tmp_path / "a.wav", rng.uniform(-1, 1, (800, 2)), 8000)
    files = {name: (tmp_path / name).read_bytes() for name in ("a.png", "a.wav")}
    frames = (Content("a.png", files["a.png"]),) * 2
    found = unpack(pack({"vision": frames, "audio": Content("a.wav", files["a.wav"]), "text": "go"}))
    ours, theirs = read_frames(found["vision"]), read_frames([str(tmp_path / "a.png")] * 2)
    assert ours[1] == theirs[1]
    np.testing.assert_array_equal(ours[0], theirs[0])
    heard, expected = read_recording(found["audio"], 4000), read_recording(str(tmp_path / "a.wav"), 4000)
    assert heard[1] == expected[1]
    np.testing.assert_array_equal(heard[0], expected[0])
    assert found["text"] == "go"


def test_what_is_no_picture_or_recording_is_named():
    with pytest.raises(InputError, match=r"vision: a\.png is not an image"):
        unpack(pack({"vision": (Content("a.png", b"no"),)}))
    with pytest.raises(InputError, match=r"audio: a\.wav cannot be read") as caught:
        unpack(pack({"audio": Content("a.wav", b"no")}))
    assert "BytesIO" not in str(caught.value)
    with pytest.raises(InputError, match="a dict cannot be sent"):
        pack({"vision": {}})
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64)).save(buffer, "PNG")
    cut = unpack(pack({"vision": (Content("a.png", buffer.getvalue()[:-30]),)}))
    with pytest.raises(InputError, match="corrupt or cut short"):
        read_frames(cut["vision"])
