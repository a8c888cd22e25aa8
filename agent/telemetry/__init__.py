"""Telemetry: a mirror of what is decided, explained, verified and logged, for OpenTelemetry (extra ``otel``).

The log is the evidence; nothing here is, and nothing here may fail or delay a decision. Without the packages, or where
nobody in the process uses OpenTelemetry, all of it does nothing and imports nothing.
"""

from __future__ import annotations

from .live import Telemetry, appending, current, explaining, mirror, span, timed
from .prometheus import Served, exposition, serve
from .setup import Running, serve_metrics, setup
from .spans import Span, Stages

__all__ = [
    "Running",
    "Served",
    "Span",
    "Stages",
    "Telemetry",
    "appending",
    "current",
    "explaining",
    "exposition",
    "mirror",
    "serve",
    "serve_metrics",
    "setup",
    "span",
    "timed",
]
