"""Whatever becomes of deals and payouts, in whatever order: partners have what they should have, and no less."""

from __future__ import annotations

import os
from collections import defaultdict
from datetime import timedelta
from itertools import count
from typing import Any

from flask import Flask
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from tests import factories
from tests.factories import partners as factory
from tests.factories.partners import CLOSED, TODAY, commissions
from tests.factories.people import FACTORY
from tests.programs.partners import proof
from webapp.database import db, transaction
from webapp.kernel.actor import Actor
from webapp.kernel.errors import PaydeskError
from webapp.kernel.money import Money
from webapp.payouts import service as payouts
from webapp.payouts.models import Payout
from webapp.programs.partners import calculating, deals, disputing, partners
from webapp.programs.partners.drafts import DealDraft, ProfileDraft
from webapp.programs.partners.models import Attribution, Commission, Deal
from webapp.programs.partners.rules import Rate, commission

#: The whole proof takes 2,000 and more: PAYDESK_SEQUENCES=2000.
SEQUENCES = int(os.environ.get("PAYDESK_SEQUENCES", "10"))
DEALS, PAYOUTS, ROWS = st.integers(0, 2), st.integers(0, 9), st.integers(0, 9)
STEP = st.one_of(
    st.tuples(st.sampled_from(["win", "lose", "lose", "reopen", "rename"]), DEALS, st.none()),
    st.tuples(st.just("amount"), DEALS, st.integers(0, 2_000_00)),
    st.tuples(st.just("amount"), DEALS, st.integers(0, 2_000_00)),
    st.tuples(st.sampled_from(["calculate", "calculate", "calculate", "later"]), DEALS, st.none()),
    st.tuples(st.sampled_from(["reject", "cancel", "pay", "pay", "reverse"]), PAYOUTS, st.none()),
    st.tuples(st.sampled_from(["drop", "drop", "pay_now"]), st.just(-1), st.booleans()),
    st.tuples(st.just("offer"), ROWS, st.booleans()),
    st.tuples(st.just("object"), ROWS, st.none()),
    st.tuples(st.just("rate"), st.integers(0, 1), st.integers(0, 4_000)),
)


