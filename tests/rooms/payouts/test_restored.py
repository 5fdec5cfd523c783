"""A database that was restored to an older copy: the bank knows more than it does, and nobody is paid twice."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from flask import Flask

from tests import factories
from tests.factories.payouts import payout, payout_ready
from tests.rooms.payouts.test_execution import AWAY, scene
from webapp.audit.models import AuditEvent
from webapp.database import db, transaction
from webapp.kernel.errors import NotAllowed
from webapp.outbox.service import Later
from webapp.payouts import execution, in_files, recovery, service
from webapp.payouts.models import Payout, Transfer
from webapp.people.models import Organisation
from webapp.providers.ports import Answer, Outcome

_O = Outcome
REASON = "Restored from a back-up of noon: it may have been paid since."


def _restored(now: datetime) -> tuple[int, int]:
    with transaction():
        return recovery.ask_after_restore(now), recovery.hold_after_restore(now, REASON)


def test_what_was_queued_is_asked_for_and_found_paid(database: Flask, now: datetime) -> None:
    with scene(now, [_O.ACCEPTED], [Answer(_O.SUCCEEDED, utr="U1")]) as found:
        assert _restored(now) == (1, 1)
        assert found.states() == ("processing", "unknown")
        assert found.send() is None
        found.ask(is_scheduled=True)
        assert found.states() == ("paid", "succeeded")
        assert (found.payout.is_held, found.payout.hold_reason) == (False, "")
        assert found.rail.sent == []


def test_what_the_bank_does_not_know_is_sent_with_the_same_id_after_a_quarter_of_an_hour(
    database: Flask, now: datetime
) -> None:
    with scene(now, [_O.ACCEPTED], [_O.NOT_FOUND]) as found:
        transfer_id = found.transfer.transfer_id
        _restored(now)
        for _ in range(3):
            found.ask()
            assert found.transfer.state == "unknown"
            found.wait(minutes=5)
        found.ask()
        later = found.send()
        assert isinstance(later, Later)
        assert later.reason == f"It is on hold: {REASON} Somebody must release it."
        assert in_files.why_it_waits(found.transfer, found.now) == later.reason
        assert found.rail.sent == []
        reference = found.payout.reference
        db.session.rollback()
        with transaction():
            service.release(
                organisation_id=found.organisation_id,
                reference=reference,
                actor=factories.FACTORY,
                now=found.now,
            )
        found.send()
        assert [order.transfer_id for order in found.rail.sent] == [transfer_id]


def test_what_the_bank_did_not_know_before_the_back_up_does_not_count(database: Flask, now: datetime) -> None:
    with scene(now, [_O.UNKNOWN], [_O.NOT_FOUND]) as found:
        found.send()
        for _ in range(2):
            found.ask()
            found.wait(minutes=8)
        assert found.transfer.not_found_count == 2
        _restored(found.now)
        found.ask()
        assert found.transfer.state == "unknown"
        assert found.transfer.not_found_count == 1


def test_what_failed_since_the_back_up_is_not_tried_again_by_itself(database: Flask, now: datetime) -> None:
    """Another try, of which the restored database knows nothing, may have paid it."""
    with scene(now, [_O.ACCEPTED], [AWAY]) as found:
        found.send()
        assert _restored(now) == (1, 1)
        assert found.payout.is_held
        found.ask()
        assert found.states() == ("failed", "failed")
        assert (found.payout.is_held, found.payout.retry_at) == (True, None)
        common: dict[str, Any] = {
            "organisation_id": found.organisation_id, "reference": found.payout.reference,
            "actor": factories.FACTORY, "now": found.now,
        }  # fmt: skip
        db.session.rollback()
        with pytest.raises(NotAllowed, match="on hold"), transaction():
            service.retry(**common)
        db.session.rollback()
        with transaction():
            service.release(**common)
            service.retry(**common)
        assert found.states() == ("processing", "queued")


def test_what_had_ended_is_asked_for_again(database: Flask, now: datetime) -> None:
    with scene(now, [_O.ACCEPTED], [Answer(_O.SUCCEEDED), Answer(_O.REVERSED)]) as found:
        found.send()
        found.ask()
        assert _restored(now)[0] == 1
        found.ask(is_scheduled=True)
        assert found.states() == ("reversed", "reversed")


def test_what_could_be_sent_anew_waits_for_a_person(database: Flask, now: datetime) -> None:
    with scene(now, [_O.ACCEPTED], [AWAY]) as found:
        found.send()
        found.ask()
        assert found.payout.state == "retry_scheduled"
        organisation = db.session.get_one(Organisation, found.organisation_id)
        payee = factories.payee(organisation)
        factories.method(payee)
        payout(organisation, payee, now=now)
        reference = payout_ready(organisation, now=now).reference
        db.session.rollback()
        assert _restored(now)[1] == 3
        states = sorted((p.state, p.is_held) for p in db.session.query(Payout))
        assert states == [("approved", True), ("failed", True), ("pending_approval", True)]
        db.session.rollback()
        found.wait(minutes=10)
        assert execution.retry_due(payout_id=found.payout_id, clock=found.clock) is None
        assert not isinstance(execution.pay_due(payout_id=found.payout_id, clock=found.clock), Later)
        assert len(found.rail.sent) == 1
        assert db.session.query(AuditEvent).filter_by(tag="payouts:payout:held").count() == 3
        db.session.rollback()
        common: dict[str, Any] = {
            "organisation_id": found.organisation_id,
            "actor": factories.FACTORY,
            "now": now,
        }
        with transaction():
            service.release(reference=reference, **common)
            service.submit(reference=reference, **common)
        assert db.session.query(Transfer).filter_by(state="queued").count() == 1
