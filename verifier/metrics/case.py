"""One decision, and attributions of it, as the metrics want them: what is scored, and one value for each element."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from scipy.special import expit
from torch import Tensor

from ...modalities.attribution import Attribution
from ...modalities.contract import Prepared, SplitSystem, System
from ...modalities.engines.blackbox.coalitions import Game, unit_players
from ...modalities.engines.chunk import Layout
from ...modalities.engines.task import Method, Task
from ...modalities.evidence import Segmentation
from ...modalities.observation import segment
from ...modalities.scorer import Scorer
from ...modalities.target import Target
from .fills import Fill, pixels
from .removal import Named, Remembered, Removal, Units

__all__ = ["Case", "Explained", "UndefinedError"]


class UndefinedError(Exception):
    """Why a metric means nothing here; `suite.Metric` catches it and tells it as the reason."""


class Case:
    """One decision of a system, whose explanations are to be measured.

    Args:
        system: the system.
        prepared: its prepared signals.
        seed: of whatever the metrics draw.
        chunk: edited inputs scored at once.

    Attributes:
        action: index of the action decided on, which all figures are about.
        score: its decision score, nats (a lone score as it is).

    Raises:
        ContractError: the system breaks the contract.
    """

    def __init__(self, system: System, prepared: Mapping[str, Prepared], seed: int = 0, chunk: int = 16) -> None:
        self.system, self.prepared, self.seed, self.chunk = system, dict(prepared), seed, chunk
        inputs = {m: p.tensor for m, p in self.prepared.items()}
        scores = Scorer(system, Target(0, kind="logit"), "for one observation")
        with torch.no_grad():
            self.action = int(scores.logits(inputs)[0].argmax())
        self.target = Target(self.action, kind="log-odds" if self._many else "logit")
        self.scorer = Scorer(system, self.target, "for an edited observation")
        self.score = float(self.scorer.value(inputs)[0])

    @property
    def _many(self) -> bool:
        return len(self.system.actions) > 1

    @property
    def _asked(self) -> str:
        return "probability of the action decided on" if self._many else "score"

    @cached_property
    def segmentations(self) -> dict[str, Segmentation]:
        """Evidence units by sense."""
        return segment(self.system, self.prepared)

    @cached_property
    def effects(self) -> Removal:
        """Evidence units of all senses, scored by the decision score in nats, through each sense's first operator."""
        players = unit_players(self.segmentations)
        game = Game(Task(self.scorer, self.prepared, self.seed), players, None, self.chunk)
        used = ", ".join(f"{m} ({game.operators[m]})" for m in self.prepared)
        told = "decision score in nats" if self._many else "score"
        return Remembered(Units(game, len(players), f"{told}; evidence units of {used}"))

    @cached_property
    def chances(self) -> Removal:
        """The same, scored by the probability of the action decided on."""
        known = self.effects
        name = known.name.replace("decision score in nats", self._asked, 1)
        return Units(lambda there: known(~there), known.shape[0], name, expit if self._many else np.asarray)

    @cached_property
    def seeing(self) -> Named:
        """The probability of the action decided on, as a score of the picture alone; other senses stay as they are."""
        rest = {m: p.tensor for m, p in self.prepared.items() if m != "vision"}
        scorer, system = self.scorer, self.system
        if not isinstance(system, SplitSystem):

            def whole(x: Tensor) -> Tensor:
                return scorer.value({"vision": x, **{m: t.expand(len(x), *t.shape[1:]) for m, t in rest.items()}})

            return Named(self._told(whole), self._asked)
        with torch.no_grad(), scorer.held() as state:
            try:
                features = {m: system.encode(m, t) for m, t in rest.items()}
            finally:
                state.settle()

        def split(x: Tensor) -> Tensor:
            with scorer.held() as state:
                try:
                    return scorer.target(system.decide({"vision": system.encode("vision", x), **features}))
                finally:
                    state.settle()

        return Named(self._told(split), self._asked)

    def _told(self, score: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        laid = Layout(channels_last=True)  # nearly twice as fast on a CPU, where convolutions look at it

        def told(x: Tensor) -> Tensor:
            found = score(laid.arrange({"vision": x})["vision"])
            # Of log-odds against the rest the probability is the logistic function; in float64: 1 - 1e-9 is not 1.
            return found.double().sigmoid() if self._many else found

        return told

    def picture(self, fill: Fill) -> Removal:
        """Pixels of the observation's frames, replaced by a fill, scored by `seeing`."""
        if fill not in self._pictures:
            self._pictures[fill] = Remembered(pixels(self.seeing, self.prepared["vision"].tensor, fill, self.chunk))
        return self._pictures[fill]

    @cached_property
    def _pictures(self) -> dict[Fill, Removal]:
        return {}


@dataclass(frozen=True)
class Explained:
    """One attribution of a case by a method."""

    case: Case
    method: Method
    attribution: Attribution

    def on_labels(self, sense: str) -> Float[np.ndarray, "..."]:
        """Return the map that has the shape of a sense's labels: one value for each element."""
        shape = self.case.segmentations[sense].labels.shape
        views = self.attribution.maps.get(sense, {})
        for view in filter(None, (views.get("units"), *views.values())):
            if view.values.shape == shape:
                return view.values.astype(np.float64)
        told = f"only {', '.join(views)}, which lies on no evidence unit" if views else "no map of it"
        raise UndefinedError(f"{sense}: the method gives {told}")

    def unit_values(self) -> Float[np.ndarray, " units"]:
        """Return one value for each evidence unit, sense by sense."""
        segmentations = self.case.segmentations
        parts = [s.total(self.on_labels(m)) for m, s in segmentations.items() if len(s)]
        return np.concatenate([np.zeros(0), *parts])

    def pixel_values(self) -> Float[np.ndarray, "frames height width"]:
        """Return one value for each pixel."""
        if "vision" not in self.case.prepared:
            raise UndefinedError("the observation has no picture")
        return self.on_labels("vision")
