"""Do sentences say what the causal graph says, and is it found out where they do not?

``python -m benchmarks.sentences`` (``make benchmark-sentences``).

Held-out scenes are decided, their concepts looked into, and each decision is justified at all three lengths; for each
other action it is asked why not. Every sentence is held against the graph (`contradictions`), and against a few rules
of writing. No claims are made and no verdict is passed: the graph holds the decision and its concepts.

Then errors are put in, to see that they are found: into the *text* of one sentence (a sign or a direction is turned
round, an action is swapped, a figure is changed; what the sentence states in machine form is left alone), and into the
*graph* that all sentences are written from, so that text and machine form agree in the lie (the sign of an effect, the
action that a change leads to, the size of an effect), while the true graph is what they are held against.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks._shares import share_of
from benchmarks._spoil import ERRORS, faults, lie, spoil
from benchmarks.names import laboratory_of
from veridical.concepts.bank import ConceptBank
from veridical.concepts.consistency import contradictions
from veridical.concepts.contrast import why_not
from veridical.concepts.graph import Decided, Facts, causal_graph
from veridical.concepts.layer import look
from veridical.concepts.phrases import Phrases
from veridical.concepts.reader import Reader
from veridical.concepts.sentences import Sentence, justify
from veridical.errors import InputError, VeridicalError
from veridical.scenarios.courier.evaluate import FIRST_SEED
from veridical.scenarios.courier.model import Courier, load
from veridical.scenarios.courier.scene import render, sample_scene

__all__ = ["Row", "graph_of", "main", "measure", "summarise", "tell"]

_INJECTED = 200
_SAMPLES = 60


@dataclass(frozen=True)
class Row:
    """One decision.

    Attributes:
        seed: seed of the scene.
        action: what was decided.
        drawn: effects drawn in the graph.
        sentences: how many were written.
        contradictions: what is wrong with them by the graph.
        faults: what is wrong with their writing.
        templates: sequences of clauses that they are made of.
        injected: for each kind of error whether it was found; ``text:sign``, ``graph:sign`` and so on.
        milliseconds: time of the justification of medium length.
        milliseconds_all: of all sentences.
    """

    seed: int
    action: str
    drawn: int
    sentences: int
    contradictions: tuple[str, ...]
    faults: tuple[str, ...]
    templates: tuple[str, ...]
    injected: Mapping[str, bool]
    milliseconds: float
    milliseconds_all: float


def graph_of(
    system: Courier, banks: Mapping[str, ConceptBank], observation: Mapping[str, Any], seed: int
) -> nx.DiGraph:
    """Return the causal graph of one decision: its concepts, without claims or verdict."""
    laboratory, _, logits = laboratory_of(system, observation)
    layer = look(laboratory, {}, banks, np.random.default_rng([47, seed]))
    decided = Decided(
        system=system.name,
        action=system.actions[laboratory.action],
        actions=tuple(system.actions),
        probabilities=tuple(logits.softmax(-1).tolist()),
        score=float(laboratory.score or 0.0),
        logits=tuple(logits.tolist()),
        absent=tuple(m for m in system.modalities if m not in laboratory.prepared),
    )
    return causal_graph(Facts(decided, layer=layer))


def tell(graph: nx.DiGraph) -> dict[str, tuple[Sentence, ...]]:
    """Return all texts of a decision by their name: three lengths, and why not each other action."""
    texts = {length: justify(graph, length) for length in ("short", "medium", "full")}
    others = [a for a in graph.graph["actions"] if a != graph.graph["action"]]
    return texts | {f"why not {action}": why_not(graph, action) for action in others}


def _injected(graph: nx.DiGraph, sentences: Sequence[Sentence], rng: np.random.Generator) -> dict[str, bool]:
    """Put in an error of each kind, into a text and into the graph that texts are written from; say which was found."""
    found = {}
    for error in ERRORS:
        for i in rng.permutation(len(sentences)):
            spoilt = spoil(sentences[i], error, graph.graph["actions"], rng)
            if spoilt is not None:
                found[f"text:{error}"] = bool(contradictions(graph, [spoilt]))
                break
        false = lie(graph, error, rng)
        if false is None:
            continue
        true = {s.text for s in sentences}
        wrong = [s for told in tell(false).values() for s in told if s.text not in true]
        # A lie that no sentence tells is none.
        if wrong:
            found[f"graph:{error}"] = bool(contradictions(graph, wrong))
    return found


def _row(graph: nx.DiGraph, seed: int, inject: bool) -> tuple[Row, dict[str, tuple[Sentence, ...]]]:
    start = time.perf_counter()
    justify(graph)
    medium = time.perf_counter() - start
    start = time.perf_counter()
    texts = tell(graph)
    spent = time.perf_counter() - start
    sentences = [s for told in texts.values() for s in told]
    reader = Reader(Phrases.of(graph))
    distinct = {s.text: s for s in sentences}
    read = {text: reader.read(text) for text in distinct}
    rng = np.random.default_rng([53, seed])
    return (
        Row(
            seed=seed,
            action=graph.graph["action"],
            drawn=sum("effect" in data for _, _, data in graph.in_edges("decision", data=True)),
            sentences=len(sentences),
            contradictions=tuple(contradictions(graph, sentences)),
            faults=tuple(fault for text in distinct for fault in faults(text)),
            templates=tuple(sorted({" + ".join(r.clause for r in reads) for reads in read.values() if reads})),
            injected=_injected(graph, list(distinct.values()), rng) if inject else {},
            milliseconds=1000 * medium,
            milliseconds_all=1000 * spent,
        ),
        texts,
    )


class _Sample:
    """So many texts, every one of all with the same chance (Vitter's reservoir, ACM TOMS 1985)."""

    def __init__(self, size: int, seed: int) -> None:
        self.size, self.rng, self.met, self.kept = size, np.random.default_rng([59, seed]), 0, []

    def meet(self, text: str) -> None:
        """Take a text in, or pass it over."""
        self.met += 1
        if len(self.kept) < self.size:
            self.kept.append(text)
        elif (at := int(self.rng.integers(self.met))) < self.size:
            self.kept[at] = text


def measure(
    scenes: int, first: int, partition: str, system: Courier | None = None, samples: int = _SAMPLES
) -> tuple[list[Row], list[str]]:
    """Decide so many scenes, the first of which has seed ``first``; return the rows and texts drawn at random.

    Raises:
        InputError: fewer than one scene, an unknown partition, a system without concept banks, or stamps or sounds are
            not installed.
    """
    if scenes < 1:
        raise InputError(f"sentences: {scenes} scenes; at least 1 is wanted")
    system, rows, sample = system or load(), [], _Sample(samples, first)
    banks, every = system.concepts, max(1, scenes // _INJECTED)
    if not banks:
        raise InputError(f"sentences: the system {system.name!r} has no concept banks; find its concepts first")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        for i in progress.track(range(scenes), description="scenes"):
            graph = graph_of(system, banks, render(sample_scene(first + i, partition)), first + i)
            inject = i % every == 0 and i < every * _INJECTED
            row, texts = _row(graph, first + i, inject)
            rows.append(row)
            for name, told in texts.items():
                sample.meet(f"{partition} scene {first + i}, {name}\n{' '.join(s.text for s in told)}")
    return rows, sample.kept


def summarise(rows: Sequence[Row]) -> dict[str, Any]:
    """Figures over all decisions; templates and faults with how many decisions have them."""
    templates = Counter(template for row in rows for template in row.templates)
    rules = Counter(rule for row in rows for rule in {fault.split(": ", 1)[0] for fault in row.faults})
    kinds = sorted({kind for row in rows for kind in row.injected})
    found = {kind: share_of([r.injected[kind] for r in rows if kind in r.injected]) for kind in kinds}
    spent, spent_all = ([getattr(r, key) for r in rows] for key in ("milliseconds", "milliseconds_all"))
    return {
        "decisions": len(rows),
        "sentences": sum(r.sentences for r in rows),
        "contradicted": share_of([bool(r.contradictions) for r in rows]),
        "badly_written": share_of([bool(r.faults) for r in rows]),
        "nothing_drawn": share_of([r.drawn == 0 for r in rows]),
        "rules_broken": dict(rules.most_common()),
        "templates": dict(templates.most_common()),
        "found": found,
        "milliseconds": {"median": float(np.median(spent)), "ninth_decile": float(np.quantile(spent, 0.9))},
        "milliseconds_all": {"median": float(np.median(spent_all)), "ninth_decile": float(np.quantile(spent_all, 0.9))},
    }


def _cell(share: Mapping[str, Any]) -> str:
    low, high = share["interval"]
    return f"{100 * share['share']:.1f} % ({100 * low:.1f}–{100 * high:.1f}, {share['count']})"


def _print(summary: Mapping[str, Any], rows: Sequence[Row]) -> None:
    table = Table(title=f"{summary['sentences']} sentences about {summary['decisions']} decisions")
    table.add_column("")
    table.add_column("share", justify="right")
    table.add_row("decisions with a contradiction", _cell(summary["contradicted"]))
    table.add_row("decisions with a fault of writing", _cell(summary["badly_written"]))
    table.add_row("decisions with no effect drawn", _cell(summary["nothing_drawn"]))
    for kind, share in summary["found"].items():
        where, what = kind.split(":")
        table.add_row(f"{what} made wrong in the {where}, found", _cell(share))
    console = Console()
    console.print(table)
    one, every = summary["milliseconds"], summary["milliseconds_all"]
    console.print(
        f"{len(summary['templates'])} templates; rules of writing broken: {summary['rules_broken'] or 'none'}"
    )
    console.print(
        f"a justification: {one['median']:.1f} ms, ninth decile {one['ninth_decile']:.1f} ms; "
        f"all texts of a decision: {every['median']:.1f} ms, ninth decile {every['ninth_decile']:.1f} ms"
    )
    for row in rows:
        for told in (*row.contradictions, *row.faults)[:2]:
            console.print(f"scene {row.seed}: {told}", markup=False)


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sentences", description="Sentences against the graph.")
    parser.add_argument("--scenes", type=int, default=1000, help="decisions")
    parser.add_argument("--first", type=int, default=FIRST_SEED + 620_000, help="seed of the first scene")
    parser.add_argument(
        "--partition", choices=("held-out", "train"), default="held-out", help="whose objects, sounds and phrasings"
    )
    parser.add_argument("--samples", type=Path, help=f"file for {_SAMPLES} random texts, for a person to read")
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    options = parser.parse_args(arguments)
    try:
        if options.samples is not None and not options.samples.parent.is_dir():
            raise InputError(f"sentences: no folder {str(options.samples.parent)!r} to write samples in; make it first")
        rows, texts = measure(options.scenes, options.first, options.partition)
        if options.samples is not None:
            _write(options.samples, texts)
    except VeridicalError as error:
        parser.error(str(error))
    summary = summarise(rows)
    if options.json:
        print(json.dumps({**summary, "rows": [asdict(r) for r in rows]}, indent=2))
    else:
        _print(summary, rows)


def _write(path: Path, texts: Sequence[str]) -> None:
    try:
        path.write_text("\n\n".join(texts) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"sentences: cannot write {path.name!r}: {error.strerror}; give another file") from error


if __name__ == "__main__":
    main()
