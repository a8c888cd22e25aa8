"""docs/verify_bundle.py in an environment of its own, with NumPy and nothing else."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
import venv
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from tests.agent.audit.content_sample import made
from veridical.agent.audit.contents import Contents
from veridical.agent.log.bundle import read_bundle, verify_bundle, write_bundle
from veridical.agent.log.bundle_file import INDEX, pack_bundle
from veridical.agent.log.keys import SigningKey
from veridical.agent.log.log import Log
from veridical.agent.log.note import NoteKey
from veridical.agent.log.retention import Rule, due, retain
from veridical.agent.log.statement import KINDS, new_statement
from veridical.agent.logged import log_decision
from veridical.agent.record.canonical import canonical_json, digest_of, read_json
from veridical.agent.record.context import Context

SCRIPT = Path(__file__).parents[2] / "docs" / "verify_bundle.py"
STRANGER = SigningKey.of(bytes([7]) * 32)
ORDER = 2**252 + 27742317777372353535851937790883648493
WEAK = [  # points whose order divides 8: RFC 8032's curve, by the affine y, and the sign
    *(y.to_bytes(32, "little") for y in (0, 1, 2**255 - 20)),
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"),
]
RFC_8032 = [  # section 7.1: public key, message, signature
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe"
        "24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302a"
        "eeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed2"
        "8dc027beceea1ec40a",
    ),
    (
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce8"
        "0e2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac1"
        "7ad9bef1177331a704",
    ),
]


@pytest.fixture(scope="session")
def python(tmp_path_factory):
    """Python in an environment that holds NumPy alone."""
    folder = tmp_path_factory.mktemp("alone")
    venv.create(folder, with_pip=False, symlinks=True)
    place = next(folder.glob("lib/python*/site-packages"))
    ours = Path(np.__file__).parents[1]
    for name in ("numpy", "numpy.libs"):
        if (ours / name).exists():
            (place / name).symlink_to(ours / name)
    return folder / "bin" / "python"


@pytest.fixture(scope="session")
def script():
    """The script as a module of this process."""
    from importlib.machinery import SourceFileLoader

    loader = SourceFileLoader("verify_bundle_alone", str(SCRIPT))
    module = importlib.util.module_from_spec(
        importlib.util.spec_from_loader(loader.name, loader) or pytest.fail("no module")
    )
    loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    """A log of decisions 1, 2, a rotation 3, decision 4 by the new key, a note by the old one 5, its revocation 6."""
    folder = tmp_path_factory.mktemp("kept") / "home"
    with Log.open(folder) as log:
        for name, precision in (("simple", "exact"), ("concepts", "sparse")):
            log_decision(log, *deepcopy(made(name)), Context(precision=precision), name)
        old = log.keys.current()
        log.rotate("yearly")
        log_decision(log, *deepcopy(made("climbed")), Context(precision="int8"))
        log.append(new_statement("note", {}, log.about()), [old])
        log.revoke(old.key_id, "retired")
    return folder


@pytest.fixture(scope="session")
def bundles(home, tmp_path_factory):
    """Bundles of that log, by whether signals are laid open; and its key."""
    folder = tmp_path_factory.mktemp("bundles")
    with Log.open(home, read_only=True) as log:
        for name in (False, True):
            write_bundle(log, [1, 2, 4, 5], folder / f"{name}.zip", signals=name)
        return {name: (folder / f"{name}.zip").read_bytes() for name in (False, True)}, log.note_key.vkey()


@pytest.fixture
def bundle(bundles, tmp_path):
    (tmp_path / "it.zip").write_bytes(bundles[0][True])
    return tmp_path / "it.zip"


def run(python, *arguments):
    done = subprocess.run(
        [python, "-I", SCRIPT, *arguments], capture_output=True, text=True, timeout=60, check=False, cwd="/"
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_nothing_but_numpy_is_there(python):
    code = "import importlib.util as u; print([n for n in {} if u.find_spec(n)])"
    names = ["numpy", "cryptography", "safetensors", "veridical", "scipy", "torch", "rfc8785", "pip", "setuptools"]
    done = subprocess.run([python, "-I", "-c", code.format(names)], capture_output=True, text=True, check=True, cwd="/")
    assert done.stdout == "['numpy']\n"


def test_a_bundle_is_verified_and_shown(python, bundle, bundles, tmp_path):
    (tmp_path / "key").write_text(bundles[1] + "\n", encoding="utf-8")
    for key in (bundles[1], tmp_path / "key"):
        status, told = run(python, bundle, key)
        assert status == 0
        assert told.startswith("Verified: 7 entries of veridical.local/")
        assert "STOP, supported" in told
        assert made("simple")[0]["justification"]["text"] in told  # with the words of a person put back
        assert "vision.frames                    uint8    2x32x32x3      " in told
        assert f" {int(made('simple')[1]['vision.frames'].max())}\n" in told
        assert "sealed" not in told
    status, told = run(python, bundle)
    assert status == 0
    assert "The key was the bundle's own: this shows that nothing was changed since, not who wrote it." in told


def test_what_is_sealed_stays_so(python, bundles, tmp_path):
    (tmp_path / "it.zip").write_bytes(bundles[0][False])
    status, told = run(python, tmp_path / "it.zip", bundles[1])
    assert status == 0
    assert "“…”" in told
    frames = next(line for line in told.splitlines() if "vision.frames" in line)
    assert frames.endswith("sealed, or dropped")


def test_no_argument_and_no_file(python, tmp_path):
    done = subprocess.run([python, "-I", SCRIPT], capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 2
    assert "BUNDLE.zip [KEY]" in done.stderr
    status, told = run(python, tmp_path / "none.zip")
    assert status == 1
    assert told.startswith("NOT VERIFIED: FileNotFoundError")


def test_a_bundle_of_dropped_evidence(script, home, tmp_path, capsys):
    shutil.copytree(home, tmp_path / "home")
    with Log.open(tmp_path / "home") as log:
        rule = Rule("evidence", 366, "1 year")
        retain(log, due(log, [rule], datetime.now(UTC) + timedelta(days=400)), "me")
        write_bundle(log, [1], tmp_path / "it.zip")
    assert script.main(str(tmp_path / "it.zip")) == 0
    assert "The record was dropped; an entry says so." in capsys.readouterr().out


# What it gives is what the library gives.


@pytest.mark.parametrize("opened", [False, True])
def test_arrays_and_results_are_those_of_the_library(script, bundles, home, tmp_path, opened):
    from veridical.agent.record.frame import read_manifest
    from veridical.agent.record.manifest import read_arrays, read_result

    (tmp_path / "it.zip").write_bytes(bundles[0][opened])
    index, decisions = script.verify(str(tmp_path / "it.zip"), bundles[1])
    assert [at for at, *_ in decisions] == [1, 2, 4]
    with Log.open(home, read_only=True) as log:
        for at, said, manifest, arrays in decisions:
            right = read_manifest(log.blobs.get(said["manifest"]), "it")
            someone = log.subjects.find(said["subject"])
            assert someone is not None
            key = someone.key if opened else None
            wanted = read_arrays(right, log.blobs.get, key=key)
            assert manifest["result"] == read_result(right, log.blobs.get, key)
            assert arrays.keys() == wanted.keys()
            for name, array in arrays.items():
                assert array.dtype == wanted[name].dtype
                np.testing.assert_array_equal(array, wanted[name], name)
            assert said == log.entry(at).statement.predicate
    assert index["origin"] == bundles[1].split("+")[0]


def test_it_knows_the_kinds_that_there_are(script):
    assert script.KINDS.split("|") == list(KINDS)


# Attacks: each byte that counts.


def repacked(path, edit):
    """Write the bundle again with other files, its index made to fit."""
    bundle = read_bundle(path)
    index, files = read_json(canonical_json(dict(bundle.index)), "it"), dict(bundle.files)
    edit(index, files)
    index["files"] = {name: {"digest": digest_of(held), "bytes": len(held)} for name, held in files.items()}
    path.write_bytes(pack_bundle({INDEX: canonical_json(index), **files}))


def turned(content, at):
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def refused(script, path, capsys, key=None):
    assert script.main(str(path), key) == 1
    told = capsys.readouterr().out
    assert told.startswith("NOT VERIFIED: ")
    return told


@pytest.mark.parametrize("kind", ["entries/", "proofs/", "blobs/", "opened/"])
def test_a_byte_changed_in_each_file(script, bundle, bundles, capsys, kind):
    files = [name for name in read_bundle(bundle).files if name.startswith(kind)]
    assert len(files) >= 7
    for number, name in enumerate(sorted(files)[:: max(1, len(files) // 9)]):
        bundle.write_bytes(bundles[0][True])
        repacked(bundle, lambda i, f, n=name, k=number: f.update({n: turned(f[n], len(f[n]) * (k % 7) // 7)}))
        refused(script, bundle, capsys, bundles[1])


def test_a_byte_changed_anywhere(script, bundle, bundles, capsys):
    content = bundles[0][True]
    for at in range(0, len(content), max(1, len(content) // 90)):
        bundle.write_bytes(turned(content, at))
        refused(script, bundle, capsys, bundles[1])


def test_an_attack_at_the_command_line(python, bundle, bundles):
    bundle.write_bytes(turned(bundles[0][True], 10_000))
    status, told = run(python, bundle, bundles[1])
    assert status == 1
    assert told.startswith("NOT VERIFIED: ")
    assert "Verified" not in told


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (lambda i, f: i.update(format="veridical.bundle/2"), "veridical.bundle/2"),
        (lambda i, f: i.update(size=9), "another size"),
        (lambda i, f: i.update(origin="another.log"), "the key is of the log"),
        (lambda i, f: i["entries"].pop(0), "not in their order"),
        (lambda i, f: i["entries"].pop(), "no entry names"),
        (lambda i, f: i["entries"].reverse(), "not in their order"),
        (lambda i, f: f.update({"blobs/" + digest_of(b"x")[7:]: b"x"}), "no entry names"),
        (lambda i, f: f.update({"opened/" + digest_of(b"x")[7:]: b"x"}), "no entry names"),
        (lambda i, f: f.update({"proofs/1.tlog-proof": f["proofs/2.tlog-proof"]}), "its proof is another's"),
        (lambda i, f: f.update({"entries/2.json": f["entries/1.json"]}), "entry 2 is another one once more"),
        (lambda i, f: f.update({"entries/1.json": f["entries/1.json"] + b" "}), "not in the one right form"),
    ],
)
def test_what_does_not_belong_together(script, bundle, bundles, capsys, edit, told):
    repacked(bundle, edit)
    assert told in refused(script, bundle, capsys, bundles[1])


@pytest.mark.parametrize("kind", ["blobs/", "entries/", "proofs/"])
def test_a_file_taken_out_and_told_as_dropped(script, bundle, bundles, capsys, kind):
    def take(index, files):
        name = next(name for name in sorted(files, reverse=True) if name.startswith(kind))
        del files[name]
        index["dropped"] = [f"sha256:{name[6:]}"]

    repacked(bundle, take)
    refused(script, bundle, capsys, bundles[1])


@pytest.mark.parametrize(
    ("key", "told"),
    [
        (lambda k: NoteKey(k.name, STRANGER.public).vkey(), "the key is none of this log's"),
        (lambda k: NoteKey("another.log", k.public).vkey(), "the key is of the log another.log"),
        (lambda k: NoteKey(k.name, k.public, "witness").vkey(), "the verifier key is malformed"),
        (lambda k: k.vkey().replace("+", "+0", 1), "malformed"),
        (lambda k: "nonsense", "ValueError"),
    ],
)
def test_the_wrong_key(script, bundle, bundles, capsys, key, told):
    said = refused(script, bundle, capsys, key(NoteKey.read(bundles[1])))
    assert told in said or told == "ValueError"


def test_the_first_key_and_the_last_both_lead_there(script, bundle, home):
    with Log.open(home, read_only=True) as log:
        first = NoteKey(log.origin, log.trust().signing_at(1)).vkey()
    assert script.main(str(bundle), first) == 0


def forged(home, tmp_path, change, numbers):
    """A bundle of a copy of the log that was written on; whether the library takes it."""
    shutil.copytree(home, tmp_path / "home")
    with Log.open(tmp_path / "home") as log:
        change(log)
        write_bundle(log, numbers, tmp_path / "forged.zip")
    return tmp_path / "forged.zip", verify_bundle(tmp_path / "forged.zip", contents=Contents(deep=False)).ok


def note(log, *signers):
    return log.append(new_statement("note", {}, log.about()), signers or None).number


def test_a_key_that_is_revoked_from_an_earlier_entry_on(script, home, tmp_path, capsys):
    def change(log):
        late = log.keys.current()
        log.rotate("yearly")
        note(log, late)
        log.revoke(late.key_id, "it was copied", from_entry=8)

    path, holds = forged(home, tmp_path, change, [8])
    assert not holds
    assert "entry 8: signed by the revoked key" in refused(script, path, capsys)


def test_keys_that_are_added_and_revoked_again(script, home, tmp_path):
    def change(log):
        said = {"act": "added", "key": {"key_id": STRANGER.key_id, "public": _public(STRANGER)}, "reason": "a deputy"}
        log.append(new_statement("keys", said, log.about()), [log.keys.current(), STRANGER])
        note(log, STRANGER)
        log.revoke(STRANGER.key_id, "gone")
        log.revoke(log.keys.current().key_id, "gone too")
        note(log)

    path, holds = forged(home, tmp_path, change, range(12))
    assert holds
    assert script.main(str(path)) == 0


def _public(key):
    from veridical.agent.log.dsse import to_base64

    return to_base64(key.public)


def test_a_signature_by_somebody_else(script, home, tmp_path, bundle, bundles, capsys):
    from veridical.agent.log.dsse import seal

    statement = new_statement("note", {}, [("log", "sha256:" + "0" * 64)])
    repacked(bundle, lambda i, f: f.update({"entries/5.json": seal(statement.payload(), [STRANGER])}))
    assert "entry 5: signed by the unknown key" in refused(script, bundle, capsys, bundles[1])


def test_the_checkpoint_of_another(script, bundle, bundles, capsys):
    from veridical.agent.log.note import read_checkpoint, sign_checkpoint
    from veridical.agent.log.proof import LogProof, read_proof

    def change(index, files):
        for name in [name for name in files if name.startswith("proofs/")]:
            proof = read_proof(files[name].decode())
            head = read_checkpoint(proof.checkpoint).checkpoint
            forged = sign_checkpoint(head, head.origin, STRANGER.sign, STRANGER.public)
            files[name] = LogProof(proof.number, proof.path, forged).text().encode()

    repacked(bundle, change)
    assert "the checkpoint is not signed by the log's key" in refused(script, bundle, capsys, bundles[1])


def test_the_checkpoint_of_a_key_that_was_replaced(script, home, bundle, bundles, capsys):
    from veridical.agent.log.note import read_checkpoint, sign_checkpoint
    from veridical.agent.log.proof import LogProof, read_proof

    with Log.open(home, read_only=True) as log:
        old = log.keys.find(str(log.trust().keys()[0]["key_id"]))

    def change(index, files):
        for name in [name for name in files if name.startswith("proofs/")]:
            proof = read_proof(files[name].decode())
            head = read_checkpoint(proof.checkpoint).checkpoint
            again = sign_checkpoint(head, head.origin, old.sign, old.public)
            files[name] = LogProof(proof.number, proof.path, again).text().encode()

    repacked(bundle, change)
    assert "the checkpoint is not signed by the log's key" in refused(script, bundle, capsys, bundles[1])


@pytest.mark.parametrize("member", ["action", "verdict", "id"])
def test_an_entry_that_says_other_than_its_record(script, home, tmp_path, capsys, member):
    def change(log):
        said = dict(log.entry(1).statement.predicate)
        said |= {"id": "6ba7b810-9dad-41d1-80b4-00c04fd430c8", "time": new_statement("note", {}, log.about()).time}
        if member != "id":
            said[member] = "GO"
        log.append(new_statement("decision", said, log.entry(1).statement.subjects))

    path, holds = forged(home, tmp_path, change, [7])
    assert not holds
    assert "the entry says other than its record" in refused(script, path, capsys)


@pytest.mark.parametrize(
    ("place", "value", "told"),
    [
        (("decision", "score"), 1.0, "the score is not that of the logits"),
        (("decision", "logits", "GO"), 99.0, "the score is not that of the logits"),
        (("verdict", "tests", 0, "p"), 0.001, "a p-value is not that of its controls"),
    ],
)
def test_a_result_that_does_not_come_out_again(script, place, value, told):
    result = json.loads(json.dumps(made("simple")[0]))
    script.recheck(result)
    where = result
    for step in place[:-1]:
        where = where[step]
    where[place[-1]] = value
    with pytest.raises(ValueError, match=told):
        script.recheck(result)


def array(script, content, **entry):
    told = {"shape": [2], "dtype": "float32", "coding": {"kind": "exact"}, "packed": None}
    return script.array_of(content, {**told, **entry}, "it")


def tensor(header, data=b"\0" * 8):
    head = json.dumps(header).encode() if isinstance(header, dict) else header
    return len(head).to_bytes(8, "little") + head + data


DATA = {"data": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}


def test_an_array_that_is_not_what_it_says(script):
    import zlib

    assert array(script, tensor(DATA)).tolist() == [0, 0]
    packed = zlib.compress(tensor(DATA))
    assert array(script, packed, packed="zlib").tolist() == [0, 0]
    wrong = {
        "too large": {"shape": [2**30]},
        "coded as 'int4'": {"coding": {"kind": "int4"}},
        "packed in an unknown way": {"packed": "zstd"},
        "not what its entry says": {"dtype": "float64"},
        "its scale is no scale": {"coding": {"kind": "fp16", "scale": 0}},
    }
    for told, entry in wrong.items():
        with pytest.raises(ValueError, match=told):
            array(script, tensor(DATA), **entry)
    for content, told in (
        (tensor(DATA, b"\0" * 9), "bytes beside its tensors"),
        (tensor({"data": {**DATA["data"], "data_offsets": [1, 9]}}, b"\0" * 9), "tensors with gaps"),
        (tensor(b" " * 4097), "a header that is too long"),
        (tensor(DATA)[:20], "a header that is too long"),
        (tensor(DATA, np.array([np.nan, 0], "<f4").tobytes()), "values that are not finite"),
    ):
        with pytest.raises(ValueError, match=told):
            array(script, content)
    for bad in (packed[:-1], packed + b"x", zlib.compress(bytes(10**6))):
        with pytest.raises(ValueError, match="cut short, or more than is declared"):
            array(script, bad, packed="zlib")


def test_json_is_read_strictly(script):
    assert script.parse(b'{"a": [1, 2.5, null]}') == {"a": [1, 2.5, None]}
    for text in (b'{"a": 1, "a": 1}', b"NaN", b"-Infinity", b"[", b"\xff"):
        with pytest.raises(ValueError):  # noqa: PT011  # words of several parsers
            script.parse(text)


# Ed25519.


@pytest.mark.parametrize(("public", "message", "signature"), RFC_8032)
def test_the_vectors_of_rfc_8032(script, public, message, signature):
    public, message, signature = (bytes.fromhex(text) for text in (public, message, signature))
    assert script.signed(public, message, signature)
    for at in (0, 31, 32, 62):
        assert not script.signed(public, message, turned(signature, at))
    assert not script.signed(public, message + b"x", signature)
    assert not script.signed(turned(public, 3), message, signature)
    more = signature[:32] + (int.from_bytes(signature[32:], "little") + ORDER).to_bytes(32, "little")
    assert not script.signed(public, message, more)  # the same number, but not the least: RFC 8032, section 5.1.7
    for length in (63, 65, 0):
        assert not script.signed(public, message, (signature + b"\0")[:length])
    assert not script.signed(public[:31], message, signature)


@pytest.mark.parametrize("weak", WEAK)
def test_weak_keys_sign_nothing(script, weak):
    identity = (1).to_bytes(32, "little") + bytes(32)
    for message in range(16):  # under such a key, one signature in at most eight holds
        assert not script.signed(weak, bytes([message]), identity)
        assert not script.signed(weak, bytes([message]), weak + bytes(32))


def test_the_library_refuses_the_same_weak_keys():
    from veridical.agent.log.dsse import check_public
    from veridical.errors import IntegrityError

    for weak in WEAK:
        with pytest.raises(IntegrityError, match="weak"):
            check_public(weak, "it")


@given(seed=st.binary(min_size=32, max_size=32), message=st.binary(max_size=200), at=st.integers(0, 511))
def test_it_agrees_with_the_library_on_any_message(script, seed, message, at):
    private = Ed25519PrivateKey.from_private_bytes(seed)
    public, signature = private.public_key().public_bytes_raw(), private.sign(message)
    assert script.signed(public, message, signature)
    spoilt = bytearray(signature)
    spoilt[at // 8] ^= 1 << at % 8
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(bytes(spoilt), message)
    except InvalidSignature:
        assert not script.signed(public, message, bytes(spoilt))
    else:
        assert script.signed(public, message, bytes(spoilt))


def test_it_stays_short_and_imports_little():
    text = SCRIPT.read_text(encoding="utf-8")
    assert sys.version_info >= (3, 11)
    assert len(text.splitlines()) < 400
    imported = {line.split()[1] for line in text.splitlines() if line.startswith(("import ", "from "))}
    assert imported - {"numpy"} <= set(sys.stdlib_module_names)
