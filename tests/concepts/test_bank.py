"""Banks: their shapes, their digest, their names."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.concepts.planted import planted
from veridical.concepts.bank import FORMAT, ConceptName
from veridical.errors import InputError

BANK = planted(np.eye(3)[:2], channels=5)


def test_its_size_and_its_channels():
    assert len(BANK) == 2
    assert BANK.channels == 5
    assert BANK.describe()["format"] == FORMAT


@pytest.mark.parametrize(
    "name", ["centre", "back", "replicas", "typical", "threshold", "usual", "natural", "stability", "directions"]
)
def test_what_is_not_finite_is_refused_by_name(name: str):
    broken = getattr(BANK, name).copy()
    broken.flat[0] = np.nan
    with pytest.raises(InputError, match=f"the vision bank's {name} have shape .* finite, is wanted"):
        replace(BANK, **{name: broken})


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("name", ["centre", "back", "replicas", "typical", "threshold", "usual", "stability"])
def test_arrays_that_do_not_fit_are_refused(name: str):
    with pytest.raises(InputError, match=name):
        replace(BANK, **{name: getattr(BANK, name)[..., :1]} if name == "back" else {name: np.ones((3, 7), np.float32)})


@pytest.mark.parametrize("name", ["prototypes", "associations", "names"])
def test_one_of_each_for_every_concept(name: str):
    with pytest.raises(InputError, match=f"has 1 {name} for 2 concepts; one each"):
        replace(BANK, **{name: getattr(BANK, name)[:1]})
    with pytest.raises(InputError, match="has 3 names for 2"):
        BANK.named((None, None, None))


def test_the_digest_is_of_everything():
    assert BANK.digest == planted(np.eye(3)[:2], channels=5).digest
    others = [
        BANK.named((None, ConceptName("dog", "operator", 1.0, 1.0))),
        replace(BANK, version=2),
        replace(BANK, price=0.1),
        replace(BANK, made={**BANK.made, "seed": 1}),
        replace(BANK, prototypes=((), ())),
        replace(BANK, associations=(None, None)),
        *(replace(BANK, **{name: array + np.float32(0.25)}) for name, array in BANK.arrays().items()),
    ]
    assert len({BANK.digest, *(each.digest for each in others)}) == len(others) + 1


def test_naming_changes_names_alone():
    named = BANK.named((None, ConceptName("dog", "operator", 1.0, 1.0, "low")))
    assert named.names[0] is None
    assert {**named.describe(), "names": None} == {**BANK.describe(), "names": None}
