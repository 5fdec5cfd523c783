"""Two acts that cross upon the same rows, each in a transaction of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from tests.support.waiting import is_somebody_waiting
from webapp.database import db, transaction

FIRST = "the first act"
Act = Callable[[], Any]


class Crossing:
    """Two acts, each in a transaction of its own: the first stops where it is told, until the second waits for it."""

    def __init__(self, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
        self.app, self.monkeypatch = app, monkeypatch
        self.has_come, self.second_is_over = threading.Event(), threading.Event()

    def stop_at(self, module: Any, name: str, *, is_after: bool = False) -> None:
        """The first act stops before it calls this function, or when that has answered."""
        real = getattr(module, name)

        def call(*values: Any, **named: Any) -> Any:
            found = real(*values, **named) if is_after else None
            if threading.current_thread().name == FIRST and not self.has_come.is_set():
                # What it has locked stays so until its commit: the second comes, and waits for it (or has no need to).
                db.session.flush()
                self.has_come.set()
                while not (self.second_is_over.wait(timeout=0.02) or is_somebody_waiting()):
                    pass
            return found if is_after else real(*values, **named)

        self.monkeypatch.setattr(module, name, call)

    def meet(self, first: Act, second: Act) -> list[Any]:
        """What each answered or raised. That the first one stopped where it was told is made sure of."""
        replies: list[Any] = [None, None]

        def act(index: int, what: Act) -> None:
            with self.app.app_context():
                try:
                    with transaction():
                        replies[index] = what()
                except Exception as error:
                    replies[index] = error
                finally:
                    db.session.remove()

        def follow() -> None:
            assert self.has_come.wait(timeout=60)
            act(1, second)
            self.second_is_over.set()

        db.session.rollback()
        threads = [threading.Thread(target=act, args=(0, first), name=FIRST), threading.Thread(target=follow)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=120)
        assert not any(thread.is_alive() for thread in threads)
        db.session.expire_all()
        return replies
