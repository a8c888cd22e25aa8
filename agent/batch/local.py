"""The local engine: processes on this machine, one item each at a time."""

from __future__ import annotations

import contextlib
import multiprocessing
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

from ... import errors
from ...errors import ContractError, VeridicalError
from .frames import from_bytes, to_bytes
from .work import Maker, work

__all__ = ["LocalEngine"]

_END = 5.0  # seconds that a worker is given to end
_STILLBORN = 3  # workers in a row that may end before they have made the system


@dataclass
class _Worker:
    """A worker process, its connection, and the row that it has."""

    process: Any
    connection: Connection
    row: dict[str, Any] | None = None
    ready: bool = False


@dataclass
class LocalEngine:
    """Explains rows in processes of their own (started afresh, not forked), and yields them as they are done.

    A worker has one row at a time, so that what a dying one takes with it is known: the row is given to another worker,
    and counts as failed once it has killed `attempts` of them.

    Attributes:
        make: makes what explains, in each worker; must be importable there.
        jobs: workers.
        attempts: workers that a row may kill.
        killed: workers that died with a row.
    """

    make: Maker
    jobs: int = 1
    attempts: int = 2
    killed: int = 0
    _workers: list[_Worker] = field(default_factory=list, init=False, repr=False)
    _stillborn: int = field(default=0, init=False, repr=False)

    def start(self) -> str:
        """Start the workers, and return the system's identity once the first of them has made it.

        Raises:
            InputError, ContractError, WeightsError: the system cannot be made.
        """
        self._workers = [self._begin() for _ in range(self.jobs)]
        while not (identity := self._hello(self._workers[0])):
            pass
        return identity

    def run(self, feed: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield a row for each row of the feed, in the order in which they are done; the feed is read as it is needed.

        Raises:
            ContractError: a worker dies before it is given anything, or makes another system than the first.
        """
        rows, again, tried = iter(feed), deque[dict[str, Any]](), Counter[str]()

        def draw() -> dict[str, Any] | None:
            return again.popleft() if again else next(rows, None)

        while True:
            for worker in self._workers:
                while worker.ready and worker.row is None and (row := draw()) is not None:
                    if row["kind"] == "item":
                        self._give(worker, row)
                    else:
                        yield row
            idle = any(worker.ready and worker.row is None for worker in self._workers)
            if idle and all(worker.row is None for worker in self._workers):
                return
            for worker in self._spoken():
                answer = self._hear(worker, again, tried)
                if answer is None:
                    continue
                # Given its next row before its answer is passed on: it works while that is written down.
                following = draw() if worker.ready and worker.row is None else None
                if following is not None and following["kind"] == "item":
                    self._give(worker, following)
                    following = None
                yield answer
                if following is not None:
                    yield following

    def close(self) -> None:
        """End the workers; those that do not end by themselves are killed."""
        for worker in self._workers:
            worker.connection.close()
            if worker.row is not None or not worker.ready:
                worker.process.kill()
        for worker in self._workers:
            worker.process.join(_END)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            worker.process.close()
        self._workers = []

    def pids(self) -> list[int]:
        """Return the workers' process ids."""
        return [worker.process.pid for worker in self._workers]

    def _begin(self) -> _Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=work, args=(theirs, self.make), daemon=True)
        process.start()
        theirs.close()  # the worker's end is the worker's alone: else its end would not be seen
        return _Worker(process, ours)

    def _hello(self, worker: _Worker) -> str:
        """Hear who a worker is; one that ended before it said so is replaced, a few times in a row.

        Raises:
            InputError, ContractError, WeightsError: as the worker has it, or every new worker ends at once.
        """
        try:
            told = from_bytes(worker.connection.recv_bytes())
        except (EOFError, OSError) as error:
            status = self._replace(worker)
            self._stillborn += 1
            if self._stillborn < _STILLBORN:
                return ""
            raise ContractError(
                f"{self._stillborn} workers in a row ended before they were given anything, the last with status "
                f"{status}; is there memory for {self.jobs} of them? Try --jobs 1"
            ) from error
        if "error" in told:
            kind = getattr(errors, str(told["error"]), VeridicalError)
            raise (VeridicalError if kind is errors.IntegrityError else kind)(str(told["why"]))
        worker.ready, self._stillborn = True, 0
        return str(told["identity"])

    def _spoken(self) -> list[_Worker]:
        """Wait until workers have said something, or ended."""
        by = {worker.connection: worker for worker in self._workers}
        return [by[found] for found in wait(list(by)) if isinstance(found, Connection)]

    def _give(self, worker: _Worker, row: dict[str, Any]) -> None:
        worker.row = row
        with contextlib.suppress(OSError):  # if it is dead, that is heard where all is heard
            worker.connection.send_bytes(to_bytes(row))

    def _hear(self, worker: _Worker, again: deque[dict[str, Any]], tried: Counter[str]) -> dict[str, Any] | None:
        """Take what a worker says; a dead one is replaced, and its row given to another or counted as failed."""
        if not worker.ready:
            self._hello(worker)
            return None
        row = worker.row
        try:
            answer = from_bytes(worker.connection.recv_bytes())
        except (EOFError, OSError):
            return self._bury(worker, row, again, tried)
        worker.row = None
        return answer

    def _bury(
        self, worker: _Worker, row: dict[str, Any] | None, again: deque[dict[str, Any]], tried: Counter[str]
    ) -> dict[str, Any] | None:
        status = self._replace(worker)
        self.killed += 1
        if row is None:
            return None
        tried[row["key"]] += 1
        if tried[row["key"]] < self.attempts:
            again.append(row)
            return None
        why = (
            f"{self.attempts} workers ended while they had it (the last with status {status}); is there memory for it?"
        )
        return {**row, "content": b"", "kind": "failed", "why": why}

    def _replace(self, worker: _Worker) -> int | None:
        """Start another worker in a dead one's place; return the dead one's exit status."""
        worker.connection.close()
        worker.process.join(_END)
        status = worker.process.exitcode
        if status is None:  # it closed its connection and lives on
            worker.process.kill()
            worker.process.join()
        worker.process.close()
        self._workers[self._workers.index(worker)] = self._begin()
        return status
