"""Writing MCAP recordings: read back by the mcap library, and by our own reader."""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcap.reader import make_reader
from PIL import Image

from tests.agent.sample import result_and_arrays
from tests.agent.seams.drive_sample import RATE, frame, sound, write_drive
from tests.toys import Toy, reads_cat
from veridical.agent.explanation import Explanation
from veridical.agent.loop.decision import Decision
from veridical.agent.loop.oversight import Reaction
from veridical.agent.seams.mcap_read import read_messages, survey
from veridical.agent.seams.mcap_write import COMPRESSIONS, FORMAT, DriveWriter
from veridical.agent.seams.signals import Picture, Sound, Words
from veridical.errors import InputError, RecordError


def decision(explanation: Explanation | None = None) -> Decision:
    return Decision(
        id="00000000-0000-4000-8000-000000000000",
        number=3,
        time="2026-01-01T00:00:00+00:00",
        action="STOP",
        chosen="STOP",
        probabilities={"STOP": 0.9, "GO": 0.1},
        score=2.2,
        margin=2.2,
        latency_ms=12.5,
        explained="inline" if explanation else "no",
        depth=None,
        skipped=(),
        explanation=explanation,
        reaction=Reaction("none", "STOP"),
    )


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_the_mcap_library_reads_what_was_written(tmp_path, compression):
    path = write_drive(tmp_path / "a.mcap", 2.0, compression=compression)
    with path.open("rb") as file:
        reader = make_reader(file, validate_crcs=True)
        messages = list(reader.iter_messages())
        summary = reader.get_summary()
        metadata = list(reader.iter_metadata())
    assert summary is not None
    assert summary.statistics is not None
    assert summary.statistics.message_count == len(messages) == 4 + 8 + 1
    assert metadata[0].metadata == {"format": FORMAT}
    times = [message.log_time for _, _, message in messages]
    assert times == sorted(times)
    for schema, channel, message in messages:
        assert schema is not None
        assert (schema.encoding, channel.message_encoding) == ("jsonschema", "json")
        jsonschema.validate(json.loads(message.data), json.loads(schema.data))
    frames = [json.loads(m.data) for _, c, m in messages if c.topic == "/camera"]
    assert frames[3]["timestamp"] == {"sec": 1, "nsec": 500_000_000}
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(frames[3]["data"]))))
    assert np.array_equal(pixels, frame(3))


def test_a_decision_an_explanation_and_the_record_s_manifest(tmp_path):
    explanation = Explanation(*result_and_arrays())
    system = Toy(reads_cat)
    system.digest = "ab" * 32  # pyright: ignore[reportAttributeAccessIssue]
    policy = {"name": "careful", "version": "2", "digest": "cd" * 32}
    path = tmp_path / "a.mcap"
    with DriveWriter(path, system=system, policy=policy) as drive:
        drive.decision(decision(explanation), 10.0)
        drive.explanation(explanation, 10.0)
    with path.open("rb") as file:
        reader = make_reader(file)
        told = [(c.topic, m.log_time, json.loads(m.data), s) for s, c, m in reader.iter_messages()]
        metadata, attached = next(reader.iter_metadata()).metadata, list(reader.iter_attachments())
    for _, _, message, schema in told:
        assert schema is not None
        jsonschema.validate(message, json.loads(schema.data))
    assert metadata == {
        "format": FORMAT,
        "system": "toy",
        "system_digest": "ab" * 32,
        "policy_name": "careful",
        "policy_version": "2",
        "policy_digest": "cd" * 32,
    }
    by_topic: dict[str, list] = {}
    for topic, ns, message, _ in told:
        by_topic.setdefault(topic, []).append((ns, message))
    assert [ns for ns, _ in by_topic["/veridical/saliency"]] == [8_000_000_000, 9_000_000_000, 10_000_000_000]
    ((_, log),) = by_topic["/veridical/justification"]
    assert log["level"] == {"supported": 2, "inconclusive": 3, "unsupported": 4}[explanation.verdict]
    assert explanation.justification in log["message"]
    ((_, chosen),) = by_topic["/veridical/decision"]
    assert {k: v for k, v in chosen.items() if k != "timestamp"} == json.loads(
        json.dumps(decision(explanation).to_dict())
    )
    assert attached[0].media_type == "application/json"
    manifest = json.loads(attached[0].data)
    assert manifest["result"]["decision"]["action"] == explanation.decision
    assert set(manifest["arrays"]) == set(explanation.arrays())


