"""What the decision owes to words, laid onto the sound."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fusion.spoken import DURATION, SPANS, WORDS, Ear, spoken, wave
from tests.toys import READER
from veridical.errors import InputError
from veridical.fusion import speech
from veridical.fusion.speech import Spoken, carry_back, hear
from veridical.modalities.adapters.transcript import Transcript
from veridical.modalities.encoders.whisper import SAMPLES, Hearing, SpokenWord
from veridical.modalities.encoders.word_times import WordTime
from veridical.modalities.evidence import EvidenceUnit

SPOKEN = spoken()
UNITS = READER.segment(READER.prepare(SPOKEN.text)).units
NATS = np.array([2.0, -0.5, 3.0, 0.25])


@pytest.mark.parametrize("by", ["occlusion", "span"])
def test_a_word_heard_from_its_own_time_alone_is_carried_there_alone(by: str):
    carried = carry_back(SPOKEN, UNITS, NATS, by=by)
    assert (carried.by, carried.notes) == (by, ())
    assert carried.edges == pytest.approx(np.arange(17) / 10)
    assert [word.text for word in carried.words] == list(WORDS)
    for word, span, value, row in zip(carried.words, SPANS, NATS, carried.by_word, strict=True):
        assert word.value == value
        assert word.inside == pytest.approx(1, abs=1e-6)
        assert word.even == (by == "span")
        assert carried.within(*span) == pytest.approx(value)
        assert np.flatnonzero(np.abs(row) > 1e-9).tolist() == list(range(round(10 * span[0]), round(10 * span[1])))


def test_occlusion_lays_a_word_in_proportion_to_what_silence_takes_away():
    """The word is heard from the level alone, the same in all its cells; of ten frames one may count to the next."""
    carried = carry_back(SPOKEN, UNITS, NATS)
    word = carried.by_word[3, 10:14]
    assert word.sum() == pytest.approx(0.25)
    assert word == pytest.approx([0.0625] * 4, rel=0.12)


def test_all_words_are_occluded_in_the_same_passes():
    ear = Ear()
    one = replace(SPOKEN, transcript=replace(SPOKEN.transcript, whisper=ear))
    carry_back(one, UNITS, NATS)
    assert ear.encoded == 1 + 16


@given(st.lists(st.floats(-50, 50), min_size=4, max_size=4), st.sampled_from(["occlusion", "span"]), st.floats(0.05, 2))
@settings(deadline=None, max_examples=40)
def test_the_sum_over_time_is_the_sum_of_the_words(values: list[float], by: str, cell: float):
    carried = carry_back(SPOKEN, UNITS, np.array(values), by=by, cell=cell)
    tolerance = 4 * np.finfo(float).eps * sum(map(abs, values))
    assert abs(carried.total() - math.fsum(values)) <= tolerance
    assert carried.values.sum() == pytest.approx(sum(values), abs=1e-9)
    assert carried.within(0, DURATION) == pytest.approx(sum(values), abs=1e-9)
    for word, row in zip(carried.words, carried.by_word, strict=True):
        assert abs(math.fsum(row.tolist()) - word.value) <= 4 * np.finfo(float).eps * abs(word.value)


def test_a_word_that_silence_does_not_touch_lies_evenly_on_its_span_and_says_so(monkeypatch):
    def nothing_for_two(spoken, edited):
        falls = np.zeros((4, 16))
        falls[[0, 2], 3] = 1.0
        falls[1, 4:6] = 1.0, -0.95  # for and against, and next to nothing in sum
        falls[3, 5] = -1.0
        return falls

    monkeypatch.setattr(speech, "_occluded", nothing_for_two)
    carried = carry_back(SPOKEN, UNITS, NATS)
    assert [word.even for word in carried.words] == [False, True, False, True]
    assert [word.inside for word in carried.words] == pytest.approx([1, 1, 0, 1])
    assert carried.by_word[3, 10:14] == pytest.approx([0.0625] * 4)
    assert carried.by_word[2, 3] == 3
    assert carried.notes == ("occlusion does not tell where “if”, “near” was heard; its span was taken, evenly",)


def test_what_speaks_against_a_word_carries_nothing(monkeypatch):
    falls = np.zeros((4, 16))
    falls[:, 2], falls[:, 3], falls[:, 9] = 3.0, 1.0, -2.0
    monkeypatch.setattr(speech, "_occluded", lambda spoken, edited: falls)
    carried = carry_back(SPOKEN, UNITS, NATS)
    assert carried.by_word[0, [2, 3, 9]] == pytest.approx([1.5, 0.5, 0])


def test_a_cell_in_part_counts_by_its_overlap():
    carried = carry_back(SPOKEN, UNITS, np.array([0.0, 0, 3, 0]), by="span", cell=0.4)
    assert carried.edges == pytest.approx([0, 0.4, 0.8, 1.2, 1.6])
    assert carried.values == pytest.approx([0, 1, 2, 0])
    assert carried.within(0.6, 0.8) == pytest.approx(0.5)
    # A third of it lies on 0.4 to 0.8, of which the word has a quarter; two thirds on 0.8 to 1.2, of which it has half.
    assert carried.words[2].inside == pytest.approx(1 / 3 * 1 / 4 + 2 / 3 * 1 / 2)


def unit(index: int, first: int, text: str) -> EvidenceUnit:
    return EvidenceUnit("text", index, (0.0, 0.0), span=(first, first + len(text)), text=text)


def test_units_are_matched_by_their_characters():
    """“stop–if” written as one unit, and a dash alone."""
    words = (SpokenWord("stop", (0, 4), (0, 1), 0.9), SpokenWord("if", (5, 7), (1, 2), 0.9))
    heard = Hearing(
        "stop-if … cat", (1, 1, 1), (0.9,) * 3, (*words, SpokenWord("cat", (10, 13), (2, 3), 0.9)), 0.0, True
    )
    said = Spoken(Transcript(Ear(), wave(), heard), SPOKEN.times[:3])
    units = (unit(0, 0, "stop-if"), unit(1, 8, "…"), unit(2, 10, "cat"))
    carried = carry_back(said, units, np.array([6.0, 1.0, 3.0]), by="span")
    # Six by four characters and two; the dots are as near to “if” as to “cat”, and the first has them.
    assert [word.value for word in carried.words] == pytest.approx([4, 3, 3])


@pytest.mark.parametrize(
    ("units", "values", "options", "message"),
    [
        (UNITS, NATS[:3], {}, "3 values for 4 units; one finite value"),
        (UNITS, np.array([1, 2, 3, np.nan]), {}, "one finite value for each is wanted"),
        (UNITS, NATS, {"by": "magic"}, "carried by 'magic'; one of occlusion, span or a method's name"),
        (UNITS, NATS, {"cell": 0.01}, "cells of 0.01 s; give at least 0.04 s"),
        ((unit(0, 0, "halt"),), NATS[:1], {}, "unit 0 .'halt'. does not stand in what was heard, 'stop if cat near'"),
        ((EvidenceUnit("audio", 0, (0, 1)),), NATS[:1], {}, "unit 0 .None. does not stand in what was heard"),
    ],
)
def test_what_does_not_belong_to_the_recording_is_refused(units, values, options, message):
    with pytest.raises(InputError, match=message):
        carry_back(SPOKEN, units, values, **options)


def test_without_words_there_is_nothing_to_carry():
    silent = Spoken(replace(SPOKEN.transcript, hearing=Hearing("…", (1,), (0.9,), (), 0.0, True)), ())
    with pytest.raises(InputError, match="speech: no words were heard"):
        carry_back(silent, (unit(0, 0, "…"),), NATS[:1])


def test_words_and_times_go_together():
    with pytest.raises(InputError, match="1 times for 4 words; give one for each"):
        Spoken(SPOKEN.transcript, (WordTime(0, 1, 1),))


def test_no_speech_is_told_and_a_long_recording_is_cut_with_a_note():
    with pytest.raises(InputError, match="no speech was heard"):
        hear(np.zeros(16000, np.float32), Ear())
    whole = np.concatenate((wave(), np.zeros(SAMPLES, np.float32)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(speech, "word_times", lambda whisper, heard, hearing: SPOKEN.times)
        said = hear(whole, Ear())
    assert said.text == "stop if cat near"
    assert len(said.wave) == SAMPLES
    assert said.transcript.notes == ("Whisper hears 30 s at once; the 31.6 s were cut to the first 30",)


@pytest.fixture(scope="module")
def please(voices) -> Spoken:
    return hear(voices / "please-try-again.wav")


def test_a_recorded_word_weighs_most_where_it_is_said(please):
    """Spans as checked by hand, benchmarks/data/word_spans.json; the aligner's own begin “again” 0.13 s late."""
    assert please.text == "Please try again."
    units = READER.segment(READER.prepare(please.text)).units
    carried = carry_back(please, units, np.array([1.0, -2.0, 3.0]), cell=0.2)
    assert carried.total() == pytest.approx(2, abs=1e-12)
    assert not any(word.even for word in carried.words)
    peaks = np.abs(carried.by_word).argmax(1)
    assert (np.diff(peaks) > 0).all()
    for (start, end), peak in zip(((0.095, 0.425), (0.45, 0.655), (0.655, 1.21)), peaks, strict=True):
        assert carried.edges[peak] < end
        assert carried.edges[peak + 1] > start


def test_a_method_by_name_is_asked_for_each_word(please, monkeypatch):
    asked = []

    def falls(system, observation, method, diagnosed):
        asked.append((system.word.text, method, list(system.modalities), diagnosed))
        return attributed(system, observation, method, diagnosed=diagnosed)

    attributed = speech.attribute
    monkeypatch.setattr(speech, "attribute", falls)
    one = Hearing(please.text, please.hearing.tokens, please.hearing.probabilities, please.hearing.words[2:], 0.0, True)
    again = Spoken(replace(please.transcript, hearing=one), please.times[2:])
    units = READER.segment(READER.prepare(please.text)).units[2:]
    carried = carry_back(again, units, np.array([3.0]), by="gradient-times-input", cell=0.2)
    assert asked == [("again", "gradient-times-input", ["spectrogram"], False)]
    assert carried.total() == pytest.approx(3)
