"""What tests of telemetry share: telemetry kept in memory, by the real SDK."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, NumberDataPoint
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry

from tests.agent.sample import result_and_arrays
from veridical.agent.telemetry import Telemetry

Points = dict[str, dict[tuple[tuple[str, Any], ...], Any]]


@dataclass(frozen=True)
class Kept:
    """Telemetry, and where it went."""

    telemetry: Telemetry
    tracers: TracerProvider
    exporter: InMemorySpanExporter
    reader: InMemoryMetricReader
    events_exporter: InMemoryLogRecordExporter
    registry: CollectorRegistry

    def spans(self) -> list[Any]:
        """Spans that have ended, in the order in which they began."""
        return sorted(self.exporter.get_finished_spans(), key=lambda span: span.start_time or 0)

    def span(self, name: str) -> Any:
        """The one span of that name."""
        (found,) = [span for span in self.spans() if span.name == name]
        return found

    def events(self) -> list[Any]:
        return [data.log_record for data in self.events_exporter.get_finished_logs()]

    def told(self) -> str:
        """All that left, as one text in small letters."""
        told = [span.to_json() for span in self.spans()] + [str(self.points())]
        told += [
            f"{event.event_name} {event.body} {sorted((event.attributes or {}).items())}" for event in self.events()
        ]
        return "\n".join(told).lower()

    def points(self) -> Points:
        """Values by metric, then by labels: a number, or (count, sum) of a histogram."""
        data = self.reader.get_metrics_data()
        found: Points = {}
        for metric in [m for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics] if data else []:
            for point in metric.data.data_points:
                told = point.value if isinstance(point, NumberDataPoint) else (point.count, point.sum)
                found.setdefault(metric.name, {})[tuple(sorted((point.attributes or {}).items()))] = told
        return found


@pytest.fixture
def kept() -> Iterator[Kept]:
    exporter, events, reader = InMemorySpanExporter(), InMemoryLogRecordExporter(), InMemoryMetricReader()
    registry = CollectorRegistry()
    tracers, loggers = TracerProvider(shutdown_on_exit=False), LoggerProvider(shutdown_on_exit=False)
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    loggers.add_log_record_processor(SimpleLogRecordProcessor(events))
    readers = [reader, PrometheusMetricReader(registry=registry)]
    meters = MeterProvider(metric_readers=readers, shutdown_on_exit=False)
    telemetry = Telemetry(tracers, meters, loggers)
    yield Kept(telemetry, tracers, exporter, reader, events, registry)
    for provider in (tracers, meters, loggers):
        provider.shutdown()


@pytest.fixture(scope="session")
def result() -> Mapping[str, Any]:
    """The result of the sample, which holds its instruction in many places."""
    return result_and_arrays()[0]
