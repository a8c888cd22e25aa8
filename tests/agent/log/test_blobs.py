from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veridical.agent.log import blobs as module
from veridical.agent.log.blobs import Blobs
from veridical.agent.record.canonical import digest_of
from veridical.errors import IntegrityError, RecordError


@pytest.fixture
def blobs(tmp_path):
    return Blobs(tmp_path / "blobs")


def place(blobs, digest):
    return blobs.folder / digest[7:9] / digest[7:]


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=300))
def test_what_is_put_is_got(tmp_path_factory, content):
    blobs = Blobs(tmp_path_factory.getbasetemp() / "blobs")
    digest = blobs.put(content)
    assert digest == digest_of(content)
    assert blobs.get(digest) == content
    assert blobs.has(digest)


def test_where_it_lies(blobs):
    digest = blobs.put(b"abc")
    assert digest == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, B.1
    assert place(blobs, digest).read_bytes() == b"abc"
    assert [path.name for path in place(blobs, digest).parent.iterdir()] == [digest[7:]]


def test_what_is_there_is_not_written_again(blobs):
    digest = blobs.put(b"abc")
    before = place(blobs, digest).stat()
    blobs.put(b"abc")
    assert (place(blobs, digest).stat().st_ino, place(blobs, digest).stat().st_mtime_ns) == (
        before.st_ino,
        before.st_mtime_ns,
    )


def test_a_cut_blob_is_written_anew(blobs):
    digest = blobs.put(b"abc")
    place(blobs, digest).write_bytes(b"a")
    blobs.put(b"abc")
    assert blobs.get(digest) == b"abc"


def test_they_are_listed_in_order_and_others_passed_over(blobs):
    digests = sorted(blobs.put(bytes([n])) for n in range(20))
    (place(blobs, digests[0]).parent / ".x.part").write_bytes(b"")
    (blobs.folder / "zz").mkdir()
    (blobs.folder / "00").mkdir(exist_ok=True)
    (blobs.folder / "00" / ("f" * 64)).write_bytes(b"")
    (blobs.folder / "0f").write_bytes(b"")
    assert list(blobs) == digests


def test_an_empty_folder_lists_nothing(blobs):
    assert list(blobs) == []


def test_a_dropped_blob_is_gone(blobs):
    digest = blobs.put(b"abc")
    blobs.drop(digest)
    blobs.drop(digest)
    assert not blobs.has(digest)
    with pytest.raises(IntegrityError, match="it was erased or lost") as found:
        blobs.get(digest)
    assert found.value.cause == "missing"


def test_other_bytes_are_found_out(blobs):
    digest = blobs.put(b"abc")
    place(blobs, digest).write_bytes(b"abd")
    with pytest.raises(IntegrityError, match=f"blob {digest} in .* holds other bytes") as found:
        blobs.get(digest)
    assert found.value.cause == "digest"


def test_more_than_the_limit_is_not_read(blobs):
    digest = blobs.put(b"abc")
    assert blobs.get(digest, limit=3) == b"abc"
    with pytest.raises(IntegrityError, match="more than the 2 bytes allowed") as found:
        blobs.get(digest, limit=2)
    assert found.value.cause == "size"


@pytest.mark.parametrize(
    "name", ["", "sha256:", "sha256:" + "g" * 64, "sha256:" + "A" * 64, "sha512:" + "0" * 64, "sha256:../../etc/passwd"]
)
def test_a_name_that_is_no_digest(blobs, name):
    for use in (blobs.get, blobs.has, blobs.drop):
        with pytest.raises(IntegrityError, match="is no digest of a blob") as found:
            use(name)
        assert found.value.cause == "path"


def test_a_newline_ends_no_digest(blobs):
    with pytest.raises(IntegrityError):
        blobs.get(blobs.put(b"") + "\n")


def test_a_link_is_no_blob(blobs, tmp_path):
    digest = blobs.put(b"abc")
    (tmp_path / "elsewhere").write_bytes(b"abc")
    place(blobs, digest).unlink()
    place(blobs, digest).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(IntegrityError, match="is no plain file") as found:
        blobs.get(digest)
    assert found.value.cause == "path"
    assert not blobs.has(digest)
    blobs.put(b"abc")
    assert blobs.get(digest) == b"abc"


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_a_pipe_or_a_folder_is_no_blob(blobs, make):
    digest = blobs.put(b"abc")
    place(blobs, digest).unlink()
    make(place(blobs, digest))
    with pytest.raises(IntegrityError, match="is no plain file") as found:
        blobs.get(digest)
    assert found.value.cause == "path"


def test_reading_only(blobs):
    digest = blobs.put(b"abc")
    reader = Blobs(blobs.folder, read_only=True)
    assert reader.get(digest) == b"abc"
    with pytest.raises(RecordError, match=r"cannot be written: the log at .* is open for reading"):
        reader.put(b"abd")
    with pytest.raises(RecordError, match="cannot be dropped"):
        reader.drop(digest)


@pytest.mark.parametrize(
    ("code", "told"),
    [(errno.ENOSPC, "make room"), (errno.EACCES, "give this user the right"), (errno.EIO, "look at the disk")],
)
def test_a_disk_that_fails_leaves_nothing(blobs, monkeypatch, code, told):
    def fail(handle):
        raise OSError(code, os.strerror(code))

    blobs.put(b"first")
    monkeypatch.setattr(module.os, "fsync", fail)
    with pytest.raises(RecordError, match=f"blob sha256:.* cannot be written to .*: {os.strerror(code)}.*{told}"):
        blobs.put(b"first of these")
    monkeypatch.undo()
    assert list(blobs) == [digest_of(b"first")]
    assert not list(blobs.folder.rglob("*.part"))


def test_a_limit_on_the_size_of_files(blobs):
    script = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "from pathlib import Path\n"
        "from veridical.agent.log.blobs import Blobs\n"
        "from veridical.errors import RecordError\n"
        "try: Blobs(Path(sys.argv[1])).put(bytes(5000))\n"
        "except RecordError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(blobs.folder)], capture_output=True, text=True, check=True, timeout=20
    )
    assert "File too large" in done.stdout
    assert "make room" in done.stdout
    assert not list(blobs.folder.rglob("*.part"))
