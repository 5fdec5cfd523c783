"""What a process leaves behind when it dies at an event, for every event of a step that is carried out once.

A process that is killed leaves its files as they are at that instant: what it wrote stays, what it only knew is gone.
So the files of the database and the bank are looked at before every event; where they are the same as before the event
before, a death there leaves the same behind. Only what differs has to be carried on.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from tests.proof.events import DEAD


@dataclass(frozen=True)
class State:
    """What is left behind by a death at each of `deaths` events, the first of which is `event`."""

    event: int
    deaths: int
    folder: Path


class Camera:
    """A watcher of events that keeps what a death at one of them would leave behind.

    It reads files that this process has open; SQLite's locks do not survive that, so nobody else may use them.
    """

    def __init__(
        self, database: Path, bank: Path, folder: Path, wanted: frozenset[int] | None = None
    ) -> None:
        self.database, self.folder, self.wanted = database, folder, wanted
        # Every commit is in the log. What is copied from there to the database itself is nothing new.
        self.added_to = (Path(f"{database}-wal"), bank)
        self.count = 0
        # Calls of the bank may be made side by side.
        self._lock = Lock()
        self._states: dict[bytes, list[int]] = {}

    def __call__(self, name: str) -> None:
        with self._lock:
            self._look()

    def _look(self) -> None:
        self.count += 1
        if self.wanted is not None and self.count not in self.wanted:
            return
        digest = hashlib.blake2b(b"-".join(_content(path) for path in self.added_to)).digest()
        if digest not in self._states:
            self._states[digest] = [self.count, 0]
            self._keep(self.folder / str(self.count))
        self._states[digest][1] += 1

    def _keep(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        for path in (self.database, *self.added_to):
            if path.exists():
                shutil.copy(path, folder / path.name)

    def finish(self) -> None:
        """Write down what was found, and end as suddenly as the ones before."""
        (self.folder / "states.json").write_text(json.dumps([self.count, [*self._states.values()]]))
        os._exit(DEAD)


def developed(folder: Path) -> tuple[int, list[State]]:
    """How many events there were, and what the deaths left behind, in the order of the events."""
    count, states = json.loads((folder / "states.json").read_text())
    return count, [State(event, deaths, folder / str(event)) for event, deaths in states]


def _content(path: Path) -> bytes:
    return hashlib.blake2b(path.read_bytes()).digest() if path.exists() else b""
