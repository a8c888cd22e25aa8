"""The parts of what fusion adds to an explanation, each as plain values; one that cannot be had raises."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float

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
from ..fusion.speech import Spoken, carry_back
from ..fusion.spoken_effects import compare, spoken_effects
from ..fusion.tail import Head
from ..fusion.through_time import through_time
from ..fusion.timeline import timeline
from ..modalities.audio import Audio
from ..modalities.target import Target
from ..modalities.timed import place
from ..modalities.unrolled import RecurrentSystem
from ..modalities.wording import listed, nats
from ..verifier.adjudicate import adjudicate
from ..verifier.ladder import Climb
from ..verifier.pairs import PairSearch, PairSettings, PairTest, find_pairs
from ..verifier.verify import Verification, operators_of
from .fuse_settings import FusionSettings

__all__ = ["Parts"]

Plain = dict[str, Any]

_ALONG = (
    "The lanes show contributions along the joint path, which sum to the score's difference from the baseline; they "
    "are not measured, and not the account that was tested."
)


class Parts:
    """The parts under way; what one of them finds the next may use."""

    def __init__(
        self,
        laboratory: Laboratory,
        fused: FusedFrame,
        climbed: Climb,
        settings: FusionSettings,
        spoken: Spoken | None,
    ) -> None:
        self.laboratory, self.fused, self.climbed, self.settings = laboratory, fused, climbed, settings
        self.spoken = spoken
        self.system, self.prepared = laboratory.system, laboratory.prepared
        self.missing: dict[str, str] = {}
        self.arrays: dict[str, np.ndarray] = {}
        self.coalitions: Coalitions | None = None

    @property
    def verification(self) -> Verification:
        """That of the account which stands."""
        return self.climbed.final.verification

    @property
    def additive(self) -> bool:
        """Whether the account is the path itself, and not effects that were measured one by one."""
        return self.climbed.final.proposal.rung != "measured"

    def clock(self) -> Plain:
        """All senses on one clock."""
        given = (self.system, self.prepared, self.laboratory.segmentations, self.gradients)
        notes = [] if self.additive else [_ALONG]
        spans = None if self.spoken is None else {"text": [(t.start, t.end) for t in self.spoken.times]}
        try:
            found = timeline(*given, spans=spans)
        except InputError as error:
            if spans is None:
                raise
            found, notes = timeline(*given), [*notes, f"Spoken words are not laid out on the clock: {error}"]
        told = found.to_dict()
        return {"clock": {**told, "notes": [*told["notes"], *notes]}}

    def speech(self) -> Plain:
        """What the decision owes to each spoken word, on the sound that said it, against the sound cut out."""
        if self.spoken is None:
            raise InputError("The instruction was not spoken.")
        units = self.laboratory.segmentations["text"].units
        carried = carry_back(self.spoken, units, self.gradients["text"])
        observation = {m: p.raw for m, p in self.prepared.items() if m != "text"}
        if "audio" in observation:
            observation["audio"] = (observation["audio"], self.prepared["audio"].detail["rate"])
        effects = spoken_effects(
            self.system, observation, self.spoken, target=Target(self.laboratory.action), seed=self.seed
        )
        both = compare(carried, effects)
        self.arrays["fusion.speech.seconds"] = carried.edges.astype(np.float32)
        self.arrays["fusion.speech.nats"] = carried.values.astype(np.float32)
        words = [
            {
                "text": word.text,
                "time": [word.time.start, word.time.end],
                "confidence": word.time.confidence,
                "value": word.value,
                "inside": word.inside,
                "even": word.even,
                "effect": effect.effect,
                "action": effect.action,
                "heard": effect.text,
                "lost": effect.lost,
            }
            for word, effect in zip(carried.words, effects.effects, strict=True)
        ]
        told = {"transcript": self.spoken.text, "words": words, "agreement": both.agreement, "rank": both.rank}
        return {"speech": {**told, "operator": effects.operator, "told": both.sentence, "notes": list(carried.notes)}}

    @property
    def seed(self) -> int:
        """Chosen by neither the system nor the explainer."""
        return self.verification.commitment.seed(f"{self.verification.salt}|fusion")

    def shares(self) -> Plain:
        """Every sense's share with its interval, and what only coalitions do."""
        self.coalitions = found = measure_coalitions(self.system, self.prepared, self.laboratory.action)
        path = self.climbed.final.proposal.path
        # Measured effects of single groups don't add up; the path beneath them does.
        sums = self.fused.shares if self.additive else {m: float(v.sum()) for m, v in self.gradients.items()}
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
        rankings = [self.gradients, self.fused.values]
        given = (self.laboratory, self.coalitions, rankings, operators, np.random.default_rng(self.seed), settings)
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
        names = {"predicted": "local", "path": "path", "path_error": "error"}
        foretold = {name: getattr(curved, own) if curved else None for name, own in names.items()}
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
        seen, gradients = attended(self.system, self.prepared, own), self.gradients
        operators, rulings = operators_of(self.laboratory, 2), []
        for m, values in seen.items():
            self.arrays[f"fusion.attention.{m}"] = values.astype(np.float32)
            laboratory, merged = self._in_time(m)
            first, second = ({m: _merged(v, merged)} for v in (values, gradients[m]))
            settings, names = self.settings.attention, ("attention", "gradient")
            try:
                ruling = adjudicate(laboratory, first, second, operators, names=names, sense=m, settings=settings)
            except InputError as error:
                self.missing[f"attention.{m}"] = str(error)
                continue
            told = ruling.to_dict()
            for name in names:
                for key in ("units", "top"):
                    told[name][key] = [u for column in told[name][key] for u in merged[column]]
            rulings.append(told)
        return {"attention": rulings}

    def _in_time(self, m: str) -> tuple[Laboratory, list[list[int]]]:
        """A laboratory whose units of a sense attention can tell apart, and the units that each of them holds.

        What is heard is attended to in time: the bands of a moment have all the same attention.
        """
        own, sense = self.laboratory.segmentations[m], self.system.modalities[m]
        if not isinstance(sense, Audio):
            return self.laboratory, [[u] for u in range(len(own))]
        coarse = place(Audio(sense.rate, (sense.cell[0], 1)).segment(self.prepared[m]), self.prepared[m])
        bands = len(own) // max(len(coarse), 1)
        segmentations = {**self.laboratory.segmentations, m: coarse}
        given = (self.system, self.prepared, segmentations, self.laboratory.action)
        merged = [list(range(t * bands, (t + 1) * bands)) for t in range(len(coarse))]
        return Laboratory(*given, score=self.laboratory.score), merged

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
        for step in found:
            step["time"] = self._when(step["time"])
        return {"arrivals": found}

    def _when(self, time: Sequence[float]) -> list[float]:
        """Seconds of the observation's clock, where the signals have one: that of the first sense that has."""
        clock = next((p.clock for p in self.prepared.values() if p.clock is not None), None)
        return list(time) if clock is None else [float(t) for t in clock(np.array(time))]

    def through_time(self) -> Plain:
        """What each step's evidence gave, carried back through the state, and what is missing from each step."""
        if not isinstance(self.system, RecurrentSystem):
            raise InputError("The system shows no state that it carries from step to step (it has no unroll).")
        head = Head(self.system)
        features = head.encode({m: p.tensor for m, p in self.prepared.items()})
        absent = head.encode({m: p.baseline for m, p in self.prepared.items()})
        found = through_time(self.system, features, absent, Target(self.laboratory.action))
        steps = [
            {
                "time": self._when(time),
                "by_sense": {m: float(v[k]) for m, v in found.by_time.items()},
                "relevance_in": flow.relevance_in,
                "to_state": flow.to_state,
                "to_inputs": flow.to_inputs,
                "gap": flow.gap,
            }
            for k, (time, flow) in enumerate(zip(found.times, found.conservation, strict=True))
        ]
        whole = {"difference": found.difference, "older": found.older, "gap": found.gap, "gradients": found.nodes}
        return {"through_time": {"steps": steps, **whole}}

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

    @cached_property
    def gradients(self) -> dict[str, Float[np.ndarray, " units"]]:
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
