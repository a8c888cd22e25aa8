"""The benchmark of sentences: it finds contradictions and faults of writing, and the errors that it puts in itself."""

from __future__ import annotations

import functools
import json
from dataclasses import replace
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import sentences
from benchmarks._spoil import ERRORS, faults, lie, spoil
from benchmarks.sentences import Row, graph_of, summarise, tell
from tests.benchmarks.test_names import Little, little
from tests.concepts.told import ACTIONS, bare, siren
from veridical.concepts.consistency import contradictions
from veridical.concepts.sentences import Sentence
from veridical.errors import InputError
from veridical.scenarios.courier.evaluate import FIRST_SEED, wilson
from veridical.scenarios.courier.scene import render, sample_scene

ROW = Row(1, "STOP", 2, 9, (), (), ("chose", "against + becomes"), {"text:sign": True}, 2.0, 9.0)


def sentence(text: str) -> Sentence:
    return Sentence(text, (), True)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_every_text_of_a_decision_is_told():
    texts = tell(siren())
    assert list(texts) == ["short", "medium", "full", "why not PROCEED", "why not SLOW", "why not YIELD"]
    assert all(texts.values())


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("It chose  STOP.", "double space"),
        ("it chose STOP.", "no capital"),
        ("It chose STOP", "no full stop"),
        ("It chose STOP..", "two stops"),
        ("It chose STOP,; so.", "two stops"),
        ("It saw a animal.", "a for an"),
        ("It saw an cat.", "an for a"),
        ("It saw “”.", "empty quotation"),
        ("It saw () there.", "empty quotation"),
        ("It chose STOP .", "space before a mark"),
        ("It saw the the cat.", "word twice"),
        ("It fell by nan nats.", "no value"),
        ("It is {thing}.", "no value"),
        ("It saw “cat” [vision#3.1].", "name of a node"),
    ],
)
def test_a_fault_of_writing_is_named(text, rule):
    assert [fault.split(": ")[0] for fault in faults(text)] == [rule]


@pytest.mark.parametrize(
    "text",
    [
        "Courier chose STOP (94\u00a0%; next PROCEED, 4\u00a0%), 2.75 nats ahead of all else together.",
        "Without “an  cat cat” (“a animals that that”): PROCEED (89\u00a0%).",
        "Without an unnamed concept #7 (0.5–2.4 s) a cat is an owl.",
        "STOP was chosen rather than SLOW (94\u00a0% against <1\u00a0%).",
    ],
)
def test_what_is_well_written_or_quoted_has_no_fault(text):
    assert faults(text) == []


def test_the_texts_of_a_decision_told_by_hand_have_no_fault():
    assert [f for told in tell(siren()).values() for s in told for f in faults(s.text)] == []


@pytest.mark.parametrize(
    ("error", "text", "possible"),
    [
        ("sign", "It is −4.61 nats.", {"It is +4.61 nats."}),
        ("sign", "STOP falls from it.", {"STOP rises from it."}),
        ("action", "It chose STOP.", {f"It chose {a}." for a in ACTIONS if a != "STOP"}),
        ("number", "At 7\u00a0% it is.", {f"At {n}\u00a0% it is." for n in range(10) if n != 7}),
    ],
)
def test_one_error_is_put_in_and_no_other(error, text, possible):
    made = [spoil(sentence(text), error, ACTIONS, rng(seed)) for seed in range(60)]
    assert {s.text for s in made if s is not None} == possible
    assert None not in made


@functools.cache
def told_in_full() -> tuple[Sentence, ...]:
    return tell(siren())["full"]


@settings(max_examples=60)
@given(st.integers(0, 1000), st.sampled_from(ERRORS))
def test_a_text_that_is_made_wrong_differs_in_one_word_and_keeps_its_facts(seed, error):
    said = told_in_full()
    chosen = said[seed % len(said)]
    made = spoil(chosen, error, ACTIONS, rng(seed))
    if made is not None:
        assert made.text != chosen.text
        assert replace(made, text=chosen.text) == chosen
        before, after = chosen.text.split(), made.text.split()
        assert sum(a != b for a, b in zip(before, after, strict=True)) == 1


@pytest.mark.parametrize("error", ERRORS)
def test_nothing_is_put_in_where_there_is_nothing_of_the_kind(error):
    assert spoil(sentence("This account could not be settled."), error, ACTIONS, rng()) is None


@pytest.mark.parametrize("error", ERRORS)
def test_a_lie_is_one_effect_told_wrongly_and_the_true_graph_is_left_alone(error):
    true, before = siren(), siren()
    for seed in range(8):
        false = lie(true, error, rng(seed))
        assert false is not None
        changed = [e for e in true.edges if true.edges[e] != false.edges[e]]
        assert len(changed) == 1
        assert changed[0][1] == "decision"
    assert nx.utils.graphs_equal(true, before)
    assert lie(bare(), error, rng()) is None


def test_errors_put_into_a_decision_told_by_hand_are_found():
    said = [s for told in tell(siren()).values() for s in told]
    for seed in range(5):
        found = sentences._injected(siren(), said, rng(seed))
        assert set(found) >= {f"text:{error}" for error in ERRORS}
        assert all(found.values())


def test_an_error_that_the_check_passes_over_is_counted_as_not_found(monkeypatch):
    monkeypatch.setattr(sentences, "contradictions", lambda graph, told: [])
    said = [s for told in tell(siren()).values() for s in told]
    assert set(sentences._injected(siren(), said, rng()).values()) == {False}


