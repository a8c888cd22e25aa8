"""Reads and verifies a bundle of a Veridical log with Python and NumPy alone: no Veridical, no cryptography package.

    python verify_bundle.py BUNDLE.zip [KEY]

KEY is the log's verifier key as its operator published it, ``<origin>+<8 hex>+<base64>``, or a file that holds it.
Without it the key inside the bundle is believed, which shows that the bundle is whole, not whose it is. Status 0 when
all of it holds, 1 when something does not. The forms are specified in ``record.md`` and ``log.md`` beside this file.
"""

import base64
import hashlib
import io
import json
import math
import pathlib
import sys
import zipfile
import zlib

import numpy as np

MOST = 1 << 30  # bytes that a file, packed or not, may have
CODINGS = ("exact", "fp16", "int8", "sparse")


class Wrong(Exception):
    """Something does not hold."""


def need(holds, told):
    """Raise unless something holds."""
    if not holds:
        raise Wrong(told)


# Ed25519, verification alone (RFC 8032, section 5.1.7), in extended coordinates (section 5.1.4).
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)


def add(a, b):
    """Add two points."""
    e, f = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    g, h = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    w, x, y, z = f - e, h - g, h + g, f + e
    return w * x % P, y * z % P, x * y % P, w * z % P


def times(n, point):
    """Multiply a point."""
    total = (0, 1, 1, 0)
    while n:
        if n & 1:
            total = add(total, point)
        point, n = add(point, point), n >> 1
    return total


