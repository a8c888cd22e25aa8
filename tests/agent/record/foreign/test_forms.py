from __future__ import annotations

import gzip

import numpy as np
import pytest
import torch

from veridical.agent.record.foreign import forms, read_foreign
from veridical.errors import InputError, RecordError


def test_json_is_read_within_bounds(tmp_path, monkeypatch):
    monkeypatch.setattr(forms, "MAX_JSON", 100)
    path = tmp_path / "a.json"
    path.write_bytes(b'{"a": "' + b"x" * 200 + b'"}')
    with pytest.raises(RecordError, match="more than 100 bytes"):
        forms.load_json(path, "a map")
    path.write_bytes(gzip.compress(b'{"a": "' + b"x" * 2000 + b'"}'))  # a bomb: small, and large when unpacked
    assert path.stat().st_size < 100
    with pytest.raises(RecordError, match="more than 100 bytes"):
        forms.load_json(path, "a map")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[1]", "is a list, not an object"),
        (b'{"a": NaN}', "NaN is not a JSON number"),
        (b'{"a": 1, "a": 2}', "stands twice"),
        (b"{", "not the JSON"),
        (b"\x1f\x8bno", "not a gzip file"),
        (gzip.compress(b"{}", mtime=0)[:-4], "not one whole gzip file"),
        (gzip.compress(b"{}", mtime=0) + b"more", "not one whole gzip file"),
        (b"{}", "of no form that is known"),
        (b'{"attributes": 3}', "of no form that is known"),
    ],
)
def test_what_is_no_file_of_maps_is_refused(tmp_path, content, words):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(RecordError, match=r"a\.json") as caught:
        read_foreign(path)
    assert words in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(RecordError, match="cannot be read: No such file"):
        read_foreign(tmp_path / "none.json")


def test_files_are_written_once_and_whole(tmp_path):
    path = tmp_path / "a.json"
    forms.write_json(path, {"b": -0.0, "a": [0.1]})
    assert path.read_text() == '{"a": [0.1], "b": -0.0}'
    with pytest.raises(RecordError, match="is there already"):
        forms.write_json(path, {})
    with pytest.raises(RecordError, match="2\\^53"):
        forms.write_json(tmp_path / "b.json", {"a": 2**60})
    with pytest.raises(RecordError, match="cannot be written: No such file"):
        forms.write_json(tmp_path / "none" / "b.json", {})
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_tensors_arrays_and_lists_are_arrays():
    assert forms.array_of(torch.ones(2, requires_grad=True), "values").dtype == np.float32
    assert forms.array_of(torch.ones(2, dtype=torch.bfloat16), "values").dtype == np.float32
    assert forms.array_of([[1, 2], [3, 4]], "values").shape == (2, 2)
    for bad in ([[1, 2], [3]], [1, None], ["a"], object(), [[1], 2]):
        with pytest.raises(InputError, match="give numbers in lists of equal lengths"):
            forms.array_of(bad, "values")


@pytest.mark.parametrize("value", [None, 0.5, "words", np.arange(6, dtype=np.int16).reshape(2, 3), ("a", "b")])
def test_inline_values_come_back(value):
    back = forms.outline(forms.inline(value))
    assert back == value if not isinstance(value, np.ndarray) else (back == value).all() and back.dtype == value.dtype


@pytest.mark.parametrize(
    "told",
    [
        {"dtype": "uint8", "shape": [1], "data": [300]},
        {"dtype": "object", "shape": [1], "data": [3]},
        {"dtype": "uint8", "shape": [2], "data": [3]},
        {"dtype": "uint8", "data": [3]},
        {"dtype": "nonsense", "shape": [1], "data": [3]},
    ],
)
def test_inline_arrays_that_do_not_hold_are_refused(told):
    with pytest.raises(RecordError, match="here"), forms.as_record("here"):
        forms.outline(told)


def test_missing_numbers_are_told_apart():
    array, absent = forms.split_missing(np.array([1.0, np.nan], np.float32))
    assert array.tolist() == [1, 0]
    assert array.dtype == np.float32
    assert absent is not None
    assert absent.tolist() == [False, True]
    assert forms.split_missing(np.array([1, 2]))[1] is None


def test_versions_are_those_installed():
    assert forms.version_of("numpy") == np.__version__
    assert forms.version_of("veridical-has-no-such-neighbour") is None
