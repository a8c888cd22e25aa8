"""The keys that sign: a folder of Ed25519 keys that only their owner can read, and which of them is in use.

Who may sign what, as the log says it, is `Trust`, of `trust`.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import IntegrityError, RecordError
from .dsse import Signer, key_id_of
from .trust import Trust, key_member

__all__ = ["KeyFolder", "SigningKey", "Trust", "key_id_of", "key_member"]

_ID = re.compile(r"ed25519:[0-9a-f]{32}")
_LARGEST = 16 * 1024  # bytes: a key's file has about 120


@dataclass(frozen=True)
class SigningKey:
    """A private key held in memory; only its id and its public half can be read from it.

    Attributes:
        key_id: ``ed25519:`` and the first 32 hexadecimal digits of the SHA-256 of the raw public key.
        public: the raw public key, 32 bytes.
    """

    key_id: str
    public: bytes
    _sign: Callable[[bytes], bytes] = field(repr=False, compare=False)

    @classmethod
    def of(cls, seed: bytes) -> SigningKey:
        """Return the key of a 32-byte seed (RFC 8032, section 5.1.5, calls it the private key).

        Raises:
            RecordError: a seed of another length.
        """
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        if len(seed) != 32:
            raise RecordError(f"a seed of an Ed25519 key has 32 bytes, and this one {len(seed)}; draw 32 at random")
        private = Ed25519PrivateKey.from_private_bytes(seed)
        public = private.public_key().public_bytes_raw()
        return cls(key_id_of(public), public, private.sign)

    def sign(self, message: bytes) -> bytes:
        """Return the Ed25519 signature of a message, 64 bytes."""
        return self._sign(message)


class KeyFolder:
    """Private keys as files: ``<key id>.pem`` (PKCS#8, readable by their owner alone), and ``current``, the id in use.

    Every file is written beside its place, synced and then moved there, so that a reader sees a whole one or none.

    Args:
        folder: the keys' folder; it is made when the first key is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def current(self) -> Signer:
        """Return the key in use; the first call makes one. Processes that do so at once all take the same.

        Raises:
            RecordError: the folder cannot be written, or the key in use is absent or unusable.
        """
        key_id = self._current()
        if key_id is not None:
            return self.find(key_id)
        made = self.make()
        if self._point(made.key_id, replace=False):
            return made
        self._path(made.key_id).unlink(missing_ok=True)  # another process was quicker, and nothing is signed with ours
        return self.find(self._current() or made.key_id)

    def make(self) -> Signer:
        """Make a key and write it down; it is not in use before `use` says so.

        Raises:
            RecordError: the folder cannot be written.
        """
        from cryptography.hazmat.primitives import serialization as form
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        private = Ed25519PrivateKey.generate()
        made = SigningKey.of(private.private_bytes_raw())
        content = private.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._check_folder()
            self._write(content, self._path(made.key_id), replace=True)
        except OSError as error:
            raise self._unwritten(error) from error
        return made

    def use(self, key_id: str) -> None:
        """Sign with this key from now on.

        Raises:
            RecordError: no such key, one that cannot be used, or a folder that cannot be written.
        """
        self.find(key_id)
        self._point(key_id, replace=True)

    def find(self, key_id: str) -> Signer:
        """Read a key.

        Raises:
            RecordError: no such key, a file that others can read, or one that holds no private key.
            IntegrityError: ``algorithm`` for a key that is not Ed25519's; ``key`` for one under another's name.
        """
        if not _ID.fullmatch(key_id):
            raise RecordError(f"{key_id!r:.60} is no key's id; one is ed25519: and 32 hexadecimal digits")
        path = self._path(key_id)
        found = _parse(self._read(path), path)
        if found.key_id != key_id:
            told = f"{path} holds key {found.key_id}; give the file its own name, or restore the right one"
            raise IntegrityError(told, "key")
        return found

    def ids(self) -> list[str]:
        """Return the ids of the keys that are here, sorted; none where there is no folder.

        Raises:
            RecordError: the folder cannot be listed.
        """
        try:
            names = [path.name.removesuffix(".pem") for path in self.folder.glob("*.pem")]
        except OSError as error:
            raise RecordError(f"the keys in {self.folder} cannot be listed: {error.strerror}") from error
        return sorted(name for name in names if _ID.fullmatch(name))

    def _path(self, key_id: str) -> Path:
        """Where a key is kept."""
        return self.folder / f"{key_id}.pem"

    def _current(self) -> str | None:
        """Read which key is in use, None where none was ever."""
        path = self.folder / "current"
        try:
            content = path.read_bytes()[:_LARGEST]
        except FileNotFoundError:
            return None
        except OSError as error:
            raise RecordError(f"{path} cannot be read: {error.strerror}; see to its permissions") from error
        key_id = content.decode("ascii", "replace").strip()
        if not _ID.fullmatch(key_id):
            told = f"{path} says {key_id!r:.60}, not the id of a key"
            raise RecordError(f"{told}; write one of these into it: {', '.join(self.ids()) or 'none is here'}")
        return key_id

    def _point(self, key_id: str, *, replace: bool) -> bool:
        """Write down which key is in use; return False where another stands already and must not be replaced."""
        try:
            self._write(f"{key_id}\n".encode("ascii"), self.folder / "current", replace=replace)
        except FileExistsError:
            return False
        except OSError as error:
            raise self._unwritten(error) from error
        return True

    def _write(self, content: bytes, path: Path, *, replace: bool) -> None:
        """Write a file that its owner alone can read, whole or not at all.

        Raises:
            FileExistsError: it is there, and must not be replaced.
        """
        beside = path.with_name(f".{secrets.token_hex(8)}.new")
        try:
            with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            if replace:
                beside.replace(path)
            else:
                path.hardlink_to(beside)  # a link is made or is there already: two processes cannot both make it
        finally:
            beside.unlink(missing_ok=True)
        _sync(self.folder)

    def _read(self, path: Path) -> bytes:
        """Read a key's file, if nobody else can."""
        try:
            with path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode  # of what is open, not of what may lie there a moment later
                if os.name == "posix" and mode & 0o077:
                    told = f"{path} can be read by others (mode {stat.S_IMODE(mode):04o}), and who reads it can sign"
                    raise RecordError(f"{told}: chmod 600 {path}, and make a new key if anyone did")
                return file.read(_LARGEST)
        except FileNotFoundError:
            told = f"no key {path.stem} in {self.folder}, which has {', '.join(self.ids()) or 'none'}"
            raise RecordError(f"{told}; restore its file, or use another key") from None
        except OSError as error:
            raise RecordError(f"{path} cannot be read: {error.strerror}; see to its permissions") from error

    def _check_folder(self) -> None:
        """See that nobody else can put keys here."""
        mode = self.folder.stat().st_mode
        if os.name == "posix" and mode & 0o022:
            told = f"others can write to {self.folder} (mode {stat.S_IMODE(mode):04o}), and could put their keys there"
            raise RecordError(f"{told}: chmod 700 {self.folder}")

    def _unwritten(self, error: OSError) -> RecordError:
        """Say that a key could not be written down."""
        told = f"the keys in {self.folder} cannot be written: {error.strerror or error}"
        return RecordError(f"{told}; give a folder on a local disk that you can write to")


def _parse(content: bytes, path: Path) -> SigningKey:
    """Read a private key from PEM."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        private = load_pem_private_key(content, password=None)
    except TypeError as error:  # what cryptography raises where a password is needed
        raise RecordError(f"{path} is encrypted; write the key as PKCS#8 without a password, mode 600") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise RecordError(f"{path} holds no private key in PEM (PKCS#8); restore it, or use another key") from error
    if not isinstance(private, Ed25519PrivateKey):
        told = f"{path} holds a key of another algorithm than Ed25519; use one that KeyFolder.make made"
        raise IntegrityError(told, "algorithm")
    return SigningKey.of(private.private_bytes_raw())


def _sync(folder: Path) -> None:
    """Have the folder's names written to the disk, where the system can."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
