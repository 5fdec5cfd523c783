"""Calls of the bank, a few at once where it is slow and the rail's client can do that, each let go by a gate.

No transaction is open here. While the bank answers at once, calls are made one by one in this very thread: nothing is
gained by more of them, and threads that take turns cost more than they wait.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from contextvars import copy_context
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from flask import current_app

from webapp.providers.ports import Answer

Call = TypeVar("Call")
Lane = TypeVar("Lane", bound=Hashable)

# More at once would help a slow bank only, and no stop allows more failures than these.
MOST = 4
# A bank that takes longer than this for an answer is slow.
SLOW_MS = 50
_BROKE = "Something else broke before it was sent."


class Gate(Protocol):
    """Lets calls go, and hears how they ended."""

    stopped: str
    most: int

    def is_open(self) -> bool:
        """Whether one more may leave now."""

    def begin(self) -> int:
        """One leaves."""

    def stop(self, reason: str) -> None:
        """Nothing leaves any more."""


@dataclass(frozen=True)
class Said:
    """What was answered, and how long it took."""

    answer: Answer
    duration_ms: int


@dataclass(frozen=True)
class Flown(Generic[Call]):
    """A call that was made, and what was said."""

    call: Call
    said: Said


class Flight(Generic[Call]):
    """Makes calls; `make` is called with one, `hear` with one, its number at the gate and what was said to it.

    `why_not` is asked in this thread just before each: a sentence stops the rest of the call's lane.
    """

    def __init__(
        self,
        *,
        make: Callable[[Call], Said],
        why_not: Callable[[Call], str],
        hear: Callable[[Call, int, Said], None],
    ) -> None:
        self._make, self._why_not, self._hear = make, why_not, hear
        self.flown: list[Flown[Call]] = []
        self.left: list[tuple[Call, str]] = []
        self._running: dict[Future[Said], tuple[Call, int]] = {}
        self._pool: ThreadPoolExecutor | None = None
        self._is_slow = False

    def fly(self, lanes: Mapping[Lane, Sequence[Call]], gates: Mapping[Lane, Gate]) -> None:
        """Make all calls that the gates let go: `flown` in the order of their answers, `left` with the reason.

        What a call raises is raised here, once everything that is on its way has ended; what did not begin is `left`,
        and what broke itself is in neither.
        """
        waiting = {lane: deque(calls) for lane, calls in lanes.items()}
        with ExitStack() as stack:
            self._pool = stack.enter_context(
                ThreadPoolExecutor(MOST, "bank")
            )  # begins threads as it needs them
            try:
                self._fly(waiting, gates)
            except Exception:
                self._land_all()
                self.left += [(call, _BROKE) for calls in waiting.values() for call in calls]
                raise

    def _fly(self, waiting: dict[Lane, deque[Call]], gates: Mapping[Lane, Gate]) -> None:
        while waiting or self._running:
            for lane in list(waiting):
                self._go_on(waiting[lane], gates[lane])
                if gates[lane].stopped:
                    self.left += [(call, gates[lane].stopped) for call in waiting[lane]]
                    waiting[lane].clear()
                if not waiting[lane]:
                    del waiting[lane]
            self._land()

    def _go_on(self, calls: deque[Call], gate: Gate) -> None:
        while calls and len(self._running) < MOST and gate.is_open():
            if reason := self._why_not(calls[0]):
                gate.stop(reason)
                return
            call, number = calls.popleft(), gate.begin()
            if gate.most == 1 or self._pool is None or not (self._is_slow or self._running):
                self._note(call, number, self._make(call))
            else:
                app = current_app._get_current_object()  # type: ignore[attr-defined]
                self._running[self._pool.submit(copy_context().run, self._away, app, call)] = (call, number)

    def _away(self, app: object, call: Call) -> Said:
        """In another thread: with its own application context, and so its own database session."""
        with app.app_context():  # type: ignore[attr-defined]
            return self._make(call)

    def _land(self) -> None:
        if not self._running:
            return
        done: Iterable[Future[Said]] = wait(self._running, return_when=FIRST_COMPLETED).done
        for future in done:
            call, number = self._running.pop(future)
            self._note(call, number, future.result())

    def _land_all(self) -> None:
        """Keep what those that are on their way are answered; nothing is let go after them."""
        wait(self._running)
        for future, (call, _) in self._running.items():
            if future.exception() is None:
                self.flown.append(Flown(call, future.result()))
        self._running.clear()

    def _note(self, call: Call, number: int, said: Said) -> None:
        self.flown.append(Flown(call, said))
        self._is_slow = said.duration_ms > SLOW_MS
        self._hear(call, number, said)
