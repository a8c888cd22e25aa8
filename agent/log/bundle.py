"""Bundles: entries of a log with their proofs and their blobs in one file that verifies anywhere, without the log.

``docs/verify_bundle.py`` reads one with Python and NumPy alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import IntegrityError, RecordError
from ..record.canonical import canonical_json, digest_of
from .bundle_file import FORMAT, INDEX, Bundle, entry_of, pack_bundle, read_bundle
from .dsse import from_base64, read_envelope
from .merkle import leaf_hash
from .note import NoteKey
from .proof import check_proof, read_proof
from .query import Query
from .statement import Statement, read_statement
from .trust import Trust
from .verified import Absent, Contents, Problem, Verification

if TYPE_CHECKING:
    from .log import Log

SALT = 32
"""Bytes of the salt before what is laid open."""

__all__ = ["FORMAT", "Bundle", "read_bundle", "verify_bundle", "write_bundle"]


def write_bundle(log: Log, numbers: Iterable[int], path: str | Path, *, signals: bool = False) -> list[int]:
    """Write a bundle of entries.

    With them go the entries without which they cannot be judged: all on keys, operators' acts on these records, and
    those that say why a blob is absent.

    Args:
        log: to be read.
        numbers: of the entries.
        path: of the new file.
        signals: whether sealed parts are laid open, where their key is here.

    Returns:
        Numbers of all entries in it.

    Raises:
        RecordError: an entry that is not there, a blob that is absent without a reason, or a file that cannot be
            written.
    """
    target = Path(path)
    if target.exists():
        raise RecordError(f"{target} is there already; name another file")
    wanted = set(numbers) | {0}
    wanted |= {row.number for row in log.select(Query(kind="keys", limit=None))}
    ids = {log.entry(number).statement.id for number in wanted}
    wanted |= {r.number for r in log.select(Query(kind="operator", limit=None)) if r.about in ids}
    size = log.size()
    files, dropped = _blobs(log, wanted, signals)
    if dropped:
        wanted |= _droppers(log, dropped)
    entries = []
    for number in sorted(wanted):
        files[f"entries/{number}.json"] = log.entry(number).envelope
        files[f"proofs/{number}.tlog-proof"] = log.prove(number, size).text().encode()
        entries.append(entry_of(number))
    index = {
        "format": FORMAT,
        "origin": log.origin,
        "key": log.note_key.vkey(),
        "size": size,
        "entries": entries,
        "dropped": sorted(dropped),
        "files": {name: {"digest": digest_of(content), "bytes": len(content)} for name, content in files.items()},
    }
    content = pack_bundle({INDEX: canonical_json(index, "the bundle's index"), **files})
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as stream:
            stream.write(content)
    except OSError as error:
        raise RecordError(f"{target} cannot be written: {error.strerror}; name another file, or free space") from error
    return sorted(wanted)


def _blobs(log: Log, numbers: Iterable[int], signals: bool) -> tuple[dict[str, bytes], set[str]]:
    """Blobs that entries name, and the digests of those that are not there."""
    files: dict[str, bytes] = {}
    dropped: set[str] = set()
    for number in sorted(numbers):
        predicate = log.entry(number).statement.predicate
        names = [predicate.get("manifest"), *predicate.get("blobs", ()), *predicate.get("sealed", ())]
        for digest in [name for name in names if isinstance(name, str)]:
            try:
                files[f"blobs/{digest[7:]}"] = log.blobs.get(digest)
            except IntegrityError as error:
                if error.cause != "missing":
                    raise
                dropped.add(digest)
        if signals and isinstance(predicate.get("manifest"), str) and predicate["manifest"] not in dropped:
            files |= _opened(log, predicate["manifest"])
    return files, dropped


def _opened(log: Log, digest: str) -> dict[str, bytes]:
    """The sealed parts of a record, laid open with their salts."""
    from ..record.frame import read_manifest
    from ..record.sealing import with_salt

    manifest = read_manifest(log.blobs.get(digest), "the manifest")
    someone = log.subjects.find(manifest["subject"]) if manifest["subject"] else None
    if someone is None:
        return {}
    found = {}
    for part in _parts(manifest):
        found[f"opened/{part['commitment'][7:]}"] = with_salt(part, log.blobs.get(part["blob"]), someone.key)
    return found


def _parts(manifest: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    parts = [entry["sealed"] for entry in manifest["arrays"].values() if "sealed" in entry]
    return parts + ([manifest["sealed"]["texts"]] if manifest["sealed"] else [])


def _droppers(log: Log, dropped: set[str]) -> set[int]:
    """Entries that say why blobs are absent."""
    left, found = set(dropped), set()
    for row in log.select(Query(kind="retention", limit=None)):
        named = log.entry(row.number).statement.predicate.get("dropped")
        said = left & {d for d in named if isinstance(d, str)} if isinstance(named, list) else set()
        if said:
            found.add(row.number)
            left -= said
    if left:
        raise IntegrityError(f"blob {min(left)} is absent, and no entry says that it was dropped", "missing")
    return found


def verify_bundle(path: str | Path, key: NoteKey | None = None, contents: Contents | None = None) -> Verification:
    """Verify a bundle: its form, and of each entry the signatures, the proof, and what it refers to.

    Args:
        path: of the file.
        key: the log's key as its operator published it. Without it the bundle's own is believed: that shows that it
            is whole, not whose it is.
        contents: checks what entries refer to, see `verify_log`.

    Raises:
        RecordError: the file cannot be read.
    """
    found = Verification()
    try:
        bundle = read_bundle(path)
        _verify(bundle, key, contents, found)
    except IntegrityError as error:
        found.problems.append(Problem(error.cause, str(error), error.entry))
    return found


def _verify(bundle: Bundle, key: NoteKey | None, contents: Contents | None, found: Verification) -> None:
    trust: Trust | None = None
    gone: set[str] = set()
    absent: list[Absent] = []
    key = key or NoteKey.read(bundle.index["key"])
    found.key = key.vkey()

    def count(what: str) -> None:
        setattr(found, what, getattr(found, what) + 1)

    notes: dict[str, Any] = {}
    ids: dict[str, int] = {}
    named: set[str] = set()
    for entry in bundle.index["entries"]:
        number, where = entry["number"], f"entry {entry['number']}"
        try:
            content = bundle.files[f"entries/{number}.json"]
            envelope = read_envelope(content, where, number)
            statement = read_statement(envelope.payload, where, number)
            if trust is None:
                trust = _start(statement, bundle.index["origin"], where)
            if statement.kind == "keys" or number == 0:
                trust.learn(statement, envelope, number)
            else:
                trust.check(envelope, number, where)
                trust.learn(
                    statement, envelope, number
                )  # nothing of keys; but another entry may say that it is the first
            proof = read_proof(bundle.files[f"proofs/{number}.tlog-proof"].decode("utf-8"))
            if proof.number != number:
                raise IntegrityError(f"{where}: its proof is that of entry {proof.number}", "order", number)
            if ids.setdefault(statement.id, number) != number:
                raise IntegrityError(f"{where} is entry {ids[statement.id]} once more", "order", number)
            notes.setdefault(proof.checkpoint, []).append((number, proof, leaf_hash(content)))
        except UnicodeDecodeError:
            found.problems.append(Problem("tree", f"{where}: its proof is no text", number))
            continue
        except RecordError as error:
            found.problems.append(Problem(getattr(error, "cause", "json"), str(error), number))
            continue
        found.entries += 1
        found.kinds[statement.kind] = found.kinds.get(statement.kind, 0) + 1
        if statement.kind == "retention":
            dropped = statement.predicate.get("dropped")
            gone |= {d for d in dropped if isinstance(d, str)} if isinstance(dropped, list) else set()
        named |= _named(statement)
        for problem in contents(statement, number, bundle, count) if contents else ():
            absent.append(problem) if isinstance(problem, Absent) else found.problems.append(problem)
    if trust is not None:
        _heads(bundle, notes, trust, key, found)
        found.keys = trust.keys()
        found.problems += [
            Problem("revoked", f"entry {entry} is signed by key {name}, which is revoked there", entry)
            for entry, name in trust.late()
        ]
    found.dropped = sum(one.digest in gone for one in absent)
    found.problems += [one.problem for one in absent if one.digest not in gone]
    _check_files(bundle, named, found)
    found.problems.sort(key=lambda p: (p.entry is None, p.entry or 0))


def _start(statement: Statement, origin: str, where: str) -> Trust:
    told = statement.predicate.get("key")
    public = told.get("public") if isinstance(told, Mapping) else None
    if statement.kind != "opened" or not isinstance(public, str):
        raise IntegrityError(f"{where}: it does not open the log", "order", 0)
    if statement.predicate.get("origin") != origin:
        raise IntegrityError(f"{where}: it opens another log than {origin!r:.80}", "key", 0)
    return Trust.start(from_base64(public, where, 0))


def _heads(bundle: Bundle, notes: Mapping[str, Any], trust: Trust, key: NoteKey, found: Verification) -> None:
    """Check every proof against its checkpoint, and the checkpoint against the log's key."""
    from .dsse import key_id_of

    if key_id_of(key.public) not in {row["key_id"] for row in trust.keys()}:  # noqa: SIM118  # a method, no mapping
        found.problems.append(Problem("key", "the key given is none of this log's: the bundle is somebody else's"))
    if key.name != bundle.index["origin"]:
        found.problems.append(Problem("key", f"the key given is of the log {key.name!r:.80}, not of this one"))
    if len(notes) > 1:
        found.problems.append(Problem("checkpoint", "the proofs are not all under one checkpoint"))
    for proofs in notes.values():
        for number, proof, leaf in proofs:
            try:
                from .note import read_checkpoint

                size = read_checkpoint(proof.checkpoint).checkpoint.size
                head = check_proof(proof, leaf, NoteKey(bundle.index["origin"], trust.signing_at(size)))
            except RecordError as error:
                found.problems.append(Problem(getattr(error, "cause", "tree"), f"entry {number}: {error}", number))
                continue
            found.size, found.root = head.size, head.root.hex()
            found.checkpoints = len(notes)
            if bundle.index["size"] != head.size:
                told = f"the bundle says that the log had {bundle.index['size']!r:.40} entries, it had {head.size}"
                found.problems.append(Problem("checkpoint", told))
                return


