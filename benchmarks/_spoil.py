"""Errors put into sentences, and faults of writing: for `benchmarks.sentences`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import networkx as nx
import numpy as np

from veridical.concepts.sentences import Sentence

__all__ = ["ERRORS", "faults", "lie", "spoil"]

ERRORS = ("sign", "action", "number")
"""What is put in."""

_MINUS = "\u2212"
_FIGURE = re.compile(r"\d+\.\d+|\d+(?=\u00a0%)")
_SIGN = re.compile(rf"[+{_MINUS}](?=\d)|\b(?:falls|rises|fall|rise|lower|higher|ahead|behind)\b")
_TURNED = {"+": _MINUS, _MINUS: "+", "falls": "rises", "rises": "falls", "fall": "rise", "rise": "fall"}
_TURNED |= {"lower": "higher", "higher": "lower", "ahead": "behind", "behind": "ahead"}
_RULES: Mapping[str, str] = {
    "double space": r"  ",
    "no capital": r"\A[a-zß-öø-ÿ]",
    "no full stop": r"[^.]\Z",
    "two stops": r"\.\.|[,;:]{2}|[,;:]\.",
    "a for an": r"\b[Aa] [aeio]",
    "an for a": r"\b[Aa]n [bcdfgjklmnpqrstvwxyz]",
    "empty quotation": r"“\s*”|\(\s*\)|‘\s*’",
    "space before a mark": r" [.,;:)”]|[(“] ",
    "word twice": r"\b([^\W\d_]+) \1\b",
    "no value": r"\b(?:None|nan|inf|null)\b|[{}]",
    "name of a node": r"\[[^\]]*[#:][^\]]*\]",
}


def faults(text: str) -> list[str]:
    """Return which rules of writing a sentence breaks."""
    # What is quoted was written by others.
    own = re.sub(r"“[^”]*[^”\s][^”]*”", "“So”", text)
    return [f"{name}: {text}" for name, rule in _RULES.items() if re.search(rule, own)]


def spoil(sentence: Sentence, error: str, actions: Sequence[str], rng: np.random.Generator) -> Sentence | None:
    """Put an error into the text of a sentence; None where it has nothing of the kind."""

    def number(found: str) -> str:
        at = int(rng.choice([i for i, c in enumerate(found) if c.isdigit()]))
        return found[:at] + str((int(found[at]) + int(rng.integers(1, 10))) % 10) + found[at + 1 :]

    swap: dict[str, tuple[re.Pattern[str], Callable[[str], str]]] = {
        "sign": (_SIGN, lambda found: _TURNED[found]),
        "action": (
            re.compile("|".join(rf"\b{re.escape(a)}\b" for a in actions)),
            lambda found: str(rng.choice([a for a in actions if a != found])),
        ),
        "number": (_FIGURE, number),
    }
    pattern, change = swap[error]
    places = list(pattern.finditer(sentence.text))
    if not places:
        return None
    at = places[rng.integers(len(places))]
    text = sentence.text[: at.start()] + change(at.group()) + sentence.text[at.end() :]
    return replace(sentence, text=text)


def lie(graph: nx.DiGraph, error: str, rng: np.random.Generator) -> nx.DiGraph | None:
    """Return the graph with one effect told wrongly; None where it has no effect to tell."""
    edges = [u for u, _, data in graph.in_edges("decision", data=True) if "effect" in data]
    if not edges:
        return None
    false, node = graph.copy(), edges[rng.integers(len(edges))]
    edge = dict(false.edges[node, "decision"])
    if error == "sign":
        edge["effect"] = -edge["effect"]
    elif error == "action":
        edge["becomes"] = str(rng.choice([a for a in graph.graph["actions"] if a != edge.get("becomes")]))
    else:
        edge["effect"] *= 1.5
    false.edges[node, "decision"].update(edge)
    return false
