"""Eight workers and one token: Zoho gives ten in ten minutes, and is asked for one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from flask import Flask

from tests import factories
from tests.factories import accounting
from tests.providers.zoho.test_client import age_tokens
from tests.rooms.accounting.conftest import simulator
from webapp.database import db
from webapp.providers import accounts
from webapp.providers.zoho import client
from webapp.providers.zoho.books import ZohoBooks

WORKERS = 8


@pytest.mark.parametrize("is_refused", [False, True], ids=["none yet", "all are refused theirs"])
def test_one_is_fetched_for_all(database: Flask, is_refused: bool) -> None:
    running = simulator()
    organisation = factories.organisation()
    accounting.keys(organisation, running.url)
    organisation_id = organisation.id
    db.session.remove()
    start = Barrier(WORKERS)

    def work() -> int:
        with database.app_context():
            access = accounts.find_access(organisation_id, client.PROVIDER)
            assert access is not None
            start.wait()
            found = len(ZohoBooks(access).organisations())
            db.session.remove()
            return found

    def all_at_once() -> list[int]:
        with ThreadPoolExecutor(WORKERS) as pool:
            return [each.result() for each in [pool.submit(work) for _ in range(WORKERS)]]

    try:
        assert all_at_once() == [2] * WORKERS
        if is_refused:
            # As when Zoho forgets a token before its time.
            running.sim.store.write("DELETE FROM zoho_tokens")
            age_tokens()
            assert all_at_once() == [2] * WORKERS
        asked = running.sim.store.one("SELECT count(*) AS n FROM calls WHERE endpoint = 'token'")
        assert asked is not None
        assert asked["n"] == (2 if is_refused else 1)
    finally:
        running.close()
