"""The explanation of one decision, as a plain result and the arrays that go with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError

if TYPE_CHECKING:
    import networkx as nx
    import xarray

    from ..concepts.draft import Sentence
    from ..concepts.rephrase import Rephrased
    from ..concepts.sentences import Length
    from .log.log import Log
    from .log.writing import Receipt
    from .record.context import Context

__all__ = ["FORMAT", "Explanation"]

FORMAT = "veridical.explanation/1"
"""Name and version of the result's layout."""


@dataclass(frozen=True)
class Explanation:
    """One decision, explained, checked, and ready to be shown or written down.

    The result holds the meaning (decision, claims, measured effects, verdict, justification, graph, timing), the arrays
    hold what is drawn: frames, waveform, saliency maps, evidence units, edited inputs. Neither holds a model, a tensor
    or a path of the machine. What is told of the graph is read from the result, without the model: an explanation of
    a record (`read_record`) answers the same questions.

    Attributes:
        result: plain JSON values; ``docs/record.md`` says what each means.
        data: arrays by name, e.g. ``vision.saliency``.
    """

    result: Mapping[str, Any]
    data: Mapping[str, np.ndarray]

    @property
    def decision(self) -> str:
        """The action that was chosen."""
        return self.result["decision"]["action"]

    @property
    def verdict(self) -> str:
        """``supported``, ``unsupported`` or ``inconclusive``."""
        return self.result["verdict"]["verdict"]

    @property
    def justification(self) -> str:
        """Two to five sentences that say why."""
        return self.result["justification"]["text"]

    @property
    def claims(self) -> list[dict[str, Any]]:
        """What the decision is said to rest on, the strongest first, each predicted and measured."""
        return self.result["claims"]

    @property
    def concepts(self) -> list[dict[str, Any]]:
        """Each place of a concept in this observation, the largest effect first; none where none were looked for."""
        return (self.result.get("concepts") or {}).get("cards", [])

    @property
    def task(self) -> dict[str, Any] | None:
        """The check against the task statement; None where none was given."""
        return (self.result.get("concepts") or {}).get("task")

    def graph(self) -> nx.DiGraph:
        """Return the causal graph, made anew at each call; ``docs/record.md`` says what its attributes mean.

        Raises:
            InputError: the result holds none, or what is no graph.
        """
        from ..concepts.graph_export import from_json

        data = self.result.get("graph")
        if not isinstance(data, Mapping):
            raise InputError("explanation: the result holds no graph; explain the decision again with this version")
        return from_json(data)

    def export_graph(self, path: str | Path) -> Path:
        """Write the causal graph in the format that the ending names: .json, .graphml, .dot or .mmd (Mermaid).

        Raises:
            InputError: an unknown ending, a place that cannot be written to, or no graph.
        """
        from ..concepts.graph_export import export

        return export(self.graph(), path)

    def sentences(self, length: Length = "medium") -> tuple[Sentence, ...]:
        """Return the justification as sentences: each says what it rests on, and whether that is confirmed.

        Args:
            length: ``short`` (two sentences), ``medium`` (three to six) or ``full`` (all there is).

        Raises:
            InputError: no such length, or no graph that sentences can be made from.
        """
        from ..concepts.sentences import justify

        return justify(self.graph(), length)

    def text(self, length: Length = "medium") -> str:
        """Return the justification as text; arguments and errors as for `sentences`."""
        told = self.result["justification"]
        # As it was recorded, where it was: another version may put it in other words.
        if length == "medium" or (length == "short" and "short" in told):
            return told["text" if length == "medium" else length]
        if length == "full" and "full" in told:
            return " ".join(sentence["text"] for sentence in told["full"])
        return " ".join(sentence.text for sentence in self.sentences(length))

    def why_not(self, action: str) -> tuple[Sentence, ...]:
        """Say why another action was not chosen: what speaks against it, and what would lead to it.

        Raises:
            InputError: the action is the decided one or none of the system's, or there is no graph.
        """
        from ..concepts.contrast import why_not

        return why_not(self.graph(), action)

    def rephrase(self, model: Callable[[str], str], length: Length = "medium") -> Rephrased:
        """Have a model put the justification in other words; unless they say the same, the original stands.

        Args:
            model: a function from text to text.
            length: of the justification.

        Raises:
            InputError: as `sentences`; whatever the model does raises nothing.
        """
        from ..concepts.rephrase import rephrase

        return rephrase(self.sentences(length), model)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain JSON values."""
        return dict(self.result)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays by name."""
        return dict(self.data)

    def report(self, path: str | Path) -> Path:
        """Write a self-contained HTML report.

        Raises:
            InputError: the file cannot be written.
        """
        from .report import check_report, write_report

        path = Path(path)
        check_report(path)
        write_report(path, self.to_dict(), self.arrays())
        return path

    def record(self, folder: str | Path) -> Path:
        """Write the open record into a new folder.

        Raises:
            RecordError: the folder exists or cannot be written.
        """
        from .record import check_target, write_record

        folder = Path(folder)
        check_target(folder)
        return write_record(folder, self.to_dict(), self.arrays())

    def log(self, log: Log, context: Context | None = None, subject: str | None = None) -> Receipt:
        """Append the decision to a log; it is durable when this returns. See `veridical.agent.logged.log_decision`.

        Args:
            log: to be written to.
            context: when, why, under which labels and policy; how coarsely maps are kept.
            subject: name of whom the signals are about; without one, the decision is a subject of its own.

        Raises:
            RecordError: it could not be written: nothing was logged then.
        """
        from .logged import log_decision

        return log_decision(log, self.to_dict(), self.arrays(), context, subject)

    def to_xarray(self) -> xarray.Dataset:
        """Return the arrays as an xarray dataset, with coordinates and units (extra ``analysis``).

        Raises:
            InputError: xarray is not installed.
        """
        from .record.dataset import to_xarray

        return to_xarray(self.to_dict(), self.arrays())
