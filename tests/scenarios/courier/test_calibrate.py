"""Courier's committed calibration."""

from __future__ import annotations

from pathlib import Path

import pytest

from veridical.scenarios.courier.calibrate import FOLDER, main
from veridical.scenarios.courier.model import load
from veridical.verifier.calibrate import read_reference
from veridical.verifier.ladder import METHODS


def test_the_committed_calibration_is_that_of_the_committed_head():
    found = read_reference(FOLDER, load().digest)
    reference = load().reference
    assert reference is not None
    assert set(reference.calibrations) == {METHODS["gradient"], METHODS["few-steps"]}
    for method, each in reference.calibrations.items():
        assert each.digest == found.calibrations[method].digest
        assert len(each.predicted) == each.origin["scenes"] == 80
        low, high = each.interval(-3.0)
        assert low < -3.0 < high
    assert reference.novelty is not None
    assert set(reference.novelty.senses) == {"vision", "audio", "text"}


def test_no_scene_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["--scenes", "0", "--out", str(tmp_path)])
    assert "0 scenes; at least 1 is wanted" in capsys.readouterr().err
