from __future__ import annotations

import math

import numpy as np
import pytest

from veridical.agent.batch.drive import Drive
from veridical.agent.batch.item import Bad, Item
from veridical.agent.batch.packing import pack, unpack
from veridical.agent.seams import mcap_read
from veridical.agent.seams.moments import DriveMoment
from veridical.errors import InputError, RecordError

FRAME = np.zeros((2, 2, 3), np.uint8)


def test_each_moment_is_an_item_and_a_cut_file_ends_with_what_is_wrong(tmp_path, monkeypatch):
    asked = {}

    def read_drive(path, every):
        asked.update(path=path, every=every)
        yield DriveMoment(3.0, {"vision": [FRAME, FRAME], "text": "go"}, ("The sound began late.",))
        yield DriveMoment(3.5, {"audio": (np.zeros(4, np.int16), 16000)}, (), "2026-11-23T20:00:00.000000+00:00")
        raise RecordError(f"{path}: cut short at byte 99")

    monkeypatch.setattr(mcap_read, "read_drive", read_drive)
    first, second, rest = Drive(tmp_path / "out.mcap", 0.5)
    assert isinstance(first, Item)
    assert isinstance(second, Item)
    assert asked == {"path": tmp_path / "out.mcap", "every": 0.5}
    assert (first.id, first.time, first.notes) == ("out@3.000", "3.000 s", ("The sound began late.",))
    assert len(unpack(pack(first.observation))["vision"]) == 2
    assert (second.id, second.time) == ("out@3.500", "2026-11-23T20:00:00.000000+00:00")
    wave, rate = unpack(pack(second.observation))["audio"]
    assert (wave.dtype.name, rate) == ("int16", 16000)
    assert rest == Bad("out, the rest", "out.mcap: out.mcap: cut short at byte 99")
    assert Drive(tmp_path / "out.mcap").count() is None


@pytest.mark.parametrize("every", [0.0, -1.0, math.inf, math.nan])
def test_a_pace_that_is_none(tmp_path, every):
    with pytest.raises(InputError, match="no pace"):
        Drive(tmp_path, every)
