"""A batch from beginning to end: a source, a plan and a log in; every item explained, failed or known already, out."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import InputError
from .explaining import Explaining
from .plan import Plan
from .sources import Source
from .work import Maker

if TYPE_CHECKING:
    from ..log.log import Log

__all__ = ["LOCK", "MOST", "Tally", "explain_all"]

LOCK = "batch.lock"
"""A home's file that is locked while a batch is written: one at a time, so that none does the other's work again."""

MOST = 1000
"""Failures that a tally names; all are counted, and all are in the log."""


@dataclass
class Tally:
    """What became of a batch so far.

    Attributes:
        total: items of the source, None where that is not known.
        explained: items explained and logged in this run.
        done: items that the log had already.
        failed: items that could not be read or explained in this run; each is a note in the log.
        failed_before: items that the log has as failed, and that were not tried again.
        changed: items explained anew, for their content was another when they were last.
        killed: workers that died with an item, where that can be known.
        verdicts: how many of each.
        actions: how many of each.
        causes: why verdicts are not *supported*, by cause.
        failures: (item, why), the first `MOST`.
        seconds: wall time.
        starting: of it, until the first worker had made the system.
        first: of it, until the first item was explained.
        busy: seconds of workers, summed.
        entries: number of the first and last entry written, None where none was.
    """

    total: int | None = None
    explained: int = 0
    done: int = 0
    failed: int = 0
    failed_before: int = 0
    changed: int = 0
    killed: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    actions: Counter[str] = field(default_factory=Counter)
    causes: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[str, str]] = field(default_factory=list)
    seconds: float = 0.0
    starting: float = 0.0
    first: float = 0.0
    busy: float = 0.0
    entries: tuple[int, int] | None = None

    @property
    def seen(self) -> int:
        """Items that are dealt with."""
        return self.explained + self.done + self.failed + self.failed_before

    @property
    def rate(self) -> float:
        """Items explained a second, from the first answer on: what it took until then is not counted, nor the first."""
        spent = self.seconds - self.first
        return (self.explained - 1) / spent if self.explained > 1 and spent > 0 else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the tally as plain JSON values."""
        names = "total explained done failed failed_before changed killed seconds starting first busy rate"
        told = {name: getattr(self, name) for name in names.split()}
        counts = {name: dict(sorted(getattr(self, name).items())) for name in ("verdicts", "actions", "causes")}
        failures = [{"item": name, "why": why} for name, why in self.failures]
        return told | counts | {"failures": failures, "entries": self.entries}


def explain_all(
    source: Source,
    plan: Plan,
    log: Log,
    told: Callable[[Tally], None] = lambda tally: None,
    make: Maker | None = None,
) -> Tally:
    """Explain every item of a source that the log does not have, and write it into the log.

    May be ended at any moment, by whatever means, and called again: what is in the log is not done again.

    Args:
        source: of the items, see `veridical.agent.batch.sources.open_source`.
        plan: how.
        log: opened for writing.
        told: called when anything changed.
        make: makes what explains, in each worker of the local engine; `Explaining` as the plan has it if None.

    Raises:
        InputError: no such system or depth, or another batch is writing from this home.
        ContractError: the system cannot be used.
        WeightsError: its weights cannot be had.
        RecordError: the log cannot be written: what was explained until then is in it.
    """
    from .feed import Feed
    from .writer import Writer

    tally, began = Tally(total=_total(source, plan)), time.monotonic()
    with _alone(log.home):
        size = log.size()
        engine: Any = _engine(plan, log.home, log.url, make)
        try:
            feed = Feed(source, plan, engine.start(), log.home, log.url, size)
            tally.starting = time.monotonic() - began
            writer = Writer(log, plan)
            for row in engine.run(feed):
                _count(tally, row, writer, feed.identity)
                tally.seconds, tally.killed = time.monotonic() - began, getattr(engine, "killed", 0)
                if tally.explained and not tally.first:
                    tally.first = tally.seconds
                told(tally)
        finally:
            engine.close()
    tally.seconds = time.monotonic() - began
    return tally


def _total(source: Source, plan: Plan) -> int | None:
    total = source.count()
    return total if plan.limit is None or total is None else min(total, plan.limit)


def _engine(plan: Plan, home: Path, url: str | None, make: Maker | None) -> Any:
    from .heads import LogHead

    head = LogHead(home, url) if plan.salt is None else None
    made = {"system": plan.system, "depth": plan.depth, "salt": plan.salt}
    if plan.engine == "ray":
        from .ray_engine import RayEngine

        return RayEngine(made, head, plan.jobs, plan.attempts)
    from .local import LocalEngine

    return LocalEngine(make or partial(Explaining, **made, head=head), plan.jobs, plan.attempts)


def _count(tally: Tally, row: dict[str, Any], writer: Any, identity: str) -> None:
    """Write a row down, then count it."""
    kind = row["kind"]
    if kind == "explained" and row["system"] != identity:
        kind, row = "failed", {**row, "why": f"explained by {row['system']}, and asked for was {identity}; update it"}
    if kind == "explained":
        number, result = writer.keep(row)
        tally.explained += 1
        tally.changed += bool(row["changed"])
        tally.busy += row["seconds"]
        tally.verdicts[result["verdict"]["verdict"]] += 1
        tally.actions[result["decision"]["action"]] += 1
        if cause := result["verdict"].get("cause"):
            tally.causes[cause] += 1
    elif kind in ("failed", "bad"):
        number = writer.fail(row)
        tally.failed += 1
        if len(tally.failures) < MOST:
            tally.failures.append((row["id"], row["why"]))
    else:
        tally.done += kind == "done"
        tally.failed_before += kind == "failed before"
        return
    tally.entries = (tally.entries[0] if tally.entries else number, number)


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Hold a home's lock; the system lets it go when the process ends, however it ends."""
    from filelock import FileLock, Timeout

    try:
        with FileLock(home / LOCK, timeout=0):
            yield
    except Timeout as error:
        raise InputError(f"{home}: another batch is being written from this home; wait for it to end") from error
