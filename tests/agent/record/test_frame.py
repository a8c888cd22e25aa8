from __future__ import annotations

import json
import subprocess
import sys

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.agent.record import vectors
from veridical.agent.record import record_schema
from veridical.agent.record.canonical import canonical_json
from veridical.agent.record.frame import MAX_MANIFEST, blobs_of, read_manifest
from veridical.errors import IntegrityError

MANIFEST, _ = vectors.open_record()
CONTENT = canonical_json(MANIFEST)
SCHEMA = jsonschema.Draft202012Validator(record_schema())


def refused(content, message, cause="format"):
    with pytest.raises(IntegrityError, match=message) as told:
        read_manifest(content, "record r")
    assert told.value.cause == cause
    assert "\n" not in str(told.value)


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(record_schema())
    SCHEMA.validate(json.loads(CONTENT))


def test_what_is_not_known_is_kept_and_ignored():
    more = MANIFEST | {"mood": {"x": 1}, "arrays": {"a": MANIFEST["arrays"]["text.saliency"] | {"colour": "red"}}}
    assert read_manifest(canonical_json(more), "r") == json.loads(canonical_json(more))
    SCHEMA.validate(json.loads(canonical_json(more)))


def test_what_is_critical_and_not_known_is_refused():
    refused(canonical_json(MANIFEST | {"critical": ["mood"]}), "'mood' is critical to it and unknown to this version")
    refused(canonical_json(MANIFEST | {"critical": [1]}), "'critical' holds a int")
    read_manifest(canonical_json(MANIFEST | {"critical": ["sealed", "arrays", "int8"]}), "r")


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ("veridical.record/1", "of version 1 records in a folder of their own"),
        ("veridical.record/3", "this version reads 'veridical.record/2'; a newer veridical may read it"),
        ("x", "format is 'x'; this version reads 'veridical.record/2'$"),
        (None, "format is None"),
    ],
)
def test_foreign_and_newer_versions_are_named(found, message):
    refused(canonical_json(MANIFEST | {"format": found}), message)


def test_bytes_that_are_no_manifest():
    refused(CONTENT[:-1], "record r is not the JSON of a record", "json")
    refused(CONTENT.replace(b'"id":', b'"id":"x","id":'), "key 'id' stands twice", "json")
    refused(b"[]", "format is 'list'")
    refused(b" " * (MAX_MANIFEST + 1), "a manifest has at most 67108864", "size")
    spaced = json.dumps(MANIFEST).encode()
    assert read_manifest(spaced, "r")
    with pytest.raises(IntegrityError, match="not canonical"):
        read_manifest(spaced, "r", canonical=True)


@pytest.mark.parametrize("name", sorted(MANIFEST))
def test_every_member_must_be_there_and_of_its_kind(name):
    refused(canonical_json({k: v for k, v in MANIFEST.items() if k != name}), f"there is no '{name}'|format is None")
    refused(canonical_json(MANIFEST | {name: 7}), f"'{name}' is a int|format is 7")
    for wrong in ({k: v for k, v in MANIFEST.items() if k != name}, MANIFEST | {name: 7}):
        assert not SCHEMA.is_valid(wrong)


