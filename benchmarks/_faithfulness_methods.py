"""The methods that `benchmarks.faithfulness` compares: ours at every rung, and Captum's, asked the same question.

Every method answers for the same score, from the same baseline where it has one, on the same evidence units. Values of
input elements are summed over each unit. Maps that are not contributions (SmoothGrad's and GuidedBackprop's, which are
gradients) are read in two ways: as they are published, the gradient's length at each element; and ``-times-change``,
the signed gradient times (input - baseline), which is in nats and can be compared between senses.

Occlusion, LIME and KernelSHAP play on evidence units, which are taken away by each sense's first infill operator, the
one that ours is measured under too: no peer has a worse notion of absence than ours. Captum's occlusion with units as
windows is its FeatureAblation.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from benchmarks._faithfulness_subjects import Question
from benchmarks._peers import _quiet, captum
from veridical.fusion.frame import contributions
from veridical.modalities.engines.blackbox.coalitions import Game, unit_players, unit_values
from veridical.modalities.engines.task import Task
from veridical.modalities.held import find_layer
from veridical.verifier.claims import Claim, propose
from veridical.verifier.ladder import METHODS as NAMES
from veridical.verifier.ladder import RUNGS, Proposal, climb, propose_at

__all__ = ["LONG", "METHODS", "OURS", "PEERS", "Explanation", "Method", "explain"]

STEPS = 50
"""Of integrated gradients: Captum's default."""

NOISE = (25, 0.15)
"""SmoothGrad's samples, and its noise as a share of the input's range (Smilkov et al., 2017, have 10 to 20 %)."""

SAMPLES = 500
"""Coalitions of LIME and KernelSHAP."""

AT_ONCE = 125
"""Coalitions that Captum asks for at once; they are scored in chunks."""

Values = Mapping[str, Float[np.ndarray, " units"]]


@dataclass(frozen=True)
class Explanation:
    """What a method said.

    Attributes:
        values: of each evidence unit, by sense.
        pixels: of each pixel, where the method has a map finer than units; else None.
        claims: of what it says the decision rests on, the strongest first.
        evaluations: inputs that were scored or differentiated for it.
        seconds: that it took; gathering values over units and claims is not counted.
    """

    values: Values
    pixels: Float[np.ndarray, "frames height width"] | None
    claims: tuple[Claim, ...]
    evaluations: int
    seconds: float = 0.0


@dataclass(frozen=True)
class _Raw:
    """What a run gave: gradients (or values of units) by sense or a map, claims where it makes its own."""

    evaluations: int
    found: Any
    claims: tuple[Claim, ...] | None = None


Read = Callable[[Question, Any], tuple[Values, np.ndarray | None]]


@dataclass(frozen=True)
class Method:
    """How a method is run, and how what it gave is read; the reading is not timed."""

    run: Callable[[Question], _Raw]
    read: Read


def explain(
    methods: Iterable[str], question: Question, ticked: Callable[[str], None] = lambda name: None
) -> dict[str, Explanation]:
    """Return what methods say of a decision, each run in its turn; what is read in two ways is run once.

    Args:
        methods: names of `METHODS`, in the order in which they run.
        question: the decision.
        ticked: called with the name of the method that is about to run.

    Raises:
        InputError: Captum is not installed.
    """
    runs: dict[Any, tuple[_Raw, float]] = {}
    found: dict[str, Explanation] = {}
    for name in methods:
        ticked(name)
        method = METHODS[name]
        if method.run not in runs:
            if method.run is _guided:
                _ = question.joint  # a copy of the system, which is no part of the method
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(question.seed)
                began = time.perf_counter()
                raw = method.run(question)
                runs[method.run] = raw, time.perf_counter() - began
        raw, seconds = runs[method.run]
        values, pixels = method.read(question, raw.found)
        claims = propose(question.segmentations, values) if raw.claims is None else raw.claims
        found[name] = Explanation(values, pixels, claims, raw.evaluations, seconds)
    return found


def _times_change(q: Question, gradients: Mapping[str, Tensor]) -> tuple[Values, np.ndarray | None]:
    """Read gradients as contributions: times (input - baseline), summed over each unit."""
    values = contributions(q.system, q.prepared, q.segmentations, gradients)
    return values, _seen(q, lambda sense, p: sense.attribute(p, gradients["vision"]))


def _lengths(q: Question, gradients: Mapping[str, Tensor]) -> tuple[Values, np.ndarray | None]:
    """Read gradients as they are: their length at each element, summed over each unit."""
    senses: Mapping[str, Any] = q.system.modalities
    values = {
        m: s.total(senses[m].sensitivity(q.prepared[m], gradients[m])["units"][2]) for m, s in q.segmentations.items()
    }
    return values, _seen(q, lambda sense, p: sense.sensitivity(p, gradients["vision"]))


def _seen(q: Question, views: Callable[[Any, Any], Mapping[str, Any]]) -> np.ndarray | None:
    if "vision" not in q.prepared:
        return None
    return np.asarray(views(q.system.modalities["vision"], q.prepared["vision"])["pixels"][2], np.float64)


def _by_unit(q: Question, values: Values) -> tuple[Values, np.ndarray | None]:
    return values, None


def _proposal(q: Question, proposal: Proposal) -> tuple[Values, np.ndarray | None]:
    if proposal.rung == "measured":
        return proposal.account.values, None
    return _times_change(q, proposal.path.gradients)


