"""How much memory a piece of work needs beyond what the process had."""

from __future__ import annotations

import os
import pickle
import resource
from collections.abc import Callable

from flask import Flask

from webapp.database import db


def megabytes(app: Flask, work: Callable[[], object]) -> float:
    """The peak of a fresh child beyond what it began with, by the operating system's own count.

    Raises RuntimeError when the child broke.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(reading)
            with app.app_context():
                db.engine.dispose(close=False)
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            work()
            used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            os.write(writing, pickle.dumps(used / 1024))
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        content = answer.read()
    if os.waitpid(pid, 0)[1] or not content:
        raise RuntimeError("the child whose memory was measured broke")
    used_there: float = pickle.loads(content)
    return used_there
