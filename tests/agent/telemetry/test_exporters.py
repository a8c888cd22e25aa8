"""Exporters that the environment names."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace.export import ConsoleSpanExporter

from veridical.agent.telemetry.exporters import exporters, named


@pytest.mark.parametrize(
    ("environ", "names"),
    [
        ({}, []),
        ({"OTEL_METRICS_EXPORTER": "otlp"}, []),
        ({"OTEL_TRACES_EXPORTER": "none"}, []),
        ({"OTEL_TRACES_EXPORTER": ""}, []),
        ({"OTEL_TRACES_EXPORTER": "console, otlp"}, ["console", "otlp"]),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, ["otlp"]),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318"}, ["otlp"]),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_TRACES_EXPORTER": "none"}, []),
    ],
)
def test_names_are_read_as_the_sdk_reads_them(environ, names):
    assert named("traces", environ) == names


def test_an_exporter_is_found_by_its_name():
    (exporter,) = exporters("traces", ["console"])
    assert isinstance(exporter, ConsoleSpanExporter)


def test_an_exporter_that_is_not_installed_is_warned_of(caplog):
    assert exporters("traces", ["zipkin-of-old"]) == []
    assert caplog.messages == ["telemetry: no exporter zipkin-of-old of traces; pip install the package that offers it"]


def test_otlp_goes_by_the_protocol(monkeypatch, caplog):
    asked = []

    class Point:
        def __init__(self, name):
            self.name = name

        def load(self):
            return lambda: asked.append(self.name) or self.name

    points = [Point("otlp_proto_grpc"), Point("otlp_proto_http")]
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: points)
    for variable in ("OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"):
        monkeypatch.delenv(variable, raising=False)
    assert exporters("traces", ["otlp"]) == ["otlp_proto_http"]
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    assert exporters("traces", ["otlp"]) == ["otlp_proto_grpc"]
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf")
    assert exporters("traces", ["otlp"]) == ["otlp_proto_http"]
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "pigeon")
    assert exporters("traces", ["otlp"]) == []
    assert caplog.messages == ["telemetry: no exporter otlp of traces; pip install opentelemetry-exporter-otlp"]