def test_the_overlay_colours_where_the_evidence_is(tmp_path):
    from veridical.agent.seams.overlay import overlays

    explanation = Explanation(*result_and_arrays())
    frames = explanation.arrays()["vision.frames"]
    laid = list(overlays(explanation))
    assert [ago for ago, _ in laid] == [2.0, 1.0, 0.0]
    change = np.abs(laid[-1][1].astype(int) - frames[-1]).sum(2)
    saliency = np.abs(explanation.arrays()["vision.saliency"][-1])
    strong, weak = saliency >= np.quantile(saliency, 0.9), saliency <= np.quantile(saliency, 0.1)
    assert change[strong].mean() > 4 * change[weak].mean()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    samples=st.lists(st.integers(-(2**15), 2**15 - 1), min_size=2, max_size=40),
    text=st.text(st.characters(exclude_categories=("Cs",)), max_size=30),
    at=st.integers(0, 10**12),
    pixels=st.binary(min_size=27, max_size=27),
)
def test_what_is_written_is_read(tmp_path, samples, text, at, pixels):
    path = tmp_path / "a.mcap"
    path.unlink(missing_ok=True)
    pcm = np.array(samples, np.int16)[: len(samples) // 2 * 2].reshape(-1, 2)
    picture = np.frombuffer(pixels, np.uint8).reshape(3, 3, 3)
    with DriveWriter(path, compression="none") as drive:
        drive.sound(pcm, 8000, at / 1000)
        drive.words(text, at / 1000)
        drive.frame(picture, at / 1000)
    heard, said, seen = (message.signal() for message in read_messages(path))
    assert isinstance(heard, Sound)
    assert heard.rate == 8000
    assert np.array_equal(heard.samples, pcm)
    assert said == Words(text)
    assert isinstance(seen, Picture)
    assert np.array_equal(seen.frame, picture)
    assert all(abs(message.ns - at * 1_000_000) <= 256 for message in read_messages(path))


def test_floats_are_rounded_and_clipped(tmp_path):
    path = tmp_path / "a.mcap"
    with DriveWriter(path) as drive:
        drive.sound(np.array([0.0, 1.0, -1.0, 3.0, 0.5]), 8000, 0.0)
    (message,) = read_messages(path)
    heard = message.signal()
    assert isinstance(heard, Sound)
    assert heard.samples[:, 0].tolist() == [0, 32767, -32767, 32767, 16384]


def test_a_jpeg_is_smaller_and_near(tmp_path):
    big = frame(9, 128)
    sizes = []
    for form in ("png", "jpeg"):
        path = tmp_path / f"{form}.mcap"
        with DriveWriter(path, pictures=form) as drive:
            drive.frame(big, 0.0)
        (message,) = read_messages(path)
        seen = message.signal()
        assert isinstance(seen, Picture)
        assert message.fields()["format"] == form
        assert np.abs(seen.frame.astype(int) - big).mean() < 12
        sizes.append(len(message.data))
    assert sizes[0] != sizes[1]


_KILLED = """
import os, sys
from tests.agent.seams.drive_sample import frame, sound
from veridical.agent.seams.mcap_write import DriveWriter
drive = DriveWriter(sys.argv[1])
for index in range(40):
    drive.frame(frame(index), index / 4)
os._exit(9)
"""


def test_a_killed_writer_s_file_is_read_as_far_as_it_goes(tmp_path):
    path = tmp_path / "a.mcap"
    done = subprocess.run(
        [sys.executable, "-c", _KILLED, str(path)], check=False, env={**os.environ, "PYTHONPATH": "."}, timeout=60
    )
    assert done.returncode == 9
    recording = survey(path)
    assert not recording.whole
    assert "was cut off at byte" in recording.notes[0]
    # One message begins each second's flush: what is lost is less than a second.
    assert recording.topics["/camera"].count >= 37
    assert len(list(read_messages(path))) == recording.topics["/camera"].count


def test_a_recording_is_not_written_over(tmp_path):
    path = write_drive(tmp_path / "a.mcap", 1.0)
    before = path.read_bytes()
    with pytest.raises(RecordError, match="exists; give a new name"):
        DriveWriter(path)
    assert path.read_bytes() == before


def test_no_folder_to_write_to(tmp_path):
    with pytest.raises(RecordError, match="cannot be written"):
        DriveWriter(tmp_path / "none" / "a.mcap")


def test_a_full_disk_is_told_and_what_came_before_stays(tmp_path):
    path = tmp_path / "a.mcap"
    drive = DriveWriter(path, compression="none")
    drive.frame(frame(0), 0.0)
    inner = drive._file

    class Full:
        closed = False

        def write(self, data):
            raise OSError(28, "No space left on device")

        def flush(self):
            raise OSError(28, "No space left on device")

        def tell(self):
            return inner.tell()

        def close(self):
            self.closed = True
            inner.close()

    full = Full()
    drive._file = full  # pyright: ignore[reportAttributeAccessIssue]
    drive._writer._Writer__stream = full
    with pytest.raises(RecordError, match="No space left on device"):
        drive.frame(frame(1), 2.0)
    with pytest.raises(RecordError, match="could not be written before"):
        drive.words("on", 3.0)
    drive.close()
    assert survey(path).topics["/camera"].count == 1


def test_after_close_nothing_is_written(tmp_path):
    drive = DriveWriter(tmp_path / "a.mcap")
    drive.close()
    drive.close()
    with pytest.raises(RecordError, match="is closed"):
        drive.words("on", 0.0)


def test_several_threads_may_write(tmp_path):
    path = tmp_path / "a.mcap"
    with DriveWriter(path) as drive:
        threads = [
            threading.Thread(target=lambda k=k: [drive.words(f"{k} {i}", i / 10, f"/words/{k}") for i in range(20)])
            for k in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    topics = survey(path).topics
    assert {name: topic.count for name, topic in topics.items()} == {f"/words/{k}": 20 for k in range(4)}


def test_a_topic_holds_one_kind_of_message(tmp_path):
    with DriveWriter(tmp_path / "a.mcap") as drive:
        drive.words("on", 0.0, "/a")
        with pytest.raises(InputError, match=r"/a holds veridical\.Instruction already"):
            drive.frame(frame(0), 0.0, "/a")


@pytest.mark.parametrize("at", [-1.0, float("nan"), float("inf"), 1e12])
def test_times_out_of_range_are_refused(tmp_path, at):
    with DriveWriter(tmp_path / "a.mcap") as drive, pytest.raises(InputError, match="seconds from 0 on"):
        drive.words("on", at)


@pytest.mark.parametrize(
    ("samples", "rate"),
    [(np.zeros(3, np.int32), 8000), (np.array([np.nan]), 8000), (np.zeros(0), 8000), (np.zeros(3), 0)],
)
def test_sound_that_cannot_be_written(tmp_path, samples, rate):
    with DriveWriter(tmp_path / "a.mcap") as drive, pytest.raises(InputError, match="drive: sound of"):
        drive.sound(samples, rate, 0.0)


def test_options_are_named(tmp_path):
    with pytest.raises(InputError, match="one of png, jpeg"):
        DriveWriter(tmp_path / "a.mcap", pictures="gif")
    with pytest.raises(InputError, match="one of zstd, lz4, none"):
        DriveWriter(tmp_path / "a.mcap", compression="zip")
    assert not Path(tmp_path / "a.mcap").exists()


def test_the_sample_is_what_it_says(tmp_path):
    (first, *_), messages = sound(0.25), list(read_messages(write_drive(tmp_path / "a.mcap", 1.0)))
    heard = [m.signal() for m in messages if m.topic == "/microphone"]
    assert first == 0
    assert sum(len(s.samples) for s in heard if isinstance(s, Sound)) == RATE
