"""The simulator's own time, in whole milliseconds since 1970 (UTC): it can be moved, and it can stand still."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from threading import Lock


class Clock:
    """Real time plus an offset, or an instant at which it stands."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._offset = 0
        self._stands_at: int | None = None

    def now(self) -> int:
        """The present instant, in milliseconds."""
        with self._lock:
            return self._now()

    def _now(self) -> int:
        return self._stands_at if self._stands_at is not None else time.time_ns() // 1_000_000 + self._offset

    def set(self, instant: int) -> None:
        """Go to an instant; a clock that stands stays standing there."""
        with self._lock:
            if self._stands_at is not None:
                self._stands_at = instant
            else:
                self._offset += instant - self._now()

    def move(self, seconds: float) -> None:
        """Go forward (backward when negative)."""
        with self._lock:
            if self._stands_at is not None:
                self._stands_at += round(seconds * 1000)
            else:
                self._offset += round(seconds * 1000)

    def stand(self, instant: int | None = None) -> None:
        """Stop, here or at an instant."""
        with self._lock:
            self._stands_at = self._now() if instant is None else instant

    def run(self) -> None:
        """Go on from where it stands."""
        with self._lock:
            if self._stands_at is not None:
                here, self._stands_at = self._stands_at, None
                self._offset += here - self._now()

    @property
    def stands(self) -> bool:
        """Whether time passes only by hand."""
        return self._stands_at is not None


def text(instant: int) -> str:
    """An instant as providers write it: 2026-11-21T15:40:00Z."""
    return datetime.fromtimestamp(instant / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def from_text(value: str) -> int:
    """The instant of an ISO text; one without a zone is UTC. Raises ValueError."""
    parsed = datetime.fromisoformat(value)
    return round((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp() * 1000)
