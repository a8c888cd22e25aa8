from __future__ import annotations

import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.agent.log.kept import copy
from tests.agent.log.told import told
from veridical.agent.log import bundle_file
from veridical.agent.log.bundle import write_bundle
from veridical.agent.log.bundle_file import INDEX, Bundle, entry_of, pack_bundle, parse_bundle, read_bundle
from veridical.agent.log.log import Log
from veridical.agent.record.canonical import canonical_json, digest_of, read_json
from veridical.errors import IntegrityError, RecordError


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """The bytes of a bundle of one decision."""
    folder = tmp_path_factory.mktemp("bundle")
    with Log.open(copy(folder)) as log:
        write_bundle(log, [1], folder / "one.zip", signals=True)
    return (folder / "one.zip").read_bytes()


def changed(content, edit, files=None):
    """The bundle with another index, and files beside it."""
    bundle = parse_bundle(content, "it")
    index = read_json(canonical_json(dict(bundle.index)), "it")
    held = {**bundle.files, **(files or {})}
    edit(index)
    return pack_bundle({INDEX: canonical_json(index), **held})


def test_its_bytes_follow_from_its_files(content):
    bundle = parse_bundle(content, "it")
    assert (
        pack_bundle(
            {
                INDEX: canonical_json(dict(bundle.index)),
                **{name: bundle.files[name] for name in sorted(bundle.files, reverse=True)},
            }
        )
        == content
    )


def test_every_member_of_the_archive_is_what_the_specification_says(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        infos = archive.infolist()
    names = [info.filename for info in infos]
    assert names == [INDEX, *sorted(names[1:])]
    for info in infos:
        assert info.date_time == (1980, 1, 1, 0, 0, 0)
        assert (info.compress_type, info.create_system, info.external_attr) == (0, 3, 0o644 << 16)
        assert (info.create_version, info.extract_version, info.flag_bits) == (20, 20, 0)
        assert (info.extra, info.comment) == (b"", b"")


def test_what_it_holds(content):
    bundle = parse_bundle(content, "it")
    assert bundle.index["entries"] == [entry_of(0), entry_of(1)]
    assert [(number, statement.kind) for number, statement in bundle.statements()] == [(0, "opened"), (1, "decision")]
    said = bundle.statements()[1][1].predicate
    manifest = read_json(bundle.blobs.get(said["manifest"]), "it")
    part = manifest["arrays"]["vision.frames"]["sealed"]
    assert len(bundle.opened(part["commitment"]) or b"") == part["bytes"]
    assert bundle.opened("sha256:" + "0" * 64) is None
    assert bundle.subjects.find(said["subject"]) is None


def test_a_blob_of_it():
    bundle = Bundle({}, {"blobs/" + digest_of(b"a")[7:]: b"a", "blobs/" + "0" * 64: b"b"})
    assert bundle.blobs.get(digest_of(b"a")) == b"a"
    assert told(bundle.blobs.get, "sha256:" + "0" * 64) == "digest"
    assert told(bundle.blobs.get, "sha256:" + "1" * 64) == "missing"
    assert told(bundle.blobs.get, digest_of(b"a"), 0) == "size"


@given(at=st.integers(0, 10**9), bit=st.integers(0, 7))
def test_any_bit_turned_is_found(content, at, bit):
    spoilt = bytearray(content)
    spoilt[at % len(content)] ^= 1 << bit
    with pytest.raises(IntegrityError):
        parse_bundle(bytes(spoilt), "it")


@given(keep=st.integers(0, 10**9))
def test_one_cut_short_is_found(content, keep):
    with pytest.raises(IntegrityError):
        parse_bundle(content[: keep % len(content)], "it")


def rename(index, old, new):
    index["files"][new] = index["files"].pop(old)


@pytest.mark.parametrize(
    ("edit", "cause"),
    [
        (lambda i: i.update(format="veridical.bundle/2"), "format"),
        (lambda i: i.update(more=1), "format"),
        (lambda i: i.pop("size"), "format"),
        (lambda i: i.update(files=[]), "format"),
        (lambda i: i.update(key=3), "format"),
        (lambda i: i.update(dropped="none"), "format"),
        (lambda i: i["entries"][1].update(envelope="entries/0.json"), "format"),
        (lambda i: i["entries"][1].update(number=1.5), "format"),
        (lambda i: i["entries"].reverse(), "order"),
        (lambda i: i["entries"].pop(0), "order"),
        (lambda i: i["entries"].append(entry_of(1)), "order"),
        (lambda i: i["entries"].append(entry_of(2)), "missing"),
        (lambda i: i["files"].pop("entries/1.json"), "missing"),
        (lambda i: i["files"].update({"entries/9.json": {"digest": "", "bytes": 0}}), "missing"),
        (lambda i: i["files"]["entries/1.json"].update(digest="sha256:" + "0" * 64), "digest"),
    ],
)
def test_an_index_of_another_form(content, edit, cause):
    assert told(parse_bundle, changed(content, edit), "it") == cause


def test_an_index_that_is_not_canonical_or_no_object(content):
    bundle = parse_bundle(content, "it")
    for text, cause in ((canonical_json(dict(bundle.index)) + b"\n", "json"), (b"[]", "format"), (b"{", "json")):
        assert told(parse_bundle, pack_bundle({INDEX: text, **bundle.files}), "it") == cause


def archive(*members):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as made:
        for name, text, kind in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = kind
            made.writestr(info, text)
    return held.getvalue()


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "digest"),
        (b"no archive", "digest"),
        (archive((INDEX, b"{}", zipfile.ZIP_DEFLATED)), "size"),
        (archive(("../bundle.json", b"{}", 0)), "path"),
        (archive(("/etc/passwd", b"{}", 0)), "path"),
        (archive(("blobs/" + "A" * 64, b"", 0)), "path"),
        (archive(("entries/0.json", b"{}", 0)), "format"),
    ],
)
def test_an_archive_that_is_no_bundle(content, cause):
    assert told(parse_bundle, content, "it") == cause


def test_a_file_that_stands_twice(content):
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = archive((INDEX, b"{}", 0), (INDEX, b"{}", 0))
    assert told(parse_bundle, twice, "it") == "order"


def test_a_file_that_cannot_be_read_or_is_too_large(tmp_path, monkeypatch, content):
    with pytest.raises(RecordError, match="cannot be read: No such file"):
        read_bundle(tmp_path / "none.zip")
    (tmp_path / "it.zip").write_bytes(content)
    monkeypatch.setattr(bundle_file, "MOST_BYTES", 100)
    assert told(read_bundle, tmp_path / "it.zip") == "size"
    monkeypatch.setattr(bundle_file, "MOST_FILES", 1)
    assert told(parse_bundle, content, "it") == "size"
