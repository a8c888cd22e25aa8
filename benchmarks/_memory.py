"""Peak memory of one attribution, in a process of its own: ``python -m benchmarks._memory`` (private).

The model is loaded, one forward pass is made, and what the allocator keeps back is returned to the system. Then the
resident memory is read, its high-water mark set back (``/proc/self/clear_refs``), one attribution made, and the mark
read: the difference counts. glibc is told to give blocks of 64 KiB and more pages of their own, for both sides: so what
is measured is what is alive, and not how the heap happens to be cut up (without it one and the same attribution varies
by a tenth, with it by a thousandth). Where /proc is missing it is ru_maxrss less the resident peak before. On CUDA it
is the allocator's own mark.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from benchmarks import _ours, _peers
from benchmarks._subjects import find_subject
from veridical.errors import InputError
from veridical.modalities.engines.chunk import Layout

__all__ = ["available", "measure", "peak"]

_PROC = Path("/proc/self")
_ROOT = Path(__file__).resolve().parent.parent


def available(device: str = "cpu") -> int | None:
    """Return the bytes that are free for use; None where the system does not say."""
    if device != "cpu":
        return torch.cuda.mem_get_info()[0]
    told = Path("/proc/meminfo")
    if not told.is_file():
        return None
    return int(next(row for row in told.read_text().splitlines() if row.startswith("MemAvailable")).split()[1]) * 1024


def _resident(mark: str) -> int:
    if not _PROC.is_dir():
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    rows = (_PROC / "status").read_text().splitlines()
    return int(next(row for row in rows if row.startswith(mark)).split()[1]) * 1024


def _start(device: str) -> int:
    gc.collect()
    if device != "cpu":
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's alone
        if trim is not None:
            trim(0)
    before = _resident("VmRSS")
    if _PROC.is_dir():
        (_PROC / "clear_refs").write_text("5")
    return before


def measure(where: str, side: str, steps: int | None, layout: Layout | None, device: str = "cpu") -> dict[str, int]:
    """Measure in this process, which should be a fresh one.

    Args:
        where: the subject, ``"package.module:function"``; its first sample is attributed.
        side: ``"ours"`` or ``"captum"``, at its default ``internal_batch_size``.
        steps: evaluations; None of ours stop at the tolerance.
        layout: rows at once of ours; None searches for it, and the search counts.
        device: ``"cpu"`` or ``"cuda"``.
    """
    subject = find_subject(where, device)
    sample = subject.samples[0]
    if side == "captum":
        _peers.captum()
    subject.scorer(sample).value(sample.inputs)
    if layout is not None:  # as after a first attribution
        _ours.integrated_gradients(subject, sample, 16, layout)
    before = _start(device)
    if side == "captum":
        spent = steps or 50
        kept = _peers.integrated_gradients(subject, sample, spent)
    else:
        path = _ours.integrated_gradients(subject, sample, steps, layout)
        kept, spent = path.maps, path.evaluations
    after = _resident("VmHWM") if device == "cpu" else torch.cuda.max_memory_allocated()
    del kept
    return {"bytes": after - before, "evaluations": spent}


def peak(
    where: str, side: str, steps: int | None, layout: Layout | None = None, device: str = "cpu"
) -> dict[str, Any] | None:
    """Measure in a fresh process; None if the system killed it or memory ran out.

    Raises:
        InputError: the process failed for another reason.
    """
    line = [sys.executable, "-m", "benchmarks._memory", where, side, "--device", device]
    line += ["--steps", str(steps)] if steps else []
    if layout is not None:
        line += ["--chunk", str(layout.chunk), *(["--channels-last"] if layout.channels_last else [])]
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": str(2**16)}
    done = subprocess.run(line, cwd=_ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[-1])
    if done.returncode < 0 or "alloc" in done.stderr.lower() or "out of memory" in done.stderr.lower():
        return None
    told = (done.stderr.strip().splitlines() or ["no word"])[-1]
    raise InputError(f"attribution: measuring the memory of {side} on {where} failed: {told}")


def main(arguments: list[str] | None = None) -> None:
    """Measure and print one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks._memory", description="Peak memory of one attribution.")
    parser.add_argument("where")
    parser.add_argument("side", choices=("ours", "captum"))
    parser.add_argument("--steps", type=int)
    parser.add_argument("--chunk", type=int)
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args(arguments)
    layout = None if options.chunk is None else Layout(options.chunk, options.channels_last)
    print(json.dumps(measure(options.where, options.side, options.steps, layout, options.device)))


if __name__ == "__main__":
    main()
