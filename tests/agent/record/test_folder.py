from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import rfc8785
from safetensors.numpy import save

from tests.agent.sample import result_and_arrays
from veridical.agent.record import FORMAT, RESULT_FORMAT, plain, read_record, write_record
from veridical.errors import RecordError

SMALL = {"format": RESULT_FORMAT, "value": 0.25}
DOCS = Path(__file__).parents[3] / "docs" / "record.md"


@pytest.fixture(scope="module")
def sample():
    return result_and_arrays()


@pytest.fixture
def record(tmp_path):
    return write_record(tmp_path / "record", SMALL, {"text.saliency": np.arange(3, dtype=np.float32)})


def altered(record: Path, change) -> Path:
    """Write the manifest again after ``change`` has had it."""
    manifest = json.loads((record / "manifest.json").read_bytes())
    change(manifest)
    (record / "manifest.json").write_bytes(rfc8785.dumps(manifest))
    return record


def test_reading_gives_back_what_was_written(tmp_path, sample):
    result, arrays = sample
    found, read = read_record(write_record(tmp_path / "new" / "parents" / "record", result, arrays))
    assert found == plain(result)
    assert read.keys() == arrays.keys()
    for name, array in arrays.items():
        assert read[name].dtype == array.dtype
        np.testing.assert_array_equal(read[name], array)


def test_the_reader_in_the_docs_needs_json_and_numpy_only(tmp_path, sample):
    result, arrays = sample
    folder = write_record(tmp_path / "record", result, arrays)
    code = re.search(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.S)
    assert code
    assert set(re.findall(r"^import (.+)$", code[1], re.M)) == {"hashlib, json, math, pathlib", "numpy as np"}
    space: dict = {}
    exec(code[1], space)  # noqa: S102 - our own documentation, run to hold it true
    found, read = space["read"](folder)
    assert found == plain(result)
    for name, array in arrays.items():
        np.testing.assert_array_equal(read[name], array)


def test_every_array_is_documented_with_its_dims_and_unit(tmp_path, sample):
    result, arrays = sample
    folder = write_record(tmp_path / "record", result, arrays)
    text = DOCS.read_text(encoding="utf-8")
    for name, entry in json.loads((folder / "manifest.json").read_bytes())["arrays"].items():
        shown = re.sub(r"counterfactual\.\w+\.\w+\.", "counterfactual.<claim>.<operator>.", name)
        assert f"| `{shown}` | {', '.join(entry['dims'])} | {entry['dtype']} | {entry['unit']}" in text


def test_every_key_of_the_result_is_documented(sample):
    text = DOCS.read_text(encoding="utf-8").split("## The result")[1].split("## The arrays")[0]
    result, _ = sample
    parts = [result, result["claims"][0], result["verdict"], result["attribution"], result["decision"], result["graph"]]
    told = set(re.findall(r"`(\w+)`", text)) | {"directed", "multigraph", "graph"}
    assert {key for part in parts for key in part} <= told


def test_the_manifest_is_canonical_and_the_same_twice(tmp_path, sample):
    result, arrays = sample
    one, two = (write_record(tmp_path / name, result, arrays) for name in ("one", "two"))
    content = (one / "manifest.json").read_bytes()
    assert content == (two / "manifest.json").read_bytes() == rfc8785.dumps(json.loads(content))
    assert sorted(p.name for p in one.rglob("*")) == sorted(p.name for p in two.rglob("*"))


def test_equal_arrays_share_a_file(tmp_path):
    array = np.ones(4, np.float32)
    folder = write_record(tmp_path / "r", SMALL, {"a": array, "b": array.copy()})
    assert len(list((folder / "arrays").iterdir())) == 1


def test_memory_layout_and_byte_order_do_not_matter(tmp_path):
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    arrays = {
        "fortran": np.asfortranarray(array),
        "big": array.astype(">f4"),
        "strided": np.repeat(array, 2, 1)[:, ::2],
    }
    _, read = read_record(write_record(tmp_path / "r", SMALL, arrays))
    for found in read.values():
        np.testing.assert_array_equal(found, array)


def test_numpy_scalars_become_plain_numbers():
    found = plain({"a": np.float32(0.5), "b": np.int64(3), "c": (np.bool_(True), np.arange(2))})
    assert found == {"a": 0.5, "b": 3, "c": [True, [0, 1]]}
    assert type(found["a"]) is float
    assert type(found["b"]) is int


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("nan"), r"result\.x is nan"),
        ([1.0, float("inf")], r"result\.x\[1\] is inf"),
        ({1: 2}, r"result\.x: key 1 is a int"),
        (b"raw", r"result\.x is a bytes"),
        (2**60, "canonical JSON"),
        ("\ud800", "canonical JSON"),
    ],
)
def test_a_value_that_json_cannot_hold_is_named(tmp_path, value, message):
    with pytest.raises(RecordError, match=message):
        write_record(tmp_path / "r", SMALL | {"x": value}, {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("a", np.array([1.0, np.nan, np.inf]), "array 'a' has 2 of 3 values that are not finite"),
        ("a", np.array(["text"]), "array 'a' is of <U4"),
        ("a", np.array([None]), "array 'a' is of object"),
        ("vision.frames", np.zeros((2, 2)), r"array 'vision.frames' has shape \(2, 2\), but its dimensions are frame"),
    ],
)
def test_an_array_that_cannot_be_recorded_is_named(tmp_path, name, array, message):
    with pytest.raises(RecordError, match=message):
        write_record(tmp_path / "r", SMALL, {name: array})
    assert list(tmp_path.iterdir()) == []


