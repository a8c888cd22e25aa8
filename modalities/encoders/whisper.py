"""Whisper tiny.en: English speech to words, and what the words are probable by.

Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision" (ICML 2023). The front end follows the
reference's ``whisper/audio.py`` and can be differentiated; decoding is greedy, as in its ``decoding.py``.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import transformers
from jaxtyping import Float
from torch import Tensor, nn
from transformers.audio_utils import mel_filter_bank

from ...errors import InputError
from .. import weights
from .minilm import no_progress_bar

__all__ = [
    "BANDS",
    "FRAMES",
    "HOP",
    "SAMPLES",
    "SAMPLE_RATE",
    "Hearing",
    "SpokenWord",
    "Whisper",
    "first_window",
    "load_whisper",
    "log_mel",
    "mel_filterbank",
    "spoken_words",
]

SAMPLE_RATE = 16_000
"""Samples per second that Whisper takes."""
SAMPLES = 30 * SAMPLE_RATE
"""Samples that Whisper hears at once; shorter recordings are filled up with silence."""
HOP = 160
"""Samples from one frame of the spectrogram to the next (10 ms)."""
FRAMES = SAMPLES // HOP
"""Frames of the spectrogram of 30 s; frame f is centred on sample ``f * HOP``."""
BANDS = 80
"""Mel bands, 0 to 8000 Hz."""

_FFT = 400
_START, _END, _NO_SPEECH, _NO_TIMESTAMPS = 50257, 50256, 50361, 50362
_PROMPT = (_START, _NO_TIMESTAMPS)
_MOST = 224  # half of the decoder's positions, as in the reference: the others are for what was said before
_CHUNK = 4  # rows encoded at once where no gradient is wanted: one row's attention takes 54 MB a layer


@functools.cache
def mel_filterbank() -> Float[np.ndarray, "201 80"]:
    """Return the weights from spectral bins (0..8000 Hz) to mel bands: Slaney's scale, triangles of equal area."""
    return mel_filter_bank(1 + _FFT // 2, BANDS, 0.0, 8000.0, SAMPLE_RATE, norm="slaney", mel_scale="slaney")


def log_mel(wave: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch 80 3000"]:
    """Return the spectrogram of 30 s that Whisper reads; longer waves are cut, shorter ones filled up with silence.

    ``(max(log10 mel, m - 8) + 4) / 4`` with ``m`` the largest ``log10 mel`` of the row, of which none is below -10: so
    that a row spans 2 at most, 80 dB. Silence is -1.5 throughout.

    Args:
        wave: samples in -1..1 at 16 kHz, one channel.

    Raises:
        InputError: not two axes, or no samples.
    """
    if wave.ndim != 2 or wave.shape[1] < 1:
        raise InputError(f"Whisper takes (batch, 1 sample or more) at 16 kHz, got {tuple(wave.shape)}")
    whole = F.pad(wave, (0, SAMPLES - wave.shape[1]))  # a negative padding cuts
    if len(whole) == 0:  # which the transform refuses
        return whole.new_zeros(0, BANDS, FRAMES)
    window = torch.hann_window(_FFT, periodic=True, dtype=wave.dtype, device=wave.device)
    spectrum = torch.stft(whole, _FFT, HOP, window=window, center=True, pad_mode="reflect", return_complex=True)
    power = spectrum[..., :-1].real.square() + spectrum[..., :-1].imag.square()
    bank = torch.as_tensor(mel_filterbank(), dtype=wave.dtype, device=wave.device)
    level = (bank.T @ power).clamp(min=1e-10).log10()
    return (torch.maximum(level, level.amax((1, 2), keepdim=True) - 8.0) + 4.0) / 4.0


def first_window(wave: Float[np.ndarray, " samples"]) -> tuple[Float[np.ndarray, " kept"], tuple[str, ...]]:
    """Return the first 30 s of a recording at 16 kHz, and a note where it is longer."""
    if len(wave) <= SAMPLES:
        return wave, ()
    return wave[:SAMPLES], (
        f"Whisper hears 30 s at once; the {len(wave) / SAMPLE_RATE:.1f} s were cut to the first 30",
    )


@dataclass(frozen=True)
class SpokenWord:
    """A word that was heard.

    Attributes:
        text: its characters, without punctuation at its ends.
        span: first and past-the-last character in the transcript.
        tokens: first and past-the-last position among the transcript's tokens.
        probability: of these tokens, given the audio and the words before.
    """

    text: str
    span: tuple[int, int]
    tokens: tuple[int, int]
    probability: float


@dataclass(frozen=True)
class Hearing:
    """A transcript.

    Attributes:
        text: what was heard.
        tokens: token ids of the text, without the prompt and the end.
        probabilities: of each token, given the audio and the tokens before.
        words: the words in their order.
        no_speech: probability that nobody speaks, as Whisper gives it at the start.
        ended: whether Whisper came to an end, rather than to the greatest number of tokens (224).
    """

    text: str
    tokens: tuple[int, ...]
    probabilities: tuple[float, ...]
    words: tuple[SpokenWord, ...]
    no_speech: float
    ended: bool


class Whisper(nn.Module):
    """Frozen recogniser of English speech.

    Args:
        network: transformers' ``WhisperForConditionalGeneration`` of an English model.
        tokenizer: its fast tokenizer.
    """

    allowed: Tensor
    first_allowed: Tensor

    def __init__(self, network: nn.Module, tokenizer: Any) -> None:
        """Freeze and wrap the model and its tokenizer."""
        super().__init__()
        self.network: Any = network
        self.tokenizer = tokenizer
        told, size = self.network.generation_config, self.network.config.vocab_size
        # Text and the end alone: no marks of language, task or time.
        allowed = torch.arange(size) <= _END
        allowed[told.suppress_tokens] = False
        first = allowed.clone()
        first[told.begin_suppress_tokens] = False
        self.register_buffer("allowed", allowed, persistent=False)
        self.register_buffer("first_allowed", first, persistent=False)
        self.eval().requires_grad_(False)

    def log_mel(self, wave: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch 80 3000"]:
        """Return the spectrogram of a wave at 16 kHz; see `log_mel`.

        Raises:
            InputError: not two axes, or no samples.
        """
        return log_mel(wave)

    def encode(self, spectrum: Float[Tensor, "batch 80 frames"]) -> Float[Tensor, "batch 1500 width"]:
        """Return the states of 20 ms each; with fewer than 3000 frames the last one stands for all that follow.

        Raises:
            InputError: another number of bands, no frames or more than 3000.
        """
        if spectrum.ndim != 3 or spectrum.shape[1] != BANDS or not 1 <= spectrum.shape[2] <= FRAMES:
            raise InputError(f"Whisper takes (batch, {BANDS}, 1 to {FRAMES} frames), got {tuple(spectrum.shape)}")
        whole = F.pad(spectrum, (0, FRAMES - spectrum.shape[2]), mode="replicate")
        encoder = self.network.model.encoder
        if len(whole) == 0:  # which transformers refuses
            return whole.new_zeros(0, FRAMES // 2, encoder.config.d_model)
        chunks = whole.split(len(whole) if torch.is_grad_enabled() else _CHUNK)
        return torch.cat([encoder(rows).last_hidden_state for rows in chunks])

    def token_logits(
        self, states: Float[Tensor, "batch positions width"], tokens: Sequence[int], first: int = 0
    ) -> Float[Tensor, "batch tokens vocabulary"]:
        """Return the logits by which each token from ``first`` on is chosen, the true ones before it given.

        Tokens that the decoder may not write are at minus infinity (Whisper's list of non-speech tokens; marks of
        language, task and time; at the start also a space and the end).

        Args:
            states: what `encode` returned.
            tokens: ids of a transcript's text, at least one.
            first: position of the first that is wanted.

        Raises:
            InputError: no tokens, or more than the decoder has positions for.
        """
        if not 0 <= first < len(tokens) or len(tokens) + 1 > self.network.config.max_target_positions:
            raise InputError(f"Whisper: {len(tokens)} tokens from {first} on; give 1 to 447 and a position among them")
        if len(states) == 0:
            return states.new_zeros(0, len(tokens) - first, len(self.allowed))
        before = torch.tensor([[*_PROMPT, *tokens[:-1]]], device=states.device).expand(len(states), -1)
        found = self.network.model.decoder(input_ids=before, encoder_hidden_states=states, use_cache=False)
        logits = self.network.proj_out(found.last_hidden_state[:, 1 + first :])
        allowed = self.allowed.expand(len(tokens) - first, -1)
        if first == 0:
            allowed = torch.cat((self.first_allowed[None], allowed[1:]))
        return logits.masked_fill(~allowed, -torch.inf)

    @torch.no_grad()
    def transcribe(self, wave: Float[Tensor, "1 samples"]) -> Hearing:
        """Return what is heard, the likeliest token by the likeliest token.

        Whisper always writes something, even of silence: look at ``no_speech``.

        Raises:
            InputError: no samples.
        """
        states = self.encode(log_mel(wave))
        ids = torch.tensor([_PROMPT], device=states.device)
        tokens: list[int] = []
        probabilities: list[float] = []
        memory, no_speech = None, 0.0
        while len(tokens) < _MOST:
            found = self.network.model.decoder(
                input_ids=ids, encoder_hidden_states=states, past_key_values=memory, use_cache=True
            )
            memory, logits = found.past_key_values, self.network.proj_out(found.last_hidden_state)[0]
            if not tokens:
                no_speech = float(logits[0].softmax(0)[_NO_SPEECH])
            allowed = self.allowed if tokens else self.first_allowed
            probability = logits[-1].masked_fill(~allowed, -torch.inf).softmax(0)
            chosen = int(probability.argmax())
            if chosen == _END:
                break
            tokens.append(chosen)
            probabilities.append(float(probability[chosen]))
            ids = torch.tensor([[chosen]], device=states.device)
        text, words = spoken_words(self.tokenizer, tokens, probabilities)
        return Hearing(text, tuple(tokens), tuple(probabilities), words, no_speech, len(tokens) < _MOST)


def spoken_words(
    tokenizer: Any, tokens: Sequence[int], probabilities: Sequence[float]
) -> tuple[str, tuple[SpokenWord, ...]]:
    """Return the text of tokens, and its words: a word begins where a token begins with a space.

    Tokens without a letter or digit at a word's ends (punctuation) do not belong to it; what consists of such tokens
    alone is no word.

    Args:
        tokenizer: Whisper's.
        tokens: ids of text.
        probabilities: of each token.
    """
    whole = tokenizer.decode(tokens)
    text = whole.strip()
    lead = len(whole) - len(whole.lstrip())
    # A character's bytes may be spread over tokens; until it is whole, it is decoded as U+FFFD.
    ends = [len(tokenizer.decode(tokens[:k]).rstrip("\ufffd")) for k in range(len(tokens) + 1)]
    pieces = [whole[a:b] for a, b in itertools.pairwise(ends)]
    starts = [i for i, piece in enumerate(pieces) if i == 0 or piece.startswith(" ")]
    words = []
    for first, last in itertools.pairwise([*starts, len(pieces)]):
        spoken = [i for i in range(first, last) if any(c.isalnum() for c in pieces[i])]
        if not spoken:
            continue
        a, b = spoken[0], spoken[-1] + 1
        run = whole[ends[a] : ends[b]]
        begin = ends[a] + len(run) - len(run.lstrip()) - lead
        probability = float(np.prod(np.asarray(probabilities[a:b], np.float64)))
        words.append(SpokenWord(run.strip(), (begin, begin + len(run.strip())), (a, b), probability))
    return text, tuple(words)


@functools.cache
def load_whisper() -> Whisper:
    """Return the recogniser on the CPU, in float32; weights are fetched on first use.

    One object is shared by all callers: copy it before changing it or moving it to another device.

    Raises:
        WeightsError: the weights cannot be fetched.
    """
    folder = weights.fetch("whisper-tiny-en")
    with no_progress_bar():
        # Eager attention alone has a second derivative, and attention that can be looked at.
        network = transformers.WhisperForConditionalGeneration.from_pretrained(
            folder, local_files_only=True, attn_implementation="eager", dtype=torch.float32
        )
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
    return Whisper(network, tokenizer)
