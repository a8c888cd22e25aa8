"""The benchmark of spoken words: its figures hang together."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import speech
from benchmarks.speech import Deletion, TimeError, measure_deletions, measure_times, summarise
from tests.fusion.spoken import SPANS, WORDS, spoken
from veridical.errors import InputError
from veridical.fusion.speech import hear
from veridical.modalities.encoders.word_times import WordTime

RNG = np.random.default_rng(0)


def prompts(folder, *names):
    for name in names:
        (folder / f"{name}.wav").touch()
    return folder


def test_the_words_checked_by_hand_say_how_and_lie_in_order_within_their_recordings(voices):
    told = json.loads(speech.WORD_SPANS.read_text("utf-8"))
    assert {"source", "how", "convention", "precision", "choice"} < set(told)
    assert len(told["prompts"]) == 8
    assert sum(len(p["words"]) for p in told["prompts"]) == 31
    for prompt in told["prompts"]:
        edges = [edge for word in prompt["words"] for edge in (word["start"], word["end"])]
        assert edges == sorted(edges)
        assert all(word["start"] < word["end"] for word in prompt["words"])
        assert all(0.02 <= word[f"{e}_precision"] <= 0.05 for word in prompt["words"] for e in ("start", "end"))
        assert (voices / f"{prompt['name']}.wav").stat().st_size > 44 + 2 * 8000 * edges[-1]


def test_errors_are_found_minus_checked_and_misheard_prompts_are_named(tmp_path):
    word = {"word": "Stop", "start": 0.1, "end": 0.52, "start_precision": 0.02, "end_precision": 0.03}
    rest = [{**word, "word": w, "start": a, "end": b} for w, (a, b) in zip(WORDS[1:], SPANS[1:], strict=True)]
    given_by_hand = {"prompts": [{"name": "x", "words": [word, *rest]}, {"name": "y", "words": [word]}]}
    path = tmp_path / "spans.json"
    path.write_text(json.dumps(given_by_hand), "utf-8")
    errors, misheard = measure_times(tmp_path, path, lambda at: spoken())
    assert misheard == ["y"]
    assert [e.word for e in errors] == list(WORDS)
    assert (errors[0].start_error, errors[0].end_error) == pytest.approx((0.1, -0.02))
    assert all(e.start_error == e.end_error == 0 for e in errors[1:])
    told = summarise(errors, misheard, [])["times"]
    assert (told["words"], told["prompts"], told["misheard"]) == (4, 1, ["y"])
    assert told["start"]["mean"] == pytest.approx(0.025)
    assert told["start"]["bias"] == pytest.approx(0.025)
    assert told["end"]["bias"] == pytest.approx(-0.005)
    assert told["start"]["root_mean_square"] == pytest.approx(0.05)
    assert told["both"]["median"] == 0
    assert (told["start"]["within_50_ms"], told["start"]["within_100_ms"]) == (0.75, 1)
    assert (told["start"]["within_precision"], told["end"]["within_precision"]) == (0.75, 1)


def test_each_word_goes_with_its_own_sound_and_with_no_other(tmp_path):
    """The recogniser in place of Whisper hears a word where more than half of it sounds."""
    rows = measure_deletions(prompts(tmp_path, "a", "b", "c"), 2, listener=lambda path: spoken())
    assert len({r.prompt for r in rows}) == 2
    assert [r.word for r in rows] == 2 * list(WORDS)
    assert all(r.lost and r.others == 0 for r in rows)
    assert not any(r.control_lost for r in rows)
    told = summarise([], [], rows)["deletions"]
    assert told["prompts"] == 2
    assert told["lost"] == {"share": 1, "interval": [1, 1], "words": 8}
    assert told["control_lost"] == {"share": 0, "interval": [0, 0], "words": 8}
    floor = measure_deletions(tmp_path, 2, operator="floor", listener=lambda path: spoken())
    assert [r.elsewhere for r in floor] == [r.elsewhere for r in rows]
    assert all(r.lost for r in floor)


@given(st.integers(0, 3), st.integers(0, 1000))
@settings(deadline=None, max_examples=60)
def test_the_control_is_as_long_within_what_is_said_and_does_not_touch_the_word(index: int, seed: int):
    said = spoken()
    own = said.times[index]
    place = speech._elsewhere(said, index, np.random.default_rng(seed))
    assert place is not None
    start, end = place
    assert end - start == pytest.approx(own.end - own.start)
    assert SPANS[0][0] <= start < end <= SPANS[-1][1] + 1e-9
    assert end <= own.start + 1e-9 or start >= own.end - 1e-9


def test_a_word_that_takes_up_the_recording_has_no_control():
    said = replace(spoken(), times=(WordTime(0.2, 1.0, 1), *(WordTime(1.0, 1.4, 1),) * 3))
    assert speech._elsewhere(said, 0, np.random.default_rng(0)) is None


def test_prompts_are_drawn_by_the_seed_and_those_without_speech_are_passed_over(tmp_path):
    def listener(path):
        if path.stem < "c":
            raise InputError("no speech was heard")
        return spoken()

    folder = prompts(tmp_path, *"abcdefgh")
    drawn = [{r.prompt for r in measure_deletions(folder, 3, seed, listener=listener)} for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert all(names <= set("cdefgh") for names in drawn)
    with pytest.raises(InputError, match="6 prompts of 3 to 8 words, 7 were asked for"):
        measure_deletions(folder, 7, listener=listener)
    assert measure_deletions(folder, 0) == []


def test_intervals_are_over_prompts():
    """Two prompts, one of which loses all words: resampled, the share is 0, 1/2 or 1."""
    rows = [Deletion(p, "word", (0, 1), p == "a", 0.5, "", None, None) for p in "ab" for _ in range(10)]
    told = summarise([], [], rows)["deletions"]
    assert told["lost"] == {"share": 0.5, "interval": [0, 1], "words": 20}
    assert told["others_lost"]["share"] == 0.5
    assert told["control_lost"] == {"share": None, "interval": None, "words": 0}
    json.dumps(told, allow_nan=False)


def test_the_command_prints_tables_or_json(tmp_path, monkeypatch, capsys):
    time = TimeError("one", "Stop", 0.1, 0.2, 0.04, -0.06, 0.05, 0.05, 0.9)
    deletion = Deletion("one", "Stop", (0.1, 0.2), True, 0.0, "", None, None)
    asked = []
    monkeypatch.setattr(speech, "measure_times", lambda folder: ([time], ["two"]))
    monkeypatch.setattr(speech, "measure_deletions", lambda *options: asked.append(options) or [deletion])
    arguments = ["--voices", str(tmp_path), "--prompts", "5", "--seed", "3", "--operator", "floor"]
    speech.main([*arguments, "--json"])
    told = json.loads(capsys.readouterr().out)
    assert asked == [(tmp_path, 5, 3, "floor")]
    assert told["times"]["both"]["mean"] == pytest.approx(0.05)
    assert told["rows"]["deletions"][0]["word"] == "Stop"
    speech.main(arguments)
    out = capsys.readouterr().out
    assert "1 words of 1 prompts" in out
    assert "100.0 %" in out
    assert "heard as other words, and left out: two" in out


@pytest.mark.parametrize("options", [["--prompts", "-1"], ["--voices", "nowhere"]])
def test_what_cannot_be_measured_is_refused(options, tmp_path, capsys):
    with pytest.raises(SystemExit) as left:
        speech.main(["--voices", str(tmp_path), *options])
    assert left.value.code == 2
    assert "give 0 or more, and the folder of asterisk-core-sounds-en-wav" in capsys.readouterr().err.splitlines()[-1]


def test_a_recorded_words_span_silenced_takes_the_word_away(voices):
    said = hear(voices / "please-try-again.wav")
    transcript = replace(said.transcript, hearing=replace(said.hearing, words=said.hearing.words[1:2]))
    (row,) = speech._deletions("it", replace(said, transcript=transcript, times=said.times[1:2]), "silence", RNG)
    assert (row.word, row.lost, row.elsewhere, row.control_lost) == ("try", True, None, None)
    assert row.heard.startswith("Please")
