"""Why this word was heard, on recorded speech."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from veridical.errors import InputError
from veridical.modalities.adapters.transcript import Speech, Transcript, WordHeard, listen, word_logits
from veridical.modalities.contract import System
from veridical.modalities.encoders.whisper import SAMPLES
from veridical.modalities.observation import prepare
from veridical.modalities.scorer import Scorer
from veridical.modalities.target import Target

WORDS = ("day-0", "day-3", "day-6", "mon-3")
GAP = 0.15


@pytest.fixture(scope="module")
def spoken(voices: Path) -> tuple[np.ndarray, list[tuple[float, float]]]:
    """Four recorded words with pauses between them, 8 kHz, and the seconds of each: known, for it was cut so."""
    pieces, spans, at = [np.zeros(1600, np.float32)], [], 0.2
    for name in WORDS:
        wave, rate = soundfile.read(voices / "digits" / f"{name}.wav", dtype="float32")
        assert rate == 8000
        spans.append((at, at + len(wave) / rate))
        at += len(wave) / rate + GAP
        pieces += [wave, np.zeros(round(GAP * rate), np.float32)]
    return np.concatenate(pieces), spans


@pytest.fixture(scope="module")
def heard(spoken) -> Transcript:
    return listen((spoken[0], 8000))


def scored(system: WordHeard) -> tuple[Scorer, dict[str, torch.Tensor]]:
    inputs = {m: p.tensor for m, p in prepare(system, system.example()).items()}
    return Scorer(system, Target(0)), inputs


def within(times: np.ndarray, span: tuple[float, float]) -> np.ndarray:
    """The span and half of the pause at either side."""
    return (times >= span[0] - GAP / 2) & (times < span[1] + GAP / 2)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("vm-rec-name", "After the tone, say your name and then press the pound key."),
        ("conf-onlyperson", "You are currently the only person in this conference."),
    ],
)
def test_prompts_are_heard_word_for_word(voices, name, text):
    """As the list of prompts has them that comes with the recordings."""
    transcript = listen(voices / f"{name}.wav")
    assert transcript.text == text
    assert [word.text for word in transcript.words] == text.replace(",", "").replace(".", "").split()
    assert transcript.notes == ("resampled from 8000 Hz to 16000 Hz",)


def test_the_score_is_the_words_log_odds_over_either_sense(heard):
    assert [word.text for word in heard.words] == ["Sunday", "Wednesday", "Saturday", "April"]
    for over, name in (("spectrogram", "spectrogram"), ("waveform", "audio")):
        system = heard.word(1, over)
        assert isinstance(heard.word(1, over), System)
        assert list(system.modalities) == [name]
        assert system.actions == ("“Wednesday”", "anything else")
        scorer, inputs = scored(system)
        p = heard.words[1].probability
        assert float(scorer.value(inputs)) == pytest.approx(math.log(p / (1 - p)), abs=0.02)
        logits = scorer.logits({m: x.expand(2, *x.shape[1:]) for m, x in inputs.items()})
        assert logits.exp().sum(1).tolist() == pytest.approx([1, 1], abs=1e-5)
        torch.testing.assert_close(logits[0], logits[1], atol=1e-4, rtol=1e-4)


def test_a_word_of_several_tokens_is_as_probable_as_all_of_them(voices):
    transcript = listen(voices / "tt-weasels.wav")
    assert transcript.text == "Weasels have eaten our phone system."
    first, last = transcript.words[0].tokens
    assert (first, last) == (0, 3)
    scorer, inputs = scored(transcript.word(0))
    p = math.prod(transcript.hearing.probabilities[:3])
    assert float(scorer.value(inputs)) == pytest.approx(math.log(p / (1 - p)), abs=0.02)


@pytest.mark.parametrize("index", [1, 2])
def test_silencing_the_words_own_time_lowers_its_score_far_more_than_other_words(heard, spoken, index):
    """Measured: -19.6 and -20.8 nats for its own time, at most -13.1 and -7.8 for another word's, the one before it."""
    system = heard.word(index)
    prepared = prepare(system, system.example())["spectrogram"]
    sense = system.modalities["spectrogram"]
    cells = sense.segment(prepared)
    centres = np.array([sum(unit.time) / 2 for unit in cells.units])
    edits = [np.flatnonzero(within(centres, span)).tolist() for span in spoken[1]]
    edited = sense.infill(prepared, [[], *edits], "silence", cells)
    scores = Scorer(system, Target(0)).value({"spectrogram": edited})
    effects = (scores[1:] - scores[0]).tolist()
    assert effects[index] < -12
    assert effects[index] < 1.3 * min(effects[:index] + effects[index + 1 :])
    assert all(abs(effect) < 0.5 for effect in effects[index + 1 :])  # what comes after it hardly matters


