"""What the arrays of a record are called, and what each is: its dimensions, its unit, its coordinates."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import RecordError

__all__ = ["describe"]

_VIDEO = ["frame", "y", "x", "channel"]
_SPECTRUM = ["frequency", "time"]
_COORDS = {"frequency": "audio.frequencies", "time": "audio.times"}
_KNOWN: dict[str, tuple[list[str], str, dict[str, str]]] = {
    "vision.frames": (_VIDEO, "sRGB code value", {}),
    "vision.saliency": (_VIDEO[:3], "nat", {}),
    "vision.units": (_VIDEO[:3], "unit index", {}),
    "audio.waveform": (["sample"], "full scale", {}),
    "audio.waveform_saliency": (["sample"], "nat", {}),
    "audio.spectrogram": (_SPECTRUM, "dB", _COORDS),
    "audio.saliency": (_SPECTRUM, "nat", _COORDS),
    "audio.units": (_SPECTRUM, "unit index", _COORDS),
    "audio.frequencies": (["frequency"], "Hz", {}),
    "audio.times": (["time"], "s", {}),
    "text.saliency": (["word"], "nat", {}),
    "fusion.speech.seconds": (["edge"], "s", {}),
    "fusion.speech.nats": (["cell"], "nat", {}),
}


def describe(name: str, array: np.ndarray, digest: str | None = None) -> dict[str, Any]:
    """Return what an array is; dims and unit of an array that is not in the specification are not guessed.

    Args:
        name: of the array.
        array: the array itself.
        digest: hexadecimal SHA-256 of its file, for an entry of version 1; None leaves the file out.

    Returns:
        ``dims``, ``dtype``, ``shape``, ``unit`` and, where they are known, ``coords``.

    Raises:
        RecordError: a known name with another number of dimensions.
    """
    dims, unit, coords = [f"axis_{i}" for i in range(array.ndim)], None, {}
    if name in _KNOWN:
        dims, unit, coords = _KNOWN[name]
    elif name.startswith("fusion.attention."):
        dims, unit = ["unit"], "share of attention"
    elif name.startswith("fusion.depth.") and array.ndim == 3:
        dims, unit = ["frame", "y", "x"], "nat"
    elif name.startswith("concept.") and name.endswith(".prototypes") and array.ndim == 4:
        dims, unit = ["prototype", "y", "x", "channel"], "sRGB code value"
    elif name.startswith("concept.") and name.endswith(".prototypes"):
        dims, unit = ["prototype", "sample"], "full scale"
    elif name.startswith("counterfactual.") and name.endswith(".vision"):
        dims, unit, coords = _KNOWN["vision.frames"]
    elif name.startswith("counterfactual.") and name.endswith(".audio"):
        dims, unit, coords = _KNOWN["audio.waveform"]
    if len(dims) != array.ndim:
        raise RecordError(f"array {name!r} has shape {array.shape}, but its dimensions are {', '.join(dims)}")
    file = {} if digest is None else {"file": f"arrays/{digest}.safetensors", "digest": f"sha256:{digest}"}
    entry = file | {"dims": dims, "dtype": array.dtype.name, "shape": list(array.shape), "unit": unit}
    return entry | ({"coords": coords} if coords else {})