def point_of(code):
    """Decode a point (RFC 8032, section 5.1.3)."""
    y = int.from_bytes(code, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    need(y < P, "a point that is none")
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT % P
    need((x * x - square) % P == 0 and not (x == 0 and sign), "a point that is none")
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


BASE = point_of((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def signed(public, message, signature):
    """Whether an Ed25519 signature holds."""
    try:
        need(len(public) == 32 and len(signature) == 64, "lengths")
        key, start, s = point_of(public), point_of(signature[:32]), int.from_bytes(signature[32:], "little")
        need(s < L, "a number too large")
    except Wrong:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % L
    left, right = times(s, BASE), add(start, times(k, key))
    return all((left[i] * right[2] - right[i] * left[2]) % P == 0 for i in (0, 1))


# JSON, strictly; DSSE; in-toto statements.
def unique(pairs):
    """An object without a key that stands twice."""
    found = dict(pairs)
    need(len(found) == len(pairs), "a key stands twice in one object")
    return found


def refuse(name):
    """Refuse NaN and infinities."""
    raise Wrong(f"{name} is not a JSON number")


def parse(content, what):
    """Parse JSON."""
    try:
        return json.loads(content.decode("utf-8"), object_pairs_hook=unique, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise Wrong(f"{what} is not JSON: {error}") from error


def unbase(text):
    """Decode standard base64 that is written in the one right way."""
    try:
        found = base64.b64decode(text, validate=True)
    except (ValueError, TypeError) as error:
        raise Wrong("malformed base64") from error
    need(base64.b64encode(found).decode() == text, "base64 that is not canonical")
    return found


def key_id(public):
    """Name of a key in envelopes."""
    return "ed25519:" + hashlib.sha256(public).hexdigest()[:32]


def opened(content, what):
    """Payload and signatures of an envelope, and what was signed: DSSE's pre-authentication encoding."""
    envelope = parse(content, what)
    kind, payload = envelope["payloadType"], unbase(envelope["payload"])
    need(kind == "application/vnd.in-toto+json", f"{what}: payload type {kind!r}")
    message = b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)
    statement = parse(payload, what)
    need(statement["_type"] == "https://in-toto.io/Statement/v1", f"{what}: not an in-toto statement")
    return statement, [(s["keyid"], unbase(s["sig"])) for s in envelope["signatures"]], message


# The tree (RFC 9162, section 2.1.3.2) and its signed heads (C2SP signed-note, tlog-checkpoint, tlog-proof).
def leaf_of(content):
    """Hash of a leaf."""
    return hashlib.sha256(b"\0" + content).digest()


def root_from(leaf, number, size, path):
    """Root that an inclusion proof leads to."""
    need(0 <= number < size, "a number beyond the tree")
    fn, sn, found = number, size - 1, leaf
    for step in path:
        need(sn > 0, "a proof that is too long")
        if fn & 1 or fn == sn:
            found = hashlib.sha256(b"\1" + step + found).digest()
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            found = hashlib.sha256(b"\1" + found + step).digest()
        fn, sn = fn >> 1, sn >> 1
    need(sn == 0, "a proof that is too short")
    return found


def head_of(note, publics):
    """Origin, size and root of a checkpoint signed by one of these keys."""
    body, _, lines = note.partition("\n\n")
    body += "\n"
    origin, size, root = body.split("\n")[:3]
    for line in lines.splitlines():
        dash, name, code = line.split(" ")
        need(dash == "\u2014", "a signature line that is none")
        code = unbase(code)
        for public in publics:
            hint = hashlib.sha256(name.encode() + b"\n\x01" + public).digest()[:4]
            if name == origin and code[:4] == hint and signed(public, body.encode(), code[4:]):
                return origin, int(size), unbase(root)
    raise Wrong("the checkpoint is not signed by the log's key")


def proof_of(text):
    """Number, path and checkpoint of a tlog-proof."""
    lines, _, note = text.partition("\n\n")
    lines = lines.split("\n")
    need(lines[0] == "c2sp.org/tlog-proof@v1", "not a tlog-proof of version 1")
    lines = lines[2:] if lines[1].startswith("extra ") else lines[1:]
    need(lines[0].startswith("index "), "a proof without an index")
    return int(lines[0][6:]), [unbase(line) for line in lines[1:]], note


# The record's arrays.
def unpacked(content, entry):
    """Bytes of a safetensors file, inflated where they were packed, never beyond what is declared."""
    if entry.get("packed") is None:
        return content
    need(entry["packed"] == "zlib", f"packed as {entry['packed']!r}")
    most = 4 * 8 * math.prod(entry["shape"]) + 8192
    need(most <= MOST, "an array that is too large")
    machine = zlib.decompressobj()
    found = machine.decompress(content, most)
    need(machine.eof and not machine.unused_data, "a packed array that is cut short, or too large")
    return found


def tensors(content):
    """Arrays of a safetensors file."""
    length = int.from_bytes(content[:8], "little")
    need(length <= 65536, "a header that is too long")
    header, data = parse(content[8 : 8 + length], "safetensors header"), content[8 + length :]
    kinds = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "<i1"}
    kinds |= {"U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "<u1", "BOOL": "?"}
    found = {}
    for name, told in header.items():
        start, end = told["data_offsets"]
        need(0 <= start <= end <= len(data), "offsets beyond the file")
        found[name] = np.frombuffer(data[start:end], kinds[told["dtype"]]).reshape(told["shape"])
    return found


def array_of(content, entry, name):
    """One array of a record."""
    held = tensors(unpacked(content, entry))
    coding = entry.get("coding") or {"kind": "exact"}
    need(coding["kind"] in CODINGS, f"{name} is coded as {coding['kind']!r}, which this reader does not know")
    if coding["kind"] == "exact":
        return held["data"].reshape(entry["shape"])
    if coding["kind"] == "sparse":
        found = np.zeros(math.prod(entry["shape"]))
        found[held["index"]] = held["value"].astype(float) * coding["scale"]
    else:
        found = held["data"].astype(float) * coding["scale"]
    return found.astype(entry["dtype"]).reshape(entry["shape"])


def files_of(path):
    """Members of the bundle by name, each held against its digest."""
    with zipfile.ZipFile(io.BytesIO(pathlib.Path(path).read_bytes())) as bundle:
        infos = bundle.infolist()
        names = [info.filename for info in infos]
        need(len(set(names)) == len(names), "a file stands twice in the bundle")
        need(sum(info.file_size for info in infos) <= MOST, "the bundle is too large")
        need(all(info.compress_type == zipfile.ZIP_STORED for info in infos), "a file of the bundle is compressed")
        files = {info.filename: bundle.read(info) for info in infos}
    index = parse(files.pop("bundle.json"), "bundle.json")
    need(index["format"] == "veridical.bundle/1", f"format {index['format']!r}; this reads veridical.bundle/1")
    need(set(index["files"]) == set(files), "the bundle's files are not those that it lists")
    for name, told in index["files"].items():
        need("sha256:" + hashlib.sha256(files[name]).hexdigest() == told["digest"], f"{name} was altered")
    return index, files


def verify(path, vkey=None):
    """Verify a bundle; return its index and, for each decision, its predicate, manifest and arrays."""
    index, files = files_of(path)
    vkey = vkey or index["key"]
    name, hint, code = vkey.rsplit("+", 2)
    public = unbase(code)[1:]
    need(hashlib.sha256(name.encode() + b"\n" + unbase(code)).hexdigest()[:8] == hint, "the verifier key is malformed")
    keys, revoked, heads, decisions = {}, {}, set(), []
    for told in sorted(index["entries"], key=lambda entry: entry["number"]):
        number, content = told["number"], files[told["envelope"]]
        statement, signatures, message = opened(content, f"entry {number}")
        predicate = statement["predicate"]
        if number == 0:
            keys[key_id(unbase(predicate["key"]["public"]))] = unbase(predicate["key"]["public"])
            need(public in keys.values(), "the log was not opened by the key given")
        if statement["predicateType"] == "urn:veridical:keys:1" and predicate["act"] in ("rotated", "added"):
            keys[predicate["key"]["key_id"]] = unbase(predicate["key"]["public"])
        for who, signature in signatures:
            need(who in keys, f"entry {number}: signed by the unknown key {who}")
            need(number < revoked.get(who, number + 1), f"entry {number}: signed by a revoked key")
            need(signed(keys[who], message, signature), f"entry {number}: its signature does not hold")
        if statement["predicateType"] == "urn:veridical:keys:1" and predicate["act"] == "revoked":
            start = predicate.get("from_entry")
            revoked[predicate["key"]["key_id"]] = number if start is None else start
        index_of, steps, note = proof_of(files[told["proof"]].decode())
        need(index_of == number, f"entry {number}: its proof is another's")
        heads.add((note, number, tuple(steps), leaf_of(content)))
        if statement["predicateType"] == "urn:veridical:decision:1":
            decisions.append((number, predicate, statement["subject"]))
    known = {}
    for note, number, steps, leaf in heads:
        if note not in known:
            known[note] = head_of(note, list(keys.values()))
        origin, size, root = known[note]
        need(origin == index["origin"] == name, "the checkpoint is another log's")
        need(root_from(leaf, number, size, steps) == root, f"entry {number} is not in the tree")
    return index, [(number, predicate, *_record(predicate, index, files)) for number, predicate, _ in decisions]


def _record(predicate, index, files):
    """Manifest and arrays of a decision; what was sealed or dropped is left out."""
    def blob(digest):
        return files.get("blobs/" + digest.removeprefix("sha256:"))

    if blob(predicate["manifest"]) is None:
        need(predicate["manifest"] in index["dropped"], "a manifest is missing, and nothing says that it was dropped")
        return None, {}
    content = blob(predicate["manifest"])
    need("sha256:" + hashlib.sha256(content).hexdigest() == predicate["manifest"], "a manifest was altered")
    manifest, arrays = parse(content, "manifest"), {}
    need(manifest["format"] == "veridical.record/2", f"format {manifest['format']!r}; this reads veridical.record/2")
    need(not set(manifest["critical"]) - {*CODINGS, "zlib", "sealed"}, "the record asks for what is not known here")
    for name, entry in manifest["arrays"].items():
        if "blob" not in entry:
            continue
        held = blob(entry["blob"])
        if held is None:
            need(entry["blob"] in index["dropped"], f"{name} is missing, and nothing says that it was dropped")
            continue
        need("sha256:" + hashlib.sha256(held).hexdigest() == entry["blob"], f"{name} was altered")
        arrays[name] = array_of(held, entry, name)
    return manifest, arrays


def recheck(result):
    """Compute again what needs no model: scores, the decision, and p-values from the recorded effects."""
    logits = result["decision"]["logits"]
    action = result["decision"]["action"]
    rest = np.array([value for name, value in logits.items() if name != action])
    score = logits[action] - (rest.max() + np.log(np.exp(rest - rest.max()).sum()))
    need(abs(score - result["decision"]["score"]) < 1e-4, "the score is not that of the logits")
    need(max(logits, key=logits.get) == action, "the action is not the one with the highest score")
    for test in result["verdict"]["tests"]:
        as_low = sum(control["effect"] <= test["effect"] for control in test["controls"])
        need(abs((1 + as_low) / (1 + test["k"]) - test["p"]) < 1e-9, "a p-value is not that of its controls")


def main(path, vkey=None):
    """Print what a bundle holds, and whether it holds."""
    if vkey and pathlib.Path(vkey).is_file():
        vkey = pathlib.Path(vkey).read_text().strip()
    try:
        index, decisions = verify(path, vkey)
        for _, _, manifest, _ in decisions:
            if manifest:
                recheck(manifest["result"])
    except (Wrong, OSError, zipfile.BadZipFile, KeyError, ValueError, TypeError, IndexError) as error:
        print(f"NOT VERIFIED: {error!r}" if not isinstance(error, Wrong) else f"NOT VERIFIED: {error}")
        return 1
    print(f"Verified: {len(index['entries'])} entries of {index['origin']}")
    for number, predicate, manifest, arrays in decisions:
        print(f"\n#{number}  {predicate['time']}  {predicate['action']}, {predicate['verdict']}  ({predicate['id']})")
        if manifest:
            print(manifest["result"]["justification"]["text"])
        for name, values in sorted(arrays.items()):
            unit = manifest["arrays"][name].get("unit") or "-"
            print(f"  {name:<32} {values.dtype!s:<8} {'x'.join(map(str, values.shape)):<16} {unit}")
    if not vkey:
        print("\nThe key was the bundle's own: this shows that nothing was changed since, not who wrote it.")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
