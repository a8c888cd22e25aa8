"""The concept layer of one decision: which concepts are there, what makes them, and what each does to the decision.

Gradients propose: of many places those are measured first at which the gradient says that taking the concept out moves
the score. Interventions verify: what is told of an effect was measured on the tail (`effects`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from ..errors import ContractError
from ..fusion.measure import Laboratory
from ..fusion.tail import Head
from ..modalities.contract import SplitSystem
from ..verifier.account import CheckedClaim
from .bank import ConceptBank
from .effects import Removal, TailEffect, interval_of, joined, removal, residual_removal, tested
from .findings import ConceptSettings, Found, Group, LayerFindings, Pair
from .instances import Instance, find_instances
from .places import Place, locate
from .project import Projection, Projector
from .rows import grid_of
from .tail import Shift, Tail

__all__ = ["ConceptSettings", "Found", "Group", "LayerFindings", "Pair", "look"]


def look(
    laboratory: Laboratory,
    evidence: Sequence[CheckedClaim] | Mapping[str, tuple[str, Tensor]],
    banks: Mapping[str, ConceptBank],
    rng: np.random.Generator,
    least: float = 0.1,
    settings: ConceptSettings | None = None,
) -> LayerFindings:
    """Find a decision's concepts and measure what they do.

    Args:
        laboratory: the system before the observation; what the verifier encoded is used again.
        evidence: checked claims, whose evidence is joined to the concepts that it makes; or by name a sense and its
            features without that evidence.
        banks: by sense; senses without one have no concepts, and `LayerFindings.missing` says so.
        rng: draws the controls; of the commitment and the salt, so that nobody chose them.
        least: smallest effect that counts, nats.
        settings: how.

    Raises:
        ContractError: the system breaks the contract where concepts are taken out.
    """
    system = laboratory.system
    if not isinstance(system, SplitSystem):
        why = f"{type(system).__name__} cannot be split into encode and decide, so there are no features to look into."
        return LayerFindings(missing=dict.fromkeys(laboratory.prepared, why))
    return _Look(laboratory, system, banks, settings or ConceptSettings(), least).run(evidence, rng)


class _Look:
    """One look under way."""

    def __init__(
        self,
        laboratory: Laboratory,
        system: SplitSystem,
        banks: Mapping[str, ConceptBank],
        settings: ConceptSettings,
        least: float,
    ) -> None:
        self.laboratory, self.system, self.settings, self.least = laboratory, system, settings, least
        self.head = Head(system)
        features = {m: self._features(m) for m in laboratory.prepared}
        self.tail = Tail(system, features, laboratory.action, self._score(features))
        self.started = time.perf_counter()
        self.missing: dict[str, str] = {}
        self.projectors: dict[str, Projector] = {}
        self.projections: dict[str, Projection] = {}
        for m, x in features.items():
            if m not in banks:
                self.missing[m] = "There is no concept bank of this sense."
                continue
            try:
                projector = Projector(banks[m])
                self.projections[m] = projector(x, replicas=True)
                self.projectors[m] = projector
            except ContractError as error:
                self.missing[m] = str(error)
        self.grids = {m: grid_of(tuple(features[m].shape)) for m in self.projections}

    def _features(self, m: str) -> Tensor:
        kept = self.laboratory.features(m, (), "")
        return kept if kept is not None else self.head.encode({m: self.laboratory.prepared[m].tensor})[m]

    def _score(self, features: Mapping[str, Tensor]) -> float:
        if self.laboratory.score is None:
            self.laboratory.measure([{}], {})
        return float(self.laboratory.score or 0.0)

    def run(
        self, evidence: Sequence[CheckedClaim] | Mapping[str, tuple[str, Tensor]], rng: np.random.Generator
    ) -> LayerFindings:
        """Find, measure, test."""
        chosen = self._propose()
        carried = self._carried(self._edited(evidence), [found.instance for found in chosen])
        projected = time.perf_counter() - self.started
        started = time.perf_counter()
        by_id = {f.instance.id: f for f in chosen}
        groups = {
            c: tuple(i for i, share in shares.items() if share >= self.settings.carried)
            for c, shares in carried.items()
        }
        # The same concepts may be made by two claims; they are taken out together once.
        wanted = {members: c for c, members in reversed(groups.items()) if len(members) > 1}
        items = [self._removal([f.instance]) for f in chosen]
        items += [self._removal([by_id[i].instance for i in members]) for members in wanted]
        senses = [m for m in self.projections if len(self.projections[m].residual)]
        items += [residual_removal(self.projectors[m], self.projections[m]) for m in senses]
        outcome = self.tail.measure([item.shifts for item in items])
        told = [TailEffect(float(e), z) for e, z in zip(outcome.effect, outcome.logits, strict=True)]
        told = self._test(items, told, len(chosen), rng)
        chosen = [self._told(f, told[i]) for i, f in enumerate(chosen)]
        by_id = {f.instance.id: f for f in chosen}
        after = dict(zip(wanted, told[len(chosen) :], strict=False))
        residuals = dict(zip(senses, told[len(chosen) + len(wanted) :], strict=True))
        findings = LayerFindings(
            banks={m: p.bank for m, p in self.projectors.items()},
            found=tuple(self._by_state(chosen)),
            carried={
                c: {i: s for i, s in shares.items() if s >= self.settings.carried} for c, shares in carried.items()
            },
            groups=self._groups(groups, by_id, after),
            residuals=residuals,
            unexplained={m: p.unexplained for m, p in self.projections.items()},
            pairs=self._pairs(chosen),
            missing=self.missing,
            passes=self.tail.passes,
            seconds={"project": projected, "tail": time.perf_counter() - started},
        )
        self.laboratory.passes += self.tail.passes
        return findings

    def _removal(self, members: Sequence[Instance]) -> Removal:
        sense = members[0].sense
        return removal(self.projectors[sense], self.projections[sense], members)

    def _propose(self) -> list[Found]:
        """Return the places that the gradient ranks first, in each sense."""
        gradients = self.tail.gradients() if self.projections else {}
        chosen: list[Found] = []
        for m, projection in self.projections.items():
            projector = self.projectors[m]
            slope = gradients[m].cpu().float() @ (projector.directions @ projector.back).T
            every = []
            for each in find_instances(projector.bank, projection.strengths.numpy(), self.grids[m]):
                rows = list(each.rows)
                expected = -float((projection.strengths[rows, each.concept] * slope[rows, each.concept]).sum())
                every.append((each, expected))
            every.sort(key=lambda pair: (-abs(pair[1]), pair[0].id))
            for each, expected in every[: self.settings.most]:
                chosen.append(Found(each, self._place(each), expected=expected))
        return chosen

    def _place(self, instance: Instance) -> Place:
        lab, m = self.laboratory, instance.sense
        given = (lab.prepared[m], lab.segmentations[m], self.grids[m], instance.rows)
        return locate(self.system, self.system.modalities[m], *given)

    def _edited(
        self, evidence: Sequence[CheckedClaim] | Mapping[str, tuple[str, Tensor]]
    ) -> Mapping[str, tuple[str, Tensor]]:
        """Return for each claim what its sense's features are where its evidence is edited by the first operator."""
        if isinstance(evidence, Mapping):
            return evidence
        found = {}
        for claim in evidence:
            m, units = claim.claim.modality, claim.claim.units
            if m not in self.projections or not claim.effects:
                continue
            operator = claim.effects[0].operator
            features = self.laboratory.features(m, units, operator)
            if features is None:  # encoded too long ago to be kept
                features = self.head.encode({m: self.laboratory.edited(m, units, operator)[0][None]})[m]
            found[claim.claim.name] = (m, features)
        return found

    def _carried(
        self, edited: Mapping[str, tuple[str, Tensor]], instances: Sequence[Instance]
    ) -> dict[str, dict[str, float]]:
        """Return for each piece of evidence the share of each instance's strength that goes with it.

        Where editing changes the number of rows, it is the share of the whole concept's strength. (An operator that
        moves rows up and fills behind them is not noticed; no sense's first operator does that.)
        """
        self.after: dict[str, Projection] = {}
        shares: dict[str, dict[str, float]] = {}
        for name, (m, features) in edited.items():
            if m not in self.projectors:
                continue
            before, found = self.projections[m].strengths, self.projectors[m](features)
            aligned = found.strengths.shape == before.shape
            shares[name] = {}
            if aligned:
                self.after[name] = found
            for each in instances:
                if each.sense != m:
                    continue
                rows = list(each.rows) if aligned else slice(None)
                left, whole = float(found.strengths[rows, each.concept].sum()), before[rows, each.concept].sum()
                shares[name][each.id] = min(1.0, max(0.0, 1 - left / max(float(whole), 1e-9)))
        return shares

    def _test(
        self, items: Sequence[Removal], told: list[TailEffect], single: int, rng: np.random.Generator
    ) -> list[TailEffect]:
        """Test the largest effects of the first ``single`` items, and those of all others, against chance."""
        large = [i for i, effect in enumerate(told) if abs(effect.effect) >= self.least]
        places = sorted((i for i in large if i < single), key=lambda i: -abs(told[i].effect))
        chosen = places[: self.settings.tested] + [i for i in large if i >= single]
        given = ([items[i] for i in chosen], [told[i] for i in chosen], self.projectors, self.settings.controls)
        for i, effect in zip(chosen, tested(self.tail, *given, rng), strict=True):
            told[i] = effect
        return told

    @staticmethod
    def _told(found: Found, told: TailEffect) -> Found:
        return Found(found.instance, found.place, told, found.expected)

    def _by_state(self, chosen: Sequence[Found]) -> list[Found]:
        """Part the effects that count into what the last step does and what the memory does."""
        large = [i for i, f in enumerate(chosen) if f.told is not None and f.told.p is not None]
        parts = self.tail.by_state([self._removal([chosen[i].instance]).shifts for i in large])
        found = list(chosen)
        if parts is not None:
            for i, direct, through in zip(large, *parts, strict=True):
                f = found[i]
                found[i] = Found(f.instance, f.place, f.told, f.expected, float(direct), float(through))
        return found

    def _groups(
        self,
        groups: Mapping[str, tuple[str, ...]],
        by_id: Mapping[str, Found],
        after: Mapping[tuple[str, ...], TailEffect],
    ) -> tuple[Group, ...]:
        """Tell what the concepts of each piece of evidence do jointly, and by way of them the evidence itself."""
        made = [(c, members) for c, members in groups.items() if members]
        patches: list[tuple[Shift, ...]] = []
        for c, members in made:
            m = by_id[members[0]].instance.sense
            projector, before, then = self.projectors[m], self.projections[m], self.after.get(c)
            shifts: list[Shift] = []
            if then is None:
                patches.append(())
                continue
            for i in members:
                each = by_id[i].instance
                rows = list(each.rows)
                lost = then.strengths[rows, each.concept] - before.strengths[rows, each.concept]
                change = lost[:, None] * projector.directions[each.concept] @ projector.back
                shifts.append(Shift(m, each.rows, change))
            patches.append(tuple(shifts))
        through = self.tail.measure(patches).effect if patches else []
        found = []
        for (c, members), patched in zip(made, through, strict=True):
            first = by_id[members[0]]
            told = after[members] if len(members) > 1 else first.told
            if told is None:
                continue
            alone = sum(f.told.effect for f in (by_id[i] for i in members) if f.told is not None)
            by_way = float(patched) if c in self.after else None
            found.append(Group(c, first.instance.sense, members, told, told.effect - alone, by_way))
        return tuple(found)

    def _pairs(self, chosen: Sequence[Found]) -> tuple[Pair, ...]:
        """Take out the strongest concepts of different senses two by two."""
        first: dict[str, Found] = {}
        for f in sorted(chosen, key=lambda f: -abs(f.told.effect) if f.told else 0.0):
            if f.told is not None and f.told.p is not None:
                first.setdefault(f.instance.sense, f)
        best = list(first.values())
        couples = [(a, b) for i, a in enumerate(best) for b in best[i + 1 :]][: self.settings.pairs]
        items = [joined([self._removal([a.instance]), self._removal([b.instance])]) for a, b in couples]
        alone = [[self._removal([f.instance]) for f in couple] for couple in couples]
        edits: list[Sequence[Shift]] = []
        for item, parts in zip(items, alone, strict=True):
            edits.append(item.shifts)
            for b in range(len(item.replicas)):
                edits += [item.replicas[b], parts[0].replicas[b], parts[1].replicas[b]]
        outcome, at, found = self.tail.measure(edits), 0, []
        for (a, b), item in zip(couples, items, strict=True):
            if a.told is None or b.told is None:
                continue
            joint = float(outcome.effect[at])
            again = outcome.effect[at + 1 : at + 1 + 3 * len(item.replicas)].reshape(-1, 3)
            interaction = joint - a.told.effect - b.told.effect
            interval = interval_of(interaction, again[:, 0] - again[:, 1] - again[:, 2])
            told = TailEffect(joint, outcome.logits[at])
            found.append(Pair((a.instance.id, b.instance.id), told, interaction, interval))
            at += 1 + again.size
        return tuple(found)
