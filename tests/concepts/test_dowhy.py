"""DoWhy reads the graph of a system, and finds in a table of activations and scores the effects that were measured."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import networkx as nx
import numpy as np
import pytest

from veridical.concepts.graph_export import from_graphml, to_graphml
from veridical.concepts.system_graph import causal_skeleton, merge

WEIGHTS = {"audio_7": 0.8, "vision_1": -0.5}
"""A linear tail: the score of STOP is their sum, nats for each unit of a concept's strength."""
# DoWhy 0.14 still asks pandas 3 for a copy.
pytestmark = pytest.mark.filterwarnings("ignore:The copy keyword is deprecated")


@pytest.fixture(scope="module")
def dowhy() -> ModuleType:
    return pytest.importorskip("dowhy", reason="DoWhy is not installed: pip install 'veridical[causal]'")


@pytest.fixture(scope="module")
def strengths() -> dict[str, np.ndarray]:
    """Strength of three concepts in 400 decisions; the third goes with the first and does nothing."""
    draw = np.random.default_rng(0)
    siren, animal = draw.gamma(4.0, 0.5, 400), draw.gamma(4.0, 0.5, 400)
    return {"audio_7": siren, "vision_1": animal, "vision_3": 0.9 * siren + draw.gamma(1.0, 0.1, 400)}


@pytest.fixture(scope="module")
def skeleton(strengths: dict[str, np.ndarray]) -> nx.DiGraph:
    """The causes, from the graphs of all decisions; taking a concept out changes the score by −weight × strength."""
    graphs = []
    for row in zip(*strengths.values(), strict=True):
        facts = {"system": "toy", "actions": ["GO", "STOP"], "action": "STOP", "least": 0.1, "alpha": 0.05}
        graph = nx.DiGraph(**facts, absent=[], bank={"audio": "a", "vision": "b"})
        graph.add_node("decision", kind="decision", label="STOP")
        for name, strength in zip(strengths, row, strict=True):
            m, k = name.split("_")
            effect = -WEIGHTS.get(name, 0.0) * float(strength)
            graph.add_node(
                f"{m}#{k}", kind="concept", modality=m, concept=int(k), idle=True, tested=True, effect=effect
            )
            if abs(effect) >= 0.1:
                graph.add_edge(f"{m}#{k}", "decision", kind="effect", effect=effect)
        graphs.append(graph)
    return causal_skeleton(merge(graphs))


@pytest.fixture(scope="module")
def table(dowhy: ModuleType, strengths: dict[str, np.ndarray]) -> Any:
    pandas = pytest.importorskip("pandas")
    noise = np.random.default_rng(1).normal(0.0, 0.05, 400)
    score = sum(WEIGHTS[name] * strengths[name] for name in WEIGHTS) + noise
    return pandas.DataFrame({**strengths, "decision_STOP": score})


def test_the_skeleton_is_the_tail_that_was_measured(skeleton: nx.DiGraph):
    assert set(skeleton.edges) == {("audio_7", "decision_STOP"), ("vision_1", "decision_STOP")}


def test_a_structural_causal_model_finds_the_measured_effect(
    dowhy: ModuleType, skeleton: nx.DiGraph, strengths: dict[str, np.ndarray], table: Any
):
    gcm = pytest.importorskip("dowhy.gcm")
    gcm.config.disable_progress_bars()
    gcm.util.general.set_random_seed(0)
    model = gcm.StructuralCausalModel(nx.DiGraph(skeleton.edges))
    for name in WEIGHTS:
        model.set_causal_mechanism(name, gcm.EmpiricalDistribution())
    tail = gcm.AdditiveNoiseModel(gcm.ml.create_linear_regressor(), gcm.EmpiricalDistribution())
    model.set_causal_mechanism("decision_STOP", tail)
    gcm.fit(model, table)
    for name, weight in WEIGHTS.items():
        out = gcm.interventional_samples(model, {name: lambda _: 0.0}, observed_data=table)
        change = (out["decision_STOP"] - table["decision_STOP"]).mean()
        assert change == pytest.approx(-weight * strengths[name].mean(), abs=0.02)
        assert change == pytest.approx(skeleton.edges[name, "decision_STOP"]["effect"], abs=0.02)


def test_a_causal_model_reads_the_export_and_finds_the_weight(dowhy: ModuleType, skeleton: nx.DiGraph, table: Any):
    read = from_graphml(to_graphml(skeleton))
    for graph in (read, "\n".join(nx.generate_gml(read))):
        model = dowhy.CausalModel(table, treatment="audio_7", outcome="decision_STOP", graph=graph)
        estimand = model.identify_effect(proceed_when_unidentifiable=False)
        estimate = model.estimate_effect(estimand, method_name="backdoor.linear_regression")
        assert estimate.value == pytest.approx(WEIGHTS["audio_7"], abs=0.02)
