from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import rfc8785

from tests.agent.record import vectors
from tests.agent.sample import result_and_arrays
from veridical.agent.record import FORMAT, RESULT_FORMAT, Context, plain, read_record, write_record
from veridical.agent.record.files import blob_in
from veridical.agent.record.frame import MAX_MANIFEST
from veridical.agent.record.sealing import Sealer
from veridical.errors import InputError, IntegrityError, RecordError

SMALL = {"format": RESULT_FORMAT, "value": 0.25}
DOCS = Path(__file__).parents[3] / "docs" / "record.md"


@pytest.fixture(scope="module")
def sample():
    return result_and_arrays()


@pytest.fixture
def record(tmp_path):
    return write_record(tmp_path / "record", SMALL, {"text.saliency": np.arange(3, dtype=np.float32)})


@pytest.fixture(scope="module")
def reader():
    """The reader that the documentation gives."""
    code = re.search(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.S)
    assert code
    assert set(re.findall(r"^import (.+)$", code[1], re.M)) == {"hashlib, json, math, pathlib, zlib", "numpy as np"}
    space: dict = {}
    exec(code[1], space)  # noqa: S102 - our own documentation, run to hold it true
    return space["read"]


def test_reading_gives_back_what_was_written(tmp_path, sample):
    result, arrays = sample
    folder = write_record(tmp_path / "new" / "parents" / "record", result, arrays)
    found, read = read_record(folder)
    assert json.loads((folder / "manifest.json").read_bytes())["format"] == FORMAT
    assert found == plain(result)
    assert read.keys() == arrays.keys()
    for name, array in arrays.items():
        assert read[name].dtype == array.dtype
        np.testing.assert_array_equal(read[name], array)


@pytest.mark.parametrize("precision", ["exact", "fp16", "int8", "sparse"])
def test_the_reader_in_the_docs_needs_json_zlib_and_numpy_only(tmp_path, sample, reader, precision):
    result, arrays = sample
    folder = write_record(tmp_path / "record", result, arrays, Context(precision=precision))
    found, read = reader(folder)
    want, ours = read_record(folder)
    assert found == want == plain(result)
    assert read.keys() == ours.keys()
    for name, array in ours.items():
        assert read[name].dtype == array.dtype
        np.testing.assert_array_equal(read[name], array)


def test_the_reader_in_the_docs_reads_the_vectors(reader):
    for name in ("open", "sealed"):
        want, ours = read_record(vectors.VECTORS / name)
        found, read = reader(vectors.VECTORS / name)
        assert found == want
        for key, array in ours.items():
            np.testing.assert_array_equal(read[key], array)


def test_every_array_is_documented_with_its_dims_and_unit(tmp_path, sample):
    result, arrays = sample
    folder = write_record(tmp_path / "record", result, arrays)
    text = DOCS.read_text(encoding="utf-8")
    for name, entry in json.loads((folder / "manifest.json").read_bytes())["arrays"].items():
        shown = re.sub(r"counterfactual\.\w+\.\w+\.", "counterfactual.<claim>.<operator>.", name)
        assert f"| `{shown}` | {', '.join(entry['dims'])} | {entry['dtype']} | {entry['unit']}" in text


def test_every_key_of_the_manifest_is_documented(sample):
    text = DOCS.read_text(encoding="utf-8").split("## The manifest")[1].split("## The result")[0]
    manifest, _ = vectors.open_record()
    told = set(re.findall(r"`(\w+)`", text))
    parts = [manifest, manifest["time"], manifest["provenance"], *manifest["arrays"].values()]
    parts += [entry["coding"] for entry in manifest["arrays"].values()]
    parts += [manifest["arrays"]["vision.saliency"]["coding"]["loss"]]
    assert {key for part in parts for key in part} <= told


def test_every_key_and_flag_of_the_summary_is_documented():
    from veridical.agent.record.summary import FLAGS, summary_of

    text = DOCS.read_text(encoding="utf-8").split("## The summary")[1].split("## Reading it")[0]
    told = summary_of(vectors.open_record()[0], "sha256:" + "0" * 64)
    assert {*told, *told["reliance"][0], *FLAGS} <= set(re.findall(r"`([\w-]+)`", text))


def test_every_key_of_the_result_is_documented(sample):
    text = DOCS.read_text(encoding="utf-8").split("## The result")[1].split("## The arrays")[0]
    result, _ = sample
    parts = [result, result["claims"][0], result["verdict"], result["attribution"], result["decision"], result["graph"]]
    told = set(re.findall(r"`(\w+)`", text)) | {"directed", "multigraph", "graph"}
    assert {key for part in parts for key in part} <= told


def test_the_manifest_is_canonical_and_the_same_twice(tmp_path, sample):
    result, arrays = sample
    context = Context()
    one, two = (write_record(tmp_path / name, result, arrays, context) for name in ("one", "two"))
    content = (one / "manifest.json").read_bytes()
    assert content == (two / "manifest.json").read_bytes() == rfc8785.dumps(json.loads(content))
    assert sorted(p.name for p in one.rglob("*")) == sorted(p.name for p in two.rglob("*"))


def test_each_record_has_an_id_of_its_own(tmp_path):
    ids = {json.loads((write_record(tmp_path / name, SMALL, {}) / "manifest.json").read_bytes())["id"] for name in "ab"}
    assert len(ids) == 2


