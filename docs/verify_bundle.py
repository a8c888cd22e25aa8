"""Reads and verifies a bundle of a Veridical log with Python and NumPy alone: no Veridical, no cryptography package.

    python verify_bundle.py BUNDLE.zip [KEY]

KEY is the log's verifier key as its operator published it, ``<origin>+<8 hex>+<base64>``, or a file that holds it.
Without it the key inside the bundle is believed, which shows that the bundle is whole, not whose it is. Status 0 when
all of it holds, 1 when something does not. `verify` gives the arrays to whoever imports this file. The forms are
specified in ``record.md`` and ``log.md`` beside it.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import math
import pathlib
import re
import sys
import zipfile
import zlib
from typing import Any

import numpy as np

MOST = 1 << 30  # bytes that this reader takes, packed or not
KINDS = "opened|decision|map|operator|keys|erasure|hold|retention|time|witness|note"
TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "<i1"}
TYPES |= {"U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "<u1", "BOOL": "?"}


def need(holds: Any, told: str) -> None:
    """Raise unless something holds."""
    if not holds:
        raise ValueError(told)


# Ed25519, verification alone (RFC 8032, section 5.1.7), in extended coordinates (section 5.1.4).
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D, ROOT = -121665 * pow(121666, P - 2, P) % P, pow(2, (P - 1) // 4, P)
Point = tuple[int, int, int, int]


def add(a: Point, b: Point) -> Point:
    """Add two points."""
    e, f = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    g, h = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    w, x, y, z = f - e, h - g, h + g, f + e
    return w * x % P, y * z % P, x * y % P, w * z % P


def times(n: int, point: Point) -> Point:
    """Multiply a point."""
    total = (0, 1, 1, 0)
    while n:
        total = add(total, point) if n & 1 else total
        point, n = add(point, point), n >> 1
    return total


def point_of(code: bytes) -> Point:
    """Decode a point (RFC 8032, section 5.1.3)."""
    sign, y = code[31] >> 7, int.from_bytes(code, "little") % (1 << 255)
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x * ROOT % P if (x * x - square) % P else x
    need(y < P and (x * x - square) % P == 0 and not (x == 0 and sign), "a point that is none")
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


BASE = point_of((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def signed(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether an Ed25519 signature holds, under a key that is not weak (of an order that divides 8)."""
    if len(public) != 32 or len(signature) != 64:
        return False
    try:
        key, start, s = point_of(public), point_of(signature[:32]), int.from_bytes(signature[32:], "little")
    except ValueError:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % L
    left, right = times(s, BASE), add(start, times(k, key))
    same = all((left[i] * right[2] - right[i] * left[2]) % P == 0 for i in (0, 1))
    return same and s < L and times(8, key)[0] % P != 0


# JSON, strictly; base64; digests; names of keys.
def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object in which no key stands twice."""
    need(len(dict(pairs)) == len(pairs), "a key stands twice in one object")
    return dict(pairs)


def parse(content: bytes) -> Any:
    """Parse JSON, in which NaN and infinities are no numbers."""
    return json.loads(content.decode(), object_pairs_hook=unique, parse_constant=lambda text: need(False, text))


def unbase(text: str) -> bytes:
    """Decode standard base64 that is written in the one right way."""
    found = base64.b64decode(text, validate=True)
    need(base64.b64encode(found).decode() == text, "base64 that is not canonical")
    return found


def digest(content: bytes) -> str:
    """SHA-256 as records and logs write it."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def key_id(public: bytes) -> str:
    """Name of a key in envelopes."""
    return "ed25519:" + hashlib.sha256(public).hexdigest()[:32]


