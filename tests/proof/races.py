"""Processes that want the same thing at the same instant, on a database with row locks."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from tests.proof.bank import FileBank
from webapp.database import db
from webapp.providers import registry


def together(calls: Sequence[Callable[[], object]], bank: FileBank) -> list[str]:
    """Carry out each call in a process of its own, all begun at once; answers what each said or raised.

    Nothing of a process is shared with another but the database and the bank's books.
    """
    db.session.remove()
    db.engine.dispose()
    start_read, start_write = os.pipe()
    children = []
    for call in calls:
        answers_read, answers_write = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(start_write)
            os.close(answers_read)
            _run(call, bank, start_read, answers_write)
        os.close(answers_write)
        children.append((pid, answers_read))
    os.close(start_read)
    os.close(start_write)  # the end of the pipe is the starting shot
    said = []
    for pid, answers in children:
        with os.fdopen(answers) as stream:
            said.append(stream.read())
        os.waitpid(pid, 0)
    return said


def _run(call: Callable[[], object], bank: FileBank, start: int, answers: int) -> None:
    """The child: wait for the shot, act, say how it went, end."""
    text = "ended without a word"
    try:
        with db.engine.connect():
            pass  # connected before the shot, so that all really begin at once
        os.read(start, 1)
        with registry.using("sandbox", bank):
            found: Any = call()
        text = f"done {found}"
    except BaseException as error:
        text = f"{type(error).__name__}: {error}"
    finally:
        os.write(answers, text[:2000].encode())
        os._exit(0)
