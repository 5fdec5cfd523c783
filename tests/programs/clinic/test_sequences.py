"""Whatever people do, in whatever order: no money is made or lost, and no wallet falls below zero."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from tests import factories
from tests.factories import clinic
from tests.factories.people import FACTORY
from webapp.database import db, transaction
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict, Invalid
from webapp.ledger import check
from webapp.ledger.models import Account
from webapp.payouts import service as payouts
from webapp.payouts.models import Payout
from webapp.people.models import Organisation, Payee
from webapp.programs.clinic import deductions, invoicing, paying, payments, refunding, wallets, withdrawing
from webapp.programs.clinic.drafts import DeductionDraft
from webapp.programs.clinic.models import Clawback, ClinicPayout, Invoice

#: The whole proof takes 2,000 and more: PAYDESK_SEQUENCES=2000.
SEQUENCES = int(os.environ.get("PAYDESK_SEQUENCES", "25"))
NOW = datetime.fromisoformat("2026-11-20T12:00:00+00:00")
AMOUNTS = st.integers(1, 260_00)
INVOICES, PAYEES = st.integers(0, 3), st.integers(0, 1)
STEP = st.one_of(
    st.tuples(st.just("pay"), INVOICES, AMOUNTS),
    st.tuples(st.just("pay_all"), INVOICES, st.sampled_from(["gateway", "cash"])),
    st.tuples(st.just("pay_all"), INVOICES, st.sampled_from(["gateway", "cash"])),
    st.tuples(st.just("click"), INVOICES, st.none()),
    st.tuples(st.just("click"), INVOICES, st.none()),
    st.tuples(st.just("refund"), INVOICES, AMOUNTS),
    st.tuples(st.just("refund_all"), INVOICES, st.none()),
    st.tuples(st.just("write_off"), INVOICES, st.none()),
    st.tuples(st.just("withdraw"), PAYEES, AMOUNTS),
    st.tuples(st.just("withdraw_all"), PAYEES, st.none()),
    st.tuples(st.just("decide"), PAYEES, st.sampled_from(["approve", "reject", "cancel", "pay"])),
    st.tuples(st.just("adjust"), PAYEES, st.integers(-50_00, 50_00)),
    st.tuples(st.just("take_out"), PAYEES, AMOUNTS),
    st.tuples(st.just("rent"), PAYEES, AMOUNTS),
)
WORLD = st.fixed_dictionaries(
    {
        "base_mode": st.sampled_from(["received", "gross"]),
        "split_mode": st.sampled_from(["primary", "share"]),
        "part_mode": st.sampled_from(["full", "pro_rata"]),
        "fee_bearer": st.sampled_from(["clinic", "practitioner", "customer"]),
    }
)
PERCENT = st.none() | st.decimals(0, 100, places=2)


class Clinic:
    """A clinic in which things happen; `outside` is what came in from outside and did not go out again."""

    def __init__(self, world: dict[str, str], percent: Decimal | None) -> None:
        self.outside = 0
        self.payouts: list[int] = []
        with transaction():
            self.care: Organisation = clinic.carepoint()
            clinic.set_up(self.care, **world)
            self.payees: list[Payee] = [clinic.practitioner(self.care, name=name) for name in ("Ada", "Ben")]
            ada, ben = self.payees
            for payee in self.payees:
                factories.method(payee)
            if percent is not None:
                clinic.rule(self.care, percent=percent, flat_minor=30, payee_id=ben.id)
            both = clinic.appointment(self.care, [(ada, 2), (ben, 1)])
            self.rows: list[Invoice] = [
                clinic.invoice(self.care, both, 200_00, tax_percent=Decimal(13)),
                clinic.invoice(self.care, [ada], 99_99),
                clinic.invoice(self.care, [ben], 33),
                clinic.invoice(self.care, None, 150_00),
            ]
            self.people = [Actor(None, "one"), Actor(None, "two")]
        self.id = self.care.id

    def do(self, step: tuple[str, int, Any]) -> None:
        """One step; what a rule refuses changes nothing."""
        name, which, what = step
        try:
            with transaction():
                moved = getattr(self, f"_{name}")(which, what)
        except (Conflict, Invalid):
            return
        self.outside += moved or 0

    def _pay(self, which: int, amount: int, method: str = "gateway") -> int:
        row = self.rows[which]
        fee = amount // 40 if method == "gateway" else 0
        payments.record_payment(
            organisation_id=self.id, number=row.number, amount_minor=amount, method=method, fee_minor=fee,
            happened_on=clinic.DAY, actor=FACTORY, now=NOW,
        )  # fmt: skip
        return amount - fee

    def _pay_all(self, which: int, method: str) -> int:
        return self._pay(which, self.rows[which].remaining_minor, method)

    def _click(self, which: int, _: None) -> None:
        paying.create_payout(organisation_id=self.id, number=self.rows[which].number, actor=FACTORY, now=NOW)

    def _refund(self, which: int, amount: int) -> int:
        row = self.rows[which]
        plan = refunding.plan_refund(organisation_id=self.id, number=row.number, amount_minor=amount)
        refunding.refund(
            organisation_id=self.id, number=row.number, amount_minor=amount, reason="x",
            happened_on=clinic.DAY, actor=FACTORY, now=NOW,
        )  # fmt: skip
        return -plan.to_customer.amount

    def _refund_all(self, which: int, _: None) -> int:
        return self._refund(which, self.rows[which].stayed_minor)

    def _write_off(self, which: int, _: None) -> None:
        invoicing.write_off(
            organisation_id=self.id, number=self.rows[which].number, reason="x", actor=FACTORY, now=NOW
        )

    def _withdraw(self, which: int, amount: int) -> None:
        made = withdrawing.request_withdrawal(
            organisation_id=self.id,
            payee_id=self.payees[which].id,
            amount_minor=amount,
            actor=FACTORY,
            now=NOW,
        )
        self.payouts.append(made.id)

    def _withdraw_all(self, which: int, _: None) -> None:
        self._withdraw(which, clinic.holds(self.care, self.payees[which]))

    def _decide(self, which: int, what: str) -> int:
        if not self.payouts:
            return 0
        payout = db.session.get_one(Payout, self.payouts[which % len(self.payouts)])
        common: dict[str, Any] = {"organisation_id": self.id, "reference": payout.reference, "now": NOW}
        if what == "approve":
            payouts.approve(**common, actor=self.people[0])
        elif what == "pay":
            later = NOW + timedelta(days=5)
            payouts.mark_paid(
                **{**common, "now": later}, payment_reference=f"CHQ-{payout.id}", paid_on=later.date(),
                actor=self.people[1],
            )  # fmt: skip
            return -payout.amount_minor
        else:
            {"reject": payouts.reject, "cancel": payouts.cancel}[what](
                **common, reason="x", actor=self.people[1]
            )
        return 0

    def _adjust(self, which: int, amount: int) -> None:
        wallets.adjust(
            organisation_id=self.id, payee_id=self.payees[which].id, amount_minor=amount, reason="x",
            actor=FACTORY, now=NOW,
        )  # fmt: skip

    def _take_out(self, which: int, amount: int) -> int:
        wallets.adjust(organisation_id=self.id, amount_minor=-amount, reason="x", actor=FACTORY, now=NOW)
        return -amount

    def _rent(self, which: int, amount: int) -> None:
        draft = DeductionDraft(self.payees[which].id, "Rent", amount, clinic.DAY, ends_on=clinic.DAY)
        row = deductions.add_deduction(organisation_id=self.id, draft=draft, actor=FACTORY, now=NOW)
        deductions.charge_due(
            organisation_id=self.id, deduction_id=row.id, today=clinic.DAY, actor=FACTORY, now=NOW
        )

    def looks_right(self) -> None:
        """What must hold after every step."""
        rows = db.session.execute(
            select(Account.code, Account.type, Account.balance_minor).where(
                Account.organisation_id == self.id
            )
        ).all()
        inside = {code: balance for code, _, balance in rows if code not in ("bank", "collections")}
        for code, balance in inside.items():
            assert balance >= 0 or code.startswith(("income", "expense")), f"{code} holds {balance}"
        # What is owed to the clinic, and what the gateway keeps, is money that is not there.
        minus = ("receivable", "expense")
        held = sum(-balance if code.startswith(minus) else balance for code, balance in inside.items())
        assert held == self.outside, f"{held} inside, {self.outside} came in and stayed"
        assert sum(balance for code, _, balance in rows if code in ("bank", "collections")) == self.outside

    def adds_up(self) -> None:
        """What must hold at the end."""
        report = check.run(self.id)
        assert report.findings == []
        for row in db.session.scalars(select(ClinicPayout).where(ClinicPayout.organisation_id == self.id)):
            assert row.base_minor == row.commission_minor + row.amount_minor
        taken = db.session.execute(
            select(func.sum(Clawback.base_minor), func.sum(Clawback.commission_minor)).where(
                Clawback.organisation_id == self.id
            )
        ).one()
        kept = db.session.execute(
            select(
                func.sum(ClinicPayout.taken_base_minor),
                func.sum(ClinicPayout.taken_commission_minor),
                func.sum(ClinicPayout.commission_minor),
            ).where(ClinicPayout.organisation_id == self.id, ClinicPayout.released_at.is_(None))
        ).one()
        assert (taken[0] or 0, taken[1] or 0) == (kept[0] or 0, kept[1] or 0)
        income = wallets.balance(self.id, "income:commission", "CAD")
        assert income == int(kept[2] or 0) - int(kept[1] or 0)


def _check(function: Callable[..., None]) -> Callable[..., None]:
    return settings(
        max_examples=SEQUENCES,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )(function)


@_check
@given(world=WORLD, percent=PERCENT, steps=st.lists(STEP, min_size=4, max_size=20))
def test_no_money_is_made_or_lost_and_no_wallet_falls_below_zero(
    database: Flask, world: dict[str, str], percent: Decimal | None, steps: list[tuple[str, int, Any]]
) -> None:
    place = Clinic(world, percent)
    for step in steps:
        place.do(step)
        place.looks_right()
    place.adds_up()