# An entry: a DSSE envelope around an in-toto statement. Who may sign one, the entries of kind "keys" say.
def entry_of(content: bytes, what: str) -> tuple[str, dict[str, Any], dict[str, bytes], bytes]:
    """Kind, predicate and signatures of an entry, and what was signed: DSSE's pre-authentication encoding."""
    envelope = parse(content)
    plain = json.dumps(envelope, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    need(plain == content and len(envelope) == 3, f"{what}: its envelope is not in the one right form")
    kind, payload = envelope["payloadType"], unbase(envelope["payload"])
    need(kind == "application/vnd.in-toto+json", f"{what}: payload type {kind!r}")
    statement, message = parse(payload), b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)
    said, predicate = statement["predicateType"], statement["predicate"]
    need(statement["_type"] == "https://in-toto.io/Statement/v1", f"{what}: not an in-toto statement")
    need(re.fullmatch(f"urn:veridical:({KINDS}):1", said), f"{what}: its kind is {said!r}, not known here")
    need(not predicate.get("critical"), f"{what}: it asks for what is not known here")
    signatures = unique([(row["keyid"], unbase(row["sig"])) for row in envelope["signatures"]])
    need(1 <= len(signatures) <= 8, f"{what}: {len(signatures)} signatures")
    return said.split(":")[2], predicate, signatures, message


class Keys:
    """The log's keys, learnt entry by entry (``log.md``, "Keys")."""

    def __init__(self, public: bytes) -> None:
        first = key_id(public)
        self.public, self.since, self.by = {first: public}, {first: 0}, {first: list[str]()}  # by: who brought it in
        self.revoked: dict[str, tuple[int, int]] = {}  # entry from which it counts no more, entry that says so
        self.holders = [(-1, first)]  # who signs the checkpoints of more entries than that number
        self.signed: list[tuple[int, str]] = []

    def check(self, at: int, signatures: dict[str, bytes], message: bytes, change: dict[str, Any] | None) -> None:
        """Check an entry's signatures, and take in what it changes of the keys."""
        new, public, act = "", b"", change["act"] if change else ""
        if change and act != "revoked":
            new, public = change["key"]["key_id"], unbase(change["key"]["public"])
            need(act in ("rotated", "added") and new == key_id(public), f"entry {at}: no change that is known here")
            need(new in signatures and new not in self.public, f"entry {at}: a new key must be new, and sign")
        others = [name for name in signatures if name != new]
        for name, signature in signatures.items():
            need(name in self.public or (name == new and others), f"entry {at}: signed by the unknown key {name}")
            right = signed(public if name == new else self.public[name], message, signature)
            need(right, f"entry {at}: the signature by {name} does not hold")
            self.signed.append((at, name))
        if change and act == "revoked":
            self.revoke(at, change["key"]["key_id"], change.get("from_entry"), others)
        elif change:
            old = change["replaced"] if act == "rotated" else others[0]
            need(old in others, f"entry {at}: the key that is replaced did not sign")
            self.public[new], self.since[new], self.by[new] = public, at, others
            self.holders += [(at, new)] if act == "rotated" and old == self.holders[-1][1] else []

    def revoke(self, at: int, key: str, start: int | None, signers: list[str]) -> None:
        """Take in that a key's signatures count no more."""
        start, last = at if start is None else start, min(at, self.revoked.get(key, (at + 1, 0))[0] - 1)
        need(type(start) is int and self.since[key] < start <= last, f"entry {at}: it revokes from no such entry")

        def rests(name: str) -> bool:  # on nothing but what this revocation takes away
            by = self.by[name]
            return bool(by) and all((other == key and self.since[name] >= start) or rests(other) for other in by)

        firm = [name for name in signers if name != key and not rests(name)]
        need(firm, f"entry {at}: a key is revoked by none but itself")
        self.revoked[key] = start, self.revoked.get(key, (0, at))[1]
        self.holders += [(at, firm[0])] if self.holders[-1][1] == key else []

    def head(self, note: str, origin: str) -> tuple[int, bytes]:
        """Size and root of a checkpoint (C2SP signed-note, tlog-checkpoint) that the right key has signed."""
        body, _, lines = note.rpartition("\n\n")
        named, size, root = f"{body}\n".split("\n")[:3]
        need(named == origin and re.fullmatch("0|[1-9][0-9]{0,18}", size), "the checkpoint is another log's")
        public = self.public[[name for since, name in self.holders if since < int(size)][-1]]
        hint = hashlib.sha256(f"{origin}\n\1".encode() + public).digest()[:4]
        for line in lines.split("\n")[:-1]:
            dash, name, code = line.split(" ")
            if (dash, name, unbase(code)[:4]) == ("\u2014", origin, hint):
                need(signed(public, f"{body}\n".encode(), unbase(code)[4:]), "the checkpoint's signature does not hold")
                return int(size), unbase(root)
        raise ValueError("the checkpoint is not signed by the log's key")


