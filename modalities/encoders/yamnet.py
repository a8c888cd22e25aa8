"""YAMNet, trained on AudioSet: the reference encoder of what is heard.

Plakal and Ellis, "YAMNet" (TensorFlow Models, research/audioset/yamnet): MobileNet v1 on log-mel patches of 0.96 s.
The front end follows the reference's ``features.py`` and ``params.py`` number by number.
"""

from __future__ import annotations

import csv
import functools
import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor, nn

from ...errors import InputError
from .. import weights
from .distinct import distinct
from .in_place import InPlaceReLU

__all__ = ["HOP_SAMPLES", "SAMPLE_RATE", "WINDOW_SAMPLES", "YAMNet", "load_yamnet", "mel_filterbank"]

SAMPLE_RATE = 16_000
"""Samples per second that YAMNet takes."""
WINDOW_SAMPLES = 15_600
"""Samples that one window of 96 spectral frames spans (0.975 s)."""
HOP_SAMPLES = 7_680
"""Samples from one window to the next (0.48 s)."""

_FRAME, _STEP, _FFT = 400, 160, 512
_PATCH, _PATCH_HOP = 96, 48
_STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
_WIDTHS = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)


def mel_filterbank(bands: int = 64, low: float = 125.0, high: float = 7500.0) -> Float[Tensor, "257 bands"]:
    """Return the weights from 257 spectral bins (0..8000 Hz) to mel bands.

    As ``tf.signal.linear_to_mel_weight_matrix``: HTK's scale, triangles that are straight *in mel* (librosa's and
    torchaudio's are straight in hertz, which differs by up to 0.0044), the bin at 0 Hz in no band.

    Args:
        bands: number of bands.
        low: lower edge of the first band in hertz.
        high: upper edge of the last band in hertz.
    """
    frequency = torch.linspace(0.0, SAMPLE_RATE / 2, _FFT // 2 + 1, dtype=torch.float64)
    bins = _mel(frequency)[:, None]
    edges = torch.linspace(_mel(low), _mel(high), bands + 2, dtype=torch.float64)
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    triangles = torch.minimum((bins - left) / (centre - left), (right - bins) / (right - centre)).clamp(min=0.0)
    triangles[0] = 0.0
    return triangles.float()


def _mel(hertz: Any) -> Any:
    """HTK's mel scale; a number or a tensor."""
    log1p = torch.log1p if isinstance(hertz, Tensor) else math.log1p
    return 1127.0 * log1p(hertz / 700.0)


class _Convolution(nn.Module):
    """Convolution with TensorFlow's "SAME" padding, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, groups: int = 1) -> None:
        super().__init__()
        # "SAME" puts the odd one of the padding at the end; all sizes that are halved here are even (96 x 64 down to
        # 6 x 4), so a stride of two pads nothing in front.
        self.padding = (0, 0, 0, 0) if kernel == 1 else (1, 1, 1, 1) if stride == 1 else (0, 1, 0, 1)
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outputs, eps=1e-4)
        self.act = InPlaceReLU(self.norm)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.norm(self.conv(F.pad(x, self.padding))))


class _Separable(nn.Module):
    """Depthwise, then pointwise convolution."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.depthwise = _Convolution(inputs, inputs, 3, stride, groups=inputs)
        self.pointwise = _Convolution(inputs, outputs, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(x))


class YAMNet(nn.Module):
    """Frozen sound encoder; input is a waveform in -1..1 at 16 kHz, one channel. Batches of any size, 0 included.

    Attributes:
        class_names: the 521 classes of AudioSet.
    """

    window: Tensor
    filterbank: Tensor
    class_names: tuple[str, ...]

    def __init__(self, class_names: Sequence[str]) -> None:
        """Build the network; its parameters are random until a state dict is loaded."""
        super().__init__()
        self.class_names = tuple(class_names)
        self.stem = _Convolution(1, 32, 3, 2)
        widths = (32, *_WIDTHS)
        self.blocks = nn.Sequential(
            *(_Separable(widths[i], widths[i + 1], stride) for i, stride in enumerate(_STRIDES))
        )
        self.dense = nn.Linear(_WIDTHS[-1], len(self.class_names))
        self.register_buffer("window", torch.hann_window(_FRAME, periodic=True), persistent=False)
        self.register_buffer("filterbank", mel_filterbank(), persistent=False)
        self.eval().requires_grad_(False)

    def windows(self, samples: int) -> int:
        """Return how many windows `embed` makes of a waveform of that many samples, at least one."""
        return 1 + math.ceil(max(samples - WINDOW_SAMPLES, 0) / HOP_SAMPLES)

    def log_mel(self, wave: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch frames 64"]:
        """Return ``log(mel + 0.001)`` of the magnitude spectrum: frames of 25 ms, each 10 ms, not padded.

        Raises:
            InputError: not two axes, or shorter than one frame (400 samples).
        """
        _check(wave, _FRAME)
        # Framed as tf.signal.stft does, from the first sample; torch.stft would centre the 400 samples in 512.
        frames = wave.unfold(-1, _FRAME, _STEP) * self.window
        if len(wave) == 0:  # which the transform refuses
            return frames.new_zeros(*frames.shape[:2], self.filterbank.shape[1])
        # The slope of |z| at 0 is 0 in torch, so that silence has a finite gradient.
        magnitude = torch.fft.rfft(frames, n=_FFT).abs()
        return torch.log(magnitude @ self.filterbank + 0.001)

    def embed(self, wave: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch windows 1024"]:
        """Return one embedding for each 0.96 s, each 0.48 s; the end is filled up with silence to a whole window.

        Raises:
            InputError: not two axes, or no samples.
        """
        _check(wave, 1)
        windows = self.windows(wave.shape[1])
        whole = WINDOW_SAMPLES + (windows - 1) * HOP_SAMPLES
        spectrum = self.log_mel(F.pad(wave, (0, whole - wave.shape[1])))
        patches = spectrum.unfold(1, _PATCH, _PATCH_HOP).transpose(-1, -2)  # (batch, windows, 96, 64)
        patches = patches.reshape(-1, 1, _PATCH, spectrum.shape[-1])
        rows = None if wave.requires_grad or len(wave) < 2 else distinct(patches)
        maps = self.blocks(self.stem(patches if rows is None else patches[rows.first]))
        found = maps.mean((-1, -2))
        return (found if rows is None else found[rows.back]).reshape(wave.shape[0], windows, _WIDTHS[-1])

    def classify(self, embeddings: Float[Tensor, "batch windows 1024"]) -> Float[Tensor, "batch windows classes"]:
        """Return the logits of the classes; their sigmoid is the probability, each class by itself."""
        return self.dense(embeddings)


def _check(wave: Tensor, least: int) -> None:
    if wave.ndim != 2 or wave.shape[1] < least:
        raise InputError(f"YAMNet takes (batch, {least} samples or more) at 16 kHz, got {tuple(wave.shape)}")


@functools.cache
def load_yamnet() -> YAMNet:
    """Return the encoder on the CPU; weights are fetched on first use.

    One object is shared by all callers: copy it before changing it or moving it to another device.

    Raises:
        WeightsError: the weights cannot be fetched.
    """
    folder = weights.fetch("yamnet")
    with (folder / "classes.csv").open(encoding="utf-8", newline="") as file:
        names = [row["display_name"] for row in csv.DictReader(file)]
    with torch.random.fork_rng(devices=[]):  # the caller's random numbers stay as they were
        encoder = YAMNet(names)
    encoder.load_state_dict(load_file(folder / "model.safetensors"))
    return encoder
