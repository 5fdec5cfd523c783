"""The nightly proof halts payments when the ledger does not add up, and only then."""

from datetime import datetime

from flask import Flask
from sqlalchemy import select, text

from tests import factories
from tests.factories.payouts import payout_sent
from webapp.audit.models import AuditEvent
from webapp.database import db, transaction
from webapp.ledger import check as ledger_check
from webapp.ledger import service as ledger
from webapp.ledger.service import AccountKey, Leg
from webapp.payouts import policies, proof
from webapp.payouts.models import Transfer


def _post(organisation_id: int, now: datetime) -> None:
    from webapp.kernel.actor import COMMAND

    ledger.post(
        organisation_id=organisation_id,
        kind="test",
        currency="USD",
        effective_on=now.date(),
        description="test",
        source_type="test",
        source_id=1,
        idempotency_key="k",
        legs=[Leg(AccountKey("expense:installations"), 500), Leg(AccountKey("bank"), -500)],
        actor=COMMAND,
        now=now,
    )


def test_a_ledger_that_adds_up_is_noted_and_nothing_stops(database: Flask, now: datetime) -> None:
    organisation = factories.organisation()
    with transaction():
        _post(organisation.id, now)
    proof.prove(organisation.id, now, now)
    assert policies.halts(organisation.id) == []
    assert "ledger:check:passed" in set(db.session.scalars(select(AuditEvent.tag)))


def test_a_changed_balance_halts_payments_with_the_reason(database: Flask, now: datetime) -> None:
    organisation = factories.organisation()
    with transaction():
        _post(organisation.id, now)
    with transaction() as session:
        session.execute(text("UPDATE accounts SET balance_minor = balance_minor + 1 WHERE code = 'bank'"))
    proof.prove(organisation.id, now, now)
    [halt] = policies.halts(organisation.id)
    assert "ledger check" in halt.reason


def test_a_payout_with_two_tries_is_under_way_once(database: Flask, now: datetime) -> None:
    organisation = factories.organisation()
    made = payout_sent(organisation, now=now)
    with transaction() as session:
        first = session.query(Transfer).filter_by(payout_id=made.id).one()
        first.state = "review"
        values = {c.name: getattr(first, c.name) for c in Transfer.__table__.columns if c.name != "id"}
        session.add(Transfer(**{**values, "n": 2, "transfer_id": "PD-another", "state": "accepted"}))
    assert ledger_check.run(organisation.id).findings == []


def test_a_success_of_a_payout_that_counts_as_unpaid_is_found(database: Flask, now: datetime) -> None:
    organisation = factories.organisation()
    made = payout_sent(organisation, now=now)
    reference = made.reference
    with transaction() as session:
        session.query(Transfer).filter_by(payout_id=made.id).one().state = "succeeded"
    found = {(f.rule, f.subject): f.message for f in ledger_check.run(organisation.id).findings}
    assert "Its try 1 has succeeded, but the payout is processing" in found["paid by a transfer", reference]