def _rung(name: str) -> Method:
    """One rung of the ladder by itself: proposed, and not verified."""

    def run(q: Question) -> _Raw:
        proposal = propose_at(name, q.laboratory(), [])
        return _Raw(proposal.gradients + proposal.passes, proposal, proposal.account.claims)

    return Method(run, _proposal)


def _ladder(q: Question) -> _Raw:
    """The account that stands after climbing; what it took includes verifying every account on the way."""

    def content(proposal: Proposal) -> dict[str, Any]:
        return {"method": NAMES[proposal.rung], "seed": q.seed}

    climbed = climb(q.laboratory(), content, lambda digest: f"benchmark {q.seed}")
    proposal = climbed.final.proposal
    return _Raw(climbed.passes, proposal, proposal.account.claims)


class _Forward:
    """The question as Captum takes it; it counts what it is asked."""

    def __init__(self, q: Question) -> None:
        self.senses, self.system, self.target, self.evaluations = tuple(q.prepared), q.system, q.target, 0

    def __call__(self, *tensors: Tensor) -> Tensor:
        self.evaluations += len(tensors[0])
        return self.target(self.system(dict(zip(self.senses, tensors, strict=True))))

    def by_sense(self, found: Any) -> dict[str, Tensor]:
        each = found if isinstance(found, tuple) else (found,)
        return {m: a.detach() for m, a in zip(self.senses, each, strict=True)}


def _integrated(q: Question) -> _Raw:
    forward = _Forward(q)
    given, base = tuple(q.inputs.values()), tuple(p.baseline for p in q.prepared.values())
    with _quiet():
        method = captum().IntegratedGradients(forward, multiply_by_inputs=False)
        found = method.attribute(given, base, n_steps=STEPS, internal_batch_size=4)
    return _Raw(forward.evaluations, forward.by_sense(found))


def _smooth(q: Question) -> _Raw:
    forward, given = _Forward(q), tuple(q.inputs.values())
    spread = tuple(NOISE[1] * float(x.max() - x.min()) for x in given)
    with _quiet():
        method = captum().NoiseTunnel(captum().Saliency(forward))
        options = {"nt_samples": NOISE[0], "nt_samples_batch_size": 5, "stdevs": spread, "abs": False}
        found = method.attribute(given, nt_type="smoothgrad", **options)
    return _Raw(forward.evaluations, forward.by_sense(found))


def _guided(q: Question) -> _Raw:
    forward = _Forward(q)
    with _quiet():
        method = captum().GuidedBackprop(q.joint)
        found = method.attribute(tuple(q.inputs.values()))
    return _Raw(1, forward.by_sense(found))


def _cam(q: Question) -> _Raw:
    forward = _Forward(q)
    with _quiet():
        method = captum().LayerGradCam(forward, find_layer(q.system, q.layer))
        found = method.attribute(tuple(q.inputs.values()), relu_attributions=True)
    return _Raw(forward.evaluations, found.detach())


def _of_frames(q: Question, found: Tensor) -> tuple[Values, np.ndarray | None]:
    """Bring Grad-CAM's maps to the size of the frames; it looks at the eyes alone, so all other senses are given 0."""
    labels = q.segmentations["vision"].labels
    wide = F.interpolate(found.double(), labels.shape[-2:], mode="bilinear", align_corners=False)[:, 0]
    pixels = wide.cpu().numpy()
    return {m: s.total(pixels) if m == "vision" else np.zeros(len(s)) for m, s in q.segmentations.items()}, pixels


def _game(name: str, **options: Any) -> Method:
    """One of Captum's methods that play with evidence units: a row of ones, of which 0 takes a unit away."""

    def run(q: Question) -> _Raw:
        players = unit_players(q.segmentations)
        game = Game(Task(q.scorer, q.prepared, q.seed), players)

        def worth(there: Tensor) -> Tensor:
            return torch.from_numpy(game(there.numpy() > 0.5)).float()

        with _quiet(), torch.no_grad():
            method = getattr(captum(), name)(worth)
            found = method.attribute(torch.ones(1, len(players)), perturbations_per_eval=AT_ONCE, **options)
        return _Raw(game.evaluations, unit_values(players, found[0].double().numpy(), q.segmentations))

    return Method(run, _by_unit)


OURS: dict[str, Method] = {**{f"ours-{rung}": _rung(rung) for rung in RUNGS}, "ours-ladder": Method(_ladder, _proposal)}
"""Every rung by itself, and the account that stands after climbing them."""

PEERS: dict[str, Method] = {
    "integrated-gradients": Method(_integrated, _times_change),
    "smoothgrad": Method(_smooth, _lengths),
    "smoothgrad-times-change": Method(_smooth, _times_change),
    "guided-backprop": Method(_guided, _lengths),
    "guided-backprop-times-change": Method(_guided, _times_change),
    "grad-cam": Method(_cam, _of_frames),
    "occlusion": _game("FeatureAblation"),
    "lime": _game("Lime", n_samples=SAMPLES),
    "kernel-shap": _game("KernelShap", n_samples=SAMPLES),
}
"""Captum's."""

METHODS: dict[str, Method] = {**OURS, **PEERS}
"""All, by name."""

LONG = ("lime", "kernel-shap")
"""What takes so many evaluations that it is asked on fewer of Courier's scenes."""