def test_memory_layout_and_byte_order_do_not_matter(tmp_path):
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    arrays = {
        "fortran": np.asfortranarray(array),
        "big": array.astype(">f4"),
        "strided": np.repeat(array, 2, 1)[:, ::2],
    }
    folder = write_record(tmp_path / "r", SMALL, arrays)
    assert len(list((folder / "blobs").iterdir())) == 1
    for found in read_record(folder)[1].values():
        np.testing.assert_array_equal(found, array)


def test_what_is_sealed_is_left_out_without_a_key(tmp_path):
    arrays = {"audio.waveform": np.zeros(4, np.float32), "text.saliency": np.ones(2, np.float32)}
    folder = write_record(tmp_path / "r", SMALL, arrays, Context(seal=Sealer("s-1", bytes(32))))
    result, read = read_record(folder)
    assert result == SMALL
    assert list(read) == ["text.saliency"]


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


def test_what_cannot_be_recorded_leaves_nothing_behind(tmp_path):
    with pytest.raises(RecordError, match="array 'a' is of object"):
        write_record(tmp_path / "r", SMALL, {"a": np.array([None])})
    with pytest.raises(RecordError, match=r"result\.format is 'x/2'"):
        write_record(tmp_path / "r", {"format": "x/2"}, {})
    with pytest.raises(InputError, match="a budget of 10 bytes cannot be held"):
        write_record(tmp_path / "r", SMALL, {}, Context(budget=10))
    assert list(tmp_path.iterdir()) == []


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

    monkeypatch.setattr("veridical.agent.record.files.os.fsync", full)
    with pytest.raises(RecordError, match="cannot be written: No space left on device"):
        write_record(tmp_path / "r", SMALL, {"a": np.ones(2)})
    assert list(tmp_path.iterdir()) == []


def refused(record, message, cause):
    with pytest.raises(RecordError, match=message) as told:
        read_record(record)
    assert getattr(told.value, "cause", None) == cause
    assert "\n" not in str(told.value)


def test_an_altered_blob_is_named_with_both_digests(record):
    (file,) = (record / "blobs").iterdir()
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    refused(record, f"array 'text.saliency': expected sha256:{file.name}, got sha256:[0-9a-f]{{64}}", "digest")


def test_a_truncated_or_missing_blob_is_refused(record):
    (file,) = (record / "blobs").iterdir()
    file.write_bytes(file.read_bytes()[:-3])
    refused(record, "cut short or altered", "digest")
    file.unlink()
    refused(record, "missing or not a plain file", "missing")


def test_links_are_refused(record, tmp_path):
    (file,) = (record / "blobs").iterdir()
    shutil.move(file, tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    refused(record, "not a plain file", "missing")
    file.unlink()
    shutil.move(tmp_path / "elsewhere", file)
    shutil.move(record / "blobs", tmp_path / "blobs")
    (record / "blobs").symlink_to(tmp_path / "blobs")
    refused(record, "not a plain file", "missing")
    shutil.move(record / "manifest.json", tmp_path / "manifest.json")
    (record / "manifest.json").symlink_to(tmp_path / "manifest.json")
    refused(record, "is a link, not a plain file", "path")


@pytest.mark.parametrize("digest", ["../x", "sha256:../x", "sha256:" + "A" * 64, "sha256:" + "a" * 64 + "\n", ""])
def test_a_blob_is_asked_for_by_its_digest_alone(record, digest):
    with pytest.raises(IntegrityError, match="is not sha256:<64 hex>") as told:
        blob_in(record, digest)
    assert told.value.cause == "path"


def test_files_that_are_too_large_are_not_read(record, monkeypatch):
    monkeypatch.setattr("veridical.agent.record.files._MAX_BLOB", 10)
    refused(record, "at most 10 are read", "size")
    with (record / "manifest.json").open("r+b") as stream:
        stream.truncate(MAX_MANIFEST + 1)
    refused(record, "a manifest has at most", "size")


@pytest.mark.parametrize(
    ("text", "message", "cause"),
    [
        ('{"format": "veridical.record/2", "format": "veridical.record/2"}', "key 'format' stands twice", "json"),
        ('{"format": "veridical.record/2"', "cut short or altered", "json"),
        ('{"format": NaN}', "NaN is not a JSON number", "json"),
        (
            '{"format": "veridical.record/3"}',
            "format is 'veridical.record/3'; this version reads 'veridical.record/1' and 'veridical.record/2'; a newer",
            "format",
        ),
        ('{"format": "somebody.else/1"}', "format is 'somebody.else/1'; this version reads .*2'$", "format"),
        ("[]", "format is 'list'", "format"),
        ("[" * 200_000, "is not the JSON of a record", "json"),
        ('{"format": "veridical.record/2"}', "there is no 'critical'", "format"),
        ("\xff", "is not the JSON of a record", "json"),
    ],
)
def test_a_manifest_that_is_not_one_is_refused(tmp_path, text, message, cause):
    (tmp_path / "manifest.json").write_bytes(text.encode("latin-1"))
    refused(tmp_path, message, cause)


def test_a_folder_that_is_no_record_is_named(tmp_path):
    refused(tmp_path / "nowhere", r"is not a record: there is no manifest\.json", None)
    (tmp_path / "file").write_text("x")
    refused(tmp_path / "file", r"is not a record: there is no manifest\.json", None)
