"""Running the service: a socket, a server on it, and an orderly end."""

from __future__ import annotations

import ipaddress
import logging
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from ...errors import InputError
from .app import make_app
from .served import Served
from .settings import ServeSettings

__all__ = ["Place", "is_loopback", "listen", "run"]

_GRACE_S = 5.0


@dataclass(frozen=True)
class Place:
    """Where the service listens.

    Attributes:
        host: name or address.
        port: 0 for any that is free.
        certificate: for TLS, PEM; None: without.
        key: of the certificate.
    """

    host: str = "127.0.0.1"
    port: int = 8600
    certificate: Path | None = None
    key: Path | None = None


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens there."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def listen(place: Place) -> socket.socket:
    """Return a socket that listens.

    Raises:
        InputError: an unknown host, or a port that is taken or not allowed.
    """
    host = place.host.strip("[]")
    try:
        family = socket.getaddrinfo(host, place.port, type=socket.SOCK_STREAM)[0][0]
        found = socket.socket(family, socket.SOCK_STREAM)
        try:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind((host, place.port))
            found.listen(128)
        except BaseException:
            found.close()
            raise
    except (OSError, OverflowError, UnicodeError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise InputError(f"--host {place.host} --port {place.port}: {why}; give another") from error
    return found


def run(
    agent: Served, settings: ServeSettings, place: Place, listening: socket.socket, say: Callable[[str], None]
) -> None:
    """Serve until SIGTERM or SIGINT, then let what is under way end, and the agent drain and seal its log.

    Args:
        agent: what is asked.
        settings: of the service.
        place: where it listens.
        listening: from `listen`.
        say: told where, once it is up.

    Raises:
        InputError: the certificate cannot be used.
    """
    port = listening.getsockname()[1]
    name = f"[{place.host}]" if ":" in place.host and not place.host.startswith("[") else place.host
    url = f"{'https' if place.certificate else 'http'}://{name}:{port}"
    config = uvicorn.Config(
        make_app(agent, settings, lambda: say(url)),
        http="h11",  # whose headers are bounded
        ws="websockets-sansio",
        ws_max_size=settings.bounds.message,
        ws_per_message_deflate=False,  # what is packed would be unpacked before it is measured
        h11_max_incomplete_event_size=2 * settings.bounds.headers,
        limit_concurrency=2 * settings.connections,  # of sockets; the guard tells of requests
        timeout_keep_alive=5,
        timeout_graceful_shutdown=int(_GRACE_S),
        ssl_certfile=place.certificate,
        ssl_keyfile=place.key,
        server_header=False,
        access_log=False,
        proxy_headers=False,
        log_level="warning",
    )
    try:
        config.load()
    except OSError as error:  # ssl.SSLError is one
        told = f"--tls-cert {place.certificate} --tls-key {place.key}: cannot be used: {error.strerror or error}"
        raise InputError(f"{told}; give a certificate and its key, PEM") from error
    # A stream that is denied is an answer like any other, and whoever has no token must not fill the log.
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    # The server raises the signal once more when it has ended; it is obeyed by then.
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        uvicorn.Server(config).run(sockets=[listening])
    finally:
        signal.signal(signal.SIGTERM, before)


def _is_news(record: logging.LogRecord) -> bool:
    return "without completing handshake" not in record.getMessage()