def _named(statement: Statement) -> set[str]:
    """Digests of the blobs that an entry names."""
    told = statement.predicate
    lists = [told[name] for name in ("blobs", "sealed") if isinstance(told.get(name), list)]
    return {digest for one in ([told.get("manifest")], *lists) for digest in one if isinstance(digest, str)}


def _check_files(bundle: Bundle, named: set[str], found: Verification) -> None:
    """Hold every blob, and what is laid open, against what is signed: nothing may lie beside it."""
    commitments = _commitments(bundle, named)
    for name, content in bundle.files.items():
        digest = f"sha256:{name[7:]}"
        if name.startswith("blobs/") and f"sha256:{name[6:]}" not in named:
            found.problems.append(Problem("digest", f"{name[:18]}… is a blob that no entry names; it was put in"))
        elif name.startswith("opened/") and (digest_of(content) != digest or commitments.get(digest) != len(content)):
            told = f"a signal laid open is not one that was committed to ({name[7:19]}…)"
            found.problems.append(Problem("digest", told))
        elif name.startswith("opened/"):
            found.opened += 1


def _commitments(bundle: Bundle, named: set[str]) -> dict[str, int]:
    """Commitments of the sealed parts in the bundle's records, and the bytes of each with its salt."""
    from ..record.frame import read_manifest

    found: dict[str, int] = {}
    if not any(name.startswith("opened/") for name in bundle.files):
        return found
    for digest in named:
        try:
            manifest = read_manifest(bundle.blobs.get(digest), "a manifest")
        except RecordError:  # no manifest, or one that is not sound: whoever checks the entry says so
            continue
        found |= {part["commitment"]: part["bytes"] + SALT for part in _parts(manifest)}
    return found
