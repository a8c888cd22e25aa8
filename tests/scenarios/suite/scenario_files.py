"""A scenario file for tests of the suite, and what one line of it may become."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from veridical.errors import InputError
from veridical.scenarios.suite.compose import Composed
from veridical.scenarios.suite.load import LoadedScenario, read_scenario
from veridical.scenarios.suite.schema import SceneSpec
from veridical.scenarios.suite.vary import Variant

TEXT = """\
scenario: A known dog
version: 1
why: An instruction changes what an animal in the way means.
family: right-reason
scene:
  partition: train
  traffic: null
  things:
    - {is: animal, which: dog, where: ahead}
  sounds:
    - {is: siren, which: synthetic 3}
  instruction: [Take the parcel to the pharmacy., {text: Creep past animals., kind: tame}]
expect:
  action: SLOW
"""


def write(folder: Path, *changes: tuple[str, str], name: str = "dog.scenario.yaml") -> Path:
    """Write the file, with each change made to it."""
    text = TEXT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def loaded(folder: Path, *changes: tuple[str, str]) -> LoadedScenario:
    """Write the file and read it."""
    return read_scenario(write(folder, *changes))


def refused(folder: Path, *changes: tuple[str, str], act: Any = read_scenario) -> str:
    """Return what is said of the file, without the folder."""
    with pytest.raises(InputError) as caught:
        act(write(folder, *changes))
    said = str(caught.value)
    assert "\n" not in said
    return said.replace(f"{folder}/", "")


def scene_of(found: LoadedScenario) -> SceneSpec:
    """Return its scene."""
    assert found.scenario.scene is not None
    return found.scenario.scene


def composed_of(variant: Variant) -> Composed:
    """Return the scene of a variant, composed."""
    assert variant.composed is not None
    return variant.composed