def root_from(leaf: bytes, at: int, size: int, path: list[bytes]) -> bytes:
    """Root that an inclusion proof (RFC 9162, section 2.1.3) leads to."""
    need(0 <= at < size and (size > 1) == bool(path), "a proof of another length")
    if size == 1:
        return leaf
    half = 1 << ((size - 1).bit_length() - 1)  # the left subtree's leaves: the largest power of two below the size
    if at < half:
        return hashlib.sha256(b"\1" + root_from(leaf, at, half, path[:-1]) + path[-1]).digest()
    return hashlib.sha256(b"\1" + path[-1] + root_from(leaf, at - half, size - half, path[:-1])).digest()


# The record: its arrays, and the words that were cut out of its result.
def array_of(content: bytes, entry: dict[str, Any], name: str) -> np.ndarray:
    """One array of a record, from the bytes as stored."""
    shape, kind, count = entry["shape"], entry["coding"]["kind"], math.prod(entry["shape"])
    need(8 * count <= MOST and entry["packed"] in (None, "zlib"), f"{name}: too large, or packed in an unknown way")
    need(kind in ("exact", "fp16", "int8", "sparse"), f"{name} is coded as {kind!r}, which is not known here")
    if entry["packed"]:
        machine = zlib.decompressobj()
        content = machine.decompress(content, 8 * count + 4105)  # what is declared, and a header
        need(machine.eof and not machine.unused_data, f"{name}: cut short, or more than is declared")
    start, held, end = 8 + int.from_bytes(content[:8], "little"), {}, 0
    need(start <= min(4104, len(content)), f"{name}: a header that is too long")
    for part, told in parse(content[8:start]).items():
        need(told["data_offsets"][0] == end, f"{name}: tensors with gaps")
        values, end = content[start + end : start + told["data_offsets"][1]], told["data_offsets"][1]
        held[part] = np.frombuffer(values, TYPES[told["dtype"]]).reshape(told["shape"])
    need(end == len(content) - start, f"{name}: bytes beside its tensors")
    found = held.get("data", np.zeros(count))
    if kind == "sparse":
        need((np.diff(held["index"].astype(int)) > 0).all(), f"{name}: indices that do not rise")
        found[held["index"]] = held["value"]
    if kind != "exact":
        need(entry["coding"]["scale"] > 0, f"{name}: its scale is no scale")
        found = (found.astype(float) * entry["coding"]["scale"]).astype(entry["dtype"]).reshape(shape)
    need(found.dtype.name == entry["dtype"] and list(found.shape) == shape, f"{name}: not what its entry says")
    need(np.isfinite(found).all(), f"{name}: values that are not finite")
    return found


def record_of(said: dict[str, Any], files: dict[str, bytes], used: set[str]) -> tuple[dict, dict[str, np.ndarray]]:
    """Manifest and arrays of a decision; what was dropped, or is sealed and not laid open, is left out."""
    if "blobs/" + said["manifest"][7:] not in files:
        return {}, {}
    manifest, arrays = parse(files["blobs/" + said["manifest"][7:]]), {}
    need(manifest["format"] == "veridical.record/2", f"format {manifest['format']!r}; this reads veridical.record/2")
    known = {"fp16", "int8", "sparse", "zlib", "sealed"}
    need(set(manifest["critical"]) <= known, "the record asks for what is not known here")

    def laid_open(part: dict[str, Any]) -> bytes | None:
        name = "opened/" + part["commitment"][7:]
        used.add(name)
        right = name not in files or (digest(files[name]), len(files[name])) == (part["commitment"], part["bytes"] + 32)
        need(right, f"{name} is not what was committed to")
        return files[name][32:] if name in files else None  # without the salt

    for name, entry in manifest["arrays"].items():
        content = laid_open(entry["sealed"]) if "sealed" in entry else files.get("blobs/" + entry["blob"][7:])
        if content is not None:
            arrays[name] = array_of(content, entry, name)
    texts = laid_open(manifest["sealed"]["texts"]) if manifest["sealed"] else None
    for pointer, text in parse(texts).items() if texts else ():  # where words were cut out: RFC 6901
        place, steps = manifest["result"], [s.replace("~1", "/").replace("~0", "~") for s in pointer.split("/")[1:]]
        for step in steps[:-1]:
            place = place[int(step) if isinstance(place, list) else step]
        last: Any = int(steps[-1]) if isinstance(place, list) else steps[-1]
        need("\u2026" in place[last], f"nothing was cut out at {pointer}")
        place[last] = text
    told = manifest["id"], manifest["result"]["decision"]["action"], manifest["result"]["verdict"]["verdict"]
    need(told == (said["id"], said["action"], said["verdict"]), "the entry says other than its record")
    return manifest, arrays


