"""Exporters that OTEL_* variables name, found where packages offer them."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

from .words import guarded

__all__ = ["SIGNALS", "exporters", "named"]

SIGNALS = ("traces", "metrics", "logs")
_OTLP = {"grpc": ("otlp_proto_grpc",), "http/protobuf": ("otlp_proto_http",)}
_logger = logging.getLogger("veridical")


def named(signal: str, environ: Mapping[str, str]) -> list[str]:
    """Return the exporters that the environment names for a signal (one of `SIGNALS`), none where it names none."""
    upper = signal.upper()
    ends = ("OTEL_EXPORTER_OTLP_ENDPOINT", f"OTEL_EXPORTER_OTLP_{upper}_ENDPOINT")
    default = "otlp" if any(environ.get(name) for name in ends) else "none"
    listed = (environ.get(f"OTEL_{upper}_EXPORTER") or default).split(",")
    return [name.strip() for name in listed if name.strip() not in ("", "none")]


def exporters(signal: str, names: list[str]) -> list[Any]:
    """Make the exporters of these names, which packages offer as entry points; one that is missing is warned of."""
    from importlib.metadata import entry_points

    offered = {point.name: point for point in entry_points(group=f"opentelemetry_{signal}_exporter")}
    made = []
    for name in names:
        known = (name,) if name != "otlp" else _otlp(signal)
        point = next((offered[k] for k in known if k in offered), None)
        if point is None:
            package = "opentelemetry-exporter-otlp" if name == "otlp" else "the package that offers it"
            _logger.warning("telemetry: no exporter %s of %s; pip install %s", name, signal, package)
            continue
        with guarded(f"the exporter {name} of {signal}"):
            made.append(point.load()())
    return made


def _otlp(signal: str) -> tuple[str, ...]:
    variables = (f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
    protocol = next((os.environ[name] for name in variables if os.environ.get(name)), None)
    return ("otlp_proto_http", "otlp_proto_grpc") if protocol is None else _OTLP.get(protocol, (protocol,))
