"""The log-mel spectrogram as a sense of its own: gradients are taken with respect to what a recogniser reads.

The waveform's way into Whisper is not part of what is explained then; time and frequency are, directly.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from transformers.audio_utils import hertz_to_mel, mel_to_hertz

from ..errors import InputError
from .audio import Audio
from .contract import Prepared
from .edits import check_operator, membership
from .encoders.whisper import BANDS, FRAMES, HOP, SAMPLE_RATE, first_window, log_mel
from .evidence import EvidenceUnit, Segmentation

__all__ = ["Spectrogram"]

View = tuple[tuple[str, ...], dict[str, np.ndarray], np.ndarray]

FLOOR = 0.2
"""Share of frames that are quieter than what counts as a recording's background, as in `veridical.Audio`."""

_STEP = HOP / SAMPLE_RATE
_REACH = 200  # samples to each side of a frame's centre that the frame reads
_RANGE, _LEAST = 2.0, -1.5  # a row spans 2 at most (80 dB), and digital silence is -1.5; see `log_mel`


class Spectrogram:
    """Whisper's log-mel spectrogram of up to 30 s: 80 bands of 10 ms, cut into time-frequency cells.

    The prepared tensor ends with one frame of silence beyond the recording, which belongs to no unit and stands for
    all that follows up to 30 s (`Whisper.encode` repeats the last frame). The baseline is silence *beside this
    recording*: Whisper's front end keeps 80 dB below the loudest element, and what is quieter, such as that last
    frame, is raised to there. The path is straight, since the values are levels already. Infill operators:
    ``silence`` (the cells take the baseline's value) and ``floor`` (they are lowered to the recording's own
    background: in each band the level that a fifth of all frames stay below; nothing is raised).

    Args:
        cell: seconds and number of bands of the cells; bands are equally spaced on the mel scale.
        name: name of the sense.

    Raises:
        InputError: an option out of range.

    Example:
        >>> sense = Spectrogram()
        >>> sense.prepare(np.zeros(16000, np.float32)).tensor.shape
        torch.Size([1, 80, 103])
    """

    operators: tuple[str, ...] = ("silence", "floor")

    def __init__(self, cell: tuple[float, int] = (0.25, 8), name: str = "spectrogram") -> None:
        length, bands = cell
        if not (math.isfinite(length) and length >= 4 * _STEP):
            raise InputError(f"{name}: cells of {length} s; give at least {4 * _STEP:.3g} s (four frames)")
        if not 1 <= bands <= BANDS:
            raise InputError(f"{name}: {bands} bands; give 1 to {BANDS}")
        if not name or name in ("vision", "audio", "text"):
            raise InputError(f"spectrogram: name {name!r}; give a name, and one that no other kind of sense has")
        self.name, self.cell = name, (float(length), bands)
        self._sound = Audio(SAMPLE_RATE)
        self._band_of = np.arange(BANDS) * bands // BANDS
        self.centres, self._edges = _centres_and_edges()

    def prepare(self, signal: Any) -> Prepared:
        """Turn a recording into a spectrogram.

        Args:
            signal: as `veridical.Audio` takes it; what is longer than 30 s is cut, and a note says so.

        Returns:
            ``tensor`` float32 (1, 80, frames), with one frame of silence at the end where there is room; ``raw`` the
            samples at 16 kHz; ``detail`` holds ``rate``, ``frames`` (that the recording reaches into) and ``floor``
            (the value of silence).

        Raises:
            InputError: the recording cannot be read, is empty, or holds values that are not finite.
        """
        heard = self._sound.prepare(signal)
        wave, notes = first_window(heard.raw)
        whole = log_mel(torch.from_numpy(wave.copy())[None])
        floor = max(float(whole.max()) - _RANGE, _LEAST)
        used = min(FRAMES, math.ceil((len(wave) + _REACH) / HOP))
        tensor = whole[:, :, : min(used + 1, FRAMES)].clone()
        tensor[:, :, used:] = floor  # which it is but for rounding
        baseline = torch.full_like(tensor, floor)
        detail = {"rate": SAMPLE_RATE, "frames": used, "floor": floor}
        return Prepared(self.name, tensor, baseline, wave, len(wave) / SAMPLE_RATE, (*heard.notes, *notes), detail)

    def segment(self, prepared: Prepared) -> Segmentation:
        """Cut the recording into cells of equal duration and equal width in mel; the last frame of silence is left out.

        Labels have shape (80 bands, frames); cell ``t * bands + b`` is band b of time bin t. Cells that share an edge
        are neighbours.
        """
        bands, duration = self.cell[1], prepared.duration
        frames, used = prepared.tensor.shape[-1], prepared.detail["frames"]
        columns = max(1, round(duration / self.cell[0]))
        width = duration / columns
        column_of = np.minimum((np.arange(used) * _STEP / width).astype(np.int64), columns - 1)
        labels = np.full((BANDS, frames), -1, np.int64)
        labels[:, :used] = column_of[None, :] * bands + self._band_of[:, None]
        limits = self._edges[np.searchsorted(self._band_of, np.arange(bands + 1))]
        units, neighbours = [], []
        for index in range(columns * bands):
            t, b = divmod(index, bands)
            band = (float(limits[b]), float(limits[b + 1]))
            units.append(EvidenceUnit(self.name, index, (t * width, (t + 1) * width), band=band))
            near = ((t - 1, b), (t, b - 1), (t, b + 1), (t + 1, b))
            neighbours.append(tuple(i * bands + j for i, j in near if 0 <= i < columns and 0 <= j < bands))
        return Segmentation(labels, tuple(units), tuple(neighbours))

    def schedule(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``(u, 1)``: the straight path."""
        return u, torch.ones_like(u)

    def attribute(self, prepared: Prepared, gradient: Tensor) -> Mapping[str, View]:
        """Return contributions ``gradient * (tensor - baseline)``, dims (mel, frame) in hertz and seconds.

        Args:
            prepared: the signal.
            gradient: shape of ``prepared.tensor``, nats per unit of it (40 dB).
        """
        change = (prepared.tensor - prepared.baseline).double()
        return {"units": self._view(gradient.detach().to(change) * change)}

    def sensitivity(self, prepared: Prepared, gradient: Tensor, squared: bool = False) -> Mapping[str, View]:
        """Return the size of the gradient of each element, or its variance where ``squared``; view ``units``."""
        each = gradient.detach().double()
        return {"units": self._view(each if squared else each.abs())}

    def _view(self, values: Tensor) -> View:
        coords = {"mel": self.centres.copy(), "frame": np.arange(values.shape[-1]) * _STEP}
        return ("mel", "frame"), coords, values[0].cpu().numpy()

    def infill(
        self, prepared: Prepared, edits: Sequence[Sequence[int]], operator: str, segmentation: Segmentation
    ) -> Tensor:
        """Replace the cells of each edit; returns (edits, 80, frames). All other elements stay bit for bit.

        Raises:
            InputError: an unknown operator or unit.
        """
        check_operator(self.name, operator, self.operators)
        x = prepared.tensor[0]
        chosen = membership(self.name, edits, segmentation, tuple(x.shape)).to(x.device)
        fill = prepared.baseline[0]
        if operator == "floor":
            recorded = x[:, : prepared.detail["frames"]]
            rank = 1 + int(FLOOR * (recorded.shape[-1] - 1))
            fill = torch.minimum(x, recorded.kthvalue(rank, dim=-1, keepdim=True).values)
        return torch.where(chosen[:, torch.from_numpy(segmentation.labels).to(x.device)], fill, x)

    def energy(self, prepared: Prepared, edited: Tensor) -> Float[Tensor, " edits"]:
        """Return the L2 norm of each change over that of taking everything to silence; 0 for silence itself."""
        x = prepared.tensor.double()
        whole = (x - prepared.baseline).norm()
        change = (edited.to(x) - x).flatten(1).norm(dim=1)
        return (change / whole if whole > 0 else torch.zeros_like(change)).float()

    def show(self, units: Sequence[EvidenceUnit]) -> str:
        """Return where the cells lie: ``"0.5–1.25 s, 2.1–4.0 kHz"``; cells that touch are joined to rectangles."""
        return self._sound.show(units)


def _centres_and_edges() -> tuple[Float[np.ndarray, " 80"], Float[np.ndarray, " 81"]]:
    """Return each band's peak in hertz, and what parts neighbours: halfway in mel (Slaney's), from 0 to 8000 Hz."""
    top = float(hertz_to_mel(SAMPLE_RATE / 2, mel_scale="slaney"))
    step = top / (BANDS + 1)
    centres = np.asarray(mel_to_hertz(step * np.arange(1, BANDS + 1), mel_scale="slaney"))
    edges = np.asarray(mel_to_hertz(step * (np.arange(BANDS + 1) + 0.5), mel_scale="slaney"))
    edges[0], edges[-1] = 0.0, SAMPLE_RATE / 2
    return centres, edges
