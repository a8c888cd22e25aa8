"""Hours of stream, as fast as it goes, explained in the background and logged: does memory stay flat (private)?"""

from __future__ import annotations

import gc
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress

from benchmarks._reel import Reel
from benchmarks.ray_nodes import _children as processes_under
from veridical.agent.log.log import Log
from veridical.agent.log.verify import verify_log
from veridical.agent.loop.agent import ExplanationAgent
from veridical.agent.loop.policy import Explaining, Policy
from veridical.agent.stream.stream import Stream
from veridical.modalities.contract import System
from veridical.scenarios.courier.streaming import courier_sources

__all__ = ["MOST_GROWTH", "slope", "soak"]

MOST_GROWTH = 0.02
"""Memory is called flat where over the second half of the samples it grows, by a straight line, by less than this."""


def slope(x: list[float], y: list[float]) -> float:
    """Return the slope of the straight line through points, by least squares; 0 of fewer than two."""
    return float(np.polyfit(x, y, 1)[0]) if len(x) > 1 else 0.0


def soak(system: System, make: str, hours: float, rate: float = 10.0, every: float = 1.0) -> dict[str, Any]:
    """Decide every second of a stream for so many hours of it; sample what the processes hold on the way."""
    samples: list[dict[str, float]] = []
    policy = Policy(explain=Explaining(mode="background", queue=4, depth="verdict"))
    with tempfile.TemporaryDirectory(prefix="veridical-soak-") as home, Log.open(home) as log:
        agent = ExplanationAgent(system, policy, log=log, make_system=make)
        with agent, Progress(console=Console(stderr=True), transient=True) as bar:
            stream, reel = Stream(agent, courier_sources(rate)), Reel(0, rate)
            steps, begun = int(hours * 3600 / every), time.perf_counter()
            task = bar.add_task("soak", total=steps)
            for step in range(1, steps + 1):
                reel.play([stream], step * every)
                stream.decide(step * every)
                bar.advance(task)
                if step % max(1, steps // 120) == 0:
                    samples.append(_sample(os.getpid(), agent, step * every / 3600))
            seconds = time.perf_counter() - begun
            closed = agent.close(120.0)
            status = agent.status()
        problems = [p.told for p in verify_log(Log.as_it_is(Path(home))).problems]
        entries = log.size()
    return {
        "hours_of_stream": hours,
        "minutes": seconds / 60,
        "decisions": status["decisions"],
        "outcomes": status["outcomes"],
        "lost_notes": status["log"]["lost"],
        "closed": closed,
        "log_entries": entries,
        "log_problems": problems,
        "memory": {who: _flatness(samples, who) for who in ("parent", "worker")},
        "samples": samples,
    }


def _sample(pid: int, agent: ExplanationAgent, hour: float) -> dict[str, float]:
    gc.collect()
    told = agent.status()
    return {
        "hour": hour,
        "parent": _resident(pid),
        "worker": sum(_resident(child) for child in processes_under(pid)),
        "files": float(len(list(Path(f"/proc/{pid}/fd").iterdir()))),
        "threads": float(len(list(Path(f"/proc/{pid}/task").iterdir()))),
        "waiting": float(told["worker"]["waiting"]),
        "unwritten": float(told["log"]["waiting"]),
    }


def _resident(pid: int) -> float:
    """MiB of a process that are in memory; 0 of one that has ended."""
    with suppress(OSError, StopIteration):
        rows = Path(f"/proc/{pid}/status").read_text().splitlines()
        return int(next(row for row in rows if row.startswith("VmRSS")).split()[1]) / 1024
    return 0.0


def _flatness(samples: list[dict[str, float]], who: str) -> dict[str, Any]:
    late = samples[len(samples) // 2 :]
    x, y = [s["hour"] for s in late], [s[who] for s in late]
    rise = slope(x, y)
    growth = rise * (x[-1] - x[0]) / float(np.mean(y)) if len(y) > 1 and np.mean(y) else 0.0
    every = [s[who] for s in samples]
    return {
        "first_mib": every[0],
        "middle_mib": y[0],
        "last_mib": every[-1],
        "peak_mib": max(every),
        "mib_per_hour": rise,
        "growth": growth,
        "flat": bool(growth < MOST_GROWTH),
    }
