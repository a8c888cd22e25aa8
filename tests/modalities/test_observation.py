"""Observations, made ready."""

from __future__ import annotations

import numpy as np
import pytest

from tests.toys import Toy, linear, picture, sound
from veridical.errors import InputError
from veridical.modalities.observation import prepare

TOY = Toy(linear({}))


def test_signals_come_in_the_order_of_the_system_and_none_is_absent():
    found = prepare(TOY, {"text": "stop", "audio": None, "vision": picture()})
    assert list(found) == ["vision", "text"]


@pytest.mark.parametrize(
    ("observation", "message"),
    [
        (["a.png"], r"a mapping from sense to signal is wanted, got list; e.g. \{'vision': 'frame.png'\}"),
        ({"smell": 1}, "unknown modality 'smell'; this system has vision, audio, text"),
        ({3: 1}, "unknown modality 3"),
        ({}, "empty; give at least one of vision, audio, text"),
        ({"vision": None, "text": None}, "empty"),
        ({"vision": np.full((4, 4, 3), np.nan)}, "vision: .*not finite"),
        ({"audio": np.append(sound(), np.nan)}, "audio: 1 samples are not finite"),
        ({"text": 3}, "text: a int is not a string"),
    ],
)
def test_what_cannot_be_used_is_refused(unchecked: None, observation, message: str):
    with pytest.raises(InputError, match=message):
        prepare(TOY, observation)
