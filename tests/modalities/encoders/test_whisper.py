import json
import math

import numpy as np
import pytest
import soundfile
import torch
import torchaudio
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.modeling_outputs import BaseModelOutput

from veridical.errors import InputError
from veridical.modalities import weights
from veridical.modalities.encoders.whisper import (
    BANDS,
    FRAMES,
    SAMPLE_RATE,
    SAMPLES,
    Whisper,
    first_window,
    load_whisper,
    log_mel,
    mel_filterbank,
    spoken_words,
)

WHISPER = load_whisper()


def noise(samples: int, seed: int = 0) -> torch.Tensor:
    return 0.1 * torch.randn(1, samples, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def street() -> torch.Tensor:
    """Five seconds of street sound: no speech, of which Whisper writes something all the same."""
    wave, rate = soundfile.read(weights.fetch("yamnet") / "street.wav", dtype="float32", frames=5 * SAMPLE_RATE)
    assert rate == SAMPLE_RATE
    return torch.from_numpy(wave)[None]


@pytest.fixture(scope="module")
def states(street) -> torch.Tensor:
    with torch.no_grad():
        return WHISPER.encode(log_mel(street))


@pytest.mark.parametrize(
    "wave", [noise(20_000), noise(160), noise(SAMPLES + 16_000), torch.zeros(1, 4000), noise(30_000).round(decimals=0)]
)
def test_the_log_mel_spectrum_is_that_of_transformers(wave):
    theirs = transformers.WhisperFeatureExtractor()(
        wave[0].numpy(), sampling_rate=SAMPLE_RATE, return_tensors="pt"
    ).input_features
    ours = log_mel(wave)
    assert ours.shape == (1, BANDS, FRAMES)
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)
    assert torch.equal(WHISPER.log_mel(wave), ours)


def test_the_filterbank_is_slaneys_as_torchaudio_has_it():
    other = torchaudio.functional.melscale_fbanks(201, 0.0, 8000.0, 80, SAMPLE_RATE, norm="slaney", mel_scale="slaney")
    np.testing.assert_allclose(mel_filterbank(), other.numpy(), atol=1e-6)


def test_silence_is_one_value_with_finite_derivatives():
    wave = torch.zeros(1, 4000, requires_grad=True)
    spectrum = log_mel(wave)
    assert (spectrum == -1.5).all()
    (gradient,) = torch.autograd.grad(spectrum.square().sum(), wave, create_graph=True)
    assert gradient.isfinite().all()


def test_a_sound_that_starts_in_silence_has_the_gradient_of_its_slope():
    wave = noise(8000).double()
    wave[:, :3000] = 0
    wave.requires_grad_()
    direction = noise(8000, 1).double() * (wave.detach() != 0)
    (gradient,) = torch.autograd.grad(log_mel(wave).square().sum(), wave)
    assert gradient.isfinite().all()
    with torch.no_grad():
        up, down = (log_mel(wave + h * direction).square().sum() for h in (1e-7, -1e-7))
    assert float((gradient * direction).sum()) == pytest.approx(float(up - down) / 2e-7, rel=1e-4)


def test_rows_are_independent_and_a_batch_of_none_is_empty():
    both = torch.cat((noise(9000), 3 * noise(9000, 1)))
    torch.testing.assert_close(log_mel(both), torch.cat([log_mel(row[None]) for row in both]), atol=1e-5, rtol=0)
    assert log_mel(torch.zeros(0, 500)).shape == (0, BANDS, FRAMES)


def test_a_louder_recording_has_the_same_shape():
    """The range hangs on the loudest element: ten times the amplitude is +0.5 throughout."""
    torch.testing.assert_close(log_mel(8 * noise(SAMPLES)), log_mel(0.8 * noise(SAMPLES)) + 0.5, atol=1e-4, rtol=0)


@pytest.mark.parametrize("shape", [(1, 0), (16_000,)])
def test_a_wave_of_another_shape_is_refused(shape, unchecked):
    with pytest.raises(InputError, match=r"takes \(batch, 1 sample or more\) at 16 kHz, got"):
        log_mel(torch.zeros(shape))