class Partnerbase:
    """Two partners and three deals to which things happen; a fourth comes at the end."""

    def __init__(self, final_days: int) -> None:
        self.base = factory.partnerbase()
        self.now = TODAY
        self.wires = count(1)
        self.is_final = final_days < 100
        self.partners = [factory.partner(self.base), factory.partner(self.base, 1_000)]
        self.program = factory.program(self.base, final_days=final_days)
        with transaction():
            for payee in self.partners:
                factories.method(payee)
        ann, ben = self.partners
        self.rates = {ann.id: 500, ben.id: 1_000}
        # What the partners of a deal get of it, as it was agreed when it was won.
        self.agreed: dict[int, dict[int, int]] = {}
        self.deals = [factory.deal(self.program, of, 1_000_01) for of in ([ann, ben], [ann], [ben, ann])]
        for which in range(3):
            self.do(("win", which, None))
        assert [each.state for each in self.deals] == ["won"] * 3

    def do(self, step: tuple[str, int, Any]) -> None:
        """One step; what a rule refuses changes nothing."""
        name, which, what = step
        try:
            with transaction():
                getattr(self, f"_{name}")(which, what)
        except PaydeskError:
            return

    def _common(self, which: int) -> dict[str, Any]:
        return {
            "organisation_id": self.base.id, "reference": self.deals[which].reference, "actor": FACTORY,
            "now": self.now,
        }  # fmt: skip

    def _win(self, which: int, _: None) -> None:
        is_fixed = deals.is_frozen(self.deals[which].id)
        was_won = self.deals[which].state == "won"
        row = deals.win_deal(**self._common(which), closed_at=CLOSED)
        if not is_fixed and not was_won:
            self.agreed[row.id] = dict(self.rates)

    def _lose(self, which: int, _: None) -> None:
        deals.lose_deal(**self._common(which), reason="They left.")

    def _reopen(self, which: int, _: None) -> None:
        deals.reopen_deal(**self._common(which))

    def _change(self, which: int, **values: Any) -> None:
        row = self.deals[which]
        said = {"name": row.name, "amount_minor": row.amount_minor, **values}
        draft = DealDraft(row.program_id, currency=row.currency, opened_at=row.opened_at, **said)
        deals.change_deal(**self._common(which), draft=draft, reason="A typo.")

    def _rename(self, which: int, _: None) -> None:
        before = self.facts()
        self._change(which, name=f"{self.deals[which].name[:100]}!")
        assert self.facts() == before

    def _amount(self, which: int, minor: int) -> None:
        self._change(which, amount_minor=minor)

    def _later(self, _: int, __: None) -> None:
        self.now += timedelta(days=8)

    def _calculate(self, _: int, __: None) -> None:
        until = f"{self.now.year}-Q{(self.now.month + 2) // 3}"
        ids = calculating.partners_due(self.base.id, until, self.now, 0, 10)
        calculating.calculate(
            organisation_id=self.base.id, payee_ids=ids, until=until, actor=FACTORY, now=self.now
        )

    def _payouts(self) -> list[Payout]:
        query = select(Payout).where(Payout.organisation_id == self.base.id).order_by(Payout.id)
        return list(db.session.scalars(query))

    def _payout(self, which: int) -> Payout | None:
        rows = self._payouts()
        return rows[which % len(rows)] if rows else None

    def _end(self, word: str, which: int, **values: Any) -> None:
        if (row := self._payout(which)) is None:
            return
        common: dict[str, Any] = {
            "organisation_id": self.base.id, "reference": row.reference, "now": self.now,
        }  # fmt: skip
        for who in ("one", "two"):
            if word == "mark_paid" and row.state == "pending_approval":
                payouts.approve(**common, actor=Actor(None, who))
        getattr(payouts, word)(**common, actor=Actor(None, "three"), **values)

    def _reject(self, which: int, _: None) -> None:
        self._end("reject", which, reason="x")

    def _cancel(self, which: int, _: None) -> None:
        self._end("cancel", which, reason="x")

    def _pay(self, which: int, _: None) -> None:
        self._end("mark_paid", which, paid_on=self.now.date(), payment_reference=f"W{next(self.wires)}")

    def _pay_now(self, which: int, _: bool) -> None:
        self._calculate(0, None)
        self._pay(which, None)

    def _drop(self, which: int, is_offered: bool) -> None:
        """A payout of what is due, cancelled; a person decides about what it gave back."""
        self._calculate(0, None)
        self._cancel(which, None)
        for _ in range(4):
            self._offer(0, is_offered)

    def _reverse(self, which: int, _: None) -> None:
        self._end("reverse", which, reason="x", on=self.now.date())

    def _row(self, which: int, offer: str) -> Commission | None:
        rows = [row for each in self.deals for row in commissions(each) if row.state == "open"]
        rows = [row for row in rows if row.offer == offer]
        return rows[which % len(rows)] if rows else None

    def _offer(self, which: int, is_offered: bool) -> None:
        if row := self._row(which, "blocked"):
            calculating.decide_offer(
                organisation_id=self.base.id, reference=row.reference, is_offered=is_offered, reason="x",
                actor=FACTORY, now=self.now,
            )  # fmt: skip

    def _object(self, which: int, _: None) -> None:
        if row := self._row(which, "open"):
            disputing.raise_dispute(
                organisation_id=self.base.id, payee_id=row.payee_id, reference=row.reference, reason="x",
                actor=FACTORY, now=self.now,
            )  # fmt: skip

    def _rate(self, which: int, rate_bp: int) -> None:
        payee = self.partners[which]
        partners.change_profile(
            organisation_id=self.base.id, payee_id=payee.id, draft=ProfileDraft(rate_bp=rate_bp), actor=FACTORY,
            now=self.now,
        )  # fmt: skip
        self.rates[payee.id] = rate_bp

    def comes_to_an_end(self) -> None:
        """All is paid; then one deal is lost, one brings more, a new one is won, and all is paid again."""
        proof.holds(self.base)
        self._all_is_paid()
        self.deals.append(factory.won(self.program, self.partners, 90_000_00, closed_at=self.now))
        self.agreed[self.deals[3].id] = dict(self.rates)
        for step in (("lose", 0, None), ("amount", 2, 15_000_00), ("calculate", 0, None)):
            self.do(step)
        proof.holds(self.base)
        self._all_is_paid()
        proof.holds(self.base)

    def _all_is_paid(self) -> None:
        """Long after, with everything offered again: what is due is paid once, with all that is taken back."""
        self.now += timedelta(days=100)
        with transaction():
            while self._row(0, "blocked"):
                self._offer(0, True)
            before = len(self._payouts())
            self._calculate(0, None)
            made = self._payouts()
            self._calculate(0, None)
            assert self._payouts() == made, "a second calculation finds nothing new"
        paid = {row.payee_id for row in made[before:]}
        for payee in self.partners:
            left = proof.left_over(payee)
            assert not left if payee.id in paid else sum(left) <= 0, "what is due was left out"
        for n, row in enumerate(made):
            if row.state in ("pending_approval", "approved"):
                with transaction():
                    self._pay(n, None)
        assert all(row.state == "paid" for row in made[before:])
        self.looks_right()

    def facts(self) -> list[tuple[Any, ...]]:
        """Every commission, with all that counts."""
        return [
            (row.id, row.kind, row.state, row.amount_minor, row.rate_bp, row.offer, row.version)
            for each in self.deals
            for row in commissions(each)
        ]

    def looks_right(self) -> None:
        """What must hold after every step."""
        db.session.expire_all()
        live: dict[tuple[int, int], list[Commission]] = defaultdict(list)
        for row in db.session.scalars(
            select(Commission).where(
                Commission.organisation_id == self.base.id, Commission.state != "cancelled"
            )
        ):
            live[row.deal_id or 0, row.payee_id].append(row)
        shares = {
            (row.deal_id, row.payee_id): row
            for row in db.session.scalars(
                select(Attribution).where(Attribution.organisation_id == self.base.id)
            )
        }
        for each in self.deals:
            for payee in self.partners:
                self._adds_up(live[each.id, payee.id], self._due(each, shares.get((each.id, payee.id))))

    def _due(self, deal: Deal, share: Attribution | None) -> int:
        """What the partner should have of the deal, by what was agreed when it was won."""
        if share is None or deal.state != "won":
            return 0
        agreed = Rate(self.agreed[deal.id][share.payee_id])
        return commission(Money(share.amount_minor, deal.currency), agreed).amount

    def _adds_up(self, live: list[Commission], due: int) -> None:
        aside = [row.amount_minor for row in live if row.offer == "dismissed"]
        dismissed, forgiven = (
            sum(minor for minor in aside if minor > 0),
            sum(minor for minor in aside if minor < 0),
        )
        booked = sum(row.amount_minor for row in live if row.payout_id is not None)
        waiting = sum(row.amount_minor for row in live if row.state == "open" and row.offer != "dismissed")
        standing, kept = booked + waiting, max(due, booked if self.is_final else 0)
        assert due - dismissed <= standing <= kept - forgiven, (due, booked, waiting, aside)
        assert standing >= 0, "more is taken back than payouts ever had"
        assert not any(row.is_disputed for row in live if row.amount_minor < 0)
        if not aside and not self.is_final:
            assert standing == due


@settings(
    max_examples=SEQUENCES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(final_days=st.sampled_from([10, 1_000]), steps=st.lists(STEP, min_size=6, max_size=30))
@example(1_000, [("drop", -1, False), ("lose", 0, None), ("calculate", 0, None)])
@example(1_000, [("calculate", 0, None), ("lose", 0, None), ("cancel", 0, None), ("cancel", 1, None)])
@example(1_000, [("object", 0, None), ("calculate", 0, None), ("reject", 0, None), ("offer", 0, True)])
@example(
    10, [("pay_now", -1, True), ("later", 0, None), ("later", 0, None), ("amount", 1, 0), ("lose", 2, None)]
)
def test_partners_have_what_they_should_have(
    database: Flask, final_days: int, steps: list[tuple[str, int, Any]]
) -> None:
    place = Partnerbase(final_days)
    place.looks_right()
    for step in steps:
        place.do(step)
        place.looks_right()
    place.comes_to_an_end()
