from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from veridical.agent.log import keys
from veridical.agent.log.dsse import Signer, check_signature, read_envelope, seal
from veridical.agent.log.keys import KeyFolder, SigningKey, Trust, key_id_of, key_member
from veridical.errors import IntegrityError, RecordError


@pytest.fixture
def folder(tmp_path: Path) -> KeyFolder:
    return KeyFolder(tmp_path / "keys")


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _pem(key, password: bytes | None = None) -> bytes:
    locked = form.BestAvailableEncryption(password) if password else form.NoEncryption()
    return key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, locked)


def _put(folder: KeyFolder, content: bytes, mode: int = 0o600) -> str:
    """Lay bytes down where a key should be; return the key's id."""
    key_id = "ed25519:" + "0" * 32
    folder.folder.mkdir(exist_ok=True)
    path = folder.folder / f"{key_id}.pem"
    path.write_bytes(content)
    path.chmod(mode)
    return key_id


def test_looking_makes_nothing(folder):
    assert folder.ids() == []
    assert not folder.folder.exists()


def test_the_first_use_makes_a_key_and_keeps_it(folder):
    signer = folder.current()
    assert isinstance(signer, Signer)
    assert signer.key_id == key_id_of(signer.public)
    assert folder.ids() == [signer.key_id]
    assert folder.current() == signer == KeyFolder(folder.folder).current()
    assert (folder.folder / "current").read_text() == signer.key_id + "\n"


def test_only_the_owner_reads_and_nothing_else_lies_about(folder):
    signer = folder.current()
    assert _mode(folder.folder) == 0o700
    assert {path.name: _mode(path) for path in folder.folder.iterdir()} == {
        f"{signer.key_id}.pem": 0o600,
        "current": 0o600,
    }


def test_a_umask_that_lets_others_in_changes_nothing(folder):
    before = os.umask(0)
    try:
        signer = folder.current()
    finally:
        os.umask(before)
    assert _mode(folder.folder) == 0o700
    assert _mode(folder.folder / f"{signer.key_id}.pem") == 0o600


def test_the_file_is_pkcs8_that_others_read(folder):
    signer = folder.current()
    content = (folder.folder / f"{signer.key_id}.pem").read_bytes()
    assert content.startswith(b"-----BEGIN PRIVATE KEY-----\n")
    private = form.load_pem_private_key(content, None)
    assert isinstance(private, Ed25519PrivateKey)
    assert private.public_key().public_bytes_raw() == signer.public
    assert private.sign(b"it") == signer.sign(b"it")


def test_a_key_made_is_in_use_only_when_said(folder):
    first, second = folder.current(), folder.make()
    assert folder.current() == first
    folder.use(second.key_id)
    assert folder.current() == second
    assert folder.ids() == sorted([first.key_id, second.key_id])
    assert folder.find(first.key_id) == first


@given(st.binary(max_size=50))
def test_what_a_key_signs_holds(payload):
    signer = SigningKey.of(b"\x07" * 32)
    envelope = read_envelope(seal(payload, [signer]), "it")
    check_signature(envelope, signer.key_id, signer.public, "it")


def test_a_key_shows_nothing_of_its_private_half():
    signer = SigningKey.of(b"\x07" * 32)
    assert "sign" not in repr(signer)
    assert not any(isinstance(value, bytes) and value != signer.public for value in vars(signer).values())


def test_a_seed_of_another_length_is_refused():
    with pytest.raises(RecordError, match="32 bytes, and this one 31"):
        SigningKey.of(bytes(31))


_RACE = """
import sys
from pathlib import Path
from veridical.agent.log.keys import KeyFolder
print("ready", flush=True)
sys.stdin.readline()
print(KeyFolder(Path(sys.argv[1])).current().key_id)
"""


def test_processes_that_begin_at_once_take_one_key(folder):
    command = [sys.executable, "-c", _RACE, str(folder.folder)]
    started = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    found = {process.communicate()[0].strip() for process in started}
    assert found == {folder.current().key_id}
    assert folder.ids() == sorted(found)


def test_the_slower_takes_the_quickers_key(folder, monkeypatch):
    other = KeyFolder(folder.folder)
    make = folder.make

    def slow() -> Signer:
        made = make()
        other.current()
        return made

    monkeypatch.setattr(folder, "make", slow)
    assert folder.current() == other.current()
    assert folder.ids() == [other.current().key_id]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620, 0o644])