def test_what_is_longer_than_30_s_is_cut_with_a_note():
    wave = noise(SAMPLES + 8000)[0].numpy()
    kept, notes = first_window(wave)
    assert len(kept) == SAMPLES
    assert notes == ("Whisper hears 30 s at once; the 30.5 s were cut to the first 30",)
    assert first_window(kept)[1] == ()


def test_the_last_frame_stands_for_all_that_follow(street, states):
    spectrum = log_mel(street)
    used = math.ceil((street.shape[1] + 200) / 160)
    with torch.no_grad():
        torch.testing.assert_close(WHISPER.encode(spectrum[:, :, : used + 1]), states, atol=1e-4, rtol=1e-4)


def test_rows_that_are_encoded_in_chunks_are_those_encoded_at_once(street, states, monkeypatch):
    spectrum = torch.cat([log_mel(street), log_mel(0.1 * street.flip(1))])
    at_once = WHISPER.encode(spectrum)  # with gradients enabled it is not cut
    monkeypatch.setattr("veridical.modalities.encoders.whisper._CHUNK", 1)
    with torch.no_grad():
        torch.testing.assert_close(WHISPER.encode(spectrum), at_once, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(at_once[:1], states, atol=1e-4, rtol=1e-4)


def test_no_rows_give_no_states_and_no_logits():
    states = WHISPER.encode(torch.zeros(0, BANDS, FRAMES))
    assert states.shape == (0, 1500, 384)
    assert WHISPER.token_logits(states, [5, 6], 1).shape == (0, 1, 51864)


@pytest.mark.parametrize("shape", [(1, 64, 100), (1, 80, 0), (1, 80, 3001), (80, 3000)])
def test_a_spectrogram_of_another_shape_is_refused(shape, unchecked):
    with pytest.raises(InputError, match=r"takes \(batch, 80, 1 to 3000 frames\), got"):
        WHISPER.encode(torch.zeros(shape))


def test_token_logits_are_the_models_own_but_for_what_may_not_be_written(states):
    tokens = WHISPER.tokenizer.encode(" Turn left at the café", add_special_tokens=False)
    prompt = torch.tensor([[50257, 50362, *tokens[:-1]]])
    with torch.no_grad():
        theirs = WHISPER.network(encoder_outputs=BaseModelOutput(states), decoder_input_ids=prompt).logits[:, 1:]
        ours = WHISPER.token_logits(states, tokens)
        last = WHISPER.token_logits(states, tokens, len(tokens) - 1)
    open_ = ours.isfinite()
    torch.testing.assert_close(ours[open_], theirs[open_], atol=1e-3, rtol=1e-4)
    torch.testing.assert_close(last, ours[:, -1:], atol=1e-3, rtol=1e-4)
    told = WHISPER.network.generation_config
    assert not open_[..., told.suppress_tokens].any()
    assert not open_[..., 50257:].any()
    assert not open_[0, 0, [220, 50256]].any()  # neither a space nor the end comes first
    assert open_[0, 1:, [220, 50256]].all()


def test_decoding_is_that_of_transformers(street):
    heard = WHISPER.transcribe(street)
    theirs = WHISPER.network.generate(log_mel(street), max_new_tokens=20, use_cache=True)[0].tolist()
    text = [t for t in theirs if t < 50256]
    assert heard.ended
    assert list(heard.tokens) == text


def test_probabilities_are_those_of_the_softmax_over_what_may_be_written(street, states):
    heard = WHISPER.transcribe(street)
    with torch.no_grad():
        logits = WHISPER.token_logits(states, heard.tokens)[0]
    chosen = logits.softmax(1)[torch.arange(len(heard.tokens)), list(heard.tokens)]
    assert chosen.tolist() == pytest.approx(heard.probabilities, rel=1e-3)
    assert logits.argmax(1).tolist() == list(heard.tokens)
    for word in heard.words:
        assert word.probability == pytest.approx(math.prod(heard.probabilities[slice(*word.tokens)]))


def test_whisper_writes_something_of_silence_but_says_that_nobody_speaks():
    heard = WHISPER.transcribe(torch.zeros(1, SAMPLE_RATE))
    assert heard.words
    assert heard.no_speech > 0.9


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (" After the tone, say your name.", ["After", "the", "tone", "say", "your", "name"]),
        (' "Stop!" she said...', ["Stop", "she", "said"]),
        (" It's 10:30 - a.m.", ["It's", "10:30", "a.m"]),
        (" naïve café “déjà vu”", ["naïve", "café", "déjà", "vu"]),
        (" Donaudampfschifffahrt", ["Donaudampfschifffahrt"]),
        (" - ...", []),
        ("", []),
    ],
)
def test_words_begin_with_a_space_and_do_without_punctuation(text, words):
    tokens = WHISPER.tokenizer.encode(text, add_special_tokens=False)
    whole, found = spoken_words(WHISPER.tokenizer, tokens, [0.5] * len(tokens))
    assert whole == text.strip()
    assert [word.text for word in found] == words
    for word in found:
        assert whole[slice(*word.span)] == word.text
        assert word.probability == 0.5 ** (word.tokens[1] - word.tokens[0])
        assert WHISPER.tokenizer.decode(tokens[slice(*word.tokens)]).strip() == word.text


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 50255), max_size=12))
def test_of_any_tokens_the_spans_lie_in_the_text_and_in_order(tokens):
    text, words = spoken_words(WHISPER.tokenizer, tokens, [0.9] * len(tokens))
    for word in words:
        assert text[slice(*word.span)] == word.text
        assert word.text == word.text.strip()
    ends = [edge for word in words for edge in word.span]
    assert ends == sorted(ends)
    positions = [edge for word in words for edge in word.tokens]
    assert positions == sorted(positions)


