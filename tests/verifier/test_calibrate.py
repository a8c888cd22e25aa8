"""Calibrating a system, and judging by it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.toys import READER, SENTENCE, Toy, laboratory, reads_cat
from veridical.errors import InputError
from veridical.verifier.account import state
from veridical.verifier.calibrate import Calibrated, calibrate, read_reference, write_reference
from veridical.verifier.ladder import METHODS, propose_at
from veridical.verifier.verify import verify

SYSTEM = Toy(reads_cat, READER)
WORDS = SENTENCE.split()


def sentences(count: int) -> list[dict[str, str]]:
    rng = np.random.default_rng(3)
    return [{"text": " ".join(rng.permutation(WORDS))} for _ in range(count)]


@pytest.fixture(scope="module")
def calibrated() -> Calibrated:
    return calibrate(SYSTEM, [*sentences(24), {"smell": "none"}], ("gradient",), {"kind": "shuffled words"})


def test_one_first_claim_of_each_observation_is_predicted_and_measured(calibrated: Calibrated):
    found = calibrated.calibrations[METHODS["gradient"]]
    assert calibrated.used == {METHODS["gradient"]: 24}
    np.testing.assert_allclose(found.predicted, -4.0, atol=1e-4)  # the word "cat" is 4 nats, wherever it stands
    np.testing.assert_allclose(found.measured, -4.0, atol=1e-4)
    assert found.origin == {"kind": "shuffled words"}


def test_what_cannot_be_used_is_passed_over_in_words(calibrated: Calibrated):
    (told,) = calibrated.passed_over
    assert told.startswith("observation 25: ")
    assert "unknown modality 'smell'" in told
    with pytest.raises(InputError, match=r"no observation could be used: observation 1: .*smell"):
        calibrate(SYSTEM, [{"smell": "none"}])
    with pytest.raises(InputError, match="no observation could be used: there were none"):
        calibrate(SYSTEM, [])


def test_a_claim_gets_its_interval_and_a_miss_beyond_the_record_is_unsupported(calibrated: Calibrated):
    lab = laboratory(SYSTEM, {"text": SENTENCE})
    honest = propose_at("gradient", lab, []).account
    found = verify(lab, honest, {}, lambda digest: "salt", reference=calibrated.reference)
    low, high = found.claims[0].interval or (0.0, 0.0)
    assert low <= -4.0 <= high
    assert high - low < 0.01
    assert found.verdict.verdict == "supported"
    values = {"text": np.where(np.arange(30) == WORDS.index("cat"), 3.0, 0.0)}  # off by a nat: agreement 0.75
    other = verify(lab, state(METHODS["gradient"], values, lab.segmentations), {}, lambda digest: "salt",
                   reference=calibrated.reference)  # fmt: skip
    assert (other.verdict.verdict, other.verdict.cause) == ("unsupported", "off-record")
    assert other.claims[0].p == pytest.approx(1 / 25)
    plain = verify(lab, state(METHODS["gradient"], values, lab.segmentations), {}, lambda digest: "salt")
    assert plain.verdict.verdict == "supported"
    committed = (found.commitment.content["reference"], plain.commitment.content["reference"])
    assert committed[0]["calibration"] == calibrated.calibrations[METHODS["gradient"]].digest
    assert committed[1] == {}


def test_what_is_written_is_read_again_and_only_for_its_system(calibrated: Calibrated, tmp_path: Path):
    written = write_reference(tmp_path / "new" / "folder", calibrated, "toy")
    assert [path.name for path in written] == ["gradient.json", "natural.json"]
    found = read_reference(tmp_path / "new" / "folder", "toy")
    assert found.calibrations[METHODS["gradient"]].digest == calibrated.calibrations[METHODS["gradient"]].digest
    assert found.content(METHODS["gradient"]) == calibrated.reference.content(METHODS["gradient"])
    with pytest.raises(InputError, match="made for system toy, not for robot; calibrate for that one"):
        read_reference(tmp_path / "new" / "folder", "robot")


def test_a_folder_without_a_calibration_is_an_error_in_words(tmp_path: Path, calibrated: Calibrated):
    with pytest.raises(InputError, match=r"no folder .*; make one by `veridical calibrate`"):
        read_reference(tmp_path / "missing")
    with pytest.raises(InputError, match=r"holds no calibration \(\*\.json\)"):
        read_reference(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be made"):
        write_reference(tmp_path / "file", calibrated, "toy")
