"""A database with one organisation of the demo, put in once for a module of tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

import pytest
from flask import Flask

from tests.conftest import NOW
from webapp.database import db

Seeding = Callable[[Callable[[datetime], object]], None]


@pytest.fixture(scope="module")
def put_in(app: Flask, _store: object) -> Iterator[Seeding]:
    """What a seeding of the present moment puts into an empty database."""

    def put(seed: Callable[[datetime], object]) -> None:
        db.session.remove()
        _store.reset()  # type: ignore[attr-defined]
        seed(NOW)

    with app.app_context():
        yield put
        db.session.remove()
        db.engine.dispose()
