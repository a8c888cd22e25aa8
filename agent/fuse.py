"""What fusion adds to an explanation: one clock, shares of the senses, what they do together, attention, depth.

Each part says what it found, or why it is missing; none can keep the explanation from being given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float

from ..concepts.naming import Namer
from ..errors import ContractError, InputError
from ..fusion.arrival import arrivals
from ..fusion.attention import attended
from ..fusion.coalitions import Coalitions, measure_coalitions
from ..fusion.condition import conditions
from ..fusion.conse import load_conse
from ..fusion.depth import depths
from ..fusion.frame import FusedFrame, contributions
from ..fusion.interactions import Foretold, foretell
from ..fusion.matches import ground, match
from ..fusion.measure import Laboratory
from ..fusion.senses import sense_shares
from ..fusion.timeline import timeline
from ..modalities.target import Target
from ..modalities.wording import listed, nats
from ..verifier.adjudicate import Adjudication, adjudicate
from ..verifier.ladder import Climb
from ..verifier.pairs import PairSearch, PairSettings, PairTest, find_pairs
from ..verifier.verify import Verification, operators_of

__all__ = ["Fused", "FusionSettings", "fuse_further"]

Plain = dict[str, Any]
Values = Mapping[str, Float[np.ndarray, " units"]]


@dataclass(frozen=True)
class FusionSettings:
    """What is looked into beside the account and its test.

    Attributes:
        pairs: how pairs of evidence are looked for and tested; None looks at none.
        attention: how attention and gradient are held against each other; None asks neither.
        depths: layers whose saliency is told; below 2 none.
        matches: whether evidence of different senses is compared in meaning.
    """

    pairs: PairSettings | None = field(default_factory=PairSettings)
    attention: Adjudication | None = field(default_factory=lambda: Adjudication(controls=9))
    depths: int = 6
    matches: bool = True


@dataclass(frozen=True)
class Fused:
    """What was found: plain JSON values, and arrays by name."""

    told: Plain
    arrays: Mapping[str, np.ndarray]


def fuse_further(
    laboratory: Laboratory,
    fused: FusedFrame,
    climbed: Climb,
    namer: Namer | None = None,
    settings: FusionSettings | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> Fused:
    """Look into what the senses do, alone and together; ``docs/record.md`` says what each value means.

    Args:
        laboratory: the system before the observation, what was measured so far included.
        fused: the account's frame.
        climbed: how the account was come to.
        namer: without one, nothing is compared in meaning either.
        settings: what is looked into.
        progress: called with the share that is done.
    """
    settings = settings or FusionSettings()
    work = _Work(laboratory, fused, climbed, settings)
    parts: tuple[tuple[str, bool, Callable[[], Any]], ...] = (
        ("clock", True, work.clock),
        ("shares", True, work.shares),
        ("interactions", settings.pairs is not None, work.interactions),
        ("attention", settings.attention is not None, work.attention),
        ("depths", settings.depths > 1, work.depths),
        ("arrivals", True, work.arrivals),
        ("matches", settings.matches and namer is not None, work.matches),
    )
    told: Plain = {}
    for k, (name, wanted, part) in enumerate(parts):
        progress(k / len(parts))
        if not wanted:
            work.missing[name] = "it was not asked for"
            continue
        try:
            told |= part()
        except (ContractError, InputError) as error:
            work.missing[name] = str(error)
    progress(1.0)
    return Fused({**told, "missing": work.missing}, work.arrays)


class _Work:
    """The parts under way."""

    def __init__(self, laboratory: Laboratory, fused: FusedFrame, climbed: Climb, settings: FusionSettings) -> None:
        self.laboratory, self.fused, self.climbed, self.settings = laboratory, fused, climbed, settings
        self.system, self.prepared = laboratory.system, laboratory.prepared
        self.missing: dict[str, str] = {}
        self.arrays: dict[str, np.ndarray] = {}
        self.coalitions: Coalitions | None = None

    @property
    def verification(self) -> Verification:
        """That of the account which stands."""
        return self.climbed.final.verification

    def clock(self) -> Plain:
        """All senses on one clock."""
        found = timeline(self.system, self.prepared, self.laboratory.segmentations, self.fused.values)
        return {"clock": found.to_dict()}

    def shares(self) -> Plain:
        """Every sense's share with its interval, and what only coalitions do."""
        self.coalitions = found = measure_coalitions(self.system, self.prepared, self.laboratory.action)
        path = self.climbed.final.proposal.path
        additive = self.climbed.final.proposal.rung != "measured"
        # Measured effects of single groups don't add up; the path beneath them does.
        sums = self.fused.shares if additive else {m: float(v.sum()) for m, v in self._gradients().items()}
        error = path.map_change or 0.0
        shares = sense_shares(sums, found, conditions(self.system, self.prepared), error)
        dividends = sorted(found.dividends().items(), key=lambda item: len(item[0]))
        whole = frozenset(found.senses)
        return {
            "shares": [share.to_dict() for share in shares],
            "together": [{"senses": [m for m in found.senses if m in s], "value": v} for s, v in dividends],
            "matrix": {"senses": list(found.senses), "values": found.matrix().tolist()},
            "difference": found.difference,
            "score": found.scores[whole],
            "baseline_score": found.scores[frozenset()],
        }

    def interactions(self) -> Plain:
        """Pairs of evidence that act together, where the senses do."""
        settings = self.settings.pairs or PairSettings()
        if self.coalitions is None:
            raise InputError("the scores of the senses' coalitions are missing")
        operators = operators_of(self.laboratory, 2)
        seed = self.verification.commitment.seed(f"{self.verification.salt}|pairs")
        rankings = [self._gradients(), self.fused.values]
        given = (self.laboratory, self.coalitions, rankings, operators, np.random.default_rng(seed), settings)
        search = find_pairs(*given)
        if not search.tests:
            self.missing["interactions"] = _no_pair(search)
            return {}
        tests = search.tests
        sides = [(t.interaction.a, t.interaction.b) for t in tests]
        told: list[Foretold] | list[None] = [None] * len(tests)
        try:
            told = list(foretell(self.laboratory, sides, operators[0]))
        except (ContractError, InputError) as error:
            self.missing["curvature"] = str(error)
        pairs = [self._pair(test, curved) for test, curved in zip(tests, told, strict=True)]
        controls = max((max(t.controls) for t in tests), default=0)
        return {"interactions": {"pairs": pairs, "tested": len(pairs), "controls": controls, "alpha": settings.alpha}}

    def _pair(self, test: PairTest, curved: Foretold | None) -> Plain:
        told = test.to_dict()
        for side in (told["a"], told["b"]):
            units = [self.laboratory.segmentations[side["sense"]].units[u] for u in side["units"]]
            side["where"] = self.system.modalities[side["sense"]].show(units)
            side["claim"] = self._claim(side["sense"], side["units"])
        foretold = {"predicted": curved.local, "path": curved.path} if curved else {"predicted": None, "path": None}
        return {**told, **foretold}

    def _claim(self, sense: str, units: list[int]) -> str | None:
        """The claim that holds most of the units, if any holds half of them."""
        for checked in self.verification.claims:
            claim = checked.claim
            if claim.modality == sense and 2 * len(set(claim.units) & set(units)) >= len(units):
                return claim.name
        return None

    def attention(self) -> Plain:
        """Where attention and gradient name other evidence, the intervention decides."""
        # Rows of attention are laid out on each signal's own seconds.
        own = {m: self.system.modalities[m].segment(p) for m, p in self.prepared.items()}
        seen, gradients = attended(self.system, self.prepared, own), self._gradients()
        operators, rulings = operators_of(self.laboratory, 2), []
        for m, values in seen.items():
            self.arrays[f"fusion.attention.{m}"] = values.astype(np.float32)
            try:
                given = (self.laboratory, {m: values}, {m: gradients[m]}, operators)
                ruling = adjudicate(*given, names=("attention", "gradient"), sense=m, settings=self.settings.attention)
            except InputError as error:
                self.missing[f"attention.{m}"] = str(error)
                continue
            rulings.append(ruling.to_dict())
        return {"attention": rulings}

    def depths(self) -> Plain:
        """Saliency at successive depths of what sees."""
        sense = "vision" if "vision" in self.prepared else next(iter(self.prepared))
        target = Target(self.laboratory.action)
        strip = depths(self.system, self.prepared, target, sense, self.settings.depths)
        for k, layer in enumerate(strip.layers):
            self.arrays[f"fusion.depth.{k}"] = layer.values.astype(np.float32)
        return {"depths": [layer.to_dict() for layer in strip.layers]}

    def arrivals(self) -> Plain:
        """The decision as evidence arrives, on the clock of all."""
        target = Target(self.laboratory.action)
        found = [step.to_dict() for step in arrivals(self.system, self.prepared, target)]
        clock = next((p.clock for p in self.prepared.values() if p.clock is not None), None)
        if clock is not None:
            for step in found:
                step["time"] = [float(t) for t in clock(np.array(step["time"]))]
        return {"arrivals": found}

    def matches(self) -> Plain:
        """Evidence of different senses that means the same."""
        groups: dict[str, list[tuple[int, ...]]] = {}
        for checked in self.verification.claims:
            groups.setdefault(checked.claim.modality, []).append(checked.claim.units)
        # Many pairs leave none that could be confirmed: the strongest claim of each sense.
        first = {m: some[:1] for m, some in groups.items() if m in ("vision", "audio", "text")}
        if len(first) < 2:
            self.missing["matches"] = "The account rests on one sense; there is nothing to compare in meaning."
            return {}
        segmentations = self.laboratory.segmentations
        grounded = ground(load_conse(), self.system.modalities, self.prepared, segmentations, first)
        found = []
        for one in match(grounded):
            a, b = one.a, one.b
            found.append({"a": str(a), "b": str(b), "score": one.score, "p": one.adjusted, "confirmed": one.confirmed})
        return {"matches": found}

    def _gradients(self) -> dict[str, Float[np.ndarray, " units"]]:
        """Contributions of the units along the path that the account rests on, or that told it where to look."""
        path = self.climbed.final.proposal.path
        return contributions(self.system, self.prepared, self.laboratory.segmentations, path.gradients)


def _no_pair(search: PairSearch) -> str:
    if not search.senses:
        return "There are no two senses with evidence to pair."
    both, size = listed(search.senses), nats(abs(search.index)).lstrip("+")
    if search.looked:
        return f"{both} act together by {size} nats, but evidence in both that matters by itself was not found."
    least = nats(search.wanted).lstrip("+")
    return (
        f"No two senses act together much: {both} most, by {size} nats; from {least} on pairs of evidence are tested."
    )


def _merged(values: Float[np.ndarray, " units"], units: list[list[int]]) -> Float[np.ndarray, " merged"]:
    """Sums of values over the units that each merged one holds."""
    return np.array([float(values[some].sum()) for some in units])