def test_a_row_tells_what_is_wrong(monkeypatch):
    row, texts = sentences._row(siren(), 7, inject=False)
    assert (row.seed, row.action, row.contradictions, row.faults, row.injected) == (7, "STOP", (), (), {})
    assert row.sentences == sum(map(len, texts.values()))
    assert any(template.startswith("chose-ahead") for template in row.templates)
    assert row.milliseconds > 0 < row.milliseconds_all
    wrong = (sentence("courier chose  GO"),)
    monkeypatch.setattr(sentences, "tell", lambda graph: {"short": wrong})
    row, _ = sentences._row(siren(), 7, inject=False)
    assert "cannot be read" in row.contradictions[0]
    assert {f.split(": ")[0] for f in row.faults} == {"double space", "no capital", "no full stop"}
    assert row.templates == ()


@pytest.mark.usefixtures("stamps")
def test_the_graph_of_a_scene_is_that_of_its_decision():
    system, observation = little(), render(sample_scene(50))
    graph = graph_of(system, system.concepts, observation, 50)
    assert graph.graph["actions"] == list(system.actions)
    assert sum(graph.graph["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert max(graph.graph["probabilities"], key=graph.graph["probabilities"].get) == graph.graph["action"]
    assert graph.graph["verdict"] is None
    kinds = {data["kind"] for _, data in graph.nodes(data=True)}
    assert "concept" in kinds
    assert not kinds & {"evidence", "sense"}
    assert contradictions(graph, [s for told in tell(graph).values() for s in told]) == []
    only = graph_of(system, system.concepts, {"text": observation["text"]}, 50)
    assert only.graph["absent"] == ["vision", "audio"]


@pytest.mark.usefixtures("stamps")
def test_scenes_are_measured_once_each_and_texts_drawn():
    system = little()
    system.encoded.clear()
    rows, texts = sentences.measure(3, 50, "train", system, samples=5)
    assert [row.seed for row in rows] == [50, 51, 52]
    assert sorted(system.encoded) == sorted(["vision", "audio", "text"] * 3)
    assert len(texts) == len(set(texts)) == 5
    assert all(text.startswith("train scene 5") for text in texts)
    for row in rows:
        assert row.contradictions == ()
        assert {f"text:{error}" for error in ("action", "number")} <= set(row.injected)
        assert all(row.injected.values())


def test_texts_are_drawn_evenly():
    drawn = np.zeros(20)
    for seed in range(400):
        sample = sentences._Sample(5, seed)
        for i in range(20):
            sample.meet(str(i))
        assert len(set(sample.kept)) == 5
        drawn[[int(i) for i in sample.kept]] += 1
    assert drawn.sum() == 2000
    # Each is drawn 100 times in the mean, with a standard deviation of 8.7.
    assert np.abs(drawn - 100).max() < 40


def test_figures_of_known_rows():
    worse = replace(ROW, contradictions=("x",), faults=("double space: a  b.", "double space: c  d."), drawn=0)
    worse = replace(worse, injected={"text:sign": False, "graph:number": True}, milliseconds=4.0, templates=("chose",))
    told = summarise([ROW, worse, replace(ROW, injected={})])
    assert (told["decisions"], told["sentences"]) == (3, 27)
    assert told["contradicted"] == told["badly_written"] == told["nothing_drawn"]
    assert told["contradicted"] == {"share": 1 / 3, "interval": list(wilson(1, 3)), "count": 3}
    assert told["rules_broken"] == {"double space": 1}
    assert told["templates"] == {"chose": 3, "against + becomes": 2}
    assert told["found"]["text:sign"] == {"share": 0.5, "interval": list(wilson(1, 2)), "count": 2}
    assert told["found"]["graph:number"]["share"] == 1
    assert told["milliseconds"]["median"] == 2
    assert told["milliseconds_all"] == {"median": 9, "ninth_decile": 9}


def test_the_command_prints_a_table_or_json_and_writes_samples(monkeypatch, capsys, tmp_path):
    def measured(scenes: int, first: int, partition: str) -> tuple[list[Row], list[str]]:
        wrong = ("sentence 1: [bold] is no mark",)
        return [replace(ROW, seed=first, contradictions=wrong)] * scenes, ["one", "two"]

    monkeypatch.setattr(sentences, "measure", measured)
    path = tmp_path / "samples.txt"
    sentences.main(["--scenes", "2", "--json", "--samples", str(path)])
    told = json.loads(capsys.readouterr().out)
    assert [row["seed"] for row in told["rows"]] == [FIRST_SEED + 620_000] * 2
    assert path.read_text(encoding="utf-8") == "one\n\ntwo\n"
    sentences.main(["--scenes", "2"])
    out = " ".join(capsys.readouterr().out.split())
    assert "18 sentences about 2 decisions" in out
    assert "sign made wrong in the text, found" in out
    assert "2 templates; rules of writing broken: none" in out
    assert "[bold] is no mark" in out


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--scenes", "0"], "sentences: 0 scenes; at least 1 is wanted"),
        (["--samples", "/nowhere/at/all.txt"], "sentences: no folder '/nowhere/at' to write samples in; make it first"),
    ],
)
def test_what_cannot_be_done_is_refused(options: list[str], told, capsys):
    with pytest.raises(SystemExit) as left:
        sentences.main(options)
    assert left.value.code == 2
    assert told in " ".join(capsys.readouterr().err.split())


def test_samples_that_cannot_be_written_and_banks_that_are_missing_are_told(tmp_path):
    with pytest.raises(InputError, match="sentences: cannot write"):
        sentences._write(tmp_path, ["one"])
    system: Any = Little({})
    with pytest.raises(
        InputError, match=r"^sentences: the system 'little' has no concept banks; find its concepts first$"
    ):
        sentences.measure(1, 1, "train", system)