ENTRY = MANIFEST["arrays"]["text.saliency"]
PART = {"blob": ENTRY["blob"], "commitment": ENTRY["blob"], "bytes": 3, "cipher": "AES-256-GCM"}
OPEN = {"blob": ENTRY["blob"], "bytes": 3}
BARE = {k: v for k, v in ENTRY.items() if k not in OPEN}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (3, "its entry is a int, not an object"),
        (ENTRY | {"dims": "word"}, "'dims' are no list of names"),
        (ENTRY | {"shape": [-5]}, r"'shape' is \[-5\]"),
        (ENTRY | {"shape": [5.5]}, r"'shape' is \[5.5\]"),
        (ENTRY | {"shape": [5, 1]}, "1 dims, but a shape of 2"),
        (ENTRY | {"dtype": None}, "there is no 'dtype'"),
        (ENTRY | {"unit": 3}, "'unit' is neither"),
        (ENTRY | {"attrs": None}, "'attrs' is no object"),
        (ENTRY | {"coords": {"word": 1}}, "'coords' name no arrays"),
        (ENTRY | {"coding": "exact"}, "there is no 'coding' of a kind"),
        (ENTRY | {"packed": 1}, "'packed' is no string"),
        (BARE, "one of 'blob' and 'sealed'"),
        (ENTRY | {"sealed": PART}, "one of 'blob' and 'sealed'"),
        (ENTRY | {"blob": "sha256:zz"}, "'blob' is 'sha256:zz', not sha256:<64 hex>"),
        (ENTRY | {"blob": "sha256:../../../x"}, "not sha256:<64 hex>"),
        (ENTRY | {"bytes": -1}, "'bytes' is -1"),
        (BARE | {"sealed": 3}, "its sealed part is a int"),
        (BARE | {"sealed": PART | {"commitment": 0}}, "'commitment' of its sealed part is 0"),
        (BARE | {"sealed": PART | {"bytes": None}}, "has no 'bytes'"),
        (BARE | {"sealed": PART | {"cipher": None}}, "names no 'cipher'"),
    ],
)
def test_an_entry_of_another_form_is_refused(entry, message):
    manifest = MANIFEST | {"arrays": {"a": entry}}
    refused(canonical_json(manifest), f"record r: array 'a'.*{message}")
    assert not SCHEMA.is_valid(manifest) or "a shape of" in message, "no schema compares two lengths"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": MANIFEST["id"].upper()}, "is not a UUID"),
        ({"time": {}}, "time.start is None"),
        ({"time": MANIFEST["time"] | {"end": "2026-01-02T03:04:05Z"}}, "time.end is '2026-01-02T03:04:05Z'"),
        ({"time": MANIFEST["time"] | {"monotonic": {"start": 1.5, "end": 2}}}, "no integers 'start' and 'end'"),
        ({"labels": {"a": 1}}, "'labels' holds a value that is not a string"),
        ({"omitted": {"a": None}}, "'omitted' holds a value that is not a string"),
        ({"inputs": {"vision": {}}}, "input 'vision' has no 'present'"),
        ({"result": {"format": "veridical.explanation/2"}}, "result.format is 'veridical.explanation/2'"),
        ({"sealed": {"texts": 1}}, "sealed 'texts': its sealed part is a int"),
    ],
)
def test_a_frame_of_another_form_is_refused(change, message):
    refused(canonical_json(MANIFEST | change), message)
    assert not SCHEMA.is_valid(MANIFEST | change)


def test_the_blobs_are_told_apart():
    manifest = MANIFEST | {"sealed": {"texts": PART | {"blob": "sha256:" + "f" * 64}}}
    manifest["arrays"] = {"a": ENTRY, "b": ENTRY, "c": BARE | {"sealed": PART | {"blob": "sha256:" + "0" * 64}}}
    assert blobs_of(manifest) == ([ENTRY["blob"]], ["sha256:" + "0" * 64, "sha256:" + "f" * 64])


@given(st.binary(max_size=60), st.integers(0, len(CONTENT) - 1))
def test_whatever_the_bytes_nothing_but_an_integrity_error_comes(noise, place):
    for content in (noise, CONTENT[:place] + noise + CONTENT[place + len(noise) :]):
        try:
            read_manifest(content, "r")
        except IntegrityError as error:
            told = error.cause
            assert told in {"json", "format", "size"}


def test_reading_a_frame_loads_nothing_heavy():
    code = "import sys, veridical.agent.record.summary as s, veridical.agent.record as r; r.read_manifest, r.plain;"
    code += "print([m for m in ('numpy', 'torch', 'safetensors', 'cryptography', 'scipy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.strip() == "[]"


def test_the_names_of_the_package_are_there():
    from veridical.agent import record

    for name in record.__all__:
        assert getattr(record, name) is not None
    assert set(record.__all__) <= set(dir(record))
    assert callable(record.plain), "the function, not the module of that name"
    with pytest.raises(AttributeError, match="no attribute 'nothing'; its names: FORMAT"):
        _ = record.nothing
