"""What mirrors a decision: spans, counters, durations and the event of its verdict, all in one place."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from typing import Any

from .meters import Meters
from .spans import Span, Stages
from .words import APPEND, DECIDE, EVALUATION, EXPLAIN, VERIFY, attributes_of, error_type, guarded, release

__all__ = ["Appending", "Telemetry", "appending", "current", "explaining", "mirror", "span", "timed"]

# Where a program that uses OpenTelemetry has come by: whoever sets a provider has imported one of them.
_SIGNS = ("opentelemetry.trace", "opentelemetry.metrics", "opentelemetry._logs")


class Appending:
    """What is being appended to the log, and what came of it."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self.size: int | None = None

    def __call__(self, receipts: Sequence[Any]) -> None:
        """Take note of the receipts; each has ``number`` and ``id``."""
        with guarded("the receipt of an append"):
            if receipts:
                last = receipts[-1]
                self.size = last.number + 1
                self._span.set(entry=last.number, id=last.id)


class Telemetry:
    """Spans, metrics and events by the given providers, or by those of the process where none are given.

    No method raises, whatever the packages do; a failure becomes one warning on the logger ``veridical``.

    Args:
        tracer_provider: OpenTelemetry's provider of tracers; None takes the one set for the process.
        meter_provider: the same of meters.
        logger_provider: the same of loggers, by which events go.
        on: whether anything is mirrored at all.
        limit: how many actions, and how many causes, metrics tell apart; any further one is counted as ``other``.
    """

    def __init__(
        self,
        tracer_provider: Any = None,
        meter_provider: Any = None,
        logger_provider: Any = None,
        *,
        on: bool = True,
        limit: int = 64,
    ) -> None:
        self._tracer: Any = None
        self._logger: Any = None
        self._meters = Meters()
        if not on:
            return
        with guarded("all of it"):
            from opentelemetry import _logs, metrics, trace

            ours = release()
            meter = metrics.get_meter("veridical", ours, meter_provider=meter_provider)
            self._meters = Meters(meter, limit)
            self._logger = _logs.get_logger("veridical", ours, logger_provider=logger_provider)
            self._tracer = trace.get_tracer("veridical", ours, tracer_provider=tracer_provider)

    @property
    def on(self) -> bool:
        """Whether anything is mirrored."""
        return self._tracer is not None

    def span(self, name: str, **words: Any) -> Span:
        """Return a span to enter; its attributes by short name, see `veridical.agent.telemetry.words.ATTRIBUTES`."""
        return Span(self._tracer, name, words)

    @contextmanager
    def timed(self, name: str, **words: Any) -> Iterator[Span]:
        """Span a block and record its duration: for what happens outside an explanation.

        The durations within an explanation come from its result (`mirror`), so that they agree with its record.

        Args:
            name: ``veridical.decide`` or ``veridical.verify``; another name has a span and no duration.
            words: the span's attributes.
        """
        start, failure = time.perf_counter(), None
        with self.span(name, **words) as span:
            try:
                yield span
            except BaseException as error:
                failure = error_type(error)
                raise
            finally:
                with guarded(f"the duration of {name}"):
                    self._meters.took(name, time.perf_counter() - start, failure)

    @contextmanager
    def explaining(self, progress: Callable[[str, float], None] | None = None) -> Iterator[Stages]:
        """Span an explanation; what is yielded is the progress callback that makes its stages child spans.

        Append to the log and call `mirror` inside the block: then the append is a child, the verdict's event belongs
        to the span, and the span has the decision's attributes.

        Args:
            progress: a callback that each report is passed on to.
        """
        with self.span(EXPLAIN), Stages(self._tracer, progress) as stages:
            yield stages

    @contextmanager
    def appending(self, statements: Sequence[Any] = ()) -> Iterator[Appending]:
        """Span an append to the log, time it, and count what was or was not appended.

        Call what is yielded with the receipts. This is the one place where appends, failures and operators' overrides
        are counted, so it belongs around the append itself, whoever asks for it.

        Args:
            statements: what is appended, each with ``kind`` and ``predicate``.
        """
        start, entries = time.perf_counter(), max(len(statements), 1)
        kinds = {getattr(s, "kind", None) for s in statements}
        with self.span(APPEND, kind=kinds.pop() if len(kinds) == 1 else None) as span:
            done = Appending(span)
            try:
                yield done
            except BaseException as error:
                with guarded("the count of a failed append"):
                    failure = error_type(error)
                    self._meters.failed(entries, failure)
                    self._meters.took(APPEND, time.perf_counter() - start, failure)
                raise
            with guarded("the count of an append"):
                self._meters.appended(entries, done.size, sum(map(_overrides, statements)))
                self._meters.took(APPEND, time.perf_counter() - start)

    def mirror(self, result: Mapping[str, Any], receipt: Any = None) -> None:
        """Mirror one explained decision: count it and its verdict, record durations, emit the verdict's event.

        Args:
            result: an explanation's result (``veridical.explanation/1``).
            receipt: what the log gave for it (``number``, ``id``), None where it was not logged.
        """
        if self.on:
            with guarded("the mirror of a decision"):
                self._mirror(_read(result, receipt), result["verdict"]["agreement"], result["timing"])

    def _mirror(self, words: dict[str, Any], agreement: float | None, timing: Mapping[str, Any]) -> None:
        from opentelemetry import trace

        seconds = {
            name: float(timing[key]) / 1000
            for name, key in ((EXPLAIN, "total_ms"), (DECIDE, "forward_ms"), (VERIFY, "verification_ms"))
        }
        attributes = attributes_of(words)
        span = trace.get_current_span()
        # Only on our own: a span that somebody put around us is not ours to write on.
        if getattr(span, "name", None) == EXPLAIN:
            span.set_attributes(attributes)
        self._meters.decided(words["action"])
        self._meters.judged(words["verdict"], words["cause"])
        for name, value in seconds.items():
            self._meters.took(name, value)
        self._emit(attributes, words, agreement)

    def _emit(self, attributes: Mapping[str, Any], words: Mapping[str, Any], agreement: float | None) -> None:
        """Emit the event of the verdict: https://github.com/open-telemetry/semantic-conventions-genai, gen-ai/events.

        The convention asks for a score's value and label where they apply, for the explanation and the response's id
        where there are any. Ours is the cause's one word, not the reasons, which name what was seen.
        """
        from opentelemetry._logs import LogRecord, SeverityNumber

        told: dict[str, Any] = {
            **attributes,
            "gen_ai.evaluation.name": "veridical.verdict",
            "gen_ai.evaluation.score.label": words["verdict"],
            "gen_ai.evaluation.explanation": words["cause"],
        }
        if agreement is not None and math.isfinite(agreement):
            told["gen_ai.evaluation.score.value"] = float(agreement)
        severity = SeverityNumber.INFO
        self._logger.emit(
            LogRecord(timestamp=time.time_ns(), severity_number=severity, attributes=told, event_name=EVALUATION)
        )


