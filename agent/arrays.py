"""The arrays that go with an explanation: what is drawn and recorded."""

from __future__ import annotations

import numpy as np
import torch

from ..modalities.saliency import SaliencyMap
from ..verifier.verify import Verification
from .assemble import Findings

__all__ = ["collect_arrays"]


def _pixels(tensor: np.ndarray) -> np.ndarray:
    return np.clip(np.moveaxis(tensor, -3, -1) * 255 + 0.5, 0, 255).astype(np.uint8)


def _decibels(waveform: np.ndarray, grid: SaliencyMap, rate: int) -> np.ndarray:
    """Short-time spectrum in dB of full scale (a sine that fills it is 0 dB), on the grid of a map, for the eye."""
    bins, windows = grid.values.shape
    size, times = 2 * (bins - 1), grid.coords["time"]
    hop = round(float(times[1] - times[0]) * rate) if windows > 1 else size
    window = torch.hann_window(size)
    spectrum = torch.stft(
        torch.from_numpy(waveform), size, hop, window=window, center=True, pad_mode="constant", return_complex=True
    )
    level = spectrum[:, :windows].abs() * 2 / window.sum()
    return 20 * np.log10(np.maximum(level.numpy(), 1e-6)).astype(np.float32)


def _indices(labels: np.ndarray) -> np.ndarray:
    """Unit indices in the smallest type that holds them, int16 or int32."""
    return labels.astype(np.int16 if labels.max(initial=0) <= np.iinfo(np.int16).max else np.int32)


def _edited_inputs(verification: Verification) -> dict[str, np.ndarray]:
    out: dict[str, np.ndarray] = {}
    for checked in verification.claims:
        sense = checked.claim.modality
        for effect in checked.effects:
            if effect.edited is not None and sense in ("vision", "audio"):
                edited = _pixels(effect.edited) if sense == "vision" else effect.edited.astype(np.float32)
                out[f"counterfactual.{checked.claim.name}.{effect.operator}.{sense}"] = edited
    return out


def collect_arrays(findings: Findings) -> dict[str, np.ndarray]:
    """Return the arrays that are drawn and recorded, by name; an absent sense has none."""
    out: dict[str, np.ndarray] = {}
    for m, p in findings.prepared.items():
        maps, labels = findings.fused.maps[m], findings.fused.segmentations[m].labels
        if m == "vision":
            out["vision.frames"] = _pixels(p.tensor[0].numpy(force=True))
            out["vision.saliency"], out["vision.units"] = maps["units"].values, _indices(labels)
        elif m == "audio":
            grid = maps["units"]
            out["audio.waveform"] = np.asarray(p.raw, np.float32)
            out["audio.spectrogram"] = _decibels(out["audio.waveform"], grid, p.detail["rate"])
            out["audio.saliency"], out["audio.units"] = grid.values, _indices(labels)
            out["audio.frequencies"] = np.asarray(grid.coords["frequency"], np.float32)
            out["audio.times"] = np.asarray(grid.coords["time"], np.float32)
            if "waveform" in maps:  # measured effects say nothing of single samples
                out["audio.waveform_saliency"] = maps["waveform"].values
        else:
            out[f"{m}.saliency"] = maps.get("words", maps["units"]).values
    return out | _edited_inputs(findings.verification)
