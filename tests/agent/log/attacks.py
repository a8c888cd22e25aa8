"""What an attacker does to a log: edit its database, forge entries, sign another history with a stolen key."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import sqlite3
import uuid
import zipfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._tampered import Judgement, judge, settle
from tests.agent.record.vectors import sample
from veridical.agent.log.causes import CAUSES
from veridical.agent.log.dsse import PAYLOAD_TYPE, Signer, pae, to_base64
from veridical.agent.log.keys import SigningKey
from veridical.agent.log.log import Log
from veridical.agent.log.merkle import Frontier, leaf_hash
from veridical.agent.log.note import Checkpoint, sign_checkpoint
from veridical.agent.log.statement import Statement, new_statement, read_statement
from veridical.agent.log.store import columns_of, facets_of
from veridical.agent.log.verified import Expected
from veridical.agent.logged import log_decision
from veridical.agent.record.canonical import canonical_json, digest_of

STRANGER = SigningKey.of(bytes([7]) * 32)
"""A key that no log knows."""

COLUMNS = "number id kind time about action verdict system subject leaf envelope".split()

Edit = Callable[[dict[str, Any]], None]


def make_log(home: Path) -> Path:
    """Make a log: decisions 1–4, an operator's act 5, a rotation 6, decisions 7 and 8, a revocation 9, decision 10."""
    result, arrays = sample()
    with Log.open(home) as log:
        decisions = [log_decision(log, result, changed(arrays, i)) for i in range(4)]
        about = {"about": decisions[1].id, "act": "overridden", "who": "op-1", "reason": "clear", "action": "PROCEED"}
        log.append(new_statement("operator", about, [("record", log.entry(2).digest)]))
        log.rotate("yearly")
        for i in range(4, 6):
            log_decision(log, result, changed(arrays, i))
        log.revoke(str(log.trust().keys()[0]["key_id"]), "retired")
        log_decision(log, result, changed(arrays, 6))
    settle(home)
    return home


def changed(arrays: dict[str, np.ndarray], by: int) -> dict[str, np.ndarray]:
    """Return arrays of which one differs, so that no two records share all their blobs."""
    return {**arrays, "text.saliency": arrays["text.saliency"] + np.float32(by)}


def sql(home: Path, query: str, *values: Any) -> list[tuple[Any, ...]]:
    """Run one statement in a log's database, past everything that guards it."""
    with contextlib.closing(sqlite3.connect(home / "log.sqlite")) as connection:
        found = connection.execute(query, values).fetchall()
        connection.commit()
    settle(home)
    return found


def envelope(home: Path, number: int) -> bytes:
    """Return the envelope of an entry."""
    return sql(home, "SELECT envelope FROM entries WHERE number = ?", number)[0][0]


def said(home: Path, number: int) -> dict[str, Any]:
    """Return the payload of an entry as plain JSON."""
    return json.loads(base64.b64decode(json.loads(envelope(home, number))["payload"]))


def put_envelope(home: Path, number: int, content: bytes | str) -> None:
    """Put another envelope in an entry's place, and the leaf's hash that belongs to it."""
    leaf = leaf_hash(content if isinstance(content, bytes) else content.encode())
    sql(home, "UPDATE entries SET envelope = ?, leaf = ? WHERE number = ?", content, leaf, number)


def signed(payload: bytes, *signers: Signer, ids: Sequence[str] = (), kind: str = PAYLOAD_TYPE) -> bytes:
    """Seal any payload with keys, under their own ids or others."""
    names = list(ids) or [signer.key_id for signer in signers]
    rows = [
        {"keyid": name, "sig": to_base64(signer.sign(pae(kind, payload)))}
        for name, signer in zip(names, signers, strict=True)
    ]
    return canonical_json({"payload": to_base64(payload), "payloadType": kind, "signatures": rows})


def edited(content: bytes, edit: Edit) -> bytes:
    """Return an envelope whose JSON was edited; its signatures stay."""
    document = json.loads(content)
    edit(document)
    return canonical_json(document)


def thief(home: Path) -> Signer:
    """Return the log's own key, stolen from its home."""
    with Log.open(home, read_only=True) as log:
        return log.keys.current()


def rewrite(home: Path, envelopes: Iterable[bytes], signer: Signer | None = None, *, remember: bool = False) -> None:
    """Rewrite a whole log around other envelopes: columns, facets, hashes of the tree, and its last tree head.

    Args:
        home: of the log.
        envelopes: of the entries, in their order.
        signer: signs the tree head; None leaves the checkpoints as they are.
        remember: whether the home's own memory of the last tree head is rewritten too.
    """
    origin = sql(home, "SELECT value FROM meta WHERE name = 'origin'")[0][0]
    frontier = Frontier(0, [])
    with contextlib.closing(sqlite3.connect(home / "log.sqlite")) as connection:
        for table in ("entries", "facets", "nodes"):
            connection.execute(f"DELETE FROM {table}")  # noqa: S608  # the names above
        for number, content in enumerate(envelopes):
            made = frontier.append(leaf_hash(content))
            nodes = [node for node in made if node[0]]
            connection.executemany("INSERT INTO nodes(level, position, hash) VALUES (?, ?, ?)", nodes)
            insert_row(connection, number, content)
        note = None
        if signer is not None:
            head = Checkpoint(origin, frontier.size, frontier.root())
            note = sign_checkpoint(head, origin, signer.sign, signer.public)
            connection.execute("DELETE FROM checkpoints")
            connection.execute("INSERT INTO checkpoints VALUES (?, ?)", (frontier.size, note))
        connection.commit()
    if note is not None and remember:
        (home / "checkpoint").write_text(note, encoding="utf-8")
    settle(home)