def current() -> Telemetry:
    """Return the telemetry of this process: one that does nothing until something here uses OpenTelemetry.

    Nothing is imported to find out. A program that configures OpenTelemetry has imported it by then, and so has
    `veridical.agent.telemetry.setup`.
    """
    if any(sys.modules.get(name) is not None for name in _SIGNS):
        return _live()
    return _off()


def span(name: str, **words: Any) -> Span:
    """Return a span of this process's telemetry; see `Telemetry.span`."""
    return current().span(name, **words)


def timed(name: str, **words: Any) -> AbstractContextManager[Span]:
    """Span and time a block in this process's telemetry; see `Telemetry.timed`."""
    return current().timed(name, **words)


def explaining(progress: Callable[[str, float], None] | None = None) -> AbstractContextManager[Stages]:
    """Span an explanation in this process's telemetry; see `Telemetry.explaining`."""
    return current().explaining(progress)


def appending(statements: Sequence[Any] = ()) -> AbstractContextManager[Appending]:
    """Span, time and count an append in this process's telemetry; see `Telemetry.appending`."""
    return current().appending(statements)


def mirror(result: Mapping[str, Any], receipt: Any = None) -> None:
    """Mirror one explained decision in this process's telemetry; see `Telemetry.mirror`."""
    current().mirror(result, receipt)


# Kept for the process: OpenTelemetry hands out stand-ins that find a provider which is set later, and two meters
# would count the same names twice.
@cache
def _live() -> Telemetry:
    return Telemetry()


@cache
def _off() -> Telemetry:
    return Telemetry(on=False)


def _read(result: Mapping[str, Any], receipt: Any) -> dict[str, Any]:
    """What may be told of a result. Read as a whole before anything is emitted, so that no half is mirrored."""
    verdict = result["verdict"]
    words = {
        "action": str(result["decision"]["action"]),
        "verdict": str(verdict["verdict"]),
        "cause": str(verdict["cause"]),
        "rung": verdict["rung"],
        "digest": result["system"]["digest"],
    }
    id = result.get("id")
    words |= {"id": id} if isinstance(id, str) else {}
    return words if receipt is None else {**words, "id": receipt.id, "entry": receipt.number}


def _overrides(statement: Any) -> bool:
    predicate = getattr(statement, "predicate", {})
    return getattr(statement, "kind", None) == "operator" and predicate.get("act") == "overridden"
