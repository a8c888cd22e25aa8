"""One stream over a WebSocket: samples come in, decisions go out at a stated rate."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import time
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from ..stream.source import Source
from .body import parse, validate
from .desk import Desk
from .kinds import kind_of
from .plain import plain
from .problem import Problem
from .signals import unpack_one
from .stream_wire import CloseMessage, DecideMessage, OpenMessage, SampleMessage, StreamMessage

if TYPE_CHECKING:
    from ..stream.stream import Stream

__all__ = ["Session", "sources_of"]

_FAULTS = 50
"""Messages that cannot be used, after which a stream is closed: its client will not learn any more."""

Message = OpenMessage | SampleMessage | DecideMessage | CloseMessage


class Session:
    """One stream.

    Args:
        socket: accepted.
        desk: of the service.
    """

    def __init__(self, socket: WebSocket, desk: Desk) -> None:
        self.socket, self.desk, self.settings = socket, desk, desk.settings
        self.faults = 0
        self._sending = asyncio.Lock()
        self._newest: tuple[float, float] | None = None  # of the samples taken: its moment, and when it came
        self._due = -math.inf

    async def run(self) -> None:
        """Serve the stream until either side ends it."""
        try:
            await self._serve()
        except (WebSocketDisconnect, TimeoutError):
            pass  # the client has gone, or reads nothing any more
        except _OverError as over:
            await self._close(over.code, over.why)

    async def _serve(self) -> None:
        first = await self._next()
        if not isinstance(first, OpenMessage):
            raise _OverError(1008, "the first message must be of type open")
        try:
            stream = await self.desk.read(lambda: self._open(first))
        except Problem as problem:
            await self._tell(problem)
            raise _OverError(1008, problem.detail) from None
        opened = {"sources": stream.sources, "step": first.step, "every": first.every, "clock": first.clock}
        await self._send({"type": "opened", **opened})
        tasks = [asyncio.create_task(self._listen(stream, first))]
        if first.every is not None and first.clock == "wall":
            tasks.append(asyncio.create_task(self._tick(stream, first.every)))
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)  # not gather: of a task that is cancelled itself, it loses by whom
            for task in tasks:
                _ = task.cancelled() or task.exception()  # looked at, so that asyncio does not tell of it

    async def _listen(self, stream: Stream, opened: OpenMessage) -> None:
        while not isinstance(message := await self._next(stream), CloseMessage):
            if isinstance(message, OpenMessage):
                await self._tell(Problem(422, "message: the stream is open already; close it and open another"))
            elif isinstance(message, DecideMessage):
                await self._decide(stream, message.at, message.request)
            elif isinstance(message, dict):  # a sample, and what became of it
                await self._send(message)
                if opened.every is not None and opened.clock == "stream" and self._newest is not None:
                    await self._decide_due(stream, self._newest[0], opened.every)
        raise _OverError(1000, "closed as asked")

    async def _decide_due(self, stream: Stream, at: float, every: float) -> None:
        """Decide where the samples' own clock has come so far; after a gap once, not once for each of its seconds."""
        if at >= self._due or at < self._due - 2 * every:  # a clock that was set back begins anew
            self._due = at + every
            await self._decide(stream, at)

    async def _tick(self, stream: Stream, every: float) -> None:
        """Decide at a stated rate, however samples come."""
        due = time.monotonic()
        while True:
            await asyncio.sleep(due - time.monotonic())
            if self._newest is not None:
                at, came = self._newest
                await self._decide(stream, at + time.monotonic() - came)
            due += every * max(1, math.ceil((time.monotonic() - due) / every))  # what was missed is not made up for

    async def _decide(self, stream: Stream, at: float | None, request: bool = False) -> None:
        try:
            decision = await self.desk.decide(lambda: stream.decide(at, request))
        except Problem as problem:
            await self._tell(problem)
            return
        await self._send({"type": "decision", "at": at, "decision": decision})

    async def _next(self, stream: Stream | None = None) -> Message | dict[str, Any]:
        """Return the next message that can be used; of a sample, what became of it."""
        while True:
            text = await self._receive()
            self.desk.counts["messages"] += 1
            try:
                return await self.desk.read(partial(self._read, text, stream))
            except Problem as problem:
                self.faults += problem.status not in (429, 503, 504)
                await self._tell(problem)
            if self.faults >= _FAULTS:
                raise _OverError(1008, f"{_FAULTS} messages could not be used")

    async def _receive(self) -> str:
        try:
            async with asyncio.timeout(self.settings.idle_s):
                message = await self.socket.receive()
        except TimeoutError:
            raise _OverError(1008, f"no message for {self.settings.idle_s:g} s") from None
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))
        text, most = message.get("text"), self.settings.bounds.message
        if text is None:
            raise _OverError(1003, "a message of bytes; send JSON as text")
        if len(text) > most:
            raise _OverError(1009, f"a message of {len(text)} characters; {most} are taken")
        return text

    def _read(self, text: str, stream: Stream | None) -> Message | dict[str, Any]:
        """Read a message, and take a sample in; in a thread."""
        data = parse(text, self.settings.bounds.values, "message")
        message = validate(StreamMessage, data, "message").root
        if stream is None or not isinstance(message, SampleMessage):
            return message
        if message.sense not in stream.sources:
            raise Problem(
                422, f"message: {message.sense}: the stream has {', '.join(stream.sources)}; open it with this"
            )
        signal = unpack_one(message.sense, message.signal, self.settings.bounds, self.desk.agent.system.modalities)
        if isinstance(signal, list):  # of frames, one comes at a time
            if len(signal) != 1:
                raise Problem(
                    422, f"message: {message.sense}: {len(signal)} pictures; send one a message, each with its at"
                )
            signal = signal[0]
        arrival = stream.push(message.sense, signal, message.at)
        if arrival.taken and stream.sources[message.sense].kind != "words":
            newest = -math.inf if self._newest is None or "began anew" in arrival.why else self._newest[0]
            if message.at >= newest:
                self._newest = (message.at, time.monotonic())
        return {
            "type": "arrival",
            "sense": message.sense,
            "at": message.at,
            "arrival": arrival.kind,
            "why": arrival.why,
        }

    def _open(self, opened: OpenMessage) -> Stream:
        given = opened.sources
        sources = (
            sources_of(self.desk.agent.system)
            if given is None
            else {
                sense: Source(
                    spec.kind,
                    spec.rate,
                    spec.window,
                    spec.hold or (math.inf if spec.kind == "words" else 1.0),
                    spec.lateness,
                )
                for sense, spec in given.items()
            }
        )
        from ..stream.stream import Stream  # it loads torch, and the document needs none

        agent: Any = self.desk.agent
        return Stream(agent, sources, opened.step)

    async def _tell(self, problem: Problem) -> None:
        await self._send({"type": "problem", "problem": problem.to_dict()})

    async def _send(self, event: Mapping[str, Any]) -> None:
        text = json.dumps(plain(event), allow_nan=False)
        async with self._sending, asyncio.timeout(self.settings.idle_s):
            try:
                await self.socket.send_text(text)
            except RuntimeError as error:  # Starlette's, of a socket that is closed
                raise WebSocketDisconnect(1006) from error

    async def _close(self, code: int, why: str) -> None:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError, TimeoutError):
            async with asyncio.timeout(5):
                await self.socket.close(code, why.encode("ascii", "replace")[:120].decode())


class _OverError(Exception):
    """The stream ends; code and reason are those of RFC 6455, section 7.4."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code, self.why = code, why


def sources_of(system: Any) -> dict[str, Source]:
    """Return the sources that a system states in ``sources()``; else one for each sense, as its kind suggests."""
    own: Any = getattr(system, "sources", None)
    if own is not None:
        return dict(own())
    found = {}
    for sense, modality in system.modalities.items():
        kind = kind_of(modality)
        if kind == "words":
            found[sense] = Source("words", hold=math.inf)
        elif kind == "sound":
            found[sense] = Source("sound", float(modality.rate))
        else:
            found[sense] = Source("frames")
    return found
