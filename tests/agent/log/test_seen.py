from __future__ import annotations

import logging
import threading

import pytest

from veridical.agent.log import seen as module
from veridical.agent.log.merkle import leaf_hash
from veridical.agent.log.note import Checkpoint, sign_checkpoint
from veridical.agent.log.seen import Seen
from veridical.errors import RecordError


def note(size):
    return sign_checkpoint(Checkpoint("a/b", size, leaf_hash(b"")), "a/b", lambda _: bytes(64), leaf_hash(b"k"))


def test_the_latest_is_kept(tmp_path):
    seen = Seen(tmp_path)
    assert seen.read() is None
    for size, kept in ((3, 3), (2, 3), (3, 3), (5, 5)):
        seen.keep(note(size), size)
        assert seen.read() == note(kept)
    assert {path.name for path in tmp_path.iterdir()} <= {"checkpoint", "checkpoint.lock"}


def test_what_cannot_be_read_gives_way(tmp_path):
    (tmp_path / "checkpoint").write_bytes(b"\xff")
    Seen(tmp_path).keep(note(1), 1)
    assert Seen(tmp_path).read() == note(1)


def test_many_at_once_keep_the_latest(tmp_path):
    threads = [threading.Thread(target=Seen(tmp_path).keep, args=(note(size), size)) for size in range(1, 30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Seen(tmp_path).read() == note(29)


def test_a_failure_is_told_and_goes_no_further(tmp_path, caplog):
    (tmp_path / "file").touch()
    with caplog.at_level(logging.WARNING, "veridical"):
        Seen(tmp_path / "file").keep(note(1), 1)
    assert "checkpoint cannot be written" in caplog.text
    assert "a log that is set back will not be noticed here" in caplog.text


def test_a_lock_that_another_keeps(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_WAIT", 0.05)
    told = r"checkpoint\.lock is kept by another process for 0\.05 s"
    with Seen(tmp_path).locked(), pytest.raises(RecordError, match=told), Seen(tmp_path).locked():
        pass


def test_a_folder_in_its_place(tmp_path):
    (tmp_path / "checkpoint").mkdir()
    with pytest.raises(RecordError, match="checkpoint cannot be read: Is a directory"):
        Seen(tmp_path).read()