@pytest.mark.parametrize("over", ["spectrogram", "waveform"])
def test_the_gradient_is_finite_and_its_mass_gathers_in_the_words_own_time(heard, spoken, over):
    """Measured of gradient × input in size: 53 % and 65 % within the word's own 25 % of the time."""
    system = heard.word(1, over)
    scorer, inputs = scored(system)
    ((m, x),) = inputs.items()
    gradient = scorer.gradient(inputs).values[m]
    baseline = prepare(system, system.example())[m].baseline
    assert gradient.isfinite().all()
    mass = (gradient * (x - baseline)).abs()[0].reshape(-1, x.shape[-1]).sum(0).numpy()
    times = np.arange(x.shape[-1]) * (0.01 if over == "spectrogram" else 1 / 16000)
    share = [mass[within(times, span)].sum() / mass.sum() for span in spoken[1]]
    part = within(times, spoken[1][1]).mean()
    assert share[1] == max(share)
    assert share[1] > 1.7 * part


def test_the_cells_can_be_slices_of_time(heard):
    for over in ("spectrogram", "waveform"):
        system = heard.word(0, over, cell=(0.5, 1))
        ((m, p),) = prepare(system, system.example()).items()
        units = system.modalities[m].segment(p).units
        assert len(units) == round(p.duration / 0.5)
        assert all(unit.band == (0, 8000) for unit in units)


def test_an_absent_sense_is_refused(heard):
    with pytest.raises(InputError, match="word 'April': no audio; it is the only sense, and cannot be absent"):
        heard.word(3, "waveform")({})


@pytest.mark.parametrize("index", [-1, 4])
def test_a_word_that_is_not_there_is_refused_with_those_that_are(heard, index):
    with pytest.raises(InputError, match=f"no word {index}; there are 4: 0 Sunday 1 Wednesday 2 Saturday 3 April"):
        heard.word(index)


def test_another_over_is_refused(heard, unchecked):
    with pytest.raises(InputError, match="over 'pixels'; one of waveform, spectrogram is wanted"):
        heard.word(0, "pixels")


def test_no_speech_is_told_and_not_made_up():
    message = r"no speech was heard; Whisper holds it for \d\d% probable that nobody speaks \(it wrote 'you'\)"
    with pytest.raises(InputError, match=message):
        listen(np.zeros(16000, np.float32))


def test_words_of_silence_can_be_had_on_request_and_noise_comes_with_a_note():
    """Whisper writes “you” of silence, at 0.49: a hallucination that can be asked why, too."""
    transcript = listen(np.zeros(SAMPLES + 1600, np.float32), silence=1.0)
    assert [word.text for word in transcript.words] == ["you"]
    assert transcript.notes == ("Whisper hears 30 s at once; the 30.1 s were cut to the first 30",)
    assert len(transcript.wave) == SAMPLES
    noise = 0.05 * np.random.default_rng(0).standard_normal(48000)
    assert listen(noise.astype(np.float32), silence=1.0).notes[-1].startswith("Whisper is unsure of this: -3.")


@pytest.mark.parametrize(
    ("signal", "silence", "message"),
    [
        (np.zeros(0, np.float32), 0.6, "is empty"),
        (np.full(400, np.nan, np.float32), 0.6, "400 samples are not finite"),
        (np.zeros(400, np.float32), 1.5, "silence 1.5; a probability is wanted"),
    ],
)
def test_what_cannot_be_heard_is_refused(signal, silence, message):
    with pytest.raises(InputError, match=message):
        listen(signal, silence=silence)


def test_speech_is_audio_cut_to_30_s():
    prepared = Speech().prepare(np.zeros(SAMPLES + 16000, np.float32))
    assert prepared.tensor.shape == prepared.baseline.shape == (1, SAMPLES)
    assert (prepared.duration, len(prepared.raw)) == (30.0, SAMPLES)
    assert prepared.notes == ("Whisper hears 30 s at once; the 31.0 s were cut to the first 30",)


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 5), st.integers(0, 1000))
def test_the_words_log_probability_and_its_complement_are_those_of_the_product(count, seed):
    logits = 3 * torch.randn(2, count, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    logits[:, 0, 3] = -torch.inf  # a token that may not be written
    tokens = [(seed + k) % 3 for k in range(count)]
    p = logits.softmax(2)[:, range(count), tokens].prod(1)
    torch.testing.assert_close(word_logits(logits, tokens), torch.stack((p.log(), (1 - p).log()), 1))


def test_a_word_that_is_as_good_as_certain_has_finite_odds_and_slopes():
    """In float32 1 - p is 0 here; the odds are exp(60) to two others, at the second token alone."""
    logits = torch.tensor([[[90.0, 0.0, -torch.inf], [60.0, 0.0, 0.0]]], requires_grad=True)
    found = word_logits(logits, [0, 0])
    odds = found[0, 0] - found[0, 1]
    assert odds.item() == pytest.approx(60 - math.log(2), rel=1e-6)
    (gradient,) = torch.autograd.grad(odds, logits)
    torch.testing.assert_close(gradient[0, 1], torch.tensor([1.0, -0.5, -0.5]), atol=1e-5, rtol=1e-5)
    assert gradient.isfinite().all()