def recheck(result: dict[str, Any]) -> None:
    """Compute again what needs no model: the score, the decision, and p-values from the recorded effects."""
    logits, action = result["decision"]["logits"], result["decision"]["action"]
    rest = np.array([value for name, value in logits.items() if name != action])
    score = logits[action] - (rest.max() + np.log(np.exp(rest - rest.max()).sum()))
    need(abs(score - result["decision"]["score"]) < 1e-4 * (1 + abs(score)), "the score is not that of the logits")
    need(max(logits.values()) == logits[action], "the action is not the one with the highest score")
    for test in result["verdict"].get("tests") or []:
        as_low = sum(control["effect"] <= test["effect"] for control in test["controls"])
        need(abs((1 + as_low) / (1 + test["k"]) - test["p"]) < 1e-9, "a p-value is not that of its controls")


# The bundle: a ZIP archive whose every byte follows from its files.
def files_of(path: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Index and files of a bundle, each held to its digest."""
    need(pathlib.Path(path).stat().st_size <= MOST, "the bundle is too large for this reader")
    content, again = pathlib.Path(path).read_bytes(), io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as bundle, zipfile.ZipFile(again, "w") as copy:
        infos = bundle.infolist()
        stored = all(info.compress_type == zipfile.ZIP_STORED for info in infos)
        need(stored and sum(info.file_size for info in infos) <= MOST, "a file is packed, or too large")
        files = {info.filename: bundle.read(info) for info in infos}
        for name in sorted(files, key=lambda name: (name != "bundle.json", name)):
            info = zipfile.ZipInfo(name)
            info.create_system, info.external_attr = 3, 0o644 << 16
            copy.writestr(info, files[name])
    need(again.getvalue() == content, "there are bytes in the bundle that none of its files account for")
    index = parse(files.pop("bundle.json"))
    need(index["format"] == "veridical.bundle/1", f"format {index['format']!r}; this reads veridical.bundle/1")
    need(set(index["files"]) == set(files), "the bundle's files are not those that it lists")
    for name, told in index["files"].items():
        need(digest(files[name]) == told["digest"], f"{name} was altered")
    return index, files


def verify(path: str, vkey: str | None = None) -> tuple[dict[str, Any], list[tuple[int, dict, dict, dict]]]:
    """Verify a bundle; return its index and, of each decision, its number, predicate, manifest and arrays."""
    index, files = files_of(path)
    origin, hint, code = (vkey or index["key"]).split("+", 2)
    named = hashlib.sha256(f"{origin}\n".encode() + unbase(code)).hexdigest()[:8]
    need(named == hint and unbase(code)[:1] == b"\1", "the verifier key is malformed")
    need(origin == index["origin"], f"the key is of the log {origin}, the bundle of {index['origin']}")
    numbers, ids = [told["number"] for told in index["entries"]], set[str]()
    need(numbers[:1] == [0] and numbers == sorted(set(numbers)), "the entries are not in their order, from 0 on")
    used, gone, wanted, leaves, notes = set[str](), set[str](), set[str](), [], set[str]()
    decisions, keys = [], None
    for at in numbers:
        content, proof = files[f"entries/{at}.json"], files[f"proofs/{at}.tlog-proof"].decode()
        used |= {f"entries/{at}.json", f"proofs/{at}.tlog-proof"}
        kind, said, signatures, message = entry_of(content, f"entry {at}")
        need((kind == "opened") == (at == 0), f"entry {at} is of kind {kind}; entry 0 opens the log, and no other")
        if keys is None:
            need((said["origin"], said["format"]) == (origin, "veridical.log/1"), "entry 0 opens another log")
            keys = Keys(unbase(said["key"]["public"]))
        keys.check(at, signatures, message, said if kind == "keys" else None)
        head, note = proof.split("\n\n", 1)  # a tlog-proof
        need(head.split("\n")[:2] == ["c2sp.org/tlog-proof@v1", f"index {at}"], f"entry {at}: its proof is another's")
        leaves.append((at, hashlib.sha256(b"\0" + content).digest(), [unbase(x) for x in head.split("\n")[2:]]))
        need(said["id"] not in ids, f"entry {at} is another one once more")
        notes.add(note)
        ids.add(said["id"])
        gone |= set(said["dropped"]) if kind == "retention" else set()
        wanted |= {said["manifest"], *said["blobs"], *said["sealed"]} if kind in ("decision", "map") else set()
        decisions += [(at, said)] if kind == "decision" else []
    if keys is None or len(notes) != 1:
        raise ValueError("the proofs are not under one checkpoint")
    for at, name in keys.signed:  # a later entry may revoke a key from an earlier one on
        start, says = keys.revoked.get(name, (at + 1, at))
        need(at < start or at == says, f"entry {at}: signed by the revoked key {name}")
    need(key_id(unbase(code)[1:]) in keys.public, "the key is none of this log's: the bundle is somebody else's")
    size, root = keys.head(notes.pop(), origin)
    need(size == index["size"], "the checkpoint is of another size than the bundle says")
    for at, leaf, steps in leaves:
        need(root_from(leaf, at, size, steps) == root, f"entry {at} is not in the tree")
    for blob in wanted:
        content = files.get("blobs/" + blob[7:])
        need(content is not None or blob in gone, f"blob {blob} is missing, and no entry says that it was dropped")
        need(content is None or digest(content) == blob, f"blob {blob} was altered")
        used.add("blobs/" + blob[7:])
    found = [(at, said, *record_of(said, files, used)) for at, said in decisions]
    need(set(files) <= used, "there are files that no entry names")
    return index, found


def main(path: str, vkey: str | None = None) -> int:
    """Say what a bundle holds, and whether it holds."""
    lines = []
    try:
        vkey = pathlib.Path(vkey).read_text().strip() if vkey and pathlib.Path(vkey).is_file() else vkey
        index, decisions = verify(path, vkey)
        for at, said, manifest, arrays in decisions:
            lines.append(f"\n#{at}  {said['time']}  {said['action']}, {said['verdict']}  ({said['id']})")
            if not manifest:
                lines.append("The record was dropped; an entry says so.")
                continue
            recheck(manifest["result"])
            lines.append(manifest["result"]["justification"]["text"])
            for name, entry in sorted(manifest["arrays"].items()):
                form = f"{entry['dtype']:<8} {'x'.join(map(str, entry['shape'])):<14} {entry['unit'] or '-':<16}"
                held = arrays.get(name, np.zeros(0))
                span = f"{held.min():.4g} to {held.max():.4g}" if held.size else "sealed, or dropped"
                lines.append(f"  {name:<32} {form} {span}")
    except Exception as error:  # noqa: BLE001  # whatever goes wrong, it is not verified
        sys.stdout.write(f"NOT VERIFIED: {error if type(error) is ValueError else repr(error)}\n")
        return 1
    if not vkey:
        lines.append("\nThe key was the bundle's own: this shows that nothing was changed since, not who wrote it.")
    sys.stdout.write("\n".join([f"Verified: {len(index['entries'])} entries of {index['origin']}", *lines, ""]))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if 2 <= len(sys.argv) <= 3 else sys.stderr.write(__doc__ or "") and 2)
