"""A PostgreSQL server of our own, for tests: on a socket in a folder of its own, and syncing to the disk."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

BINARIES = Path("/usr/lib/postgresql")
SETTINGS = (
    "-c listen_addresses= -c shared_buffers=16MB -c max_connections=80 -c autovacuum=off "
    "-c recovery_init_sync_method=syncfs"  # quicker to start after a kill than a sync of each file
)


@dataclass
class Postgres:
    """One server: `start`, `stop`, and `new` for the URL of an empty place."""

    folder: Path
    binaries: Path

    def start(self):
        options = f"-k {self.folder} {SETTINGS}"
        log = self.folder / "server.log"
        self.run("pg_ctl", "-w", "-t", "20", "-D", self.folder / "data", "-l", log, "-o", options, "start")

    def stop(self, how="fast"):
        self.run("pg_ctl", "-w", "-D", self.folder / "data", "-m", how, "stop")

    def run(self, program, *arguments):
        command = [str(self.binaries / program), *map(str, arguments)]
        if os.geteuid() == 0:  # the server refuses to be run by root
            command = ["runuser", "-u", "postgres", "--", *command]
        # To a file, not a pipe: the server that pg_ctl starts would keep a pipe open.
        with tempfile.TemporaryFile("w+") as said:
            done = subprocess.run(command, cwd="/", stdout=said, stderr=said, timeout=60, check=False)
            said.seek(0)
            assert done.returncode == 0, said.read()

    def url(self, schema="public"):
        return f"postgresql://postgres@/postgres?host={self.folder}&options=-csearch_path%3D{schema}"

    def ask(self, command, schema="public"):
        """Have one command carried out."""
        import psycopg

        with psycopg.connect(self.url(schema), autocommit=True) as connection:
            connection.execute(command)

    def new(self):
        """A schema holds a log as a database does, and is made a hundred times quicker."""
        name = f"log_{uuid.uuid4().hex}"
        self.ask(f"CREATE SCHEMA {name}")
        return self.url(name)


def binaries() -> Path | None:
    """Folder of Debian's ``initdb``, the newest; VERIDICAL_POSTGRESQL names another. None where there is none."""
    named = os.environ.get("VERIDICAL_POSTGRESQL")
    found = [Path(named)] if named else sorted(BINARIES.glob("*/bin"))
    return found[-1] if found and (found[-1] / "initdb").exists() else None


@contextmanager
def running(where: Path) -> Iterator[Postgres]:
    """Run a server for a while."""
    folder = Path(tempfile.mkdtemp(prefix="veridical-pg-"))  # a socket's path must be short
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    server = Postgres(folder, where)
    try:
        server.run("initdb", "-D", folder / "data", "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8")
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")
    finally:
        shutil.rmtree(folder)