def test_a_key_that_others_can_read_is_refused(folder, mode):
    signer = folder.current()
    path = folder.folder / f"{signer.key_id}.pem"
    path.chmod(mode)
    with pytest.raises(RecordError, match=f"mode {mode:04o}.*chmod 600 .*{path.name}"):
        folder.current()


def test_a_folder_that_others_can_write_gets_no_key(folder):
    folder.folder.mkdir()
    folder.folder.chmod(0o770)
    with pytest.raises(RecordError, match=r"others can write to .*mode 0770.*chmod 700"):
        folder.current()
    assert folder.ids() == []


def test_what_is_no_key_is_refused(folder):
    for content in (
        b"",
        b"nonsense",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        b"\xff" * 99999,
    ):
        key_id = _put(folder, content)
        with pytest.raises(RecordError, match="holds no private key in PEM"):
            folder.find(key_id)


def test_a_key_cut_short_is_refused(folder):
    content = _pem(Ed25519PrivateKey.generate())
    for end in range(0, len(content) - 2, 7):
        with pytest.raises(RecordError):
            folder.find(_put(folder, content[:end]))


def test_a_public_key_is_no_private_one(folder):
    public = Ed25519PrivateKey.generate().public_key()
    key_id = _put(folder, public.public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(RecordError, match="holds no private key"):
        folder.find(key_id)


def test_an_encrypted_key_is_refused(folder):
    key_id = _put(folder, _pem(Ed25519PrivateKey.generate(), b"password"))
    with pytest.raises(RecordError, match="is encrypted; write the key as PKCS#8 without a password"):
        folder.find(key_id)


def test_a_key_of_another_algorithm_is_refused(folder):
    key_id = _put(folder, _pem(ec.generate_private_key(ec.SECP256R1())))
    with pytest.raises(IntegrityError, match="another algorithm than Ed25519") as error:
        folder.find(key_id)
    assert error.value.cause == "algorithm"


def test_a_key_under_anothers_name_is_refused(folder):
    key_id = _put(folder, _pem(Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)))
    with pytest.raises(IntegrityError, match=f"holds key {SigningKey.of(bytes([7]) * 32).key_id}") as error:
        folder.find(key_id)
    assert error.value.cause == "key"


@pytest.mark.parametrize("key_id", ["", "ed25519:", "../../etc/passwd", "ed25519:" + "0" * 31 + "/", "rsa:" + "0" * 32])
def test_what_is_no_id_leads_nowhere(folder, key_id):
    with pytest.raises(RecordError, match="is no key's id"):
        folder.find(key_id)
    with pytest.raises(RecordError, match="is no key's id"):
        folder.use(key_id)


def test_an_absent_key_is_named_with_those_that_are_here(folder):
    signer = folder.current()
    with pytest.raises(RecordError, match=f"no key ed25519:0+ in .*, which has {signer.key_id}"):
        folder.find("ed25519:" + "0" * 32)
    (folder.folder / f"{signer.key_id}.pem").unlink()
    with pytest.raises(RecordError, match=f"no key {signer.key_id} in .*, which has none; restore"):
        folder.current()


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\xff\xfe", b"../x"])
def test_a_current_that_names_no_key_is_refused(folder, content):
    signer = folder.current()
    (folder.folder / "current").write_bytes(content)
    with pytest.raises(RecordError, match=f"not the id of a key; write one of these into it: {signer.key_id}"):
        folder.current()


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match=r"cannot be written: .*; give a folder"):
        KeyFolder(tmp_path / "file").make()
    with pytest.raises(RecordError, match="cannot be read: Not a directory"):
        KeyFolder(tmp_path / "file").current()


def test_a_full_disk_leaves_the_key_in_use(folder, monkeypatch):
    first, second = folder.current(), folder.make()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keys.os, "fsync", full)
    with pytest.raises(RecordError, match="cannot be written: No space left on device"):
        folder.use(second.key_id)
    with pytest.raises(RecordError, match="No space left"):
        folder.make()
    monkeypatch.undo()
    assert folder.current() == first
    assert len(list(folder.folder.iterdir())) == 3


def test_other_files_are_no_keys(folder):
    signer = folder.current()
    (folder.folder / "notes.pem").write_text("")
    (folder.folder / ".abc.new").write_text("")
    assert folder.ids() == [signer.key_id]


def test_names_of_the_contract_are_here():
    signer = SigningKey.of(b"\x07" * 32)
    assert key_member(signer.public)["key_id"] == signer.key_id
    assert len(Trust.start(signer.public).keys()) == 1