def insert_row(connection: sqlite3.Connection, number: int, content: bytes) -> None:
    """Insert an entry with its columns and facets, as they follow from its envelope."""
    statement = told(content)
    columns = {"number": number, **columns_of(statement), "leaf": leaf_hash(content), "envelope": content}
    marks = ", ".join("?" * len(COLUMNS))
    if connection.execute("SELECT 1 FROM entries WHERE id = ?", [columns["id"]]).fetchone():
        columns["id"] = fresh()  # the index of ids would refuse the same one twice
    row = [columns[name] for name in COLUMNS]
    connection.execute(f"INSERT INTO entries({', '.join(COLUMNS)}) VALUES ({marks})", row)  # noqa: S608
    words = [(number, i, *facet) for i, facet in enumerate(facets_of(statement))]
    connection.executemany("INSERT INTO facets(number, position, name, value, amount) VALUES (?, ?, ?, ?, ?)", words)


def told(content: bytes) -> Statement:
    """Return what an envelope says; of one that cannot be read, a note that stands for it."""
    try:
        return read_statement(base64.b64decode(json.loads(content)["payload"]), "an entry")
    except Exception:  # noqa: BLE001  # the attacker writes whatever he likes
        return new_statement("note", {}, [("nothing", digest_of(b""))])


def all_envelopes(home: Path) -> list[bytes]:
    """Return the envelopes of all entries."""
    return [row[0] for row in sql(home, "SELECT envelope FROM entries ORDER BY number")]


def append(home: Path, content: bytes, signer: Signer | None = None) -> int:
    """Append an envelope with everything that belongs to it; with a signer, under a tree head of its own."""
    envelopes = [*all_envelopes(home), content]
    rewrite(home, envelopes, signer, remember=signer is not None)
    return len(envelopes) - 1


def place(home: Path, digest: str) -> Path:
    """Return where a blob lies."""
    return home / "blobs" / digest[7:9] / digest[7:]


def put_blob(home: Path, content: bytes) -> str:
    """Put bytes among the blobs, whatever they are; return their digest."""
    digest = digest_of(content)
    place(home, digest).parent.mkdir(exist_ok=True, parents=True)
    place(home, digest).write_bytes(content)
    return digest


def replaced_record(home: Path, number: int, edit: Edit, content: bytes | None = None) -> bytes:
    """Return a decision's envelope, signed with the stolen key, whose manifest is another one and is among the blobs.

    Args:
        home: of the log.
        number: of the decision.
        edit: changes the manifest, and through ``blob`` and ``bytes`` of its entries what it names.
        content: the manifest's bytes, instead of canonical JSON of the edited one.
    """
    payload = said(home, number)
    manifest = json.loads(place(home, payload["predicate"]["manifest"]).read_bytes())
    edit(manifest)
    digest = put_blob(home, canonical_json(manifest) if content is None else content)
    payload["subject"][0]["digest"]["sha256"] = digest[7:]
    blobs = sorted({entry["blob"] for entry in manifest["arrays"].values() if "blob" in entry})
    payload["predicate"].update(manifest=digest, blobs=blobs)
    return signed(canonical_json(payload), thief(home))


def repack(path: Path, edit: Callable[[dict[str, bytes]], None], *, settle_index: bool = True, **how: Any) -> None:
    """Write a bundle anew around edited files, its index and form as they should be.

    Args:
        path: of the bundle.
        edit: changes the files.
        settle_index: whether digests and sizes in the index follow the files.
        how: names in the archive by file, ``links``, ``packed``: how it differs from what a writer would make.
    """
    with zipfile.ZipFile(path) as archive:
        files = {info.filename: archive.read(info) for info in archive.infolist()}
    edit(files)
    if settle_index:
        index = json.loads(files["bundle.json"])
        index["files"] = {
            name: {"digest": digest_of(content), "bytes": len(content)}
            for name, content in files.items()
            if name != "bundle.json"
        }
        files["bundle.json"] = canonical_json(index)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name in ["bundle.json", *sorted(set(files) - {"bundle.json"})]:
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.create_system, info.external_attr = 3, (0o120644 if name in how.get("links", ()) else 0o644) << 16
            info.compress_type = zipfile.ZIP_DEFLATED if name in how.get("packed", ()) else zipfile.ZIP_STORED
            archive.writestr(info, files[name])


def copy_of(home: Path, folder: Path) -> Path:
    """Return a copy of a home, to be attacked."""
    return Path(shutil.copytree(home, folder / "home"))


def finds(home: Path, cause: str, entry: Any = None, expected: Expected | None = None) -> Judgement:
    """See that the first thing told has this cause, and is about this entry."""
    found = judge(home, expected)
    assert found.first is not None, "nothing is found"
    assert (found.first.cause, found.first.entry) == (cause, entry), found
    assert set(found.causes) <= set(CAUSES)
    assert not [problem.told for problem in found.problems if "\n" in problem.told]
    return found


def statement_of(kind: str = "note", time: str | None = None, **said_of_it: Any) -> bytes:
    """Return the payload of a statement, to be signed by whomever."""
    return new_statement(kind, said_of_it, [("log", f"sha256:{'0' * 64}")], time=time).payload()


def fresh() -> str:
    """Return an id that no entry has."""
    return str(uuid.uuid4())


def rewrite_last(home: Path, content: bytes) -> None:
    """Put another envelope in the last one's place, under a tree head by the stolen key that the home remembers."""
    rewrite(home, [*all_envelopes(home)[:-1], content], thief(home), remember=True)
