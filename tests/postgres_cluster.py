"""A PostgreSQL server on the loopback, in a folder of its own; for tests."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from slurm_cluster import free_ports

PASSWORD = "s3cr3t-of-tests"
# A server for tests may lose everything with the machine, but must start at once.
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "shared_buffers": "16MB",
    "dynamic_shared_memory_type": "mmap",
}


@dataclass(frozen=True)
class Database:
    """A running server, whose superuser `tester` has the password `PASSWORD`."""

    programs: Path
    folder: Path
    port: int

    def uri(self, name: str = "postgres", password: str = PASSWORD) -> str:
        """Address of a database, as SQLAlchemy takes it."""
        return f"postgresql+psycopg://tester:{password}@127.0.0.1:{self.port}/{name}"

    @property
    def log(self) -> str:
        """What the server has written about itself."""
        return (self.folder / "log").read_text()

    def sql(self, command: str, name: str = "postgres") -> str:
        """The answer to a command, without headings."""
        asked: list[str | Path] = [
            self.programs / "psql",
            "-XAtq",
            "-h",
            "127.0.0.1",
            "-p",
            str(self.port),
            "-U",
            "tester",
            "-d",
            name,
        ]
        environment = {**os.environ, "PGPASSWORD": PASSWORD}
        done = subprocess.run([*asked, "-c", command], env=environment, capture_output=True, text=True, check=True)
        return done.stdout.strip()


def programs() -> Path | None:
    """Folder of PostgreSQL's newest programs; None where it is not installed."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    if on_path := shutil.which("pg_ctl"):
        folders.append(Path(on_path).resolve().parent)
    return next((folder for folder in reversed(folders) if (folder / "initdb").exists()), None)


@contextlib.contextmanager
def server() -> Iterator[Database]:
    """Start a server and stop it at the end. PostgreSQL refuses root, for whom another user runs it."""
    found = programs()
    assert found
    # Not in pytest's folder, which no other user may enter.
    folder = Path(tempfile.mkdtemp(prefix="cytopipe-postgres-"))
    data, (port,) = folder / "data", free_ports(1)
    (folder / "password").write_text(PASSWORD)
    settings = " ".join(f"-c {name}={value}" for name, value in _SETTINGS.items())
    control: list[str | Path] = [found / "pg_ctl", "-D", data, "-w"]
    try:
        user = _owner(folder)
        _run(user, folder, found / "initdb", "-D", data, "-U", "tester", "-A", "scram-sha-256", "--no-sync",
             f"--pwfile={folder}/password")  # fmt: skip
        _run(user, folder, *control, "-l", folder / "log", "-o", f"-p {port} -k {folder} {settings}", "start")
        try:
            yield Database(found, folder, port)
        finally:
            _run(user, folder, *control, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _owner(folder: Path) -> str | None:
    """The user who runs the server, if it is another; the folder is theirs then."""
    if os.getuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    user = "postgres" if "postgres" in known else "nobody"
    for path in (folder, *folder.iterdir()):
        shutil.chown(path, user)
    return user


def _run(user: str | None, folder: Path, *command: str | Path) -> None:
    # To a file: the server inherits it, so that a pipe would not end with pg_ctl.
    with (folder / "commands").open("w+") as said:
        done = subprocess.run(command, user=user, cwd=folder, stdout=said, stderr=said, check=False)
        said.seek(0)
        assert done.returncode == 0, said.read()
