"""Telemetry for a program that has set up none: providers and exporters, as asked for and as OTEL_* variables say."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import InputError
from .exporters import SIGNALS, exporters, named
from .prometheus import ADVICE, Served, serve
from .words import guarded, release

__all__ = ["Running", "serve_metrics", "setup"]

_logger = logging.getLogger("veridical")


@dataclass(frozen=True)
class Running:
    """Telemetry that was set up. It ends by itself with the process, and everything is exported by then.

    Attributes:
        providers: OpenTelemetry's providers that were set up, in the order traces, metrics, events.
        served: where Prometheus reads; None where that was not asked for.
    """

    providers: tuple[Any, ...]
    served: Served | None = None

    def flush(self) -> None:
        """Export what has not been exported yet."""
        for provider in self.providers:
            with guarded("what was not exported yet"):
                provider.force_flush()

    def close(self) -> None:
        """Export what is left, and stop. The process cannot set up telemetry another time."""
        if self.served is not None:
            self.served.close()
        for provider in self.providers:
            with guarded("what was not exported yet"):
                provider.shutdown()


def setup(console: bool = False, prometheus_port: int | None = None, host: str = "127.0.0.1") -> Running | None:
    """Set up OpenTelemetry for this process, by what is asked for and by the environment.

    ``OTEL_TRACES_EXPORTER``, ``OTEL_METRICS_EXPORTER`` and ``OTEL_LOGS_EXPORTER`` (``otlp``, ``console``,
    ``prometheus``, ``none``) name exporters as OpenTelemetry's SDK has it; where they are unset and an
    ``OTEL_EXPORTER_OTLP_ENDPOINT`` is set, it is ``otlp``. The SDK itself reads all other ``OTEL_*`` variables. A
    provider that the program has set before stays: its spans and events are shown on the console as well, if that is
    asked for.

    Args:
        console: print spans, metrics and events to the standard error as JSON.
        prometheus_port: serve metrics at this port; 0 lets the system choose.
        host: the address to serve them at.

    Returns:
        What was set up; None where nothing is asked for, and then nothing is imported either.

    Raises:
        InputError: the packages are missing, or nothing can be served at that port. Where only the environment asks,
            a warning says so and nothing is raised: the variables may be meant for other programs.
    """
    asked = console or prometheus_port is not None
    wanted = {signal: named(signal, os.environ) for signal in SIGNALS}
    if not asked and not any(wanted.values()):
        return None
    try:
        import opentelemetry.sdk.trace  # noqa: F401  # is it there?
    except ImportError as error:
        if asked:
            raise InputError(f"telemetry: opentelemetry-sdk {ADVICE}") from error
        _logger.warning("telemetry: OTEL_* variables ask for it, but opentelemetry-sdk %s", ADVICE)
        return None
    # Before anything else is begun: an address that cannot be listened on leaves nothing half set up.
    served = None if prometheus_port is None else _serve(prometheus_port, host)
    return Running(_begin(wanted, console, prometheus=served is not None), served)


def serve_metrics(port: int, host: str = "127.0.0.1") -> Served:
    """Count what happens from here on, and serve it to Prometheus.

    For programs that run on: a robot's, a service's. The default address is reached from this machine alone.

    Args:
        port: the port; 0 lets the system choose.
        host: the address to listen on.

    Raises:
        InputError: the packages are missing, or nothing can be served at that port.
    """
    served = _serve(port, host)
    _begin({signal: named(signal, os.environ) for signal in SIGNALS}, console=False, prometheus=True)
    return served


def _serve(port: int, host: str) -> Served:
    try:
        import opentelemetry.exporter.prometheus  # noqa: F401  # without it, an empty page would be served
    except ImportError as error:
        raise InputError(f"telemetry: opentelemetry-exporter-prometheus {ADVICE}") from error
    return serve(port, host)


def _begin(wanted: Mapping[str, list[str]], console: bool, prometheus: bool) -> tuple[Any, ...]:
    """Set up the providers that are wanted, and return them."""
    # Served once: the variable would have the SDK open a port of its own for the same numbers.
    metrics = [name for name in wanted["metrics"] if not (prometheus and name == "prometheus")]
    made: list[Any] = []
    # Each by itself: a variable that the SDK cannot read costs that signal, not the others and not the decision.
    with guarded("every span"):
        made.append(_traces(wanted["traces"], console))
    with guarded("every metric"):
        made.append(_metrics(metrics, console, prometheus))
    with guarded("every event"):
        made.append(_events(wanted["logs"], console))
    return tuple(provider for provider in made if provider is not None)


def _resource() -> Any:
    """What the SDK and the environment say of this process, with our name where nobody gave it one."""
    from opentelemetry.sdk.resources import Resource

    resource = Resource.create()
    if str(resource.attributes.get("service.name", "unknown_service")).startswith("unknown_service"):
        resource = resource.merge(Resource({"service.name": "veridical", "service.version": release()}))
    return resource


def _split(names: list[str], console: bool) -> tuple[list[str], bool]:
    """The console apart: the SDK's own writes to the standard output, where the command's result goes."""
    return [name for name in names if name != "console"], console or "console" in names


def _traces(names: list[str], console: bool) -> Any:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor

    present = trace.get_tracer_provider()
    if not isinstance(present, trace.ProxyTracerProvider):
        if console and isinstance(present, TracerProvider):
            present.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(out=sys.stderr)))
        return None
    names, console = _split(names, console)
    processors: list[Any] = [BatchSpanProcessor(exporter) for exporter in exporters("traces", names)]
    if console:
        processors.append(SimpleSpanProcessor(ConsoleSpanExporter(out=sys.stderr)))
    if not processors:
        return None
    provider = TracerProvider(resource=_resource())
    for processor in processors:
        provider.add_span_processor(processor)
    trace.set_tracer_provider(provider)
    return provider


def _metrics(names: list[str], console: bool, prometheus: bool) -> Any:
    from opentelemetry import metrics
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, MetricReader, PeriodicExportingMetricReader

    if isinstance(metrics.get_meter_provider(), MeterProvider):
        if prometheus or console:
            _logger.warning(
                "telemetry: the program has set OpenTelemetry's meter provider before; metrics go where that one "
                "sends them. For Prometheus, give it a PrometheusMetricReader"
            )
        return None
    names, console = _split(names, console)
    readers: list[Any] = [
        e if isinstance(e, MetricReader) else PeriodicExportingMetricReader(e) for e in exporters("metrics", names)
    ]
    if console:
        readers.append(PeriodicExportingMetricReader(ConsoleMetricExporter(out=sys.stderr)))
    if prometheus:
        from opentelemetry.exporter.prometheus import PrometheusMetricReader

        readers.append(PrometheusMetricReader())
    if not readers:
        return None
    provider = MeterProvider(metric_readers=readers, resource=_resource())
    metrics.set_meter_provider(provider)
    return provider


def _events(names: list[str], console: bool) -> Any:
    from opentelemetry import _logs
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import (
        BatchLogRecordProcessor,
        ConsoleLogRecordExporter,
        SimpleLogRecordProcessor,
    )

    present = _logs.get_logger_provider()
    if isinstance(present, LoggerProvider):
        if console:
            present.add_log_record_processor(SimpleLogRecordProcessor(ConsoleLogRecordExporter(out=sys.stderr)))
        return None
    names, console = _split(names, console)
    processors: list[Any] = [BatchLogRecordProcessor(exporter) for exporter in exporters("logs", names)]
    if console:
        processors.append(SimpleLogRecordProcessor(ConsoleLogRecordExporter(out=sys.stderr)))
    if not processors:
        return None
    provider = LoggerProvider(resource=_resource())
    for processor in processors:
        provider.add_log_record_processor(processor)
    _logs.set_logger_provider(provider)
    return provider
