"""Many at once: each payout in one file, or in none."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from flask import Flask

from tests.factories import bankfiles
from tests.factories.pages import Place
from tests.factories.payouts import WHEN
from tests.factories.people import actor_of
from tests.rooms.bankfiles.conftest import answer_all
from webapp.bankfiles import making, service, vault
from webapp.bankfiles.models import BankFile, BankFileItem
from webapp.database import db, transaction
from webapp.kernel.errors import Conflict
from webapp.ledger import check


def test_of_eight_people_who_make_a_file_at_once_one_has_each_payout(place: Place, database: Flask) -> None:
    for amount in (100, 200, 300):
        bankfiles.waiting(place.organisation, amount)
    organisation_id, people = place.organisation.id, [actor_of(place.maker), actor_of(place.approver)] * 4
    drafts = [making.draft(organisation=place.organisation, file_format="nacha", now=WHEN) for _ in people]
    db.session.rollback()
    kept = [vault.put(vault.FILES, draft.uid, draft.written.data) for draft in drafts if draft.written]
    barrier, results = threading.Barrier(len(people)), [""] * len(people)

    def run(n: int) -> None:
        with database.app_context():
            barrier.wait(timeout=60)
            try:
                with transaction():
                    key, sealed = kept[n]
                    row = making.keep(
                        made=drafts[n], storage_key=key, sealed=sealed, actor=people[n], now=WHEN
                    )
                    results[n] = row.reference
            except Conflict:
                results[n] = "conflict"
            finally:
                db.session.remove()

    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(people))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert sorted(results) == [next(r for r in results if r != "conflict")] + ["conflict"] * 7
    assert db.session.query(BankFile).filter_by(organisation_id=organisation_id).count() == 1
    assert db.session.query(BankFileItem).count() == 3


def test_making_and_taking_back_at_once_never_do_both(place: Place, database: Flask) -> None:
    for _ in range(4):
        bankfiles.waiting(place.organisation)
        organisation_id, maker = place.organisation.id, actor_of(place.maker)
        draft = making.draft(organisation=place.organisation, file_format="nacha", now=WHEN)
        assert draft.written is not None
        transfer_row_id = draft.lines[0].entry.transfer_row_id
        db.session.rollback()
        key, sealed = vault.put(vault.FILES, draft.uid, draft.written.data)
        barrier, done = threading.Barrier(2), []

        def together(name: str, call: Callable[[], Any]) -> None:
            with database.app_context():
                barrier.wait(timeout=60)  # noqa: B023 - the threads end within the round
                try:
                    with transaction():
                        call()
                    done.append(name)  # noqa: B023
                except Conflict:
                    pass
                finally:
                    db.session.remove()

        calls = {
            "made": lambda: making.keep(made=draft, storage_key=key, sealed=sealed, actor=maker, now=WHEN),  # noqa: B023
            "taken back": lambda: service.take_back(
                organisation_id=organisation_id, transfer_row_id=transfer_row_id, actor=maker, now=WHEN  # noqa: B023
            ),
        }  # fmt: skip
        threads = [threading.Thread(target=together, args=one) for one in calls.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=120)
        assert len(done) == 1
        live = db.session.query(BankFileItem).filter_by(transfer_row_id=transfer_row_id, is_live=True).count()
        assert live == (done == ["made"])
        db.session.rollback()
    answer_all()
    assert check.run(place.organisation.id).findings == []
