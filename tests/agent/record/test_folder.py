"""Records of version 1, as they lie on people's disks: read for good, whatever is written today."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import rfc8785
from safetensors.numpy import save

from veridical.agent.record import RESULT_FORMAT, read_record
from veridical.agent.record.folder import FORMAT
from veridical.errors import IntegrityError, RecordError

SMALL = {"format": RESULT_FORMAT, "value": 0.25}
SALIENCY = np.arange(3, dtype=np.float32)


@pytest.fixture
def record(tmp_path):
    """A record as version 1 wrote it, by the library itself."""
    content = save({"data": SALIENCY})
    digest = hashlib.sha256(content).hexdigest()
    entry = {
        "file": f"arrays/{digest}.safetensors",
        "digest": f"sha256:{digest}",
        "dims": ["word"],
        "dtype": "float32",
        "shape": [3],
        "unit": "nat",
    }
    folder = tmp_path / "record"
    (folder / "arrays").mkdir(parents=True)
    (folder / entry["file"]).write_bytes(content)
    manifest = {"format": FORMAT, "result": SMALL, "arrays": {"text.saliency": entry}}
    (folder / "manifest.json").write_bytes(rfc8785.dumps(manifest))
    return folder


def altered(record: Path, change) -> Path:
    """Write the manifest again after ``change`` has had it."""
    manifest = json.loads((record / "manifest.json").read_bytes())
    change(manifest)
    (record / "manifest.json").write_bytes(rfc8785.dumps(manifest))
    return record


def refused(record, message, cause):
    with pytest.raises(RecordError, match=message) as told:
        read_record(record)
    assert isinstance(told.value, IntegrityError)
    assert told.value.cause == cause


def test_a_record_of_version_1_is_read(record):
    result, arrays = read_record(record)
    assert result == SMALL
    assert list(arrays) == ["text.saliency"]
    np.testing.assert_array_equal(arrays["text.saliency"], SALIENCY)


def test_an_altered_array_is_named_with_both_digests(record):
    (file,) = (record / "arrays").iterdir()
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    refused(record, f"array 'text.saliency': expected sha256:{file.stem}, got sha256:[0-9a-f]{{64}}", "digest")


def test_a_truncated_or_missing_array_is_refused(record):
    (file,) = (record / "arrays").iterdir()
    file.write_bytes(file.read_bytes()[:-3])
    refused(record, "cut short or altered", "digest")
    file.unlink()
    refused(record, "missing or not a plain file", "missing")


def test_a_link_in_place_of_a_file_is_refused(record, tmp_path):
    (file,) = (record / "arrays").iterdir()
    shutil.move(file, tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    refused(record, "not a plain file", "missing")


@pytest.mark.parametrize(
    "file", ["../secret", "/etc/passwd", "arrays/../../x.safetensors", "arrays/x.safetensors", None, 3]
)
def test_a_path_out_of_the_record_is_refused(record, file):
    def change(manifest):
        manifest["arrays"]["text.saliency"]["file"] = file

    refused(altered(record, change), "must be arrays/<sha256>", "path")


@pytest.mark.parametrize(("key", "value"), [("shape", [4]), ("dtype", "int32"), ("dtype", None)])
def test_an_entry_that_disagrees_with_its_file_is_refused(record, key, value):
    def change(manifest):
        manifest["arrays"]["text.saliency"][key] = value

    refused(altered(record, change), r"the manifest says .*, the file holds float32 \[3\]", "format")


@pytest.mark.parametrize("content", [b"not safetensors", save({"other": np.ones(2)})])
def test_a_file_that_is_something_else_is_refused(record, content):
    digest = hashlib.sha256(content).hexdigest()
    (record / "arrays" / f"{digest}.safetensors").write_bytes(content)

    def change(manifest):
        manifest["arrays"]["text.saliency"] |= {"file": f"arrays/{digest}.safetensors", "digest": f"sha256:{digest}"}

    refused(altered(record, change), r"is not a safetensors file|expected the one tensor 'data'", "format")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"result": []}, "must both be objects"),
        ({"arrays": None}, "must both be objects"),
        ({"result": {"format": "x"}}, "result.format is 'x'"),
        ({"arrays": {"a": 1}}, "array 'a': its entry is a int, not an object"),
    ],
)
def test_a_manifest_of_another_form_is_refused(record, change, message):
    refused(altered(record, lambda manifest: manifest.update(change)), message, "format")
