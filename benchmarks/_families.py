"""Explanations that know nothing of the decision, for `benchmarks.verdicts`: the verifier must not support them.

Each is brought to nats as if it were complete: the sizes of its contributions sum to the score's difference between the
input and the baseline. That is more than such an explanation could know.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

from veridical.fusion.frame import contributions
from veridical.fusion.measure import Laboratory
from veridical.modalities.contract import System
from veridical.modalities.held import parts
from veridical.modalities.scorer import Scorer
from veridical.modalities.spectrum import forward
from veridical.modalities.target import Target
from veridical.verifier.places import places
from veridical.verifier.redrawn import Redrawn, find_layers

__all__ = ["FAMILIES", "Stranger", "families", "randomised"]

Values = dict[str, np.ndarray]

FAMILIES = (
    "random map",
    "random superpixels",
    "edge detector",
    "centre blob",
    "another input's map",
    "randomised network",
)


@dataclass
class Stranger:
    """The measured account of the input before: another input's map."""

    places: dict[str, np.ndarray] = field(default_factory=dict)
    values: Values = field(default_factory=dict)

    def keep(self, laboratory: Laboratory, values: Mapping[str, np.ndarray]) -> None:
        """Keep an account for the next input."""
        self.places = {m: places(s) for m, s in laboratory.segmentations.items()}
        self.values = {m: np.array(v) for m, v in values.items()}

    def on(self, laboratory: Laboratory) -> Values | None:
        """Return it on another input's units, each the value of the nearest; None before the first input."""
        if not self.values:
            return None
        found = {}
        for m, segmentation in laboratory.segmentations.items():
            here, there = places(segmentation), self.places.get(m)
            if there is None or not len(there) or not len(here):
                found[m] = np.zeros(len(segmentation))
                continue
            near = ((here[:, None] - there[None]) ** 2).sum(-1).argmin(1)
            found[m] = self.values[m][near]
        return found


def randomised(system: System, laboratory: Laboratory, seed: int = 0) -> System:
    """Return a copy of a system all of whose weights are drawn anew."""
    twin = copy.copy(system)
    for name, part in parts(system).items():
        setattr(twin, name, copy.deepcopy(part))
    layers = find_layers(twin, {m: p.tensor for m, p in laboratory.prepared.items()})
    Redrawn(layers).redraw(layers, seed)
    return twin


def _edges(laboratory: Laboratory) -> Values:
    """Sobel's gradient of grey pictures, magnitude of the spectrum, length of words."""
    found: Values = {}
    for m, segmentation in laboratory.segmentations.items():
        p = laboratory.prepared[m]
        if m == "vision":
            grey = p.tensor.reshape(-1, *p.tensor.shape[-3:]).mean(1).numpy()
            found[m] = segmentation.total(np.stack([np.hypot(ndimage.sobel(f, 0), ndimage.sobel(f, 1)) for f in grey]))
        elif m == "audio":
            found[m] = segmentation.total(forward(p.tensor[0]).abs().numpy())
        else:
            found[m] = np.array([float(len(u.text or "")) for u in segmentation.units])
    return found


def _centre(laboratory: Laboratory) -> Values:
    """A Gaussian in the middle of every frame and of the spectrum; words alike."""
    found: Values = {}
    for m, segmentation in laboratory.segmentations.items():
        at = places(segmentation)
        at = at[:, 1:] if m == "vision" else at
        found[m] = np.exp(-((at - 0.5) ** 2).sum(1) / 2 / 0.2**2) if m != "text" else np.ones(len(segmentation))
    return found


def _in_nats(values: Values, difference: float, each: bool = True) -> Values:
    """Bring a map to nats; ``each`` sense gets an equal share of its sizes first."""
    if each:
        values = {m: v / max(float(np.abs(v).sum()), 1e-12) for m, v in values.items()}
    total = sum(float(np.abs(v).sum()) for v in values.values())
    return {m: v * abs(difference) / max(total, 1e-12) for m, v in values.items()}


def families(
    laboratory: Laboratory, difference: float, stranger: Stranger, twin: System, rng: np.random.Generator
) -> dict[str, Values]:
    """Return the values of each family on one input; another input's map is missing on the first input.

    Args:
        laboratory: the system before the observation.
        difference: of the score between the input and the baseline, nats.
        stranger: the account of the input before.
        twin: the system with random weights.
        rng: of the random families.
    """
    sizes = {m: len(s) for m, s in laboratory.segmentations.items()}
    inputs = {m: p.tensor for m, p in laboratory.prepared.items()}
    slopes = Scorer(twin, Target(laboratory.action)).gradient(inputs).values
    random = {m: rng.standard_normal(n) for m, n in sizes.items()}
    some = {m: (rng.random(n) < 0.08).astype(float) for m, n in sizes.items()}
    drawn = contributions(twin, laboratory.prepared, laboratory.segmentations, slopes)
    drawn = {m: np.nan_to_num(v) for m, v in drawn.items()}
    found = {
        "random map": _in_nats(random, difference),
        "random superpixels": _in_nats(some, difference),
        "edge detector": _in_nats(_edges(laboratory), difference),
        "centre blob": _in_nats(_centre(laboratory), difference),
        "randomised network": _in_nats(drawn, difference, each=False),
    }
    other = stranger.on(laboratory)
    if other is not None:
        found["another input's map"] = other
    return found
