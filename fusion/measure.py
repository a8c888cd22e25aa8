"""Measuring: what the system really does when the input is edited.

Every edit is a set of evidence units in one sense or in several, each sense's taken away by an infill operator. What
was measured once is not measured again, and of a system that can be split only an edited sense is encoded again, once
for each edit of it, however many edits of other senses it is joined with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import ContractError
from ..modalities.contract import Prepared, SplitSystem, System
from ..modalities.deadline import Deadline, within
from ..modalities.evidence import Segmentation
from ..modalities.held import held
from ..modalities.scorer import logits_of
from ..modalities.store import TensorStore
from ..modalities.target import decision_score

__all__ = ["Edit", "Laboratory", "Measured", "Operators"]

DRIFT = (0.01, 1e-3)
"""Nats, and share of the score: how far the unedited input may score from itself in another batch (rounding)."""

Edit = Mapping[str, Sequence[int]]
"""Unit indices by sense; a sense left out, or without units, stays as it is."""

Operators = Mapping[str, str]
"""The infill operator of each sense that is edited."""

_Pattern = tuple[str, frozenset[int]]
"""An operator and the units of one sense that it takes away; no units, no operator."""

_INTACT: _Pattern = ("", frozenset())


@dataclass(frozen=True)
class Measured:
    """What a batch of edits did.

    Attributes:
        effect: change of the decision score of each edit, nats.
        logits: scores of all actions after each edit.
    """

    effect: Float[Tensor, " edits"]
    logits: Float[Tensor, "edits actions"]


@dataclass
class Laboratory:
    """One system before one observation; edits are made and measured here.

    The input itself is in every batch: a system that does not score it there as it did alone is not measurable, and an
    error says so.

    Attributes:
        system: what is explained.
        prepared: its prepared signals.
        segmentations: their evidence units.
        action: index of the decision.
        passes: forward passes spent, one for each input scored; what was known already costs none.
        chunk: edited inputs at once.
        score: decision score of the input alone, nats; found with a pass of its own where it is not given.
        deadline: by when measuring must have ended; None sets none.
    """

    system: System
    prepared: Mapping[str, Prepared]
    segmentations: Mapping[str, Segmentation]
    action: int
    passes: int = 0
    chunk: int = 32
    score: float | None = None
    deadline: Deadline | None = None
    _known: dict[tuple[_Pattern, ...], tuple[float, Tensor]] = field(default_factory=dict)
    _energies: dict[tuple[str, _Pattern], float] = field(default_factory=dict)
    _store: TensorStore = field(default_factory=TensorStore)

    @torch.no_grad()
    def measure(self, edits: Sequence[Edit], operators: Operators) -> Measured:
        """Edit units and see what the system does.

        Args:
            edits: unit indices by sense of each edit; none means the input as it is.
            operators: infill operator of each sense that is edited.

        Raises:
            ContractError: a score is not finite, or the unedited input does not score as it did alone.
            InputError: an unknown operator or unit.
            DeadlineError: by what edits took before, these do not fit into the time that is left; none was made.
        """
        self.score_all(edits, [operators])
        keys = [self._key(edit, operators) for edit in edits]
        effects = torch.tensor([self._known[key][0] for key in keys], dtype=torch.float32)
        logits = [self._known[key][1] for key in keys]
        return Measured(effects, torch.stack(logits) if logits else torch.zeros(0, len(self.system.actions)))

    @torch.no_grad()
    def score_all(self, edits: Sequence[Edit], ways: Sequence[Operators]) -> None:
        """Make every edit in each of several ways, and remember what it does: in one batch, which is the quickest.

        Args:
            edits: unit indices by sense of each edit.
            ways: infill operators of the senses; every edit is made with each of them.

        Raises:
            ContractError, InputError, DeadlineError: as `measure`.
        """
        keys = [self._key(edit, operators) for operators in ways for edit in edits]
        missing = [key for key in dict.fromkeys(keys) if key not in self._known]
        if not missing:
            return
        told = f"measuring {len(missing)} edits"
        with within(self.deadline, self._kind(missing), len(missing), told), held(self.system) as state:
            try:
                for first in range(0, len(missing), self.chunk):
                    self._score(missing[first : first + self.chunk])
            finally:
                state.settle()

    def _kind(self, keys: Sequence[tuple[_Pattern, ...]]) -> str:
        """Name the kind of work that edits are, by the senses that must be encoded for them."""
        senses = [m for i, m in enumerate(self.prepared) if any(key[i][1] for key in keys)]
        return f"edits/{' + '.join(senses)}"

    @torch.no_grad()
    def edited(self, modality: str, units: Sequence[int], operator: str) -> tuple[Tensor, float]:
        """Return the edited input of one sense, without its batch axis, and the size of the edit as it measures it."""
        sense, prepared = self.system.modalities[modality], self.prepared[modality]
        tensor = sense.infill(prepared, [units], operator, self.segmentations[modality])
        key = modality, (operator, frozenset(units))
        if key not in self._energies:
            self._energies[key] = float(sense.energy(prepared, tensor)[0])
        return tensor[0], self._energies[key]

    def energy(self, modality: str, units: Sequence[int], operator: str) -> float:
        """Return the size of an edit as its sense measures it; that of an edit measured before costs nothing."""
        if not units:
            return 0.0
        key = modality, (operator, frozenset(units))
        if key not in self._energies:
            self.edited(modality, units, operator)
        return self._energies[key]

    def features(self, modality: str, units: Sequence[int], operator: str) -> Tensor | None:
        """Return the features that a split system made of an edit measured lately, a batch of one; None if not kept."""
        return self._store.get((modality, (operator, frozenset(units)) if units else _INTACT))

    def _key(self, edit: Edit, operators: Operators) -> tuple[_Pattern, ...]:
        units = {m: frozenset(int(u) for u in edit.get(m, ())) for m in self.prepared}
        return tuple((operators[m], units[m]) if units[m] else _INTACT for m in self.prepared)

    def _score(self, keys: Sequence[tuple[_Pattern, ...]]) -> None:
        """Score a chunk of edits beside the input itself, and remember what they did."""
        # The input itself goes through the same batch, so that the difference holds nothing but the edit.
        whole = tuple(_INTACT for _ in self.prepared)
        rows = [whole, *keys]
        parts = {m: self._sense(m, [row[i] for row in rows]) for i, m in enumerate(self.prepared)}
        if isinstance(self.system, SplitSystem):
            if all(len(x) == 1 for x in parts.values()):  # edits of nothing: no sense tells how many there are
                parts = {m: x.expand(len(rows), *x.shape[1:]) for m, x in parts.items()}
            logits = self.system.decide(parts)
        else:
            logits = self.system({m: x.expand(len(rows), *x.shape[1:]) for m, x in parts.items()})
        self.passes += len(rows)
        score = self._scores(logits, rows)
        for key, effect, row in zip(keys, (score[1:] - score[0]).tolist(), logits[1:], strict=True):
            self._known[key] = (effect, row.clone())

    def _sense(self, m: str, patterns: Sequence[_Pattern]) -> Tensor:
        """Return one sense's input, or features where the system can be split: a row each, or one row for all."""
        distinct = list(dict.fromkeys(patterns))
        found = {p: x for p in distinct if (x := self._store.get((m, p))) is not None}
        missing = [p for p in distinct if p not in found and p[1]]
        # Intact once more beside the edits, from the same batch: what a batch does to its members must show.
        if missing or _INTACT not in found:
            sense, batch, ordered = self.system.modalities[m], [self.prepared[m].tensor], [_INTACT]
            for operator in dict.fromkeys(operator for operator, _ in missing):
                group = [p for p in missing if p[0] == operator]
                edits = [sorted(units) for _, units in group]
                batch.append(sense.infill(self.prepared[m], edits, operator, self.segmentations[m]))
                energies = sense.energy(self.prepared[m], batch[-1]).tolist()
                self._energies |= {(m, p): e for p, e in zip(group, energies, strict=True)}
                ordered += group
            tensor = torch.cat(batch)
            rows = self.system.encode(m, tensor) if isinstance(self.system, SplitSystem) else tensor
            if len(rows) != len(ordered):
                raise ContractError(
                    f"system: encode({m!r}) returned {len(rows)} rows for {len(ordered)}; one each is wanted"
                )
            for pattern, row in zip(ordered, rows.split(1), strict=True):
                found[pattern] = row
                self._store.put((m, pattern), row)
        if len(distinct) == 1:
            return found[distinct[0]]
        at = {p: k for k, p in enumerate(distinct)}
        stacked = torch.cat([found[p] for p in distinct])
        return stacked[torch.tensor([at[p] for p in patterns], device=stacked.device)]

    def _scores(self, logits: Tensor, keys: Sequence[tuple[_Pattern, ...]]) -> Tensor:
        """Scores of the input and of its edits, in this order, once it is known that they can be compared."""
        rows = len(keys)
        if logits.shape != (rows, len(self.system.actions)):
            raise ContractError(
                f"system: scores of shape {tuple(logits.shape)} for {rows} edited inputs and "
                f"{len(self.system.actions)} actions; give one row each"
            )
        bad = (~logits.isfinite().all(1)).nonzero()[:, 0].tolist()
        if bad:
            edit = _told(keys[bad[0] : bad[0] + 1], tuple(self.prepared))
            raise ContractError(
                f"system: the scores are not finite under {edit}: {logits[bad[0]].tolist()}; make the system bear "
                "edited inputs"
            )
        score = decision_score(logits, self.action)
        if self.score is None:
            alone = logits_of(self.system, {m: p.tensor for m, p in self.prepared.items()}, 1, "for one observation")
            self.score = float(decision_score(alone, self.action)[0])
            self.passes += 1
        if abs(float(score[0]) - self.score) > DRIFT[0] + DRIFT[1] * abs(self.score):
            raise ContractError(
                f"system: the same input scores {self.score:.3f} nats alone and {float(score[0]):.3f} among its edits; "
                "call eval() (dropout, batch norm), keep no state between calls, keep members of a batch apart; "
                "check_system finds which"
            )
        return score


def _told(keys: Sequence[tuple[_Pattern, ...]], senses: Sequence[str]) -> str:
    """Name the operators of a batch, for messages."""
    used = {(m, p[0]): None for key in keys for m, p in zip(senses, key, strict=True) if p[1]}
    told = ", ".join(f"the {m} operator {name!r}" for m, name in used)
    return told or "no edit at all"
