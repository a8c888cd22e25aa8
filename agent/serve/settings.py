"""Settings of the service: how much of anything it takes, and how long for."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from ...errors import InputError

__all__ = ["TOKEN", "Bounds", "ServeSettings"]

TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{16,512}")
"""What a token may be: the characters of RFC 6750, section 2.1, and enough of them."""

_ORIGIN = re.compile(r"https?://[^/?#\s]+")
_HOST = re.compile(r"[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]")


@dataclass(frozen=True)
class Bounds:
    """The most that one request, or one message of a stream, may hold.

    Attributes:
        body: bytes of a request's body.
        message: bytes of one message of a stream.
        values: values in the JSON of either: a small body can hold very many.
        frames: pictures of one signal.
        pixels: of one picture, told by its header before it is decoded.
        all_pixels: of all pictures of one signal together.
        seconds: that a sound may last.
        samples: of a sound, all channels together.
        text: characters of an instruction.
        headers: bytes of all of a request's headers together.
        target: bytes of a request's path and query.

    Raises:
        InputError: one that is not a positive number.
    """

    body: int = 16 * 2**20
    message: int = 4 * 2**20
    values: int = 50_000
    frames: int = 32
    pixels: int = 16_000_000
    all_pixels: int = 64_000_000
    seconds: float = 60.0
    samples: int = 12_000_000
    text: int = 10_000
    headers: int = 16 * 2**10
    target: int = 2048

    def __post_init__(self) -> None:
        _positive(self, [f.name for f in fields(self)])


@dataclass(frozen=True)
class ServeSettings:
    """How an agent is served.

    Attributes:
        token: what every request must carry as ``Authorization: Bearer …``; only ``GET /v1/health`` and the document
            ``GET /v1/openapi.json`` need none.
        operator_token: where given, ``override`` and ``release`` ask for this one, and the other is refused with 403.
        bounds: of what is sent.
        decide_s: seconds until a decision that is asked for is answered with 504.
        timeout_s: seconds until an explanation is; a request may ask for fewer.
        read_s: seconds within which a body must have arrived.
        idle_s: seconds without a message after which a stream is closed.
        connections: requests and streams at the same time; more are answered with 503.
        streams: streams at the same time.
        deciding: decisions that may wait for their turn; more are answered with 429.
        explaining: explanations that may wait for theirs.
        kept: decisions that ``GET /v1/decisions/{id}`` remembers, the latest.
        hosts: names under which the service may be asked (the header ``Host``, without the port); empty: any. Where it
            listens on the loopback alone, other names are the sign of DNS rebinding.
        origins: web pages that may ask it (CORS); none unless said.
        close_s: seconds that the agent has to drain and to seal its log as the service stops.

    Raises:
        InputError: a token that is too short or holds other characters than RFC 6750 allows, two tokens that are the
            same, a number that is not positive, a host or an origin that is none.
    """

    token: str = field(repr=False)
    operator_token: str | None = field(default=None, repr=False)
    bounds: Bounds = field(default_factory=Bounds)
    decide_s: float = 10.0
    timeout_s: float = 120.0
    read_s: float = 30.0
    idle_s: float = 60.0
    connections: int = 64
    streams: int = 4
    deciding: int = 16
    explaining: int = 2
    kept: int = 1000
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    close_s: float = 30.0

    def __post_init__(self) -> None:
        for name in ("token", "operator_token"):
            value = getattr(self, name)
            if value is not None and not TOKEN.fullmatch(value):
                raise InputError(
                    f"{name.replace('_', ' ')}: {len(value)} characters that are no bearer token; give 16 to 512 of "
                    "A-Z a-z 0-9 . _ ~ + / = -"
                )
        if self.token == self.operator_token:
            raise InputError("operator token: the same as the other token; give two, or leave the operator's away")
        numbers = "decide_s timeout_s read_s idle_s close_s connections streams deciding explaining kept"
        _positive(self, numbers.split())
        _match("host", self.hosts, _HOST, "localhost or [::1]")
        _match("origin", self.origins, _ORIGIN, "https://dashboard.example")


def _positive(settings: Any, names: Sequence[str]) -> None:
    for name in names:
        value = getattr(settings, name)
        if not (math.isfinite(value) and value > 0):
            raise InputError(f"service: {name} is {value}; give a positive number")


def _match(what: str, values: tuple[str, ...], form: re.Pattern[str], example: str) -> None:
    for value in values:
        if not form.fullmatch(value):
            raise InputError(f"{what} {value[:80]!r}: not one; write such as {example}")
