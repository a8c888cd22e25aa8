from __future__ import annotations

import multiprocessing
import re
from pathlib import Path

import pytest

from veridical.agent.log.subjects import Subjects
from veridical.errors import InputError, RecordError


@pytest.fixture
def subjects(tmp_path):
    return Subjects(tmp_path / "subjects")


def test_a_name_keeps_its_pseudonym_and_its_key(subjects):
    one, again, other = subjects.of("order 4711"), subjects.of("order 4711"), subjects.of("order 4712")
    assert one == again
    assert one.id != other.id
    assert one.key != other.key
    assert re.fullmatch("s-[0-9a-f]{32}", one.id)
    assert subjects.find(one.id) == one
    assert subjects.named("order 4711") == one.id
    assert len(subjects) == 2


def test_without_a_name_each_is_another(subjects):
    assert subjects.of().id != subjects.of().id
    assert subjects.of().name is None


def test_neither_pseudonym_nor_file_names_tell_the_name(subjects):
    subjects.of("Ada Lovelace")
    names = [path.name for path in subjects.folder.rglob("*")]
    assert not [name for name in names if "Ada" in name or "Lovelace" in name]


def test_a_key_is_the_owners_alone_and_never_printed(subjects):
    one = subjects.of("x")
    assert (subjects.folder / f"{one.id}.json").stat().st_mode & 0o077 == 0
    assert one.key.hex() not in repr(one)


def test_what_is_forgotten_is_gone_and_the_name_begins_anew(subjects):
    one = subjects.of("x")
    assert subjects.forget(one.id)
    assert subjects.find(one.id) is None
    assert subjects.named("x") is None
    assert not subjects.forget(one.id)
    assert one.key.hex().encode() not in b"".join(p.read_bytes() for p in subjects.folder.rglob("*") if p.is_file())
    assert subjects.of("x").id != one.id


def test_a_name_whose_key_went_half_way_begins_anew(subjects):
    one = subjects.of("x")
    (subjects.folder / f"{one.id}.json").unlink()
    assert subjects.of("x").id != one.id


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 201])
def test_names_that_cannot_be_used_are_refused(subjects, name):
    with pytest.raises(InputError, match="printable characters"):
        subjects.of(name)


@pytest.mark.parametrize("identity", ["s-1", "../../etc/passwd", "s-" + "g" * 32])
def test_a_pseudonym_that_is_none_leads_nowhere(subjects, identity):
    with pytest.raises(RecordError, match="is not s- and 32 hexadecimal digits"):
        subjects.find(identity)


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"key": "00"}', b'{"key": 3}', b"\xff"])
def test_a_spoilt_key_is_said(subjects, content):
    one = subjects.of("x")
    (subjects.folder / f"{one.id}.json").write_bytes(content)
    with pytest.raises(RecordError, match="is not the key of a subject"):
        subjects.find(one.id)


def test_a_place_that_cannot_be_written_to_is_said(tmp_path):
    (tmp_path / "subjects").write_text("a file")
    with pytest.raises(RecordError, match="cannot be"):
        Subjects(tmp_path / "subjects").of("x")


def _of(folder: Path) -> str:
    return Subjects(folder).of("one name").id


def test_processes_that_make_a_subject_at_once_agree(subjects):
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        found = set(pool.map(_of, [subjects.folder] * 6))
    assert len(found) == 1
    assert len(subjects) == 1
