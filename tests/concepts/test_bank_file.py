"""Banks on disk: what is written is read, and what was altered is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rfc8785
from safetensors.numpy import load, save

from tests.concepts.planted import planted
from veridical.concepts.bank_file import read_banks, write_banks
from veridical.errors import InputError

BANK = planted(np.eye(3)[:2], channels=5)


@pytest.fixture
def folder(tmp_path):
    write_banks(tmp_path / "bank", {"vision": BANK})
    return tmp_path / "bank"


def test_what_is_written_is_read(folder):
    (found,) = read_banks(folder, system="toy").values()
    assert found.digest == BANK.digest
    assert (found.prototypes, found.associations, found.names) == (BANK.prototypes, BANK.associations, BANK.names)
    for name, array in BANK.arrays().items():
        np.testing.assert_array_equal(found.arrays()[name], array)
    assert sorted(p.name for p in folder.iterdir()) == ["vision.json", "vision.safetensors"]


def test_writing_again_replaces_and_gives_the_same_bytes(folder):
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    write_banks(folder, {"vision": BANK})
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_a_byte_of_the_arrays_that_is_altered_is_found_and_one_of_the_description_changes_the_digest(folder):
    for path in sorted(folder.iterdir()):
        whole = path.read_bytes()
        for at in np.linspace(0, len(whole) - 1, 60).astype(int):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            try:
                found = read_banks(folder)
            except InputError:
                continue
            assert path.suffix == ".json"
            assert next(iter(found.values())).digest != BANK.digest
        path.write_bytes(whole)
    assert read_banks(folder)["vision"].digest == BANK.digest


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (lambda told: told.pop("price"), "lacks something"),
        (lambda told: told.update(format="other/1"), "not a bank of format"),
        (lambda told: told["names"].append(None), "3 names for 2"),
        (lambda told: told.update(price="much"), "lacks something"),
        (lambda told: told.update(version=7, arrays="sha256:0"), "does not belong"),
        (lambda told: told["prototypes"][0][0].pop("place"), "lacks something"),
    ],
)
def test_a_description_that_was_altered(folder, spoil, text: str):
    told = json.loads((folder / "vision.json").read_bytes())
    spoil(told)
    (folder / "vision.json").write_bytes(rfc8785.dumps(told))
    with pytest.raises(InputError, match=text):
        read_banks(folder)


def test_an_array_too_many_or_too_few(folder):
    path = folder / "vision.safetensors"
    arrays = load(path.read_bytes())
    for wrong in ({**arrays, "more": np.ones(1, np.float32)}, {k: v for k, v in arrays.items() if k != "space"}):
        path.write_bytes(save(wrong))
        with pytest.raises(InputError, match="lacks something"):
            read_banks(folder)


def test_nothing_to_read_or_write(folder, tmp_path):
    with pytest.raises(InputError, match="no folder"):
        read_banks(tmp_path / "none")
    with pytest.raises(InputError, match="fitted for the system toy, this is other"):
        read_banks(folder, system="other")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no bank"):
        read_banks(tmp_path / "empty")
    with pytest.raises(InputError, match="no bank to write"):
        write_banks(tmp_path, {})
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_banks(tmp_path / "file", {"vision": BANK})
    (folder / "vision.safetensors").unlink()
    with pytest.raises(InputError, match="cannot be read"):
        read_banks(folder)
