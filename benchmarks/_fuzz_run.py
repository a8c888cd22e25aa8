"""One target of the fuzzer in a process of its own: ``target engine seconds seed folder`` (private)."""

from __future__ import annotations

import hashlib
import json
import os
import random
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks._fuzz_mutate import mutate
from veridical.agent.log.causes import CAUSES
from veridical.errors import IntegrityError, VeridicalError

if TYPE_CHECKING:
    from benchmarks.fuzz_targets import Target

__all__ = ["Guard", "Run", "main"]

_FORBIDDEN = (
    "compile exec import marshal.load pickle.find_class code.__new__ ctypes.dlopen os.exec os.fork os.posix_spawn "
    "os.spawn os.system os.startfile pty.spawn socket.connect socket.bind subprocess.Popen urllib.Request os.symlink "
    "os.link os.chmod os.remove os.rename shutil.rmtree"
).split()


class Guard:
    """Refuses what no reader may do, while it is on (PEP 578). A hook cannot be taken away again: it stays, and is off.

    Args:
        folder: whose files may be opened.
    """

    def __init__(self, folder: Path) -> None:
        self.on, self.broken, self._folder = False, "", f"{folder}{os.sep}"
        sys.addaudithook(self._see)

    def _see(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event == "open":
            path = arguments[0]
            inside = isinstance(path, str) and os.path.abspath(path).startswith(self._folder)  # noqa: PTH100  # quick
            if inside or isinstance(path, int):
                return
        elif event not in _FORBIDDEN:
            return
        self.broken = f"{event}: {arguments[:1]!r:.120}"
        raise PermissionError(f"a reader tried what it may not: {self.broken}")

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Be on."""
        self.on, self.broken = True, ""
        try:
            yield
        finally:
            self.on = False


@dataclass
class Run:
    """Executions of one target, and what came of them.

    Attributes:
        target: the reader.
        guard: watches over it.
        folder: for inputs that crash it.
        executions: so far.
        slowest: seconds of the slowest one.
        crashes: by where they were raised.
        saved: when it was last written down: Atheris ends the process and lets nobody speak at the end.
    """

    target: Target
    guard: Guard
    folder: Path
    executions: int = 0
    slowest: float = 0.0
    crashes: dict[str, dict[str, Any]] = field(default_factory=dict)
    saved: float = 0.0

    def __call__(self, content: bytes) -> None:
        """Read one input."""
        self.executions += 1
        start = time.perf_counter()
        fault: BaseException | None = None
        with self.guard.watching():
            try:
                self.target.run(content)
            except VeridicalError as error:
                fault = error if _ill_told(error) else None
            except Exception as error:  # noqa: BLE001  # whatever it is, it is a crash
                fault = error
        self.slowest = max(self.slowest, time.perf_counter() - start)
        if self.guard.broken:
            self._keep(content, f"may not: {self.guard.broken}", self.guard.broken)
        elif fault is not None:
            where = traceback.extract_tb(fault.__traceback__)[-1]
            name = Path(where.filename).name
            at = f"{name}:{where.lineno}"
            self._keep(content, f"{type(fault).__name__} at {at}: {fault!s:.160}", at)
        if time.monotonic() > self.saved + 0.5:
            self.save()

    def _keep(self, content: bytes, what: str, where: str) -> None:
        if where not in self.crashes:
            path = self.folder / f"{self.target.name}-{hashlib.sha256(content).hexdigest()[:16]}"
            path.write_bytes(content)
            self.crashes[where] = {"what": " ".join(what.split()), "file": str(path)}

    def save(self) -> None:
        """Write down what came of it."""
        self.saved = time.monotonic()
        told = {
            "target": self.target.name,
            "executions": self.executions,
            "crashes": list(self.crashes.values()),
            "slowest_ms": round(1000 * self.slowest, 1),
        }
        (self.folder / f"{self.target.name}.json").write_text(json.dumps(told), encoding="utf-8")


def _ill_told(error: VeridicalError) -> bool:
    """Whether an error is told other than on one line with a cause that is known."""
    return "\n" in str(error) or (isinstance(error, IntegrityError) and error.cause not in CAUSES)


def main(arguments: list[str]) -> None:
    """Run one target."""
    name, engine, seconds, seed, folder = (
        arguments[0],
        arguments[1],
        float(arguments[2]),
        int(arguments[3]),
        Path(arguments[4]),
    )
    work = folder / "work"
    work.mkdir(exist_ok=True)
    fuzzer: Any = None
    if engine == "atheris":
        import atheris as fuzzer
    with fuzzer.instrument_imports(include=["veridical"]) if fuzzer else nullcontext():
        from benchmarks.fuzz_targets import Targets

        target = Targets(work).get(name)
        for content in target.seeds:  # what is imported late is imported now
            _warm(target.run, content)
    run = Run(target, Guard(work), folder)
    warnings.simplefilter("error")
    end, rng = time.monotonic() + seconds, random.Random(seed)
    for content in target.seeds:
        run(content)
    if fuzzer is None:
        pool = list(target.seeds)
        while time.monotonic() < end:
            content = mutate(rng.choice(pool), target.most, rng)
            run(content)
            if rng.random() < 0.02 and len(pool) < 500:
                pool.append(content)
        run.save()
        return
    _atheris(fuzzer, run, seconds, seed, folder / "corpus" / name)


def _warm(read: Callable[[bytes], object], content: bytes) -> None:
    """Read what is sound, and what is broken early and late."""
    for changed in (content, content[:-1], content[: len(content) // 2], b"", b"\xff", b"{}", b"[]"):
        try:
            read(changed)
        except VeridicalError:
            continue
        except Exception:  # noqa: BLE001, S112  # it will come again, and is told then
            continue


def _atheris(fuzzer: Any, run: Run, seconds: float, seed: int, corpus: Path) -> None:
    """Hand over to Atheris; it ends the process."""
    for content in run.target.seeds:
        (corpus / hashlib.sha256(content).hexdigest()[:16]).write_bytes(content)

    def change(content: bytes, most: int, number: int) -> bytes:
        return mutate(content, min(most, run.target.most), random.Random(number), fuzzer.Mutate)

    flags = [
        "-rss_limit_mb=3000",
        "-timeout=20",
        "-print_final_stats=1",
        f"-max_len={run.target.most}",
        f"-seed={seed + 1}",
    ]
    flags += [f"-max_total_time={max(1, round(seconds))}", f"-artifact_prefix={run.folder}/{run.target.name}-"]
    fuzzer.Setup([sys.argv[0], *flags, str(corpus)], run, custom_mutator=change)
    fuzzer.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
