from __future__ import annotations

import pytest

from tests.agent.sample import result_and_arrays
from veridical.agent.wording import (
    clean,
    effect_range,
    in_order,
    kept,
    moment,
    nats,
    own_notes,
    percent,
    seconds,
    sensed,
)


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.0, "0\u00a0%"), (0.001, "<1\u00a0%"), (0.5, "50\u00a0%"), (0.999, ">99\u00a0%"), (1.0, "100\u00a0%")],
)
def test_a_probability_is_not_rounded_into_certainty(value, said):
    assert percent(value) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [(1.234, "+1.23"), (-1.2, "−1.20"), (-0.0311, "−0.031"), (0.00423, "+0.0042"), (-1e-5, "0.00"), (0.0, "0.00")],
)
def test_nats_have_a_sign_and_nought_has_none(value, said):
    assert nats(value) == said


def test_a_moment_is_told_to_the_minute_in_utc():
    assert moment("2026-11-23T07:12:44.5+02:00") == "2026-11-23 05:12 UTC"
    assert moment("<yesterday>") == "<yesterday>"


def test_effects_are_one_figure_or_a_range():
    assert effect_range({"effects": []}) == "not measured"
    assert effect_range({"effects": [{"effect": -1.001}, {"effect": -1.0}]}) == "−1.00"
    assert effect_range({"effects": [{"effect": 0.2}, {"effect": -1.0}]}) == "−1.00 … +0.20"


def test_kept_is_the_mean_over_the_operators():
    assert kept({"effects": [{"probabilities": {"STOP": p}} for p in (0.2, 0.4)]}, "STOP") == pytest.approx(0.3)
    assert kept({"effects": []}, "STOP") is None


def test_clean_leaves_words_and_shows_what_steers():
    assert clean("Größe – “日本”\n\tnext") == "Größe – “日本” next"
    assert clean("a\x1b[2Jb\u202ec\ud800") == "a\ufffd[2Jb\ufffdc\ufffd"


def test_senses_are_told_in_one_order():
    assert in_order({"text", "lidar", "audio", "vision", "gas"}) == ["vision", "audio", "text", "gas", "lidar"]


def test_seconds_are_short():
    assert seconds([0.0, 3.0]) == "0–3\u00a0s"
    assert seconds([0.25, 10.0]) == "0.25–10\u00a0s"


def test_sensed_says_what_was_given():
    observation = result_and_arrays()[0]["observation"]
    assert sensed("vision", observation) == "3 frames of 420×300 px over 3.0 s"
    assert sensed("lidar", observation) == "nothing (absent)"
    observation["vision"] |= {"frames": 1, "sizes": [[8, 6]], "duration": 1.0}
    assert sensed("vision", observation) == "1 frame of 8×6 px over 1.0 s"
    observation["text"]["text"] = " "
    assert sensed("text", observation) == "an empty text"


def test_a_note_of_a_sense_is_not_told_twice():
    assert own_notes(result_and_arrays()[0]) == ["One claim was contradicted by its measurement."]
