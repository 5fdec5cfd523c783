"""Many payouts at once leave the rows that one by one leaves, skip what guards refuse, and fall back when they must."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from tests import factories
from tests.factories import clinic
from tests.programs.clinic.test_flow import clean, click
from webapp.audit.models import AuditEvent
from webapp.database import Base, db, transaction
from webapp.kernel.actor import Actor
from webapp.ledger.models import Account, JournalEntry, Posting
from webapp.outbox.models import OutboxMessage
from webapp.payouts import policies
from webapp.payouts.models import Approval, ApprovalExclusion, Payout, PayoutLine, SourceClaim
from webapp.people.models import Organisation, Payee
from webapp.programs.clinic import bulk, wallets
from webapp.programs.clinic.models import (
    ClinicPayout,
    ClinicTransaction,
    DebtSetOff,
    Invoice,
    PractitionerDebt,
)
from webapp.runs import service as runs
from webapp.runs.models import Run, RunRow

# What differs: names of rows, the run, the digest of an entry (it holds ids), and versions counted by several steps.
DIFFERS = {
    "id", "organisation_id", "payout_id", "run_id", "content_digest", "entry_id", "account_id", "idempotency_key",
    "created_by_label", "created_by_id", "maker_id", "fingerprint", "source_id", "debt_id", "clinic_payout_id",
    "invoice_id", "payee_id", "rule_version_id", "clawback_id", "charge_id", "balance_after_minor", "details",
}  # fmt: skip
TABLES: tuple[type[Base], ...] = (
    Payout, PayoutLine, SourceClaim, Approval, ApprovalExclusion, ClinicPayout, ClinicTransaction, DebtSetOff,
    PractitionerDebt, JournalEntry, Posting,
)  # fmt: skip


def run_of(care: Organisation, rows: list[Invoice], actor: Actor, now: datetime) -> Run:
    """A run of payouts, worked on to its end."""
    with transaction():
        run = bulk.draft_run(organisation_id=care.id, invoice_ids=[r.id for r in rows], actor=actor, now=now)
        runs.confirm(organisation_id=care.id, reference=run.reference, actor=actor, now=now)
    for _ in range(10):
        if runs.step(run_id=run.id, clock=lambda: now):
            break
    return run


def admin(care: Organisation) -> Actor:
    """An admin."""
    return factories.actor_of(factories.user(organisation=care, role="admin"))


def outcomes(run: Run) -> list[tuple[str, str, str]]:
    """What became of each row."""
    rows = db.session.scalars(select(RunRow).where(RunRow.run_id == run.id).order_by(RunRow.position))
    return [(row.subject_label, row.outcome, row.message) for row in rows]


@pytest.fixture
def care(database: Flask) -> Organisation:
    """A clinic."""
    return clinic.carepoint()


def _town(care: Organisation) -> list[Invoice]:
    """Invoices of every kind that the batch pays, with a practitioner who owes something."""
    ada, ben = (clinic.practitioner(care, name=name) for name in ("Ada", "Ben"))
    clinic.set_up(care, split_mode="share")
    clinic.rule(care, "Ben's", percent=Decimal(5), flat_minor=1_00, payee_id=ben.id, priority=3)
    tiers = ((100_00, Decimal(20)), (None, Decimal(15)))
    clinic.rule(care, "Tiers", percent=Decimal(10), tiers=tiers, category="Massage", priority=2)
    clinic.paid(care, None, 500_00)
    rows = [
        clinic.paid(care, [ada], 99_99),
        clinic.paid(care, clinic.appointment(care, [(ada, 2), (ben, 1)]), 100_01),
        clinic.paid(care, [ben], 113_00, tax_percent=Decimal(13)),
        clinic.paid(care, clinic.appointment(care, [ada], category="Massage"), 80_00),
        clinic.paid(care, clinic.appointment(care, [ada], category="Massage"), 80_00),
        clinic.paid(care, clinic.appointment(care, [ada], category="Massage"), 5),
    ]
    with transaction():
        from datetime import date

        from tests.factories.people import FACTORY
        from webapp.programs.clinic import deductions
        from webapp.programs.clinic.drafts import DeductionDraft

        draft = DeductionDraft(ada.id, "Room rent", 120_00, date(2026, 11, 1))
        rent = deductions.add_deduction(organisation_id=care.id, draft=draft, actor=FACTORY, now=clinic.WHEN)
        deductions.charge_due(
            organisation_id=care.id,
            deduction_id=rent.id,
            today=date(2026, 11, 2),
            actor=FACTORY,
            now=clinic.WHEN,
        )
    return rows


def _rows_of(care: Organisation) -> dict[str, list[dict[str, Any]]]:
    """All that payouts left behind, without what must differ."""
    found: dict[str, list[dict[str, Any]]] = {}
    for table in TABLES:
        columns = [c for c in table.__table__.c if c.name not in DIFFERS]
        query = select(*columns).select_from(table.__table__).order_by(table.__table__.c.id)
        if "organisation_id" in table.__table__.c:
            query = query.where(table.__table__.c.organisation_id == care.id)
        elif table is Posting:
            query = query.where(
                Posting.account_id.in_(select(Account.id).where(Account.organisation_id == care.id))
            )
        else:
            mine = select(Payout.id).where(Payout.organisation_id == care.id)
            query = query.where(table.__table__.c.payout_id.in_(mine))
        found[table.__tablename__] = sorted(
            (dict(row) for row in db.session.execute(query).mappings()),
            key=lambda row: repr(sorted(row.items())),
        )
    return found


def _balances(care: Organisation) -> dict[str, int]:
    rows = db.session.execute(
        select(Account.name, Account.type, Account.balance_minor).where(Account.organisation_id == care.id)
    )
    return {f"{kind} {name}": balance for name, kind, balance in rows}


def _world(care: Organisation, how: Callable[[list[Invoice]], None]) -> tuple[Any, Any]:
    how(_town(care))
    db.session.expire_all()
    clean(care)
    return _rows_of(care), _balances(care)


def test_many_at_once_leave_what_one_by_one_leaves(care: Organisation, now: datetime) -> None:
    other = clinic.carepoint()

    def one_by_one(rows: list[Invoice]) -> None:
        for row in rows:
            click(row, now)

    def at_once(rows: list[Invoice]) -> None:
        run = run_of(other, rows, admin(other), now)
        assert {outcome for _, outcome, _ in outcomes(run)} == {"done"}

    alone, together = _world(care, one_by_one), _world(other, at_once)
    mails = [
        db.session.query(OutboxMessage).filter_by(organisation_id=each.id, kind="notice.payout.paid").count()
        for each in (care, other)
    ]
    assert mails == [7, 7]
    for name, rows in alone[0].items():
        assert together[0][name] == rows, name
    assert together[1] == alone[1]


def test_what_guards_refuse_is_skipped_with_its_reason(care: Organisation, now: datetime) -> None:
    ada = clinic.practitioner(care, name="Ada")
    rows = [
        clinic.paid(care, [ada]),
        clinic.invoice(care, [ada]),
        clinic.paid(care, None),
        clinic.paid(care, clinic.appointment(care, [])),
        clinic.paid(care, [ada]),
        clinic.paid(care, [ada], 20_000_00),
    ]
    click(rows[4], now)
    run = run_of(care, rows, admin(care), now)
    found = outcomes(run)
    assert [outcome for _, outcome, _ in found] == [
        "done",
        "skipped",
        "skipped",
        "skipped",
        "skipped",
        "done",
    ]
    for n, word in enumerate(
        ["is in the wallet of Ada", "still to be paid", "not about an appointment", "no primary practitioner",
         "has its payout already: PO-2026-000001", "waits for approval"]
    ):  # fmt: skip
        assert word in found[n][2]
    assert clinic.holds(care, ada) == 180_00
    assert (run.state, run.done, run.skipped) == ("finished", 2, 4)
    assert clean(care)


def test_the_batch_is_one_event_with_a_digest(care: Organisation, now: datetime) -> None:
    ada = clinic.practitioner(care)
    run_of(care, [clinic.paid(care, [ada]) for _ in range(3)], admin(care), now)
    events = db.session.scalars(select(AuditEvent).where(AuditEvent.tag == "clinic:payouts:made")).all()
    assert [event.changes["payouts"] for event in events] == [[None, 3]]
    assert db.session.query(AuditEvent).filter_by(tag="payouts:payout:created").count() == 0


def test_wallet_that_is_too_low_pays_the_first_ones(care: Organisation, now: datetime) -> None:
    ada: Payee = clinic.practitioner(care)
    rows = [clinic.paid(care, [ada]) for _ in range(4)]
    with transaction():
        wallets.adjust(
            organisation_id=care.id, amount_minor=-150_00, reason="Rent", actor=admin(care), now=now
        )
    found = outcomes(run_of(care, rows, admin(care), now))
    assert [outcome for _, outcome, _ in found] == ["done", "done", "skipped", "skipped"]
    assert "The clinic's wallet holds CA$50.00" in found[2][2]
    assert (clinic.holds(care), clinic.holds(care, ada)) == (50_00, 180_00)


def test_halted_payments_pay_nothing(care: Organisation, now: datetime) -> None:
    ada = clinic.practitioner(care)
    rows = [clinic.paid(care, [ada]) for _ in range(2)]
    with transaction():
        policies.halt(organisation_id=care.id, rail="*", reason="Check first.", actor=admin(care), now=now)
    found = outcomes(run_of(care, rows, admin(care), now))
    assert [outcome for _, outcome, _ in found] == ["skipped", "skipped"]
    assert "Payments are halted" in found[0][2]
    assert clinic.holds(care, ada) == 0


def test_preview_says_what_the_run_does(care: Organisation, now: datetime) -> None:
    ada = clinic.practitioner(care)
    rows = [clinic.paid(care, [ada], 99_99), clinic.invoice(care, [ada]), clinic.paid(care, [ada], 20_000_00)]
    with transaction():
        run = bulk.draft_run(
            organisation_id=care.id, invoice_ids=[r.id for r in rows], actor=admin(care), now=now
        )
    found = bulk.preview(run)
    assert [plan.invoice.number for plan in found.ready] == ["INV-001", "INV-003"]
    assert [number for number, _ in found.skipped] == ["INV-002"]
    assert [[money.amount for money in row] for row in found.sums()] == [[20_099_99, 2_010_00, 18_089_99]]
    assert db.session.query(Payout).count() == 0
