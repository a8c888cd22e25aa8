"""Courier in real time: ``python -m benchmarks.realtime`` (``make benchmark-realtime``).

Four parts, each of which can be run alone (``--parts``):

- ``latency``: time of one decision on a stream (camera at 1, 5 and 10 frames a second, sound at 16 kHz), without the
  agent and with it in each mode. Without: the window is prepared, encoded and decided, as a loop does by itself.
  "Stream alone" is the same through a `Stream`, which encodes nothing twice. The variants take turns, decision by
  decision; explaining in the background is measured apart, for its worker takes the machine's time from all the others.
- ``multiples``: time of a verified explanation as multiples of one forward pass, median over scenes: the gradient's
  account, and its verdict with 19 controls and two operators; from the observation alone, and from the stream.
- ``deadlines``: explained inline with a deadline, every second of the stream: how many decisions came in time, and what
  could be explained within it.
- ``soak``: hours of stream as fast as it goes, explained in the background and logged; resident memory of both
  processes, files, threads.

A decision is late where the whole of it, from the call to the answer, took longer than the deadline. Scenes are of the
training partition; nothing is chosen by what is measured here.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks._reel import Reel
from benchmarks._soaking import soak
from veridical.agent.depths import settings_at
from veridical.agent.explainer import Explainer
from veridical.agent.loop.agent import ExplanationAgent
from veridical.agent.loop.choosing import choose
from veridical.agent.loop.policy import Explaining, Policy
from veridical.agent.stream.stream import Stream
from veridical.errors import InputError, VeridicalError
from veridical.modalities.contract import System
from veridical.modalities.observation import prepare
from veridical.scenarios.courier.model import load
from veridical.scenarios.courier.scene import render, sample_scene
from veridical.scenarios.courier.streaming import courier_sources

__all__ = ["DEADLINES", "PARTS", "deadlines", "latency", "main", "multiples", "spread"]

PARTS = ("latency", "multiples", "deadlines", "soak")
DEADLINES = (100, 250, 500, 1000)
"""Milliseconds."""
RATES = (1.0, 5.0, 10.0)
"""Camera frames a second."""
_TRIGGERED = Explaining(mode="triggered", triggers=("low margin", "changed decision", "out of distribution"), queue=4)
_SETTLED = "the claims settled it"


def spread(values: Sequence[float]) -> dict[str, float | int]:
    """Return how many there are, their median, 99th percentile, largest and standard deviation.

    Raises:
        InputError: there are none.
    """
    if not len(values):
        raise InputError("realtime: nothing was measured; ask for at least one decision")
    p50, p99 = np.percentile(values, [50, 99])
    return {"n": len(values), "p50": float(p50), "p99": float(p99), "max": max(values), "sd": float(np.std(values))}


def _ms(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    out = work()
    return 1000 * (time.perf_counter() - start), out


@torch.no_grad()
def _plain(system: System, observation: Any) -> str:
    """Decide as a loop does that has no agent."""
    scores = system({m: p.tensor for m, p in prepare(system, observation).items()})
    return system.actions[int(scores.argmax())]


def latency(system: System, make: str, decisions: int, rates: Sequence[float] = RATES) -> dict[str, Any]:
    """Time decisions with and without the agent at each of the camera's rates; one a frame, at most 5 a second.

    Raises:
        InputError: no decisions.
    """
    found: dict[str, Any] = {}
    for rate in rates:
        times: dict[str, list[float]] = {}
        turns = {"agent, off": Explaining(mode="off"), "agent, inline 500 ms": _inline(500)}
        _take_turns(system, make, rate, decisions, turns, times)
        for name, explaining in (("triggered", _TRIGGERED), ("background", Explaining(queue=4))):
            _take_turns(
                system, make, rate, decisions, {f"agent, {name}": explaining}, times, besides=f", {name} beside"
            )
        found[f"{rate:g}"] = {name: spread(each) for name, each in times.items()}
    return found


def _inline(deadline_ms: float) -> Explaining:
    return Explaining(mode="inline", deadline_ms=deadline_ms, depth="verdict")


def _take_turns(
    system: System,
    make: str,
    rate: float,
    decisions: int,
    turns: dict[str, Explaining],
    times: dict[str, list[float]],
    besides: str = "",
) -> None:
    step = 1 / min(rate, 5.0)
    with ExitStack() as stack:
        streams = {
            "no agent": Stream(system, courier_sources(rate)),
            "stream alone": Stream(system, courier_sources(rate)),
        }
        for name, explaining in turns.items():
            agent = stack.enter_context(ExplanationAgent(system, Policy(explain=explaining), make_system=make))
            streams[name] = Stream(agent, courier_sources(rate))
        reel = Reel(0, rate)
        for i in track(range(decisions + 5), f"{rate:g} frames/s", console=Console(stderr=True), transient=True):
            at = 3.0 + i * step
            reel.play(list(streams.values()), at)
            names = list(streams)
            for name in names[i % len(names) :] + names[: i % len(names)]:
                stream = streams[name]
                if name == "no agent":
                    observation = stream.observe(at)[0]  # its frames are encoded here, out of the time
                    spent = _ms(lambda o=observation: _plain(system, o))[0]
                elif name == "stream alone":
                    spent = _ms(lambda s=stream, t=at: choose(system, *s.observe(t)))[0]
                else:
                    spent = _ms(lambda s=stream, t=at: s.decide(t))[0]
                if i >= 5:
                    times.setdefault(name + ("" if name in turns else besides), []).append(spent)


def multiples(system: System, scenes: int) -> dict[str, Any]:
    """Time verified explanations of scenes beside one forward pass, from the observation and from a stream.

    Raises:
        InputError: no scenes.
    """
    depths = {depth: Explainer(system, settings_at(depth)) for depth in ("account", "verdict")}
    times: dict[str, list[float]] = {"forward": []}
    verdicts: Counter[str] = Counter()
    stream, reel = Stream(system, courier_sources(10.0)), Reel(5000, 10.0, scenes + 2)
    for i in track(range(scenes + 2), "scenes", console=Console(stderr=True), transient=True):
        observation = render(sample_scene(5000 + i, "train"))
        inputs = {m: p.tensor for m, p in prepare(system, observation).items()}
        rows = [("forward", _ms(lambda x=inputs: _forward(system, x))[0])]
        for depth, explainer in depths.items():
            spent, told = _ms(lambda e=explainer, o=observation: e.explain(o))
            rows += [(name, spent) for name in (depth, *_kinds(depth, told))]
            if i > 1 and depth == "verdict":
                verdicts[f"{told.verdict}: {told.result['verdict']['cause']}"] += 1
        reel.play([stream], 3.0 * (i + 1))
        for depth, explainer in depths.items():
            # As at a decision on the stream: what the decision needed is there, superpixels are found frame by frame.
            observed, given = stream.observe(3.0 * (i + 1))
            choice = choose(system, observed, given)
            spent, told = _ms(lambda e=explainer, o=observed, c=choice: e.explain(o, given=c.given))
            rows += [(f"{name}, from the stream", spent) for name in (depth, *_kinds(depth, told))]
        if i > 1:
            for name, spent in rows:
                times.setdefault(name, []).append(spent)
    forward = statistics.median(times["forward"])
    return {
        "forward_ms": forward,
        "times": {name: {**spread(v), "x": statistics.median(v) / forward} for name, v in times.items()},
        "verdicts": dict(verdicts),
    }


@torch.no_grad()
def _forward(system: System, inputs: Any) -> None:
    system(inputs)


def _kinds(depth: str, told: Any) -> tuple[str, ...]:
    if depth != "verdict":
        return ()
    drawn = any(each["controls"] for each in told.result["verdict"]["attempts"][-1]["controls"])
    return (f"verdict, {'controls measured' if drawn else _SETTLED}",)


def deadlines(system: System, decisions: int, limits: Sequence[int] = DEADLINES) -> dict[str, Any]:
    """Decide every second of a stream, explaining inline within each deadline.

    Raises:
        InputError: no decisions.
    """
    found: dict[str, Any] = {}
    for limit in limits:
        spent, late, reached = list[float](), list[dict[str, Any]](), Counter[str]()
        with ExplanationAgent(system, Policy(explain=_inline(limit))) as agent:
            stream, reel = Stream(agent, courier_sources(10.0)), Reel(7000, 10.0, scenes=128)
            bar = track(range(decisions), f"within {limit} ms", console=Console(stderr=True), transient=True)
            for i in bar:
                at = 3.0 + i
                reel.play([stream], at)
                usage, load = os.times(), os.getloadavg()[0]
                ms, decision = _ms(lambda s=stream, t=at: s.decide(t))
                spent.append(ms)
                reached[_reached(decision)] += 1
                if ms > limit:
                    used = os.times()
                    busy = 1000 * (used.user + used.system - usage.user - usage.system)
                    late.append(
                        {"decision": i, "ms": ms, "processor_ms": busy, "load": load, "reached": _reached(decision)}
                    )
        found[f"{limit}"] = {
            **spread(spent),
            "kept": 1 - len(late) / decisions,
            "late": late,
            "worst_overrun_ms": max(0.0, max(spent) - limit),
            "reached": dict(reached.most_common()),
        }
    return found


def _reached(decision: Any) -> str:
    if decision.explanation is None:
        return "not explained"
    verdict = decision.explanation.result["verdict"]
    return f"{verdict['verdict']}: {verdict['cause']}"


def _machine() -> dict[str, Any]:
    with Path("/proc/cpuinfo").open() as file:
        model = next(
            (line.split(":")[1].strip() for line in file if line.startswith("model name")), platform.processor()
        )
    cores = len(os.sched_getaffinity(0))
    load = os.getloadavg()[0]
    return {
        "processor": model,
        "cores": cores,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "load_at_start": load,
        "quiet": load < 0.3 * cores,
    }


def _print(result: dict[str, Any]) -> None:
    console, m = Console(), result["machine"]
    quiet = "" if m["quiet"] else "; NOT QUIET"
    console.print(f"{m['processor']}, {m['cores']} cores, load {m['load_at_start']:.2f} at the start{quiet}")
    for rate, rows in result.get("latency", {}).items():
        base = rows["no agent"]["p50"]
        _table(f"Decision, camera at {rate} frames/s (ms)", [(k, v, f"{v['p50'] / base:.2f}") for k, v in rows.items()])
    if told := result.get("multiples"):
        _table("Verified explanation (ms)", [(k, v, f"{v['x']:.1f}") for k, v in told["times"].items()], "× forward")
        console.print("  ".join(f"{k} {n}" for k, n in told["verdicts"].items()))
    if told := result.get("deadlines"):
        rows = [(f"{k} ms", v, f"{100 * v['kept']:.2f} %") for k, v in told.items()]
        _table("Inline, with a deadline (ms)", rows, "kept")
        for k, v in told.items():
            console.print(f"{k} ms: " + "; ".join(f"{name} {n}" for name, n in v["reached"].items()))
            for each in v["late"]:
                console.print(f"  late: {each}")
    if told := result.get("soak"):
        head = f"{told['hours_of_stream']:g} h of stream in {told['minutes']:.1f} min"
        table = Table(title=f"{head}: {told['decisions']} decisions, outcomes {told['outcomes']}")
        for name in ("MiB", "first", "middle", "last", "peak", "a hour, 2nd half", "growth", "flat"):
            table.add_column(name, justify="right")
        for who, v in told["memory"].items():
            figures = (v[key] for key in ("first_mib", "middle_mib", "last_mib", "peak_mib", "mib_per_hour"))
            table.add_row(who, *(f"{x:.1f}" for x in figures), f"{100 * v['growth']:.2f} %", str(v["flat"]))
        console.print(table)
        ends = [told["samples"][i] for i in (0, -1)]
        console.print("; ".join(f"{k} {ends[0][k]:g} → {ends[1][k]:g}" for k in ("files", "threads")))
        console.print(
            f"log: {told['log_entries']} entries, {len(told['log_problems'])} problems, closed {told['closed']}"
        )


def _table(title: str, rows: list[tuple[str, dict[str, Any], str]], last: str = "× no agent") -> None:
    table = Table(title=title)
    for name in ("", "n", "p50", "p99", "max", "sd", last):
        table.add_column(name, justify="left" if not name else "right")
    for name, v, told in rows:
        table.add_row(name, str(v["n"]), *(f"{v[key]:.1f}" for key in ("p50", "p99", "max", "sd")), told)
    Console().print(table)


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark and print it, as tables or as JSON."""
    parser = argparse.ArgumentParser(description="Courier in real time, with and without the agent.")
    parser.add_argument("--parts", default="latency,multiples,deadlines", help=f"of {','.join(PARTS)}")
    parser.add_argument("--decisions", type=int, default=500, help="within each deadline; a fifth of it for latency")
    parser.add_argument("--scenes", type=int, default=40, help="explained for the multiples")
    parser.add_argument("--hours", type=float, default=1.0, help="of stream, for the soak")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args(arguments)
    try:
        result = _measure(asked.parts.split(","), asked.decisions, asked.scenes, asked.hours)
    except VeridicalError as error:
        parser.exit(2, f"realtime: error: {' '.join(str(error).split())}\n")
    if asked.json:
        print(json.dumps(result, indent=2, allow_nan=False))
    else:
        _print(result)


def _measure(parts: Sequence[str], decisions: int, scenes: int, hours: float) -> dict[str, Any]:
    if unknown := sorted(set(parts) - set(PARTS)):
        raise InputError(f"realtime: no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    if decisions < 1 or scenes < 1 or not 0 < hours < 1000:
        raise InputError(
            f"realtime: {decisions} decisions, {scenes} scenes, {hours:g} hours; give more than none of each"
        )
    result: dict[str, Any] = {"benchmark": "realtime", "machine": _machine()}
    system = load()
    work: dict[str, Callable[[], Any]] = {
        "latency": lambda: latency(system, "courier", max(1, decisions // 5)),
        "multiples": lambda: multiples(system, scenes),
        "deadlines": lambda: deadlines(system, decisions),
        "soak": lambda: soak(system, "courier", hours),
    }
    return result | {part: work[part]() for part in PARTS if part in parts}


if __name__ == "__main__":
    main()
