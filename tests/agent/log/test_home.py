from __future__ import annotations

from pathlib import Path

import pytest

from veridical.agent.log.database import Database
from veridical.agent.log.home import home, log_url, make_home
from veridical.errors import RecordError


def test_a_named_folder_is_taken(tmp_path, monkeypatch):
    monkeypatch.setenv("VERIDICAL_HOME", str(tmp_path / "other"))
    assert home(tmp_path / "here") == tmp_path / "here"


def test_the_variable_comes_before_the_users_data(tmp_path, monkeypatch):
    monkeypatch.setenv("VERIDICAL_HOME", str(tmp_path / "named"))
    assert home() == tmp_path / "named"
    monkeypatch.setenv("VERIDICAL_HOME", "")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert home().name == "veridical"


def test_a_relative_folder_becomes_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert home(Path("here")) == tmp_path / "here"


def test_nothing_is_made_by_asking(tmp_path):
    home(tmp_path / "here")
    assert not (tmp_path / "here").exists()


def test_a_file_is_no_home(tmp_path):
    (tmp_path / "here").write_text("x")
    with pytest.raises(RecordError, match=r"here is no folder; name the folder of the log, or set VERIDICAL_HOME"):
        home(tmp_path / "here")


@pytest.mark.parametrize("name", ["~nobodyofthisname/x", "a\0b"])
def test_a_name_that_cannot_be(name):
    with pytest.raises(RecordError, match="cannot be the folder of the log"):
        home(Path(name))


def test_a_home_is_its_owners(tmp_path):
    make_home(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700
    make_home(tmp_path / "a" / "b")


def test_a_home_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(RecordError, match="cannot be made for the log: Not a directory"):
        make_home(tmp_path / "file" / "b")


def test_odd_names_survive_the_url(tmp_path):
    odd = tmp_path / "a b?c=1%20#d"
    odd.mkdir()
    assert Database(log_url(odd)).path == odd / "log.sqlite"
