"""Oversight at work: what was found changes what is done, with hysteresis, a person's override and a fail-safe.

A state machine with a lock and a clock that is given, nothing else: it asks no model and writes no log. What it changes
it returns, and the caller writes that down.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence

from ...errors import InputError
from .changes import FAIL_SAFE, OVERRIDE, Change, Override, Reaction, moment, person
from .policy import Oversight
from .policy_checks import JUDGED, NOTICED
from .policy_keys import FINDINGS, REACTIONS, TRIGGERS, nearest
from .watch import TOLD, Watch

__all__ = ["OVERRIDE", "Change", "Overseer", "Reaction"]

_VERDICTS = frozenset(JUDGED)
_GUARDED = {"worker": "the worker that explains has died", "stale": TOLD["stale"]}
_REMEMBERED = 4096
"""Decisions of which is known what was counted: more than any queue holds."""


class Overseer:
    """Watches what is found of decisions, and says what is to be done about each choice. Threads may share it.

    A person's override stands above all. Else the strongest reaction of all rules that hold and of the fail-safe
    counts. `react` is for the control loop: it never raises and never waits for more than another call's few
    microseconds.

    Example:
        >>> overseer = Overseer(Oversight((Rule("unsupported", "stop"),), stop="STOP"), ("GO", "STOP"))
        >>> [change.after for change in overseer.found({"unsupported"})]
        ['stop']
        >>> overseer.react("GO").action
        'STOP'
    """

    def __init__(
        self, oversight: Oversight, actions: Sequence[str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin with nothing found.

        Args:
            oversight: the rules.
            actions: the system's.
            clock: seconds; only what passes counts, and a clock that jumps back merely stands still.

        Raises:
            InputError: the system lacks an action that the rules name.
        """
        self.oversight, self.actions = oversight.check(actions), tuple(actions)
        self._lock = threading.RLock()
        self._clock, self._read, self._now = clock, clock(), 0.0
        self._watches = [Watch(rule, n) for n, rule in enumerate(oversight.rules, 1)]
        self._counted: OrderedDict[str, dict[int, bool]] = OrderedDict()
        self._untold: list[Change] = []
        self._override: Override | None = None
        self._failing: dict[str, str] = {}  # what the fail-safe holds for: its name, and the reaction
        self._heard, self._returned = 0.0, 0

    @property
    def level(self) -> str:
        """The level in force: one of `REACTIONS`, or `OVERRIDE`."""
        with self._lock:
            self._pass()
            return self._level()

    def found(self, findings: Collection[str], about: str = "", pending: bool = False) -> tuple[Change, ...]:
        """Count what was found of one decision, and return what that changes.

        A rule counts a decision once, also where it is told of twice (as it is made, and when it was explained); what
        is found only the second time is counted then. What an explanation alone can find (a verdict, a forbidden
        reason) counts as not found only where there is a verdict; faults and unusable senses only where no explanation
        is pending.

        Args:
            findings: of `FINDINGS`; ``request`` and ``sampled`` are no findings and are passed over.
            about: the decision's id; empty where there is none.
            pending: whether an explanation of this decision is still to come.

        Raises:
            InputError: a finding that is not known.
        """
        unknown = sorted(set(findings) - set(FINDINGS) - set(TRIGGERS))
        if unknown:
            word = f"{unknown[0]!r} is not known{nearest(unknown[0], FINDINGS)}"
            raise InputError(f"oversight: finding {word}; the findings are {', '.join(FINDINGS)}")
        with self._lock:
            self._pass()
            before = self._counted.get(about, {})
            judged = not _VERDICTS.isdisjoint(findings)
            for index, watch in enumerate(self._watches):
                when = watch.rule.when
                hit = when in findings
                known = judged if when in JUDGED else when in NOTICED or (when != "stale" and not pending)
                if (not hit and not known) or before.get(index, False) or (index in before and not hit):
                    continue
                if about:
                    self._remember(about)[index] = hit
                self._count(watch, hit, about)
            return self._told()

    def fault(self, kind: str) -> tuple[Change, ...]:
        """Count something that went wrong, and return what that changes.

        Rules about ``fault`` count it. ``worker`` says that what explains is dead for good: the fail-safe reacts as
        ``fault_do`` says, until outcomes come again.

        Args:
            kind: ``worker``, or any other word for what it was.
        """
        with self._lock:
            self._pass()
            if kind == "worker":
                self._returned = 0
                if kind not in self._failing:
                    self._guard(kind, self.oversight.fault_do)
            for watch in self._watches:
                if watch.rule.when == "fault":
                    self._count(watch, True, kind)
            return self._told()

    def alive(self) -> tuple[Change, ...]:
        """Take note that an outcome came, and return what that changes: enough of them lift the fail-safe."""
        with self._lock:
            self._pass()
            self._heard = self._now
            for watch in self._watches:
                if watch.rule.when == "stale":
                    self._count(watch, False, "")
            if self._failing:
                self._returned += 1
                if self._returned >= self.oversight.release:
                    before, self._failing, self._returned = self._level(), {}, 0
                    self._say(before, "explanations come again", FAIL_SAFE)
            return self._told()

    def idle(self) -> tuple[Change, ...]:
        """Take note that nothing is waiting to be explained: no outcome can come, and its lack says nothing.

        Seconds without an outcome are counted from here again. It lifts nothing.
        """
        with self._lock:
            self._pass()
            self._heard = self._now
            return self._told()

    def check(self) -> tuple[Change, ...]:
        """Look at the clock, and return what changed since somebody was told: stale, an override that ran out."""
        with self._lock:
            self._pass()
            return self._told()

    def override(self, action: str, who: str, reason: str, seconds: float | None = None) -> Change:
        """Let a person decide: the action is done whatever the system chooses and whatever was found.

        It holds until `release`, another override, or the seconds are over.

        Args:
            action: one of the system's.
            who: the person.
            reason: theirs.
            seconds: how long it holds; None until it is released.

        Raises:
            InputError: an action that the system lacks, nobody or no reason named, or seconds that are none.
        """
        if action not in self.actions:
            fix = f"the system's actions are {', '.join(self.actions)}{nearest(action, self.actions)}"
            raise InputError(f"override: {action!r} is no action of this system; {fix}")
        who, reason = person("override", who, reason)
        if seconds is not None and (not isinstance(seconds, int | float) or not 0 < seconds < math.inf):
            raise InputError(f"override: {seconds!r} is no time; give seconds above 0, or none to hold until released")
        with self._lock:
            self._pass()
            before = self._level()
            self._override = Override(action, who, reason, math.inf if seconds is None else self._now + seconds)
            return Change(before, OVERRIDE, reason, who, moment(), action)

    def release(self, who: str, reason: str) -> Change:
        """End a person's override: rules and fail-safe decide again, as they stand by now.

        Raises:
            InputError: nothing is overridden, or nobody or no reason is named.
        """
        who, reason = person("release", who, reason)
        with self._lock:
            self._pass()
            if self._override is None:
                raise InputError("release: nothing is overridden (any more); look at the level first")
            self._override = None
            return Change(OVERRIDE, self._level(), reason, who, moment())

    def react(self, chosen: str) -> Reaction:
        """Return what is to be done about a choice. For the control loop; never raises."""
        with self._lock:
            self._pass()
            level = self._level()
            if self._override is not None:
                return Reaction(level, self._override.action, (self._override.told,))
            action = {
                "slow": self.oversight.slow.get(chosen),
                "hand over": self.oversight.fallback,
                "stop": self.oversight.stop,
            }.get(level)
            return Reaction(level, chosen if action is None else action, self._reasons())

    def stand_in(self, why: str) -> Reaction | None:
        """Return what is to be done where the system itself chose nothing; None where the policy names no such action.

        A person's override, else the action that stops, else the fallback.

        Args:
            why: what went wrong, told as the first reason.
        """
        with self._lock:
            self._pass()
            if self._override is not None:
                return Reaction(OVERRIDE, self._override.action, (why, self._override.told))
            for level, action in (("stop", self.oversight.stop), ("hand over", self.oversight.fallback)):
                if action is not None:
                    return Reaction(level, action, (why, *self._reasons()))
            return None

    def _pass(self) -> None:
        """Let time pass; everything below is called with the lock held."""
        now = self._clock()
        if math.isfinite(now):
            # A clock that jumps back must neither lengthen an override nor hide that nothing comes.
            self._now += max(0.0, now - self._read)
            self._read = now
        if self._override is not None and self._now >= self._override.until:
            ended, self._override = self._override, None
            change = Change(OVERRIDE, self._level(), "the time that was given is over", ended.who, moment())
            self._untold.append(change)
        limit = self.oversight.stale_s
        if limit is not None and self._now - self._heard > limit:
            self._returned = 0
            if "stale" not in self._failing:
                self._guard("stale", self.oversight.stale_do)
                for watch in self._watches:
                    if watch.rule.when == "stale":
                        self._count(watch, True, "")

    def _guard(self, what: str, do: str) -> None:
        before = self._level()
        self._failing[what] = do
        self._say(before, _GUARDED[what], FAIL_SAFE)

    def _count(self, watch: Watch, hit: bool, about: str) -> None:
        before = self._level()
        why = watch.count(hit)
        if why is not None:
            self._say(before, f"{why} ({about})" if about else why, watch.by)

    def _say(self, before: str, why: str, by: str) -> None:
        self._untold.append(Change(before, self._level(), why, by, moment()))

    def _told(self) -> tuple[Change, ...]:
        told, self._untold = tuple(self._untold), []
        return told

    def _remember(self, about: str) -> dict[int, bool]:
        if about not in self._counted and len(self._counted) >= _REMEMBERED:
            self._counted.popitem(last=False)
        return self._counted.setdefault(about, {})

    def _held(self) -> list[tuple[str, str]]:
        """Reactions that hold, and why, the strongest first."""
        found = [(do, _GUARDED[what]) for what, do in self._failing.items() if do != "none"]
        found += [(watch.rule.do, watch.reason) for watch in self._watches if watch.active]
        return sorted(found, key=lambda each: -REACTIONS.index(each[0]))

    def _level(self) -> str:
        if self._override is not None:
            return OVERRIDE
        held = self._held()
        return held[0][0] if held else "none"

    def _reasons(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(reason for _, reason in self._held()))
