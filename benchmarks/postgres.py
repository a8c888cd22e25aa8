"""A PostgreSQL server for measuring: on a socket in a folder of its own, syncing to the disk, and made to be killed.

It runs as a child of this process, and not by ``pg_ctl start``: whoever kills it can then wait for its end, before the
next one finds its lock file.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from pathlib import Path
from types import TracebackType
from typing import Any

from veridical.errors import InputError

__all__ = ["Server", "binaries"]

_DEBIAN = Path("/usr/lib/postgresql")
_VARIABLE = "VERIDICAL_POSTGRESQL"
_USER = "postgres"  # the server refuses to be run by root
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "32MB",
    "max_connections": "40",
}
_PATIENCE = 30.0  # seconds until it must take connections, recovery included


def binaries() -> Path | None:
    """Return the folder of ``postgres`` and ``initdb``; None where there is none.

    ``VERIDICAL_POSTGRESQL`` names it; else the newest that Debian's package has put under /usr/lib/postgresql counts.
    """
    named = os.environ.get(_VARIABLE)
    found = [Path(named)] if named else sorted(_DEBIAN.glob("*/bin"), key=lambda path: _version(path.parent.name))
    return found[-1] if found and (found[-1] / "initdb").is_file() else None


def _version(name: str) -> float:
    try:
        return float(name)
    except ValueError:
        return 0.0


class Server:
    """One server with its data in a new folder, which goes when the context ends.

    Attributes:
        folder: of the data and of the socket.
        starts: how many times it was started.

    Raises:
        InputError: PostgreSQL is not installed, or the server does not come up.
    """

    def __init__(self) -> None:
        found = binaries()
        if found is None:
            raise InputError(
                f"no PostgreSQL under {_DEBIAN}: apt-get install postgresql, or set {_VARIABLE} to initdb's folder"
            )
        self.binaries, self.starts = found, 0
        # A socket's path must be short (107 bytes), so that the folder lies in the system's own.
        self.folder = Path(tempfile.mkdtemp(prefix="veridical-pg-"))
        self._process: subprocess.Popen[Any] | None = None
        self._settings = dict(_SETTINGS)

    def __enter__(self) -> Server:
        try:
            if os.geteuid() == 0:
                shutil.chown(self.folder, _USER, _USER)
            data = str(self.folder / "data")
            self._run("initdb", "-D", data, "-A", "trust", "-U", _USER, "-E", "UTF8", "--locale=C", "--no-sync")
            if _version((self.folder / "data" / "PG_VERSION").read_text()) >= 14:
                # After a crash everything is synced before recovery: at once, rather than a thousand files one by one.
                self._settings["recovery_init_sync_method"] = "syncfs"
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> float:
        """Start the server, and return how many seconds it took until it answered, recovery included.

        Raises:
            InputError: it does not come up.
        """
        begin = time.perf_counter()
        while True:
            self._begin()
            if self._answers(begin + _PATIENCE):
                self.starts += 1
                return time.perf_counter() - begin
            self.kill()
            if time.perf_counter() > begin + _PATIENCE:
                said = (self.folder / "server.log").read_text(errors="replace")[-300:]
                raise InputError(f"PostgreSQL did not come up in {_PATIENCE:g} s: {' '.join(said.split())}")
            time.sleep(0.05)

    def kill(self) -> None:
        """Kill the server and all its children at once (SIGKILL): nothing is said, written or closed any more."""
        if self._process is None:
            return
        children = _children(self._process.pid)
        for pid in (self._process.pid, *children):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def quit(self) -> None:
        """Have the server end at once without bringing anything in order, as ``pg_ctl -m immediate`` does (SIGQUIT)."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()
            self._process = None

    def new(self) -> str:
        """Make an empty database, and return its URL."""
        name = f"log_{uuid.uuid4().hex}"
        with self._connect(_USER) as connection:
            connection.execute(f"CREATE DATABASE {name}")  # a name of our own
        return f"postgresql://{_USER}@/{name}?host={self.folder}"

    def told(self) -> str:
        """Return the version."""
        with self._connect(_USER) as connection:
            return str(connection.execute("SHOW server_version").fetchone()[0])

    def _begin(self) -> None:
        settings = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        command = [str(self.binaries / "postgres"), "-D", str(self.folder / "data"), "-k", str(self.folder), *settings]
        with (self.folder / "server.log").open("ab") as log:
            # A session of its own: Ctrl-C ends the measurement, and that ends the server.
            self._process = subprocess.Popen(
                command, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, **_other()
            )

    def _answers(self, until: float) -> bool:
        import psycopg

        while time.perf_counter() < until and self._process is not None and self._process.poll() is None:
            try:
                self._connect(_USER).close()
                return True
            except psycopg.OperationalError:
                time.sleep(0.01)
        return False

    def _connect(self, database: str) -> Any:
        import psycopg

        return psycopg.connect(f"host={self.folder} user={_USER} dbname={database}", autocommit=True, connect_timeout=5)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self.binaries / program), *arguments]
        done = subprocess.run(
            command, cwd="/", capture_output=True, text=True, timeout=_PATIENCE, check=False, **_other()
        )
        if done.returncode:
            raise InputError(f"PostgreSQL's {program} failed: {' '.join((done.stderr or done.stdout).split())[-300:]}")


def _other() -> dict[str, Any]:
    """Who runs it: root gives way to the user that Debian's package made."""
    return {"user": _USER, "group": _USER, "extra_groups": []} if os.geteuid() == 0 else {}


def _children(pid: int) -> list[int]:
    """Children of a process, as Linux tells them; none where it does not."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
