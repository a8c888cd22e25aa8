"""Audio: a recording, its time-frequency cells, and sound from which something was taken away."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Complex, Float
from torch import Tensor

from ..errors import InputError
from .contract import Prepared
from .edits import check_operator, membership
from .evidence import EvidenceUnit, Segmentation
from .infill_audio import interpolate, swap
from .recordings import read_recording
from .spectrum import (
    BINS,
    HOP,
    WINDOW,
    forward,
    gain_contributions,
    inverse,
    mel_edges,
    smooth,
    spectral_gradient,
    windows,
)
from .swap import draw
from .wording import hertz, seconds, spans

__all__ = ["Audio"]

View = tuple[tuple[str, ...], dict[str, np.ndarray], np.ndarray]

DECADES = 4
"""The path starts at 10^-4 of the amplitude: -80 dB."""

FLOOR = 0.2
"""Share of windows that are quieter than what counts as a recording's background."""

CHUNK = 16
_SHOWN = 6


class Audio:
    """A recording: one channel at ``rate`` hertz, cut into time-frequency cells.

    The attribution baseline is silence, and the path rises evenly in level (decibels), because front ends that take a
    logarithm move evenly along it. Infill operators: ``silence`` (the cells' part of the short-time spectrum is
    removed), ``floor`` (it is lowered, phase kept, to the recording's own background: in each frequency bin the
    magnitude that a fifth of all windows stay below; nothing is amplified), ``interpolate`` (its level runs straight
    between the times before and after, phase kept) and ``swap`` (other times of the same frequencies stand in). Edges
    are feathered over one bin and one window to each side. Of a recording that is edited whole, nothing is left to fill
    from: there ``interpolate`` and ``swap`` are ``silence``.

    Args:
        rate: samples per second that the system reads.
        cell: seconds and number of bands of the cells; bands are equally spaced on the mel scale.

    Raises:
        InputError: an option out of range.
    """

    name: str = "audio"
    operators: tuple[str, ...] = ("silence", "floor", "interpolate", "swap")

    def __init__(self, rate: int = 16000, cell: tuple[float, int] = (0.25, 8)) -> None:
        if not 1000 <= rate <= 192_000:
            raise InputError(f"audio: rate {rate}; give 1000 to 192000 Hz")
        length, bands = cell
        shortest = 4 * HOP / rate
        if not (math.isfinite(length) and length >= shortest):
            raise InputError(f"audio: cells of {length} s at {rate} Hz; give at least {shortest:.3g} s (four windows)")
        self.rate, self.cell = rate, (float(length), bands)
        self._edges = mel_edges(max(bands, 1), rate / 2)
        at = np.arange(BINS) * rate / WINDOW
        self._band_of = np.minimum(np.searchsorted(self._edges, at, side="right") - 1, bands - 1)
        if bands < 1 or len(np.unique(self._band_of)) < bands:
            raise InputError(f"audio: {bands} bands; give at least 1, and so few that each holds a frequency bin")

    def prepare(self, signal: Any) -> Prepared:
        """Turn a recording into the system's input.

        Args:
            signal: a path (WAV, FLAC, OGG), a pair (array, rate in hertz), or an array already at ``rate``; arrays are
                (samples,) or (samples, channels), of floats in -1..1 or of integers.

        Returns:
            ``tensor`` float32 (1, samples); ``raw`` the same samples as an array; ``duration`` is samples / rate.

        Raises:
            InputError: the recording cannot be read, is empty, or holds values that are not finite.
        """
        wave, notes = read_recording(signal, self.rate)
        tensor = torch.from_numpy(wave.copy())[None]
        baseline = torch.zeros_like(tensor)
        return Prepared(self.name, tensor, baseline, wave, len(wave) / self.rate, notes, {"rate": self.rate})

    def segment(self, prepared: Prepared) -> Segmentation:
        """Cut the short-time spectrum into cells of equal duration and equal width in mel.

        Labels have shape (257 bins, windows); cell ``t * bands + b`` is band b of time bin t. Cells that share an edge
        are neighbours.
        """
        bands, duration = self.cell[1], prepared.duration
        columns = max(1, round(duration / self.cell[0]))
        width = duration / columns
        at = np.arange(windows(prepared.tensor.shape[-1])) * HOP / self.rate
        column_of = np.minimum((at / width).astype(np.int64), columns - 1)
        labels = column_of[None, :] * bands + self._band_of[:, None]
        units, neighbours = [], []
        for index in range(columns * bands):
            t, b = divmod(index, bands)
            band = (float(self._edges[b]), float(self._edges[b + 1]))
            units.append(EvidenceUnit(self.name, index, (t * width, (t + 1) * width), band=band))
            near = ((t - 1, b), (t, b - 1), (t, b + 1), (t + 1, b))
            neighbours.append(tuple(i * bands + j for i, j in near if 0 <= i < columns and 0 <= j < bands))
        return Segmentation(labels, tuple(units), tuple(neighbours))

    def schedule(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Return an amplitude that rises evenly in level, and its derivative.

        ``g(u) = (10^(k (u - 1)) - 10^-k) / (1 - 10^-k)`` with k = 4: from silence at u = 0, then evenly from -80 dB to
        0 dB, so that logarithmic front ends change at a steady pace.
        """
        rise = torch.as_tensor(DECADES * math.log(10), dtype=u.dtype, device=u.device)
        whole = torch.expm1(rise)
        return torch.expm1(rise * u) / whole, rise * torch.exp(rise * u) / whole

    def attribute(self, prepared: Prepared, gradient: Tensor) -> Mapping[str, View]:
        """Return contributions ``gradient * (tensor - baseline)`` per sample and per bin and window.

        View ``waveform`` has dims (sample,) with seconds; view ``units`` has dims (frequency, time) with hertz and
        seconds (window centres) and splits the same sum exactly.

        Args:
            prepared: the signal.
            gradient: shape of ``prepared.tensor``, nats per unit of amplitude.
        """
        wave = (prepared.tensor - prepared.baseline)[0].detach().double()
        slope = gradient[0].detach().to(wave)
        grid = gain_contributions(wave, slope).cpu().numpy()
        return {"units": self._grid(grid), "waveform": self._samples((slope * wave).cpu().numpy())}

    def sensitivity(self, prepared: Prepared, gradient: Tensor, squared: bool = False) -> Mapping[str, View]:
        """Return the size of the gradient per sample, and of that with respect to the short-time spectrum.

        The second is ``|ds/dZ|`` where the waveform is the inverse transform of Z. Variances (``squared``) of samples
        say nothing of bins: there the waveform's view stands alone.
        """
        slope = gradient[0].detach().double()
        samples = self._samples((slope if squared else slope.abs()).cpu().numpy())
        if squared:
            return {"waveform": samples}
        return {"units": self._grid(spectral_gradient(slope).abs().cpu().numpy()), "waveform": samples}

    def _grid(self, values: Float[np.ndarray, "bins windows"]) -> View:
        times = np.arange(values.shape[1]) * HOP / self.rate
        hertz_of = np.arange(BINS) * self.rate / WINDOW
        return ("frequency", "time"), {"frequency": hertz_of, "time": times}, values

    def _samples(self, values: Float[np.ndarray, " samples"]) -> View:
        return ("sample",), {"sample": np.arange(len(values)) / self.rate}, values

    def infill(
        self, prepared: Prepared, edits: Sequence[Sequence[int]], operator: str, segmentation: Segmentation
    ) -> Tensor:
        """Replace the cells of each edit; returns float32 (edits, samples).

        The difference is subtracted from the waveform, so an empty edit changes nothing, and no edit changes a sample
        farther than a window (32 ms at 16 kHz) from its cells.

        Raises:
            InputError: an unknown operator or unit.
        """
        check_operator(self.name, operator, self.operators)
        wave = prepared.tensor[0]
        chosen = membership(self.name, edits, segmentation, (BINS, windows(len(wave)))).to(wave.device)
        labels = torch.from_numpy(segmentation.labels).to(wave.device)
        spectrum = forward(wave)
        local = operator in ("interpolate", "swap")
        loss = spectrum if operator == "silence" else spectrum * (1 - _floor_gain(spectrum))
        out = wave.expand(len(edits), -1).clone()
        for first in range(0, len(edits), CHUNK):
            rows = slice(first, first + CHUNK)
            mask = smooth(chosen[rows][:, labels].float())
            if local:
                loss = torch.stack([spectrum - _fill(operator, wave, spectrum, edited) for edited in mask > 0])
            out[rows] -= inverse(mask * loss, len(wave))
        return out

    def energy(self, prepared: Prepared, edited: Tensor) -> Float[Tensor, " edits"]:
        """Return the L2 norm of each change over the norm of the recording; 0 for a recording of silence."""
        wave = prepared.tensor.double()
        change = (edited.to(wave) - wave).norm(dim=1)
        whole = wave.norm()
        return (change / whole if whole > 0 else torch.zeros_like(change)).float()

    def show(self, units: Sequence[EvidenceUnit]) -> str:
        """Return where the cells lie: ``"0.5–1.25 s, 2.1–4.0 kHz"``; cells that touch are joined to rectangles."""
        by_band: dict[tuple[float, float], list[tuple[float, float]]] = {}
        for unit in units:
            if unit.band is None:
                raise InputError(f"audio: unit {unit.index} of {unit.modality!r} has no band; show its own units only")
            by_band.setdefault(unit.band, []).append(unit.time)
        by_time: dict[tuple[float, float], list[tuple[float, float]]] = {}
        for band, times in by_band.items():
            for time in spans(times):
                by_time.setdefault(time, []).append(band)
        shown = []
        for time in sorted(by_time):
            shown += [f"{seconds(*time)}, {hertz(*band)}" for band in spans(by_time[time])]
        more = len(shown) - _SHOWN
        if more <= 0:
            return "; ".join(shown)
        return "; ".join(shown[:_SHOWN]) + f" and {more} more {'areas' if more > 1 else 'area'}"


def _fill(
    operator: str, wave: Float[Tensor, " samples"], spectrum: Tensor, edited: Bool[Tensor, "bins windows"]
) -> Complex[Tensor, "bins windows"]:
    """Return what stands in one edit's hole; the draw of a swap is seeded by the recording and the edit."""
    if operator == "interpolate":
        return interpolate(spectrum, edited)
    return swap(spectrum, edited, draw(wave.cpu().numpy(), edited.cpu().numpy()))


def _floor_gain(spectrum: Tensor) -> Float[Tensor, "bins windows"]:
    """Return the gain, at most 1, that lowers each bin to the magnitude that ``FLOOR`` of its windows stay below."""
    size = spectrum.abs()
    rank = 1 + int(FLOOR * (size.shape[-1] - 1))
    floor = size.kthvalue(rank, dim=-1, keepdim=True).values
    return torch.where(size > floor, floor / size.clamp_min(torch.finfo(size.dtype).tiny), 1.0)
