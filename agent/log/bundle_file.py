"""The form of a bundle: a ZIP archive, stored and not compressed, whose bytes follow from its contents.

So a changed byte is found wherever it is. ``docs/log.md`` specifies it.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ...errors import IntegrityError, RecordError
from ..record.canonical import digest_of, read_json
from .dsse import read_envelope
from .statement import Statement, read_statement

__all__ = ["FORMAT", "INDEX", "Bundle", "entry_of", "pack_bundle", "parse_bundle", "read_bundle"]

FORMAT = "veridical.bundle/1"
MOST_FILES = 200_000
MOST_BYTES = 4 << 30

INDEX = "bundle.json"
_NAME = re.compile(
    r"bundle\.json|entries/[0-9]{1,18}\.json|proofs/[0-9]{1,18}\.tlog-proof|(?:blobs|opened)/[0-9a-f]{64}"
)
_DATE = (1980, 1, 1, 0, 0, 0)
_MEMBERS = {"dropped", "entries", "files", "format", "key", "origin", "size"}


@dataclass(frozen=True)
class Bundle:
    """A bundle that was read; whether it holds is for `verify_bundle` to say.

    Attributes:
        index: what it says of itself.
        files: content by name.
    """

    index: Mapping[str, Any]
    files: Mapping[str, bytes]

    @cached_property
    def blobs(self) -> _Held:
        """Blobs by digest."""
        return _Held({f"sha256:{n[6:]}": c for n, c in self.files.items() if n.startswith("blobs/")})

    @property
    def subjects(self) -> _NoKeys:
        """Keys of subjects: a bundle has none."""
        return _NoKeys()

    def opened(self, commitment: str) -> bytes | None:
        """Return the content of a sealed part that the bundle lays open, without its salt; None where it does not."""
        content = self.files.get(f"opened/{commitment.removeprefix('sha256:')}")
        return None if content is None else content[32:]

    def statements(self) -> list[tuple[int, Statement]]:
        """Return what the entries say, in order; nothing is checked."""
        found = []
        for entry in self.index["entries"]:
            number = entry["number"]
            envelope = read_envelope(self.files[f"entries/{number}.json"], f"entry {number}", number)
            found.append((number, read_statement(envelope.payload, f"entry {number}", number)))
        return found


class _Held:
    def __init__(self, blobs: Mapping[str, bytes]) -> None:
        self._blobs = blobs

    def get(self, digest: str, limit: int | None = None) -> bytes:
        """Return a blob, held against its digest."""
        content = self._blobs.get(digest)
        if content is None:
            raise IntegrityError(f"blob {digest:.80} is not in the bundle", "missing")
        if limit is not None and len(content) > limit:
            raise IntegrityError(f"blob {digest:.80} has {len(content)} bytes, {limit} are allowed", "size")
        if digest_of(content) != digest:
            raise IntegrityError(f"blob {digest:.80} was altered: it has the digest {digest_of(content)}", "digest")
        return content


class _NoKeys:
    def find(self, identity: str) -> None:
        """There are none."""
        del identity


def entry_of(number: int) -> dict[str, Any]:
    """Return what a bundle's index says of an entry."""
    return {"number": number, "envelope": f"entries/{number}.json", "proof": f"proofs/{number}.tlog-proof"}


