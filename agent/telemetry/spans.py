"""Spans that never fail what they span, and the stages of an explanation as spans."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from .words import FUNCTIONS, STAGES, attributes_of, error_type, guarded

__all__ = ["Span", "Stages"]


class Span:
    """A span around a block, current while the block runs; without a tracer it does nothing.

    An error of the block passes through as it is. The span then has the status *error* and the error's class, not its
    message: messages quote values, and an instruction's words must not leave by this way.

    Args:
        tracer: an OpenTelemetry tracer, or None.
        name: the span's name.
        words: attributes by short name; see `veridical.agent.telemetry.words.ATTRIBUTES`.
    """

    def __init__(self, tracer: Any, name: str, words: dict[str, Any] | None = None) -> None:
        self.name = name
        self._tracer, self._words = tracer, words or {}
        self._span: Any = None
        self._token: Any = None

    def __enter__(self) -> Span:
        if self._tracer is not None:
            with guarded(f"the span {self.name}"):
                from opentelemetry.context import attach
                from opentelemetry.trace import set_span_in_context

                attributes = attributes_of(self._words)
                if self.name in FUNCTIONS:
                    attributes["code.function.name"] = FUNCTIONS[self.name]
                self._span = self._tracer.start_span(self.name, attributes=attributes)
                self._token = attach(set_span_in_context(self._span))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._span is None:
            return
        with guarded(f"the span {self.name}"):
            from opentelemetry.context import detach

            if error is not None:
                _fail(self._span, error)
            if self._token is not None:
                detach(self._token)
            self._span.end()

    def set(self, **words: Any) -> None:
        """Set attributes that become known while the block runs; names as for the span itself."""
        if self._span is not None:
            with guarded(f"the span {self.name}"):
                self._span.set_attributes(attributes_of(words))


class Stages:
    """A progress callback that turns stages into child spans, and passes every call on.

    A stage's span begins with its first report. It ends with its last report of being done (share 1) or, where there
    was none, with the next stage. A stage that comes again, as *attribute* and *verify* do on each rung of the ladder,
    has a span for each time.

    Args:
        tracer: an OpenTelemetry tracer, or None: then calls are only passed on.
        progress: the callback to pass each call on to.

    Example:
        >>> with Stages(None, print) as stages:
        ...     stages("decide", 1.0)
        decide 1.0
    """

    def __init__(self, tracer: Any = None, progress: Callable[[str, float], None] | None = None) -> None:
        self._tracer, self._progress = tracer, progress
        self._context: Any = None
        self._stage: str | None = None
        self._span: Any = None
        self._done: int | None = None

    def __enter__(self) -> Stages:
        if self._tracer is not None:
            with guarded("the spans of the stages"):
                from opentelemetry.context import get_current

                # Held, not looked up at each call: a stage may be reported from a thread of its own.
                self._context = get_current()
        return self

    def __call__(self, stage: str, share: float) -> None:
        """Take note that this share (0 to 1) of a stage is done."""
        if self._context is not None:
            with guarded("the span of a stage"):
                self._note(stage, share)
        if self._progress is not None:
            self._progress(stage, share)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with guarded("the span of a stage"):
            # A stage that was done is not to blame for what failed after it.
            self._end(error if self._done is None else None)

    def _note(self, stage: str, share: float) -> None:
        name = stage if stage in STAGES else "other"
        if name != self._stage:
            self._end()
            self._span = self._tracer.start_span(f"veridical.{name}", context=self._context)
            self._stage = name
        self._done = time.time_ns() if share >= 1 else None

    def _end(self, error: BaseException | None = None) -> None:
        if self._span is not None:
            if error is not None:
                _fail(self._span, error)
            self._span.end(end_time=self._done)
        self._span, self._stage, self._done = None, None, None


def _fail(span: Any, error: BaseException) -> None:
    from opentelemetry.trace import Status, StatusCode

    span.set_attribute("error.type", error_type(error))
    span.set_status(Status(StatusCode.ERROR))
