"""Killing: writers at work on one log, who of them dies when, and the server under them (private)."""

from __future__ import annotations

import multiprocessing
import random
import statistics
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import _killed
from benchmarks.postgres import Server
from veridical.agent.log.log import Log
from veridical.agent.log.seen import Seen
from veridical.errors import InputError

__all__ = ["Run", "kill_server", "kill_writers"]

_PAUSE = (0.005, 0.4)  # seconds between kills
_ALL = 0.1  # of the kills of writers, those at which all go
_IMMEDIATE = 0.3  # of the kills of the server, those by SIGQUIT
_RECOVERY = 15.0  # seconds until something must be acknowledged again
_SEEDS = 1 << 20


@dataclass
class Run:
    """Writers at work on one log.

    Attributes:
        folder: in which the home and the writers' lines are.
        url: of the database; None for SQLite.
        count: how many writers.
        rng: draws who is killed, and when.
        killed: kills so far, by kind.
        seen: tree heads that the home remembered right before a kill.
    """

    folder: Path
    url: str | None
    count: int
    rng: random.Random
    killed: Counter[str] = field(default_factory=Counter)
    seen: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.home, self.lines = self.folder / "home", self.folder / "lines"
        self.lines.mkdir()
        # Writers are forked from a process that has loaded all they need: else most would be killed while they import.
        self._context: Any = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([_killed.__name__])
        self._writers: list[Any] = [None] * self.count
        Log.open(self.home, self.url).close()

    def begin(self, slot: int) -> None:
        lines = str(self.lines / f"writer-{slot}")
        arguments = (str(self.home), self.url, lines, self.rng.randrange(_SEEDS))
        self._writers[slot] = self._context.Process(target=_killed.write, args=arguments, daemon=True)
        self._writers[slot].start()

    def kill(self, slots: list[int]) -> None:
        """Kill writers, all before any is waited for."""
        self.remember()
        for slot in slots:
            self._writers[slot].kill()
        for slot in slots:
            self._writers[slot].join()
            self._writers[slot].close()
            self._writers[slot] = None
        self.killed["writers"] += len(slots)

    def end(self) -> None:
        """Kill those that still run."""
        self.kill([slot for slot, writer in enumerate(self._writers) if writer is not None])

    def remember(self) -> None:
        note = Seen(self.home).read()
        if note is not None:
            self.seen.append(note)

    def pause(self) -> None:
        time.sleep(self.rng.uniform(*_PAUSE))

    def told(self) -> int:
        """Bytes that the writers have written down."""
        return sum(path.stat().st_size for path in self.lines.iterdir())

    def recover(self) -> None:
        """Wait until something is acknowledged again: a server that nobody uses is not worth killing."""
        before, end = self.told(), time.monotonic() + _RECOVERY
        while self.told() == before:
            if time.monotonic() > end:
                raise InputError(f"kills: nothing was acknowledged for {_RECOVERY:g} s; see {self.lines}")
            time.sleep(0.01)


def kill_writers(run: Run, kills: int, tick: Callable[[int], None]) -> None:
    """Kill writers, and begin them again; the last kills end all."""
    for slot in range(run.count):
        run.begin(slot)
    run.recover()
    while run.killed["writers"] < kills - run.count:
        run.pause()
        left = kills - run.count - run.killed["writers"]
        every = left >= run.count and run.rng.random() < _ALL
        slots = list(range(run.count)) if every else [run.rng.randrange(run.count)]
        run.kill(slots)
        for slot in slots:
            run.begin(slot)
        tick(len(slots))
    run.pause()
    run.end()
    tick(run.count)


def kill_server(run: Run, server: Server, kills: int, tick: Callable[[int], None]) -> dict[str, float]:
    """Kill the server while the writers write; they are left alive, and reconnect by themselves."""
    for slot in range(run.count):
        run.begin(slot)
    up: list[float] = []
    back: list[float] = []
    for _ in range(kills):
        run.recover()
        run.pause()
        run.remember()
        begin = time.monotonic()
        if run.rng.random() < _IMMEDIATE:
            server.quit()
            run.killed["server, immediate"] += 1
        else:
            server.kill()
            run.killed["server, SIGKILL"] += 1
        up.append(server.start())
        run.recover()
        back.append(time.monotonic() - begin)
        tick(1)
    run.end()
    return {"server_up_again_s": statistics.median(up), "acknowledged_again_s": statistics.median(back)}
