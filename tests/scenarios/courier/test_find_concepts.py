"""Finding Courier's concepts: on which scenes, by which head, and where the banks are written."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.concepts.planted import planted
from veridical.concepts.bank_file import read_banks
from veridical.errors import InputError
from veridical.scenarios.courier import find_concepts as module
from veridical.scenarios.courier.find_concepts import FIRST, find, main
from veridical.scenarios.courier.model import Courier
from veridical.scenarios.courier.recall import name_of

BANK = planted(np.eye(3)[:2], made={"system": "sha256:0", "observations": 4})
BANKS = {m: replace(BANK, sense=m) for m in ("vision", "text")}


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What is gathered, discovered and named, without looking at any scene."""
    found: dict[str, Any] = {"names": [], "shown": [], "named": [], "done": []}

    def gather(system: Any, given: Any, progress: Any) -> Any:
        found["system"] = system
        for i, (name, show) in enumerate(given, 1):
            found["names"].append(name)
            found["shown"].append(show())
            progress(i)
        return SimpleNamespace(rows=dict.fromkeys(BANKS))

    def discover(gathered: Any, sense: str, settings: Any, progress: Any) -> Any:
        for _ in settings.candidates:
            progress()
        return BANKS[sense].named((None, None))

    def name_bank(bank: Any, system: Any, recall: Any) -> Any:
        found["named"].append((bank.sense, system, recall is module.recall))
        return BANKS[bank.sense]

    monkeypatch.setattr(module, "gather", gather)
    monkeypatch.setattr(module, "discover", discover)
    monkeypatch.setattr(module, "recall", lambda name: f"shown {name}")
    monkeypatch.setattr("veridical.concepts.earn.name_bank", name_bank)
    return found


@pytest.mark.usefixtures("stamps")
@pytest.mark.parametrize("shortcut", [False, True])
def test_scenes_are_training_scenes_that_the_head_never_saw(seen: dict[str, Any], untrained: Courier, shortcut: bool):
    banks = find(untrained, 5, shortcut)
    assert seen["names"] == [name_of(FIRST + i, "train", shortcut) for i in range(5)]
    assert seen["shown"] == [f"shown {name}" for name in seen["names"]]  # each its own, not the last
    assert all(name.startswith("train:4000") for name in seen["names"])
    assert seen["system"] is untrained
    assert seen["named"] == [("vision", untrained, True), ("text", untrained, True)]
    assert {m: bank.digest for m, bank in banks.items()} == {m: bank.digest for m, bank in BANKS.items()}


def test_the_head_was_trained_on_other_scenes():
    from veridical.scenarios.courier.train import TrainSettings

    assert TrainSettings().scenes < FIRST


@pytest.mark.parametrize("shortcut", [False, True])
def test_the_command_writes_the_banks_of_its_head(tmp_path, monkeypatch, capsys, shortcut: bool):
    asked = []
    monkeypatch.setattr(module, "load", lambda: "honest")
    monkeypatch.setattr(module, "load_biased", lambda: "biased")
    monkeypatch.setattr(module, "BANKS", tmp_path / "honest")
    monkeypatch.setattr(module, "BIASED_BANKS", tmp_path / "biased")
    monkeypatch.setattr(module, "find", lambda *given: asked.append(given) or BANKS)
    main(["--scenes", "9", *(["--shortcut"] if shortcut else [])])
    head = "biased" if shortcut else "honest"
    assert asked == [(head, 9, shortcut)]
    written = read_banks(tmp_path / head)
    assert {m: bank.digest for m, bank in written.items()} == {m: bank.digest for m, bank in BANKS.items()}
    assert capsys.readouterr().out.splitlines() == [
        "vision: 2 concepts; #0 cat",
        "text: 2 concepts; #0 cat",
    ]
    main(["--out", str(tmp_path / "there")])
    assert set(read_banks(tmp_path / "there")) == set(BANKS)


def test_what_goes_wrong_is_told_in_one_line(monkeypatch, capsys):
    def fail(*given: Any) -> Any:
        raise InputError("concepts: 2 observations; at least 20 are wanted")

    monkeypatch.setattr(module, "load", lambda: None)
    monkeypatch.setattr(module, "find", fail)
    with pytest.raises(SystemExit) as left:
        main(["--scenes", "2"])
    assert left.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1].endswith("concepts: 2 observations; at least 20 are wanted")