def test_no_tokens_or_too_many_are_refused(states):
    for tokens, first in (([], 0), ([5], 1), ([5] * 448, 0)):
        with pytest.raises(InputError, match=f"{len(tokens)} tokens from {first} on; give 1 to 447"):
            WHISPER.token_logits(states, tokens, first)


def test_there_is_a_second_derivative():
    """The slope of the gradient along a direction, against the difference of gradients; on the decoder, for speed."""
    states = torch.randn(1, 1500, 384, generator=torch.Generator().manual_seed(0)).requires_grad_()
    direction = torch.randn(states.shape, generator=torch.Generator().manual_seed(1))

    def slope(at: torch.Tensor, graph: bool = False) -> torch.Tensor:
        score = WHISPER.token_logits(at, [1867], 0).log_softmax(-1)[0, 0, 1867]
        return torch.autograd.grad(score, at, create_graph=graph)[0]

    (product,) = torch.autograd.grad((slope(states, True) * direction).sum(), states)
    h = 1e-2
    near = [slope((states + k * h * direction).detach().requires_grad_()) for k in (1, -1)]
    difference = (near[0] - near[1]) / (2 * h)
    assert float(torch.cosine_similarity(product.flatten(), difference.flatten(), 0)) > 0.999


def test_nothing_is_trained_and_it_is_loaded_once():
    assert isinstance(WHISPER, Whisper)
    assert not WHISPER.training
    assert not any(parameter.requires_grad for parameter in WHISPER.parameters())
    assert all(parameter.dtype == torch.float32 for parameter in WHISPER.parameters())
    assert load_whisper() is WHISPER
    assert WHISPER.network.config._attn_implementation == "eager"
    assert WHISPER.network.proj_out.weight is WHISPER.network.model.decoder.embed_tokens.weight


def test_the_alignment_heads_are_kept():
    told = json.loads((weights.fetch("whisper-tiny-en") / "generation_config.json").read_text("utf-8"))
    assert len(told["alignment_heads"]) == 8
    assert WHISPER.network.generation_config.alignment_heads == told["alignment_heads"]
    assert all(layer < 4 and head < 6 for layer, head in told["alignment_heads"])
