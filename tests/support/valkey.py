"""A store of its own for tests that need a real queue."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from webapp.embedded import valkey


@contextmanager
def running_store() -> Iterator[valkey.Store]:
    """A fresh, empty store; stopped and removed at the end."""
    with tempfile.TemporaryDirectory(prefix="paydesk-store-") as home:
        store = valkey.start(Path(home))
        try:
            yield store
        finally:
            store.stop()
            store.socket.unlink(missing_ok=True)
            store.socket.parent.rmdir()
