"""Layer-wise relevance propagation: a score shared out from layer to layer, and a check that none of it is lost.

Bach et al., "On Pixel-Wise Explanations for Non-Linear Classifier Decisions by Layer-Wise Relevance Propagation"
(PLoS ONE 2015). The rules, and which papers they are from, stand in `rules`. They stand
for functions, not for modules, so what is reused, in place or called as a function is treated alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from ....errors import ContractError, InputError
from ...scorer import Inputs, Scorer
from ..task import Contributions, Task, Term
from .ledger import Ledger
from .rules import Gate, RelevanceRules

__all__ = ["LRP", "LinearRule", "Relevance", "propagate_relevance"]

LinearRule = Literal["epsilon", "gamma", "composite"]
"""Of linear layers; ``composite`` is gamma in convolutions and epsilon in dense layers."""


@dataclass(frozen=True)
class Relevance:
    """What relevance propagation gave, and where the rest of the score went; all sums are over the whole batch.

    Attributes:
        multipliers: by sense, shaped like the inputs; times the inputs they are the relevance.
        scores: the target's value for each row.
        arrived: sum of the relevance of all inputs, in the target's unit.
        biases: what constants that are added absorbed, by function.
        epsilon: what the stabiliser absorbed.
        target: what the target itself absorbed: it is not homogeneous (``logsumexp``), so relevance starts as
            ``z ds/dz`` at the scores z of the actions, which need not sum to s.
        elsewhere: what functions without a rule gained or lost, by function.
        unmeasured: functions without a rule of which that can't be told.
    """

    multipliers: Mapping[str, Tensor]
    scores: Float[Tensor, " batch"]
    arrived: float
    biases: Mapping[str, float] = field(default_factory=dict)
    epsilon: float = 0.0
    target: float = 0.0
    elsewhere: Mapping[str, float] = field(default_factory=dict)
    unmeasured: tuple[str, ...] = ()

    @property
    def absorbed(self) -> float:
        """All that did not arrive."""
        return sum(self.biases.values()) + self.epsilon + self.target + sum(self.elsewhere.values())

    @property
    def gap(self) -> float:
        """Conservation gap: ``|arrived + absorbed - sum of scores|``; but for rounding 0."""
        return abs(self.arrived + self.absorbed - float(self.scores.double().sum()))


@dataclass(frozen=True)
class LRP:
    """Relevance ``R = x g`` of input elements, conserved from layer to layer.

    Attributes:
        rule: of linear layers.
        epsilon: stabiliser; 0 is the plain rule (LRP-0), of a network of ReLUs without biases gradient x input.
        gamma: how much more positive parts weigh; only for ``gamma`` and ``composite``.
        gate: ``half``: each factor of a product of two activations gets half. ``signal``: a factor that came from a
            sigmoid gets nothing. Attention weights get nothing in either case.

    Raises:
        InputError: a setting out of range.

    Example:
        >>> attribute(eyes, {"vision": "cat.png"}, LRP("composite")).facts["conservation_gap"]     # doctest: +SKIP
    """

    rule: LinearRule = "epsilon"
    epsilon: float = 1e-6
    gamma: float = 0.25
    gate: Gate = "half"
    name: ClassVar[str] = "lrp"
    additive: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.rule not in ("epsilon", "gamma", "composite"):
            raise InputError(f"lrp: rule {self.rule!r}; one of epsilon, gamma, composite is wanted")
        if self.gate not in ("half", "signal"):
            raise InputError(f"lrp: gate {self.gate!r}; one of half, signal is wanted")
        if not (0 <= self.epsilon < float("inf") and 0 <= self.gamma < float("inf")):
            raise InputError(f"lrp: epsilon={self.epsilon}, gamma={self.gamma}; both are finite and at least 0")

    @property
    def gammas(self) -> tuple[float, float]:
        """Gamma of dense layers and of convolutions."""
        return (self.gamma if self.rule == "gamma" else 0.0, 0.0 if self.rule == "epsilon" else self.gamma)

    def run(self, task: Task) -> Contributions:
        """Attribute. Relevance that biases absorb is no input's, so contributions need not sum to the score.

        Raises:
            InputError: no relevance can reach any input; the message says why.
            ContractError: the system breaks the contract, or relevance is not finite.
        """
        found = propagate_relevance(task.scorer, task.inputs, self)
        score = float(found.scores.sum())
        facts: dict[str, Any] = {
            "relevance_arrived": found.arrived,
            "absorbed_by_biases": sum(found.biases.values()),
            "absorbed_by_epsilon": found.epsilon,
            "absorbed_by_target": found.target,
            "absorbed_without_rule": dict(found.elsewhere),
            "conservation_gap": found.gap,
            "evaluations": 1,
        }
        term = Term(found.multipliers, {m: torch.zeros_like(x) for m, x in task.inputs.items()})
        return Contributions((term,), facts=facts, notes=tuple(_notes(found, score)))


def propagate_relevance(scorer: Scorer, inputs: Inputs, method: LRP) -> Relevance:
    """Propagate a target's value back to the inputs: one forward and one backward pass.

    Rows of a batch are independent where they are in the system; what was absorbed is summed over all.

    Args:
        scorer: the system and the question.
        inputs: batches by sense, floating point.
        method: the settings.

    Raises:
        InputError: no relevance can reach any input (the scores are a softmax's, say); a packed sequence.
        ContractError: the system breaks the contract, or relevance is not finite.
    """
    ledger = Ledger()
    rules = RelevanceRules(method.epsilon, method.gammas, method.gate, ledger)
    with torch.inference_mode(False), torch.enable_grad(), scorer.held():
        leaves = {m: x.detach().clone().requires_grad_(True) for m, x in _floating(inputs).items()}
        with rules:
            logits = scorer.logits(leaves)
        # The target is no part of the system: its plain gradient says where relevance starts.
        ends = logits.detach().requires_grad_(True)
        scores = scorer.target(ends)
        (start,) = torch.autograd.grad(scores.sum(), ends)
        constants = [leaf for _, leaf in ledger.constants]
        if not logits.requires_grad:
            raise _unreached()
        slopes = torch.autograd.grad(logits, [*leaves.values(), *constants], start, allow_unused=True)
    found = dict(zip(leaves, slopes, strict=False))
    if all(slope is None for slope in found.values()):
        raise _unreached()
    ledger.close(slopes[len(leaves) :])
    values = {m: torch.zeros_like(leaves[m]) if g is None else g.detach() for m, g in found.items()}
    for m, g in values.items():
        if not g.isfinite().all():
            where = ledger.not_finite() or "a function without a rule"
            raise ContractError(
                f"system: the relevance of {m} is not finite, first so at {where}; try a larger epsilon"
            )
    return Relevance(
        values,
        scores.detach(),
        sum(float(Ledger.share(leaves[m], g)) for m, g in values.items()),
        ledger.total("bias"),
        sum(ledger.total("epsilon").values()),
        float(scores.detach().double().sum() - Ledger.share(ends, start)),
        ledger.total("elsewhere"),
        tuple(sorted(rules.unmeasured)),
    )


def _floating(inputs: Inputs) -> Inputs:
    for m, x in inputs.items():
        if not x.is_floating_point():
            raise InputError(
                f"lrp: {m} holds {str(x.dtype).removeprefix('torch.')}, to which no relevance flows; for token ids ask "
                "at the embeddings (veridical.Text), for pixels give floats in 0..1"
            )
    return inputs


def _unreached() -> InputError:
    return InputError(
        "lrp: no relevance reaches any input: a no_grad block or a detach stands in the way, or the scores come from a "
        "softmax or a division, whose weights relevance passes by; let the system give logits"
    )


def _notes(found: Relevance, score: float) -> list[str]:
    notes = []
    scale = abs(score) + abs(found.arrived) + abs(sum(found.biases.values()))
    for name, amount in found.elsewhere.items():
        if abs(amount) > 0.01 * scale:
            notes.append(f"there is no rule for {name}: relevance passed it by its gradient, which lost {amount:.3g}")
    if found.unmeasured and found.gap > 0.001 * scale:
        notes.append(f"there is no rule for {', '.join(found.unmeasured)}, and what was lost there can't be told")
    if found.gap > 0.001 * scale:
        notes.append(
            f"relevance is not conserved: {found.gap:.3g} of a score of {score:.3g} is missing; compiled or scripted "
            "parts of a system are not seen"
        )
    still = [m for m, g in found.multipliers.items() if g.numel() and not g.any()]
    if still:
        notes.append(f"no relevance reaches {', '.join(still)}: it acts through gates, attention weights or not at all")
    return notes
