from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from veridical.agent.log.log import Log
from veridical.agent.log.stamp import MOST, check_stamp, check_stamp_in, stamp
from veridical.agent.log.statement import new_statement
from veridical.errors import InputError, IntegrityError, RecordError

CONFIGURATION = """
[req]
distinguished_name = name
prompt = no
[name]
CN = Root of a test
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[authority]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[tsa]
serial = serial
signer_cert = tsa.pem
certs = tsa.pem
signer_key = tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha512
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""
ASK = """
import pathlib, subprocess, sys
folder = pathlib.Path(sys.argv[1])
(folder / "note").write_bytes(sys.stdin.buffer.read())
query = ["openssl", "ts", "-query", "-data", "note", "-" + sys.argv[2], "-cert", "-out", "query"]
subprocess.run(query, cwd=folder, check=True, capture_output=True)
reply = ["openssl", "ts", "-reply", "-queryfile", "query", "-config", "configuration", "-section", "tsa"]
reply += ["-out", "reply"]
subprocess.run(reply, cwd=folder, check=True, capture_output=True)
sys.stdout.buffer.write((folder / "reply").read_bytes())
"""


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Path:
    """Folder of a time authority with a root of its own, made with openssl."""
    openssl = shutil.which("openssl")
    if openssl is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no openssl on the path: apt-get install openssl", pytrace=False)
        pytest.skip("no openssl on the path: apt-get install openssl")
    folder = tmp_path_factory.mktemp("authority")
    (folder / "configuration").write_text(CONFIGURATION, encoding="utf-8")
    (folder / "serial").write_text("01\n", encoding="utf-8")
    (folder / "ask.py").write_text(ASK, encoding="utf-8")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    made = [
        ["req", "-x509", *key, "-keyout", "root.key", "-out", "root.pem", "-days", "2", "-extensions", "root"],
        ["req", *key, "-keyout", "tsa.key", "-out", "tsa.csr", "-subj", "/CN=Authority of a test"],
    ]
    sign = ["x509", "-req", "-in", "tsa.csr", "-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial", "-days", "2"]
    extend = ["-out", "tsa.pem", "-extfile", "configuration", "-extensions", "authority"]
    for command in (*([*one, "-config", "configuration"] for one in made), [*sign, *extend]):
        subprocess.run([openssl, *command], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture
def log(tmp_path):
    with Log.open(tmp_path / "home") as log:
        for _ in range(3):
            log.append(new_statement("note", {"text": "x"}, log.about()))
        yield log


def ask(authority: Path, digest: str = "sha256") -> list[str]:
    return [sys.executable, str(authority / "ask.py"), str(authority), digest]


@pytest.mark.parametrize("digest", ["sha256", "sha512"])
def test_a_real_token_vouches_for_the_checkpoint(log, authority, digest):
    before = datetime.now(UTC) - timedelta(seconds=2)
    receipt = stamp(log, "a test", ask(authority, digest))
    size, time = check_stamp_in(log, receipt.number, [(authority / "root.pem").read_bytes()])
    assert size == 4
    assert before <= time <= datetime.now(UTC) + timedelta(seconds=2)
    said = log.entry(receipt.number).statement.predicate
    assert (said["authority"], said["checkpoint"]["size"]) == ("a test", 4)


def test_a_token_of_another_root_or_checkpoint_does_not_hold(log, authority, tmp_path):
    receipt = stamp(log, "a test", ask(authority))
    said = dict(log.entry(receipt.number).statement.predicate)
    roots = [(authority / "root.pem").read_bytes()]
    with pytest.raises(IntegrityError, match="does not hold under these root certificates") as caught:
        check_stamp(said, [(authority / "tsa.pem").read_bytes()])
    assert caught.value.cause == "signature"
    with Log.open(tmp_path / "other") as other:
        note = other.checkpoint()
        wrong = {**said, "checkpoint": {"size": 1, "root": f"sha256:{_root(note)}", "note": note}}
        with pytest.raises(IntegrityError, match="over other bytes") as caught:
            check_stamp(wrong, roots)
        assert caught.value.cause == "digest"
        number = other.append(new_statement("time", _bare(said), other.about())).number
        with pytest.raises(IntegrityError):
            check_stamp_in(other, number, roots)
    token = bytearray(base64.b64decode(said["token"]))
    token[-10] ^= 1
    with pytest.raises(IntegrityError):
        check_stamp({**said, "token": base64.b64encode(token).decode()}, roots)


def test_an_entry_that_was_altered_is_malformed(log, authority):
    said = dict(log.entry(stamp(log, "a test", ask(authority)).number).statement.predicate)
    roots = [(authority / "root.pem").read_bytes()]
    for change in (
        {"token": "?"},
        {"token": None},
        {"checkpoint": None},
        {"checkpoint": {**said["checkpoint"], "size": 3}},
        {"checkpoint": {**said["checkpoint"], "root": "sha256:" + "0" * 64}},
    ):
        with pytest.raises(IntegrityError) as caught:
            check_stamp({**said, **change}, roots)
        assert caught.value.cause == "format"
    with pytest.raises(IntegrityError, match="no answer of a time authority"):
        check_stamp({**said, "token": "AAAA"}, roots)
    with pytest.raises(InputError, match="no root certificate"):
        check_stamp(said, [])
    with pytest.raises(InputError, match="cannot be read"):
        check_stamp(said, [b"no certificate"])


def test_without_the_library_the_way_to_it_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "rfc3161_client", None)
    with pytest.raises(InputError, match=r"pip install 'veridical\[time\]'"):
        check_stamp({}, [])


def test_a_command_that_fails_writes_nothing(log):
    size = log.size()
    python = [sys.executable, "-c"]
    for command, told in (
        ([*python, "raise SystemExit('no line')"], "failed with status 1: no line"),
        ([*python, ""], "printed nothing"),
        ([*python, f"print('x' * {MOST})"], f"printed {MOST + 1} bytes"),
        (["/none/at/all"], "cannot be started"),
    ):
        with pytest.raises(RecordError, match=told):
            stamp(log, "a test", command)
    with pytest.raises(RecordError, match=r"took more than 0\.2 s"):
        stamp(log, "a test", [*python, "import time; time.sleep(9)"], seconds=0.2)
    with pytest.raises(InputError, match="printable characters"):
        stamp(log, " ", ["true"])
    with pytest.raises(InputError, match="no command"):
        stamp(log, "a test", [])
    assert log.size() == size


def test_an_entry_of_another_kind_has_no_token(log):
    with pytest.raises(RecordError, match="of kind 'note', and has no token"):
        check_stamp_in(log, 1, [])


def _root(note: str) -> str:
    return base64.b64decode(note.splitlines()[2]).hex()


def _bare(said: dict) -> dict:
    return {name: value for name, value in said.items() if name not in ("id", "time")}
