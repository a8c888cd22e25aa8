"""Metrics as Prometheus reads them: by HTTP, or as text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...errors import InputError

__all__ = ["ADVICE", "Served", "exposition", "serve"]

ADVICE = "is not installed; pip install 'veridical[otel]'"


@dataclass(frozen=True)
class Served:
    """An address where Prometheus can read metrics, until it is closed or the process ends.

    Attributes:
        host: the address that is listened on.
        port: the port; the one that the system chose, where 0 was asked for.
        server: the HTTP server, which runs in a thread of its own.
    """

    host: str
    port: int
    server: Any

    @property
    def url(self) -> str:
        """Where Prometheus reads."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/metrics"

    def close(self) -> None:
        """Stop listening."""
        self.server.shutdown()
        self.server.server_close()


def serve(port: int, host: str = "127.0.0.1", registry: Any = None) -> Served:
    """Serve the metrics of a registry over HTTP, from a thread that ends with the process.

    There is neither a password nor encryption: keep to an address that only the collector reaches.

    Args:
        port: the port, 0 to 65535; 0 lets the system choose.
        host: the address to listen on; the default is reached from this machine alone.
        registry: a ``prometheus_client`` registry; None takes the process's own.

    Raises:
        InputError: the packages are missing, or nothing can be served at that address.
    """
    if not host:
        raise InputError("metrics: the host is empty, which would be every address; name one, such as 127.0.0.1")
    if not 0 <= port <= 65535:
        raise InputError(f"metrics: port {port} is none; give one from 0 to 65535, such as 9464")
    try:
        from prometheus_client import REGISTRY, start_http_server
    except ImportError as error:
        raise InputError(f"metrics: prometheus_client {ADVICE}") from error
    try:
        server, _ = start_http_server(port, addr=host, registry=REGISTRY if registry is None else registry)
    except (OSError, UnicodeError) as error:  # UnicodeError: a host that is no name
        raise InputError(
            f"metrics: {host}:{port} cannot be listened on ({error}); choose another port or host"
        ) from error
    return Served(host, int(server.server_port), server)


def exposition(registry: Any = None) -> str:
    """Return the metrics as text in Prometheus's format, such as for a node exporter's textfile collector.

    Args:
        registry: a ``prometheus_client`` registry; None takes the process's own.

    Returns:
        The text, empty where the packages are missing.
    """
    try:
        from prometheus_client import REGISTRY, generate_latest
    except ImportError:
        return ""
    return generate_latest(REGISTRY if registry is None else registry).decode()
