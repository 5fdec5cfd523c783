"""What practitioners hear by e-mail: paid into the wallet, withdrawals on their way and paid, the month's statement."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
from flask import Flask
from sqlalchemy import select

from jobs import mail as jobs
from tests import factories
from tests.factories import clinic, people
from tests.programs.clinic.test_flow import click
from tests.programs.clinic.test_statements import LATER, NOW, statement, withdraw
from tests.programs.clinic.test_withdrawing import _act
from webapp.database import db
from webapp.notices.models import Email
from webapp.outbox.models import OutboxMessage
from webapp.payouts import service as payouts
from webapp.payouts.models import Payout
from webapp.people.models import Organisation, Payee
from webapp.statements import making


@pytest.fixture
def care(database: Flask) -> Organisation:
    return clinic.carepoint(slug="carepoint", locale="en_CA", contact_email="help@carepoint.example")


@pytest.fixture
def ada(care: Organisation) -> Payee:
    user = people.user("ada@example.com", name="Dr Ada Bell")
    payee = clinic.practitioner(care, name="Dr Ada Bell", email=user.email, user=user)
    factories.method(payee)
    return payee


def asked(kind: str) -> list[int]:
    """What a worker is asked to tell."""
    db.session.rollback()
    query = select(OutboxMessage.reference_id).where(OutboxMessage.kind == kind)
    return list(db.session.scalars(query.order_by(OutboxMessage.id)))


def mail(notice: str) -> Email:
    """The only mail of a kind."""
    db.session.rollback()
    return db.session.scalars(select(Email).where(Email.notice == notice)).one()


def test_a_payout_into_the_wallet_is_one_mail(care: Organisation, ada: Payee) -> None:
    click(
        clinic.paid(care, clinic.appointment(care, [ada], customer=clinic.customer(care, "Zoe Quartz"))), NOW
    )
    assert asked("notice.payout.approved") == []
    (ident,) = asked("notice.payout.paid")
    for _ in range(2):
        jobs.payout_paid(ident)
    found = mail("payout_paid")
    assert (found.to_address, found.subject) == ("ada@example.com", "Paid: $90.00 – PO-2026-000001")
    for said in ("to your wallet on 20 Nov 2026", "Commission", "$10.00", "INV-001",
                 "You can have it sent to your bank from your wallet."):  # fmt: skip
        assert said in found.body_text, said
    assert "Quartz" not in found.body_text + found.body_html


def test_a_withdrawal_is_told_when_it_is_on_its_way_and_when_it_is_paid(
    care: Organisation, ada: Payee
) -> None:
    click(clinic.paid(care, [ada]), NOW)
    withdraw(ada, 60_00)
    payout = db.session.scalars(select(Payout).where(Payout.rail != "wallet")).one()
    ident, act = payout.id, partial(_act, payout=payout, organisation=care)
    act(payouts.approve, now=NOW)
    assert asked("notice.payout.approved") == [ident]
    jobs.payout_approved(ident)
    on_its_way = mail("payout_approved")
    assert on_its_way.subject == "Approved: $60.00 – PO-2026-000002"
    assert "You hear from us when it is paid." in on_its_way.body_text
    assert "Withdrawal from the wallet" in on_its_way.body_text
    later = NOW + timedelta(days=3)
    act(payouts.mark_paid, now=later, payment_reference="CHQ-1", paid_on=later.date())
    assert asked("notice.payout.paid")[-1] == ident
    jobs.payout_paid(ident)
    done = mail("payout_paid")
    assert (done.payout_id, done.subject) == (ident, "Paid: $60.00 – PO-2026-000002")
    assert "CHQ-1" in done.body_text
    assert "your wallet" not in done.body_text.replace("from the wallet", "")


def test_the_months_statement_names_what_the_wallet_holds(
    care: Organisation, ada: Payee, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "utc_now", lambda: LATER)
    click(clinic.paid(care, [ada]), NOW)
    withdraw(ada, 60_00)
    ident = statement(care, ada).id
    assert making.render(document_id=ident, now=LATER)
    assert asked("notice.statement") == [ident]
    jobs.statement(ident)
    found = mail("statement")
    assert found.subject == "Your statement for November 2026 is ready"
    for said in ("Closing balance: $0.00", "In your wallet: $30.00", "Withdrawals that wait for approval: $60.00",
                 "/practitioner/statements"):  # fmt: skip
        assert said in found.body_text, said
    assert "In your wallet $30.00." in found.body_html
