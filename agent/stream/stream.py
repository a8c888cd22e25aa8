"""A stream of what a system senses: samples are pushed as they come, decisions fall over the window that they make."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ...errors import InputError, VeridicalError
from ...modalities.contract import System
from ...modalities.given import Given
from ...modalities.target import decision_score
from ...modalities.unrolled import RecurrentSystem
from ..loop.choosing import stand_still
from .carried import Carried, Memory
from .counts import KEPT, LONGEST, quantiles
from .intake import Intake
from .once import Once
from .sound import SoundBuffer
from .source import Arrival, Source
from .window import AtHand, at_hand, steps_of
from .words import WordBuffer

if TYPE_CHECKING:
    from ..loop.agent import ExplanationAgent
    from ..loop.decision import Decision

__all__ = ["Stream"]


class Stream:
    """A system's senses as streams, in bounded memory.

    `push` may be called from any thread, one thread a sense or all from one; `observe` and `decide` from any other.
    What was prepared, cut up or encoded for one decision is used again in the next, where it is exactly the same. The
    system is put into evaluation mode for good.

    Attributes:
        agent: what decides; None where a system alone was given.
        system: what is streamed to.
        sources: what comes in, by sense.
        step: seconds of a step.
        memory: what was remembered, None where nothing is carried.
        once: what was made of the newest samples.
        notes: what is to be told of the system, one sentence each.
        trouble: what went wrong last in making a window ready; None: nothing yet.

    Example:
        >>> stream = Stream(agent, courier_sources())                                 # doctest: +SKIP
        >>> stream.push("vision", frame, at=12.3)                                     # doctest: +SKIP
        >>> stream.decide().action                                                    # doctest: +SKIP
        'STOP'
    """

    def __init__(
        self,
        agent: ExplanationAgent | System,
        sources: Mapping[str, Source],
        step: float = 1.0,
        *,
        carry: bool = False,
        reuse: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open a stream.

        Args:
            agent: what decides; of a system alone, `observe` can be had and `decide` not.
            sources: what comes in, by sense.
            step: seconds between the frames of a window, and of a system's step.
            carry: whether what the system remembered before the window is carried into it; of systems that can be
                unrolled.
            reuse: whether what was made for one window is used again in the next.
            clock: the host's clock, seconds, by which the evenness of arrivals is told.

        Raises:
            InputError: no source, a sense that the system lacks, a step out of range, ``carry`` of a system that cannot
                be unrolled, or with explanations in the background, which would not know the state.
        """
        self.agent = None if isinstance(agent, System) else agent
        self.system: System = agent if isinstance(agent, System) else agent.system
        known = list(self.system.modalities)
        if not sources:
            raise InputError(f"stream: no sources; give one for each sense that comes in, of {', '.join(known)}")
        for name in sources:
            if name not in known:
                raise InputError(f"stream: the system has no sense {name!r}; it has {', '.join(known)}")
        if not (math.isfinite(step) and 0 < step <= min(s.window for s in sources.values())):
            raise InputError(f"stream: a step of {step} s; give more than 0 and at most the shortest window")
        if carry and not isinstance(self.system, RecurrentSystem):
            raise InputError(
                f"stream: {type(self.system).__name__} has no unroll; it carries no state, so leave carry off"
            )
        if carry and getattr(self.agent, "worker", None) is not None:
            raise InputError(
                "stream: carry with a policy that explains in the background: the worker would explain without the "
                "state; explain inline, or leave carry off"
            )
        self.notes = tuple(stand_still(self.system))
        self.sources, self.step = dict(sources), float(step)
        self.memory = Memory(self.step) if carry else None
        self.once = Once(self.system, self.sources, reuse)
        self.counts: Counter[str] = Counter(decisions=0, troubles=0)
        self.trouble: str | None = None
        self._senses = {m: Intake(source, clock) for m, source in self.sources.items()}
        self._clock = clock
        self._times: deque[float] = deque(maxlen=KEPT)
        self._told: list[str] = []
        self._reading = threading.RLock()
        self._telling = threading.Lock()

    def push(self, sense: str, signal: Any, at: float) -> Arrival:
        """Take in one frame, one chunk of sound or one instruction.

        Args:
            sense: which.
            signal: a frame as `Vision.prepare` takes one; sound (samples,) or (samples, channels), or a pair of it and
                its rate; text.
            at: when the frame was taken, the chunk's first sample was, or from when on the instruction stands; seconds
                on one clock that all senses share.

        Returns:
            What became of it. Whatever the signal and its timestamp are, nothing is raised.

        Raises:
            InputError: the stream has no such sense.
        """
        if sense not in self._senses:
            raise InputError(f"stream: no source {sense!r}; it has {', '.join(self._senses)}")
        intake = self._senses[sense]
        others = self._latest(but=sense)
        with intake.lock:
            arrival = intake.take(signal, at, others)
            anew = intake.restarted
        if anew is not None:
            self._begin_anew(sense, anew, arrival.why)
        return arrival

    def observe(self, at: float | None = None) -> tuple[dict[str, Any], Given]:
        """Return the observation of the window that ends at a moment, and what is known of it already.

        Args:
            at: seconds on the stream's clock; by default the newest sample's.

        Raises:
            InputError: nothing is at hand; a moment that is not finite.
            ContractError: the system breaks the contract.
        """
        at, window, steps = self._window(at)
        if all(hand.signal is None for hand in window.values()):
            told = "; ".join(note for hand in window.values() for note in hand.notes) or "nothing has come in"
            raise InputError(f"stream: nothing is at hand at {at:g} s: {told}")
        return _observation(window), self._given(window, at, steps)

    def decide(self, at: float | None = None, request: bool = False) -> Decision:
        """Let the agent decide over the window that ends at a moment.

        What goes wrong here is told in `status`, and the agent decides from the observation alone.

        Args:
            at: seconds on the stream's clock; by default the newest sample's.
            request: whether an explanation is asked for.

        Raises:
            InputError: there is no agent; as the agent's ``decide`` where the policy has no fail-safe action.
            ContractError: as the agent's ``decide``.
        """
        if self.agent is None:
            raise InputError("stream: a system alone was given; open the stream with an ExplanationAgent to decide")
        start = time.perf_counter()
        at, window, steps = self._window(at)
        observation = _observation(window)
        notes = tuple(note for hand in window.values() for note in hand.notes)
        given = Given({}, notes=notes)
        if observation:
            try:
                given = self._given(window, at, steps)
            except Exception as error:  # noqa: BLE001 - acting goes on; what fails again, the agent deals with
                self.counts["troubles"] += 1
                told = " ".join(str(error).split()) or type(error).__name__
                self.trouble = told if isinstance(error, VeridicalError) else f"{type(error).__name__}: {told}"
                given = Given({}, notes=(*notes, f"Decided from the observation alone: {self.trouble[:LONGEST]}"))
        decision = self.agent.decide(observation, given=given, request=request, begun=start)
        self.counts["decisions"] += 1
        self._times.append(time.perf_counter() - start)
        return decision

    def status(self) -> dict[str, Any]:
        """Return plain JSON values: what came in, how evenly, what was used again; decisions and their time."""
        return {
            "senses": {m: intake.counts.to_dict() for m, intake in self._senses.items()},
            "kept": {m: len(intake.buffer) for m, intake in self._senses.items()},
            "once": self.once.status(),
            "remembered": None if self.memory is None else len(self.memory),
            **self.counts,
            "trouble": self.trouble,
            "latency": quantiles(self._times),
        }

    def _latest(self, but: str | None = None, words: bool = False) -> float | None:
        """Return the newest timestamp of the senses that have time, or of those that have none."""
        found = []
        for m, intake in self._senses.items():
            buffer = intake.buffer
            if m != but and isinstance(buffer, WordBuffer) == words:
                with intake.lock:
                    found.append(buffer.ended if isinstance(buffer, SoundBuffer) else buffer.newest)
        return max((at for at in found if at is not None), default=None)

    def _begin_anew(self, sense: str, at: float, why: str) -> None:
        """A clock was set anew: what was remembered counts no more, and the instruction stands on."""
        for intake in self._senses.values():
            if isinstance(intake.buffer, WordBuffer):
                with intake.lock:
                    intake.buffer.rebase(at)
        with self._telling:
            self._told = [*self._told, f"{sense} began anew: {why}"][-len(self._senses) :]
        if self.memory is not None:
            with self._reading:
                self.memory.clear()

    def _window(self, at: float | None) -> tuple[float, dict[str, AtHand], int]:
        if at is None:
            latest = self._latest()
            at = self._latest(words=True) or 0.0 if latest is None else latest
        if isinstance(at, bool) or not math.isfinite(at):
            raise InputError(f"stream: at {at!r} s; give a finite number of seconds, or None for the newest sample's")
        at = float(at)
        steps, window = steps_of({m: i.buffer for m, i in self._senses.items()}, at, self.step), {}
        for m, intake in self._senses.items():
            with intake.lock:
                hand, lost = at_hand(m, intake.buffer, at, self.step, steps), intake.counts.untold()
                window[m] = hand if lost is None else replace(hand, notes=(*hand.notes, f"{m}: {lost}"))
                intake.counts.used(hand.age)
        return at, window, steps

    def _given(self, window: Mapping[str, AtHand], at: float, steps: int) -> Given:
        with self._reading:
            given = self.once.read(window)
            with self._telling:
                notes, self._told = [*given.notes, *self._told, *self.once.whole.values()], []
            system = logits = None
            if self.memory is not None:
                longest = max([round(s.window / self.step) for s in self.sources.values() if s.kind != "words"] or [1])
                system, logits, more = self._carry(self.memory, given, at, min(steps, longest))
                notes += more
        return Given(given.prepared, given.segmentations, given.features, logits, system, tuple(notes))

    @torch.no_grad()
    def _carry(
        self, memory: Memory, given: Given, at: float, steps: int
    ) -> tuple[Carried | None, Tensor | None, list[str]]:
        """Go on from what was remembered before the window, and remember its steps for the next."""
        system, start = self.system, at - steps * self.step
        assert isinstance(system, RecurrentSystem)  # noqa: S101 - for type checkers; asked when it was opened
        memory.forget_before(start - self.step)
        before = memory.near(start)
        unrolled = system.unroll(given.features, None if before is None else before[1])
        if len(unrolled.inputs) != steps:
            return (
                None,
                None,
                [f"Nothing is carried: the system takes {len(unrolled.inputs)} steps, the window has {steps}"],
            )
        logits = memory.learn(unrolled, start)
        if before is None:
            return None, logits[0], ["Nothing is carried into the window: no decision led up to it"]
        action = int(logits[0].argmax())
        score = float(decision_score(logits, action)[0])
        alone = float(decision_score(system.decide(given.features), action)[0])
        apart = abs(start - before[0])
        told = f", of a moment {apart:.2g} s from the window's start" if apart > self.step / 100 else ""
        share = f"A state is carried into the window{told}: of {score:.2f} nats for {system.actions[action]} it makes "
        return (
            Carried(system, before[1]),
            logits[0],
            [f"{share}{score - alone:+.2f}; the explanation covers the window, given that state"],
        )


def _observation(window: Mapping[str, AtHand]) -> dict[str, Any]:
    return {m: hand.signal for m, hand in window.items() if hand.signal is not None}
