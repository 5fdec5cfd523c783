"""Many clicks at once: one payout, one entry, the wallets exact; the same with refunds and withdrawals among them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from tests.factories import clinic
from tests.factories.people import FACTORY
from tests.programs.clinic.test_flow import clean
from tests.proof.bank import FileBank
from tests.proof.races import together as by_processes
from tests.rooms.payouts.test_races import together as by_threads
from webapp.database import db, transaction
from webapp.kernel.errors import Conflict, Invalid
from webapp.ledger.models import JournalEntry
from webapp.payouts.models import Payout
from webapp.people.models import Organisation
from webapp.programs.clinic import invoicing, paying, payments, queries, refunding, wallets, withdrawing
from webapp.programs.clinic.drafts import InvoiceDraft, LineDraft
from webapp.programs.clinic.models import ClinicPayout, Invoice

CLICKS = 64


@pytest.fixture
def care(database: Flask) -> Organisation:
    """A clinic."""
    return clinic.carepoint()


def _click(organisation_id: int, number: str, now: datetime) -> Callable[[], Any]:
    def call() -> tuple[bool, int]:
        with transaction():
            made = paying.create_payout(
                organisation_id=organisation_id, number=number, actor=FACTORY, now=now
            )
            return made.is_repeat, made.payouts[0].id

    return call


def test_of_64_clicks_one_makes_the_payout_and_all_get_it(
    database: Flask, care: Organisation, now: datetime
) -> None:
    ada = clinic.practitioner(care)
    number = clinic.paid(care, [ada], 99_99).number
    organisation_id, payee_id = care.id, ada.id
    results = by_threads(database, [_click(organisation_id, number, now)] * CLICKS)
    assert not [r for r in results if isinstance(r, Exception)]
    assert Counter(is_repeat for is_repeat, _ in results) == {False: 1, True: CLICKS - 1}
    assert len({payout_id for _, payout_id in results}) == 1
    assert db.session.query(Payout).count() == db.session.query(ClinicPayout).count() == 1
    assert db.session.query(JournalEntry).filter_by(source_type="payout").count() == 1
    payee = wallets.get_practitioner(organisation_id, payee_id)
    assert wallets.balance(organisation_id, wallets.CLINIC, "CAD") == 0
    assert queries.wallet_of(payee, "CAD").balance.amount == 89_99
    assert clean(db.session.get_one(Organisation, organisation_id))


def test_invoice_numbers_have_no_gap_when_many_are_made_at_once(
    database: Flask, care: Organisation, now: datetime
) -> None:
    customer_id, organisation_id = clinic.customer(care).id, care.id

    def make(n: int) -> Callable[[], str]:
        def call() -> str:
            with transaction():
                draft = InvoiceDraft(customer_id, (LineDraft("Towel", 10_00),), clinic.DAY, "order")
                made = invoicing.create_invoice(
                    organisation_id=organisation_id, draft=draft, actor=FACTORY, now=now
                )
                if n % 4 == 3:
                    raise Conflict("changed my mind")
                return made.number

        return call

    results = by_threads(database, [make(n) for n in range(32)])
    assert Counter(type(r) for r in results) == {str: 24, Conflict: 8}
    assert sorted(r for r in results if isinstance(r, str)) == [f"INV-{n:03d}" for n in range(1, 25)]


def _guarded(call: Callable[[], Any]) -> Callable[[], str]:
    """What a rule refuses is an answer; anything else is an error of ours."""

    def guarded() -> str:
        try:
            call()
        except (Conflict, Invalid) as refused:
            return f"refused: {refused.message}"
        return "made"

    return guarded


def _mixed(
    organisation_id: int, numbers: list[str], payee_ids: list[int], now: datetime
) -> list[Callable[[], str]]:
    def refund(number: str, n: int) -> Callable[[], Any]:
        def call() -> None:
            with transaction():
                refunding.refund(
                    organisation_id=organisation_id, number=number, amount_minor=7_00, reason="x",
                    happened_on=clinic.DAY, idempotency_key=f"r{n}", actor=FACTORY, now=now,
                )  # fmt: skip

        return call

    def withdraw(payee_id: int, amount: int) -> Callable[[], Any]:
        def call() -> None:
            with transaction():
                withdrawing.request_withdrawal(
                    organisation_id=organisation_id,
                    payee_id=payee_id,
                    amount_minor=amount,
                    actor=FACTORY,
                    now=now,
                )

        return call

    def pay(number: str) -> Callable[[], Any]:
        def call() -> None:
            with transaction():
                payments.record_payment(
                    organisation_id=organisation_id, number=number, amount_minor=30_00, method="pos",
                    happened_on=clinic.DAY, actor=FACTORY, now=now,
                )  # fmt: skip

        return call

    calls: list[Callable[[], Any]] = []
    for n in range(16):
        calls += [
            _click(organisation_id, numbers[n % 4], now),
            refund(numbers[(n + n // 4) % 4], n),
            withdraw(payee_ids[n % 2], 11_00 + n) if n % 2 else pay(numbers[n % 4]),
            _click(organisation_id, numbers[(n + 1) % 4], now),
        ]
    return [_guarded(call) for call in calls]


def _settled(organisation_id: int, numbers: list[str], payee_ids: list[int]) -> None:
    """Whatever came first: each invoice is paid out once at most, and the wallets hold what the records say."""
    care = db.session.get_one(Organisation, organisation_id)
    assert clean(care)
    for number in numbers:
        invoice = queries.get_invoice(organisation_id, number)
        live = db.session.scalars(
            select(ClinicPayout).where(
                ClinicPayout.invoice_id == invoice.id, ClinicPayout.released_at.is_(None)
            )
        ).all()
        assert len({row.payee_id for row in live}) == len(live)
        standing = sum(row.base_minor - row.taken_base_minor for row in live)
        assert standing in (0, invoice.stayed_minor)
    for payee_id in payee_ids:
        payee = wallets.get_practitioner(organisation_id, payee_id)
        wallet = queries.wallet_of(payee, "CAD")
        earned = sum(
            row.amount_minor - (row.taken_base_minor - row.taken_commission_minor)
            for row in db.session.scalars(select(ClinicPayout).where(ClinicPayout.payee_id == payee_id))
        )
        assert wallet.balance.amount + wallet.held.amount - wallet.owed.amount == earned
        assert wallet.balance.amount >= 0


def _scene(care: Organisation) -> tuple[int, list[str], list[int]]:
    clinic.set_up(care, split_mode="share")
    ada, ben = clinic.practitioner(care, name="Ada"), clinic.practitioner(care, name="Ben")
    rows: list[Invoice] = [
        clinic.paid(care, clinic.appointment(care, pair)) for pair in ([ada, ben], [ben, ada], [ada], [ben])
    ]
    rows[2] = clinic.invoice(care, [ada], 90_00)
    return care.id, [row.number for row in rows], [ada.id, ben.id]


def test_clicks_refunds_withdrawals_and_payments_at_once(
    database: Flask, care: Organisation, now: datetime
) -> None:
    organisation_id, numbers, payee_ids = _scene(care)
    results = by_threads(database, list(_mixed(organisation_id, numbers, payee_ids, now)))
    assert not [r for r in results if isinstance(r, Exception)], results
    _settled(organisation_id, numbers, payee_ids)


@pytest.mark.slow
def test_processes_that_click_refund_and_withdraw_at_once(
    database: Flask, care: Organisation, now: datetime, tmp_path: Any
) -> None:
    if db.engine.dialect.name != "postgresql":
        pytest.skip("SQLite has one writer; there is no race to lose")
    organisation_id, numbers, payee_ids = _scene(care)
    calls = _mixed(organisation_id, numbers, payee_ids, now)

    def several(first: int) -> Callable[[], str]:
        def call() -> str:
            return "; ".join(each() for each in calls[first::16])

        return call

    said = by_processes([several(n) for n in range(16)], FileBank(tmp_path / "bank"))
    assert all(text.startswith("done") for text in said), said
    _settled(organisation_id, numbers, payee_ids)
