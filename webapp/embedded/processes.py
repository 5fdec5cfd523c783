"""What child processes of one machine have in common."""

from __future__ import annotations

import ctypes
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def end_with_parent() -> Callable[[], None] | None:
    """A `preexec_fn` that asks Linux to end the child when its parent is killed; None elsewhere.

    Without it a `kill -9` of the parent would leave servers behind that hold the port and the socket.
    Linux counts the end of the thread that started the child; start children from the main thread.
    """
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)  # loaded before the fork: little is safe after it

    def ask() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))

    return ask
