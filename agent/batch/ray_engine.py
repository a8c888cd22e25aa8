"""The engine of Ray Data: the same callable on the nodes of a cluster (extra ``scale``)."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ...errors import ContractError, InputError, VeridicalError
from .explaining import FIELDS, Explaining
from .feed import Feed
from .heads import LogHead

__all__ = ["RayEngine", "RayHead", "prepare_environment"]

# Ray tells its makers nothing of its use here, and tells us errors alone. Read as Ray is imported.
_QUIET = {
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_DEDUP_LOGS": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
}


def prepare_environment() -> None:
    """Set what Ray reads from the environment as it is imported, where it is not set: quiet, and without telemetry."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)


@dataclass(frozen=True)
class RayHead:
    """Asks the driver's node for the log's head: other nodes have neither log nor keys.

    Attributes:
        keeper: handle of the actor there that reads the log.
    """

    keeper: Any

    def __call__(self, digest: str) -> str:
        """Return the head as a salt; asked after the commitment, as `veridical.agent.logged.head_salt` is."""
        import ray

        return ray.get(self.keeper.head.remote(digest))


@dataclass
class RayEngine:
    """Explains rows with Ray Data: a pool of actors, each with a system of its own.

    Items are read on the driver's node and travel as bytes; results come back to the driver, which writes them. Where
    Ray was not begun, it is: at the address in RAY_ADDRESS, else on this machine.

    Attributes:
        made: arguments of `Explaining` but its head.
        head: reads the log's head; None where salts are fixed or drawn.
        jobs: actors.
        attempts: workers that a row may kill.

    Raises:
        InputError: Ray is not installed.
    """

    made: Mapping[str, Any]
    head: LogHead | None = None
    jobs: int = 1
    attempts: int = 2
    _own: bool = field(default=False, init=False, repr=False)

    def start(self) -> str:
        """Begin, and return the system's identity, as a worker finds it.

        Raises:
            InputError, ContractError, WeightsError: the system cannot be made; or Ray cannot be begun.
        """
        prepare_environment()
        with _quiet():
            try:
                import ray
                import ray.data
                from ray.exceptions import RayTaskError
            except ImportError as error:
                raise InputError("--engine ray: Ray is not installed; pip install 'veridical[scale]'") from error
            if not ray.is_initialized():
                here = {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": self.jobs, "include_dashboard": False}
                try:
                    with _unheard():
                        ray.init(log_to_driver=False, logging_level=logging.ERROR, **here)
                except (OSError, RuntimeError, ValueError) as error:
                    raise ContractError(f"Ray cannot be begun: {' '.join(str(error).split())[:300]}") from error
                self._own = True
            try:
                return ray.get(ray.remote(num_cpus=1)(_identity).remote(dict(self.made)))
            except RayTaskError as error:
                cause = error.cause
                raise cause if isinstance(cause, VeridicalError) else ContractError(str(cause)) from error

    def run(self, feed: Feed) -> Iterator[dict[str, Any]]:
        """Yield a row for each row of the feed, in the order in which they are done."""
        import ray
        import ray.data

        seen, told = set[str](), None
        with _quiet(), _one_row_blocks(ray.data.DataContext):
            source = _source_of(feed)
            # Reading takes no processor of its own, so that every one can explain.
            rows = ray.data.read_datasource(source, override_num_blocks=1, num_cpus=0)
            callable_class: Any = Explaining  # Ray makes one in each actor, and calls that with each row
            explained = rows.map(
                callable_class,
                fn_constructor_kwargs={**self.made, "head": self._head()},
                compute=ray.data.ActorPoolStrategy(size=self.jobs),
                num_cpus=1,
                max_restarts=-1,
                max_task_retries=self.attempts - 1,
            )
            for row in explained.iter_rows():
                if row["kind"] == "end":
                    told = int(row["id"])
                    continue
                seen.add(row["key"])
                yield row
        if told is None or len(seen) < told:
            yield from self._lost(feed, seen)

    def close(self) -> None:
        """Shut Ray down, where it was begun here."""
        if self._own:
            import ray

            ray.shutdown()
            self._own = False

    def pids(self) -> list[int]:
        """Return nothing: the workers are Ray's."""
        return []

    def _lost(self, feed: Feed, seen: set[str]) -> Iterator[dict[str, Any]]:
        """Say of every row that never came back what became of it."""
        why = f"{self.attempts} workers ended while they had it; is there memory for it?"
        for row in feed:
            if row["key"] not in seen:
                lost = {"kind": "failed", "why": why} if row["kind"] == "item" else {}
                yield {**row, "content": b"", **lost}

    def _head(self) -> Callable[[str], str] | None:
        if self.head is None:
            return None
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        options = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1, "scheduling_strategy": here}
        return RayHead(ray.remote(**options)(_Keeper).remote(self.head))


class _Keeper:
    """The actor on the driver's node that reads the log's head."""

    def __init__(self, head: LogHead) -> None:
        self._read = head

    def head(self, digest: str) -> str:
        return self._read(digest)


def _identity(made: dict[str, Any]) -> str:
    return Explaining(**made).identity


def _source_of(feed: Iterable[dict[str, Any]]) -> Any:
    """The feed as a data source of Ray, read row by row on the driver's node, with a row at the end that counts."""
    import pyarrow
    from ray.data import Datasource, ReadTask
    from ray.data.block import BlockMetadata

    def read() -> Iterator[Any]:
        keys = set()
        for row in feed:
            keys.add(row["key"])
            yield pyarrow.Table.from_pylist([row])
        yield pyarrow.Table.from_pylist([{**FIELDS, "kind": "end", "id": str(len(keys))}])

    class Rows(Datasource):
        """The feed."""

        @property
        def supports_distributed_reads(self) -> bool:
            return False  # the files and the home are on the driver's node

        def estimate_inmemory_data_size(self) -> int | None:
            return None

        def get_read_tasks(self, parallelism: int, *_: Any, **__: Any) -> list[Any]:
            del parallelism  # one reader, for the order of the source is part of what it says
            return [ReadTask(read, BlockMetadata(None, None, None, None))]

    return Rows()


@contextmanager
def _one_row_blocks(contexts: Any) -> Iterator[None]:
    """Have each row travel by itself, so that one is explained as soon as it is read; put everything back."""
    context = contexts.get_current()
    wanted = {
        "target_max_block_size": 1,
        "enable_progress_bars": False,
        "max_errored_blocks": -1,  # what is lost is said, item by item, once the rest is done
        "log_internal_stack_trace_to_stdout": False,
        "print_on_execution_start": False,
    }
    before = {name: getattr(context, name) for name in wanted if hasattr(context, name)}
    for name in before:
        setattr(context, name, wanted[name])
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(context, name, value)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Ray's warnings of itself, and what it tells of its progress, from those who asked for explanations."""
    log = logging.getLogger("ray")
    data = logging.getLogger("ray.data")
    levels = log.level, data.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        log.setLevel(logging.CRITICAL)
        data.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            log.setLevel(levels[0])
            data.setLevel(levels[1])


@contextmanager
def _unheard() -> Iterator[None]:
    """Drop what Ray's core says on standard error, past Python, while it is begun; its errors come as exceptions."""
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)