def pack_bundle(files: Mapping[str, bytes]) -> bytes:
    """Make the archive: the index first, then the files by name; nothing in it that does not follow from them."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_STORED) as archive:
        for name in [INDEX, *sorted(set(files) - {INDEX})]:
            info = zipfile.ZipInfo(name, _DATE)
            info.create_system, info.external_attr = 3, 0o644 << 16
            archive.writestr(info, files[name])
    return held.getvalue()


def read_bundle(path: str | Path) -> Bundle:
    """Read a bundle, its outer form checked: names, sizes, digests, and that no byte stands beside them.

    Raises:
        RecordError: the file cannot be read.
        IntegrityError: it is no bundle, or was altered.
    """
    where = Path(path)
    try:
        if where.stat().st_size > MOST_BYTES:
            raise IntegrityError(f"{where} has {where.stat().st_size} bytes; a bundle has at most {MOST_BYTES}", "size")
        content = where.read_bytes()
    except OSError as error:
        raise RecordError(f"{where} cannot be read: {error.strerror}") from error
    return parse_bundle(content, str(where))


def parse_bundle(content: bytes, where: str) -> Bundle:
    """Read a bundle from its bytes; see `read_bundle`."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = archive.infolist()
            _check_names(infos, len(content), where)
            files = {info.filename: archive.read(info) for info in infos}
    except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        if isinstance(error, RecordError):
            raise
        raise IntegrityError(f"{where} is not a bundle, or was cut short or altered: {error}", "digest") from error
    index = _index(files, where)
    for name, told in index["files"].items():
        got = digest_of(files[name])
        if got != told["digest"]:
            raise IntegrityError(
                f"{where}: {name} was altered: it has the digest {got}, not {told['digest']!r:.80}", "digest"
            )
    if pack_bundle(files) != content:
        raise IntegrityError(f"{where}: there are bytes in it that none of its files account for", "digest")
    return Bundle(index, {name: file for name, file in files.items() if name != INDEX})


def _check_names(infos: list[zipfile.ZipInfo], size: int, where: str) -> None:
    if len(infos) > MOST_FILES:
        raise IntegrityError(f"{where}: {len(infos)} files; a bundle has at most {MOST_FILES}", "size")
    seen: set[str] = set()
    for info in infos:
        if not _NAME.fullmatch(info.filename) or info.is_dir():
            raise IntegrityError(f"{where}: the name {info.filename!r:.100} is none that a bundle has", "path")
        if info.external_attr >> 28 == 0o12:
            raise IntegrityError(f"{where}: {info.filename} is a link; a bundle has plain files alone", "path")
        if info.compress_type != zipfile.ZIP_STORED or info.file_size > size:
            told = f"it declares {info.file_size} bytes, packed, in a bundle of {size}"
            raise IntegrityError(f"{where}: {info.filename} is not stored as it is: {told}", "size")
        if info.filename in seen:
            raise IntegrityError(f"{where}: {info.filename} stands twice", "order")
        seen.add(info.filename)


def _index(files: Mapping[str, bytes], where: str) -> dict[str, Any]:
    if INDEX not in files:
        raise IntegrityError(f"{where} is not a bundle: there is no {INDEX} in it", "format")
    try:
        index = read_json(files[INDEX], f"{where}: {INDEX}", canonical=True)
    except RecordError as error:
        raise IntegrityError(str(error), "json") from error
    if not isinstance(index, dict) or index.get("format") != FORMAT:
        found = index.get("format") if isinstance(index, dict) else type(index).__name__
        raise IntegrityError(f"{where}: format is {found!r:.80}; this version reads {FORMAT!r}", "format")
    listed, entries = index.get("files"), index.get("entries")
    sound = (
        set(index) == _MEMBERS
        and isinstance(listed, dict)
        and all(isinstance(t, dict) and isinstance(t.get("digest"), str) for t in listed.values())
        and isinstance(entries, list)
        and all(isinstance(e, dict) and type(e.get("number")) is int and e == entry_of(e["number"]) for e in entries)
        and isinstance(index["dropped"], list)
        and all(isinstance(index[k], str) for k in ("origin", "key"))
    )
    if not sound or not isinstance(listed, dict) or not isinstance(entries, list):
        raise IntegrityError(f"{where}: its index is not of the form of {FORMAT}; it was altered", "format")
    if set(listed) != set(files) - {INDEX}:
        odd = sorted(set(listed) ^ (set(files) - {INDEX}))
        raise IntegrityError(f"{where}: {odd[0]} is in the index or in the bundle, and not in both", "missing")
    numbers = [entry["number"] for entry in entries]
    if numbers != sorted(set(numbers)) or not numbers or numbers[0] != 0:
        raise IntegrityError(f"{where}: its entries are not in their order, from entry 0 on", "order")
    names = {f"entries/{n}.json" for n in numbers} | {f"proofs/{n}.tlog-proof" for n in numbers}
    odd = sorted(names ^ {name for name in files if name.startswith(("entries/", "proofs/"))})
    if odd:
        raise IntegrityError(f"{where}: {odd[0]} is told of, or in the bundle, and not both", "missing")
    return index