def test_another_result_format_is_not_written(tmp_path):
    with pytest.raises(RecordError, match=r"result\.format is 'x/2'"):
        write_record(tmp_path / "r", {"format": "x/2"}, {})


def test_a_record_is_never_overwritten(record):
    before = (record / "manifest.json").read_bytes()
    with pytest.raises(RecordError, match="is there already and is not empty"):
        write_record(record, SMALL | {"value": 1}, {})
    assert (record / "manifest.json").read_bytes() == before


def test_an_empty_folder_is_filled_and_a_file_is_not_replaced(tmp_path):
    (tmp_path / "empty").mkdir()
    assert read_record(write_record(tmp_path / "empty", SMALL, {}))[0] == SMALL
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RecordError, match="is not a directory"):
        write_record(tmp_path / "file", SMALL, {})
    with pytest.raises(RecordError, match="cannot be made"):
        write_record(tmp_path / "file" / "below", SMALL, {})


def test_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("veridical.agent.record.folder.os.fsync", full)
    with pytest.raises(RecordError, match="cannot be written: No space left on device"):
        write_record(tmp_path / "r", SMALL, {"a": np.ones(2)})
    assert list(tmp_path.iterdir()) == []


def test_an_altered_array_is_named_with_both_digests(record):
    (file,) = (record / "arrays").iterdir()
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(
        RecordError, match=f"array 'text.saliency': expected sha256:{file.stem}, got sha256:[0-9a-f]{{64}}"
    ):
        read_record(record)


def test_a_truncated_or_missing_array_is_refused(record):
    (file,) = (record / "arrays").iterdir()
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(RecordError, match="cut short or altered"):
        read_record(record)
    file.unlink()
    with pytest.raises(RecordError, match="missing or not a plain file"):
        read_record(record)


def test_a_link_in_place_of_a_file_is_refused(record, tmp_path):
    (file,) = (record / "arrays").iterdir()
    shutil.move(file, tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RecordError, match="not a plain file"):
        read_record(record)


@pytest.mark.parametrize(
    "file", ["../secret", "/etc/passwd", "arrays/../../x.safetensors", "arrays/x.safetensors", None, 3]
)
def test_a_path_out_of_the_record_is_refused(record, file):
    def change(manifest):
        manifest["arrays"]["text.saliency"]["file"] = file

    with pytest.raises(RecordError, match="must be arrays/<sha256>"):
        read_record(altered(record, change))


@pytest.mark.parametrize(("key", "value"), [("shape", [4]), ("dtype", "int32"), ("dtype", None)])
def test_an_entry_that_disagrees_with_its_file_is_refused(record, key, value):
    def change(manifest):
        manifest["arrays"]["text.saliency"][key] = value

    with pytest.raises(RecordError, match=r"the manifest says .*, the file holds float32 \[3\]"):
        read_record(altered(record, change))


@pytest.mark.parametrize("content", [b"not safetensors", save({"other": np.ones(2)})])
def test_a_file_that_is_something_else_is_refused(record, content):
    import hashlib

    digest = hashlib.sha256(content).hexdigest()
    (record / "arrays" / f"{digest}.safetensors").write_bytes(content)

    def change(manifest):
        manifest["arrays"]["text.saliency"] |= {"file": f"arrays/{digest}.safetensors", "digest": f"sha256:{digest}"}

    with pytest.raises(RecordError, match=r"is not a safetensors file|expected the one tensor 'data'"):
        read_record(altered(record, change))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"format": "veridical.record/1", "format": "veridical.record/1"}', "key 'format' stands twice"),
        ('{"format": "veridical.record/1"', "cut short or altered"),
        ('{"format": NaN}', "NaN is not a JSON number"),
        ('{"format": "veridical.record/2"}', "format is 'veridical.record/2'; this version reads 'veridical.record/1'"),
        ("[]", "format is 'list'"),
        ("[" * 200_000, "is not the JSON of a record"),
        (f'{{"format": "{FORMAT}", "result": [], "arrays": {{}}}}', "must both be objects"),
        (f'{{"format": "{FORMAT}", "result": {{"format": "x"}}, "arrays": {{}}}}', "result.format is 'x'"),
        (
            f'{{"format": "{FORMAT}", "result": {{"format": "{RESULT_FORMAT}"}}, "arrays": {{"a": 1}}}}',
            "is a int, not an",
        ),
        ("\xff", "is not the JSON of a record"),
    ],
)
def test_a_manifest_that_is_not_one_is_refused(tmp_path, text, message):
    (tmp_path / "manifest.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(RecordError, match=message):
        read_record(tmp_path)


def test_a_folder_that_is_no_record_is_named(tmp_path):
    with pytest.raises(RecordError, match=r"is not a record: there is no manifest\.json"):
        read_record(tmp_path / "nowhere")
