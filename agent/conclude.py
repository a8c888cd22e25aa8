"""What is concluded from what was measured: names, concepts, the graph, the sentences, the check against the task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import networkx as nx
import numpy as np
from torch import Tensor

from ..concepts.acts import Acted
from ..concepts.bank import ConceptBank
from ..concepts.graph import Decided, Facts, causal_graph
from ..concepts.layer import ConceptSettings, LayerFindings, look
from ..concepts.naming import Name, Namer
from ..concepts.sentences import Sentence, justify
from ..concepts.task import Task
from ..concepts.task_check import TaskCheck, check_task
from ..errors import ContractError, InputError
from ..fusion.measure import Laboratory
from ..modalities.contract import System
from ..modalities.target import decision_score
from ..verifier.verify import Verification

__all__ = ["Conclusions", "Known", "conclude", "find_concepts"]


@dataclass(frozen=True)
class Known:
    """What is known of a system beforehand, for its concepts and its task.

    Attributes:
        banks: concept banks by sense.
        acted: what operators did to them, by sense.
        task: what may, must and must not matter; None where nobody stated it.
        expected: the action that would have been right; None where that is not known.
        settings: how concepts are looked into; None looks into none.
    """

    banks: Mapping[str, ConceptBank] = field(default_factory=dict)
    acted: Mapping[str, Acted] = field(default_factory=dict)
    task: Task | None = None
    expected: str | None = None
    settings: ConceptSettings | None = field(default_factory=ConceptSettings)


@dataclass(frozen=True)
class Conclusions:
    """What follows from the measurements.

    Attributes:
        decided: the decision in figures.
        names: for each claim its name, if one was earned.
        where: for each claim where its evidence lies, in words.
        layer: the concepts and their effects.
        acted: what operators did to the banks, by sense.
        graph: the causal graph.
        short, sentences, full: the justification in three lengths.
        task: the check against the task; None where none was stated.
        notes: what could not be concluded, and why.
    """

    decided: Decided
    names: Mapping[str, Name | None]
    where: Mapping[str, str]
    layer: LayerFindings
    graph: nx.DiGraph
    short: tuple[Sentence, ...]
    sentences: tuple[Sentence, ...]
    full: tuple[Sentence, ...]
    acted: Mapping[str, Acted] = field(default_factory=dict)
    task: TaskCheck | None = None
    notes: tuple[str, ...] = ()


def find_concepts(laboratory: Laboratory, verification: Verification, known: Known, least: float) -> LayerFindings:
    """Return the decision's concepts; where they cannot be measured, why."""
    if known.settings is None:
        return LayerFindings(missing=dict.fromkeys(laboratory.prepared, "Concepts were not asked for."))
    # The controls hang on the salt, which nobody could foresee, as those of the verdict do.
    rng = np.random.default_rng([7, verification.commitment.seed(verification.salt)])
    try:
        return look(laboratory, verification.claims, known.banks, rng, least, known.settings)
    except (ContractError, InputError) as error:
        return LayerFindings(missing=dict.fromkeys(laboratory.prepared, str(error)))


def conclude(
    laboratory: Laboratory,
    logits: Tensor,
    verification: Verification,
    layer: LayerFindings,
    namer: Namer | None,
    known: Known,
) -> Conclusions:
    """Name the evidence, draw the graph, write the sentences, check the task.

    Args:
        laboratory: the system before the observation.
        logits: scores of all actions.
        verification: of the account that stands.
        layer: the decision's concepts.
        namer: gives names to evidence; None gives none.
        known: what is known of the system beforehand.

    Raises:
        InputError: the task names an action that the system does not have.
        WeightsError: the weights of an encoder that gives names cannot be had.
    """
    system, prepared, segmentations = laboratory.system, laboratory.prepared, laboratory.segmentations
    names: dict[str, Name | None] = {}
    where: dict[str, str] = {}
    for checked in verification.claims:
        claim = checked.claim
        m, units = claim.modality, segmentations[claim.modality].units
        names[claim.name] = namer.name(prepared[m], segmentations[m], claim.units) if namer else None
        where[claim.name] = system.modalities[m].show([units[u] for u in claim.units])
    criteria = verification.commitment.content["parameters"]["criteria"]
    facts = Facts(
        decided=_decided(system, laboratory, logits),
        claims=verification.claims,
        senses=verification.senses,
        where=where,
        names=names,
        layer=layer,
        acted=known.acted,
        verdict=verification.verdict,
        least=criteria["least"],
        alpha=criteria["alpha"],
    )
    graph = causal_graph(facts)
    found = Conclusions(
        facts.decided,
        names,
        where,
        layer,
        graph,
        justify(graph, "short"),
        justify(graph),
        justify(graph, "full"),
        known.acted,
    )
    return found if known.task is None else replace(found, task=check_task(known.task, graph, known.expected))


def _decided(system: System, laboratory: Laboratory, logits: Tensor) -> Decided:
    action = int(logits.argmax())
    return Decided(
        system=getattr(system, "name", type(system).__name__),
        action=system.actions[action],
        actions=tuple(system.actions),
        probabilities=tuple(logits.softmax(-1).tolist()),
        score=float(decision_score(logits[None], action)[0]),
        logits=tuple(logits.tolist()),
        absent=tuple(m for m in system.modalities if m not in laboratory.prepared),
    )
