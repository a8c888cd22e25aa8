"""The desk: what is asked for goes into the lane of its kind, and what is found out is remembered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from ...errors import VeridicalError
from .explaining import Explaining, GivenUpError
from .lane import Lane
from .plain import plain
from .problem import Problem, problem_of
from .recent import Recent
from .served import Served
from .settings import ServeSettings

__all__ = ["Desk"]

T = TypeVar("T")
_NICE = 10


class Desk:
    """One agent, and the lanes to it.

    Reading bodies, deciding, explaining, and what people order have threads each: an explanation holds up no decision
    in the queue, and nothing holds up an order. Whether an explanation holds up a decision in the system itself is for
    the agent to say; its explanations run with less of the processor's favour (nice 10, on Linux).

    Args:
        agent: what is asked; the desk closes it.
        settings: of the service.

    Attributes:
        counts: of the service, written by the guard and the streams.
        recent: the latest decisions.
    """

    def __init__(self, agent: Served, settings: ServeSettings) -> None:
        self.agent, self.settings = agent, settings
        self.counts: dict[str, int] = dict.fromkeys(("asked", "open", "refused", "faults", "streams", "messages"), 0)
        self.recent = Recent(settings.kept)
        self.lanes = {
            "read": Lane("reading", 2, 2 * settings.deciding),
            "decide": Lane("deciding", 1, settings.deciding),
            "explain": Lane("explaining", 1, settings.explaining, _NICE),
            "order": Lane("orders", 1, settings.deciding),
        }
        self.closing = False
        self._begun = time.monotonic()
        self._explaining: set[Explaining] = set()
        agent.on_outcome.append(self._outcome)

    async def read(self, work: Callable[[], T]) -> T:
        """Read what was sent, in a thread.

        Raises:
            Problem: as the work raises it; 422 for an `InputError` of it.
        """
        return await self._run("read", work, self.settings.decide_s)

    async def decide(self, ask: Callable[[], Any]) -> dict[str, Any]:
        """Have a decision made, and remember it, even where nobody waited for it in the end.

        Args:
            ask: asks the agent, or a stream of it.

        Raises:
            Problem: 422, 429, 503, 504.
        """

        def work() -> dict[str, Any]:
            told = plain(ask().to_dict())
            self.recent.decided(told)
            return told

        return await self._run("decide", work, self.settings.decide_s)

    async def explain(
        self, observation: Mapping[str, Any], seconds: float | None, gone: Callable[[], Awaitable[None]]
    ) -> dict[str, Any]:
        """Have a decision explained, in full.

        Args:
            observation: of the decision.
            seconds: to wait, at most the settings' time-out.
            gone: returns when whoever asked has gone.

        Raises:
            Problem: 422, 429, 503; 504 with what was done by then: the explanation is given up at its next step.
        """
        allowed = min(seconds or self.settings.timeout_s, self.settings.timeout_s)
        explaining = Explaining(lambda progress: self._told(observation, progress))
        future = asyncio.wrap_future(self.lanes["explain"].offer(explaining))
        leaving = asyncio.ensure_future(gone())
        leaving.add_done_callback(lambda task: task.cancelled() or task.exception())
        self._explaining.add(explaining)
        try:
            await asyncio.wait({future, leaving}, timeout=allowed, return_when=asyncio.FIRST_COMPLETED)
            if future.done():
                return future.result()
            if leaving.done():
                raise Problem(503, "whoever asked for the explanation has gone; it was given up")
            done = explaining.done()
            stage = f"{done['stage']} was under way" if done["begun"] else "it had not begun"
            before = f"; done: {', '.join(done['done'])}" if done["done"] else ""
            told = f"not explained within {allowed:g} s: {stage}{before}; allow more time, or ask when less is going on"
            raise Problem(504, told, more=done)
        except VeridicalError as error:
            raise problem_of(error) from error
        except (GivenUpError, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and not (future.cancelled() and self.closing):
                raise
            raise Problem.later(503, "the service is stopping; the explanation was given up", 5) from error
        finally:
            self._explaining.discard(explaining)
            explaining.give_up()
            future.cancel()
            leaving.cancel()

    async def order(self, work: Callable[[], Any]) -> Any:
        """Have the agent asked or told something that is no decision; plain JSON.

        Raises:
            Problem: 422, 429, 503, 504.
        """
        return await self._run("order", lambda: plain(work()), self.settings.decide_s)

    async def status(self) -> dict[str, Any]:
        """Return how the agent and the service stand."""
        lanes = {name: lane.status() for name, lane in self.lanes.items()}
        own = {**self.counts, "lanes": lanes, "kept": len(self.recent), "seconds": time.monotonic() - self._begun}
        return {"agent": await self.order(self.agent.status), "service": own}

    def close(self) -> bool:
        """Give up explanations, end what is being decided, then have the agent drain and seal its log."""
        self.closing = True
        for explaining in tuple(self._explaining):
            explaining.give_up()
        end = time.monotonic() + self.settings.close_s
        ended = [lane.close(max(end - time.monotonic(), 0) / 2) for lane in self.lanes.values()]
        return self.agent.close(max(end - time.monotonic(), 1.0)) and all(ended)

    def _told(self, observation: Mapping[str, Any], progress: Callable[[str, float], None]) -> dict[str, Any]:
        begun = time.monotonic()
        explanation = self.agent.explain(observation, progress=progress)
        return plain(
            {
                "action": explanation.decision,
                "verdict": explanation.verdict,
                "justification": explanation.justification,
                "seconds": time.monotonic() - begun,
                "result": explanation.to_dict(),
            }
        )

    async def _run(self, lane: str, work: Callable[[], T], seconds: float) -> T:
        try:
            return await self.lanes[lane].run(work, seconds)
        except VeridicalError as error:
            raise problem_of(error) from error

    def _outcome(self, outcome: Any) -> None:
        told = plain(outcome)
        if isinstance(told, dict) and isinstance(told.get("id"), str):
            self.recent.outcome(
                told["id"], {name: value for name, value in told.items() if name not in ("id", "number")}
            )
