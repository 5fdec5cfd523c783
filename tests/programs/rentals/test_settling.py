"""Money that does not agree with our books: another amount received, refunds left to people, money that left twice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from tests import factories
from tests.factories import rentals
from tests.factories.people import FACTORY
from tests.factories.rentals import WHEN
from tests.programs.rentals.gateway import ScriptedGateway
from tests.programs.rentals.test_flow import Scene
from webapp.audit.models import AuditEvent
from webapp.database import db, transaction
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict, Invalid, NotAllowed, NotFound
from webapp.outbox.models import OutboxMessage
from webapp.payouts import policies
from webapp.programs.rentals import (
    charging,
    collecting,
    credits,
    left,
    payments,
    return_lists,
    returns,
    settling,
    work,
)
from webapp.programs.rentals.models import RentCharge, RentDecision, RentPayment, RentReturn
from webapp.providers import registry
from webapp.providers.ports import CollectionAnswer, CollectionState

pytestmark = pytest.mark.usefixtures("database")
_C = CollectionState


class Desk(Scene):
    """A scene with two admins."""

    def __init__(self, gateway: ScriptedGateway) -> None:
        super().__init__(gateway)
        self.first, self.second = (
            factories.actor_of(factories.user(organisation=self.organisation, role="admin")) for _ in range(2)
        )

    def receive(self, minor: int) -> RentPayment:
        """PhonePe says that so much was paid in all; 10,200.00 was asked for."""
        self.begin()
        self.gateway.statuses = [
            CollectionAnswer(_C.COMPLETED, "OM1", amount_minor=minor, method="UPI_QR", utr="UTR9")
        ]
        return self.ask()

    def propose(self, choice: str, by: Actor | None = None) -> int:
        """The first admin proposes what becomes of the payment."""
        reference = self.payment.reference
        with transaction():
            return settling.propose_for_payment(
                organisation_id=self.organisation_id, reference=reference, choice=choice,
                reason="The tenant paid by UPI.", actor=by or self.first, now=WHEN,
            ).id  # fmt: skip

    def propose_refund(self, row: RentReturn, choice: str, **values: str) -> int:
        """The first admin proposes what becomes of a refund."""
        return_ref = row.return_ref
        with transaction():
            return settling.propose_for_refund(
                organisation_id=self.organisation_id, return_ref=return_ref, choice=choice,
                reason="Looked at.", actor=self.first, now=WHEN, **values,
            ).id  # fmt: skip

    def confirm(self, decision_id: int, by: Actor | None = None) -> None:
        """The second admin confirms."""
        with transaction():
            settling.confirm(
                organisation_id=self.organisation_id, decision_id=decision_id, actor=by or self.second,
                now=WHEN,
            )  # fmt: skip

    def settle(self, choice: str) -> RentPayment:
        """Proposed and confirmed, and shared out."""
        self.confirm(self.propose(choice))
        collecting.share(payment_id=self.payment.id, clock=lambda: WHEN)
        return self.payment

    def refund(self, amount: int = 10_000_00) -> RentReturn:
        """A refund is ordered."""
        reference = self.payment.reference
        with transaction():
            made = returns.order_refund(
                organisation_id=self.organisation_id, reference=reference, amount_minor=amount,
                reason="Paid twice.", actor=FACTORY, now=WHEN,
            ).id  # fmt: skip
        return self.row(made)

    def hear(
        self, row: RentReturn, *replies: CollectionAnswer | CollectionState, at: datetime = WHEN
    ) -> RentReturn:
        """The gateway is asked about a refund."""
        return_id = row.id
        self.gateway.refund_replies = list(replies)
        returns.work(return_id=return_id, clock=lambda: at)
        return self.row(return_id)

    def row(self, return_id: int) -> RentReturn:
        """A refund, read anew."""
        db.session.rollback()
        return db.session.get_one(RentReturn, return_id, populate_existing=True)

    def newest(self) -> RentReturn:
        """The newest refund or chargeback."""
        db.session.rollback()
        return db.session.scalars(select(RentReturn).order_by(RentReturn.id.desc())).first()  # type: ignore[return-value]

    def charge_back(self, amount: int, excess_to: str = "", case: str = "CB-1") -> RentReturn:
        """The tenant's bank takes so much."""
        reference = self.payment.reference
        with transaction():
            made = returns.record_chargeback(
                organisation_id=self.organisation_id, reference=reference, case_number=case,
                amount_minor=amount, reason="The bank took it.", excess_to=excess_to, actor=FACTORY, now=WHEN,
            ).id  # fmt: skip
        return self.row(made)

    @property
    def state(self) -> tuple[str, int]:
        """State and paid amount of the month's rent."""
        db.session.rollback()
        charge = db.session.get_one(RentCharge, self.charge_id, populate_existing=True)
        return charge.state, charge.paid_minor


@pytest.fixture
def desk(database: object) -> Iterator[Desk]:
    """A house, a flat, a month's rent that is asked for."""
    work.register()
    gateway = ScriptedGateway()
    with registry.collecting_with("phonepe", gateway):
        yield Desk(gateway)


def _messages(kind: str) -> int:
    db.session.rollback()
    return int(db.session.scalar(select(func.count()).where(OutboxMessage.kind == kind)) or 0)


# ---------------------------------------------------------------- another amount was received


def test_nothing_is_booked_before_a_second_person_confirms(desk: Desk) -> None:
    payment = desk.receive(9_000_00)
    assert (payment.state, payment.error_code, payment.said_minor) == ("pending", "AMOUNT_DIFFERS", 9_000_00)
    decision_id = desk.propose("accept")
    assert (desk.payment.state, desk.balance("collections"), desk.payouts) == ("pending", 0, [])
    with pytest.raises(NotAllowed, match="another person"):
        desk.confirm(decision_id, by=desk.first)
    assert desk.balance("collections") == 0
    desk.confirm(decision_id)
    assert desk.payment.state == "completed"
    with pytest.raises(Conflict, match="confirmed by"):
        desk.confirm(decision_id)


def test_less_is_a_part_and_the_rest_stays_owed(desk: Desk) -> None:
    desk.receive(9_200_00)
    payment = desk.settle("accept")
    assert (payment.amount_minor, payment.gateway_charge_minor, payment.credit_minor) == (9_000_00, 200_00, 0)
    assert desk.state == ("part", 9_000_00)
    assert (desk.balance("collections"), desk.balance("income:gateway_charge")) == (9_200_00, 200_00)
    assert [p.amount_minor for p in desk.payouts] == [4_890_24, 3_260_16]
    assert (payment.utr, payment.said_minor, payment.error_message) == ("UTR9", None, "")
    assert _messages("notice.rent.received") == 1
    assert desk.books_agree()


def test_less_than_the_charge_of_the_gateway_is_all_rent(desk: Desk) -> None:
    desk.receive(150_00)
    payment = desk.settle("accept")
    assert (payment.amount_minor, payment.gateway_charge_minor) == (150_00, 0)
    assert desk.state == ("part", 150_00)


def test_more_is_kept_as_credit_and_pays_the_next_month(desk: Desk) -> None:
    desk.receive(13_200_00)
    payment = desk.settle("accept")
    assert (payment.amount_minor, payment.credit_minor) == (10_000_00, 3_000_00)
    lease = payment.charge.lease
    code = f"tenant_credit:{lease.reference}"
    assert (desk.balance(code), desk.balance("collections")) == (3_000_00, 13_200_00)
    assert desk.state == ("paid", 10_000_00)
    assert [p.amount_minor for p in desk.payouts] == [5_433_60, 3_622_40]
    later = WHEN + timedelta(days=25)
    with transaction():
        charging.make_charges(
            organisation_id=desk.organisation_id, today=later.date(), actor=FACTORY, now=later
        )
        (lease_id,) = credits.leases_with(organisation_id=desk.organisation_id)
        (paid,) = credits.use(lease_id=lease_id, actor=FACTORY, now=later)
        assert (paid.source, paid.state, paid.amount_minor) == ("credit", "completed", 3_000_00)
    assert (desk.payment.charge.state, desk.payment.charge.paid_minor) == ("part", 3_000_00)
    collecting.share(payment_id=desk.payment.id, clock=lambda: later)
    assert len(desk.payouts) == 4
    assert (desk.balance(code), desk.balance("collections")) == (0, 13_200_00)
    with transaction():
        assert credits.leases_with(organisation_id=desk.organisation_id) == []
        assert credits.use(lease_id=lease_id, actor=FACTORY, now=later) == []
    assert desk.books_agree()


def _later_months(desk: Desk) -> None:
    later = WHEN + timedelta(days=60)
    with transaction():
        charging.make_charges(
            organisation_id=desk.organisation_id, today=later.date(), actor=FACTORY, now=later
        )


def test_months_are_locked_before_the_first_is_paid(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, list[int]]] = []
    lock_open, new, complete = credits.lock_open, payments.new, payments.complete

    def spy_lock(lease_id: int) -> Any:
        found = lock_open(lease_id)
        seen.append(("locked", [charge.id for charge in found]))
        return found

    def spy_new(charge: RentCharge, *args: Any, **values: Any) -> Any:
        seen.append(("new", [charge.id]))
        return new(charge, *args, **values)

    def spy_complete(payment: RentPayment, *args: Any) -> None:
        seen.append(("complete", [payment.charge_id]))
        complete(payment, *args)

    desk.receive(25_000_00)
    _later_months(desk)
    db.session.rollback()
    first, second, third = db.session.scalars(select(RentCharge.id).order_by(RentCharge.period_start)).all()
    decision_id = desk.propose("accept")
    monkeypatch.setattr(credits, "lock_open", spy_lock)
    monkeypatch.setattr(payments, "new", spy_new)
    monkeypatch.setattr(payments, "complete", spy_complete)
    desk.confirm(decision_id)
    assert seen == [
        ("locked", [first, second, third]), ("complete", [first]),
        ("locked", [second, third]), ("new", [second]), ("complete", [second]), ("new", [third]),
        ("complete", [third]),
    ]  # fmt: skip
    assert desk.books_agree()


def test_each_lease_uses_its_credit_in_a_transaction_of_its_own(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.receive(13_200_00)
    desk.settle("accept")
    lease_id = desk.payment.charge.lease_id
    db.session.rollback()
    monkeypatch.setattr(credits, "leases_with", lambda **_: [lease_id, 0])
    later = WHEN + timedelta(days=25)
    with pytest.raises(NotFound):
        work.charge_daily(desk.organisation_id, later, later)
    assert (desk.payment.source, desk.payment.state, desk.payment.amount_minor) == (
        "credit", "completed", 3_000_00,
    )  # fmt: skip


def test_all_of_it_goes_back_and_is_no_rent(desk: Desk) -> None:
    desk.receive(9_000_00)
    payment = desk.settle("refund_all")
    assert (payment.state, payment.amount_minor, payment.gateway_charge_minor) == ("going_back", 9_000_00, 0)
    assert (desk.state, desk.payouts) == (("open", 0), [])
    assert (desk.balance("collections"), desk.balance("rent_received")) == (9_000_00, 9_000_00)
    row = desk.hear(desk.newest(), _C.NOT_FOUND)
    assert desk.gateway.refunded == [(row.return_ref, 9_000_00)]
    assert desk.hear(row, _C.COMPLETED).state == "completed"
    assert (desk.payment.state, desk.state) == ("refunded", ("open", 0))
    assert (desk.balance("collections"), desk.balance("rent_received")) == (0, 0)
    assert (_messages("notice.rent.received"), _messages("notice.rent.refunded")) == (0, 1)
    assert desk.books_agree()


def test_what_goes_back_does_not_keep_the_tenant_from_paying(desk: Desk) -> None:
    desk.receive(9_000_00)
    desk.settle("refund_all")
    desk.gateway.statuses = [_C.COMPLETED]
    assert desk.pay().state == "completed"
    assert desk.state == ("paid", 10_000_00)


def test_another_word_of_the_gateway_ends_the_proposal(desk: Desk) -> None:
    desk.receive(9_000_00)
    decision_id = desk.propose("accept")
    desk.gateway.statuses = [CollectionAnswer(_C.COMPLETED, "OM1", amount_minor=9_500_00)]
    desk.ask()
    with pytest.raises(Conflict, match="has changed"):
        desk.confirm(decision_id)
    assert desk.payment.state == "pending"
    desk.gateway.statuses = [_C.COMPLETED]
    desk.ask()
    with pytest.raises(Conflict, match="has changed"):
        desk.confirm(decision_id)
    assert (desk.payment.state, desk.payment.amount_minor) == ("completed", 10_000_00)


def test_one_proposal_at_a_time_and_a_refused_one_does_nothing(desk: Desk) -> None:
    desk.receive(9_000_00)
    decision_id = desk.propose("accept")
    with pytest.raises(Conflict, match="already"):
        desk.propose("refund_all", by=desk.second)
    with transaction():
        settling.refuse(
            organisation_id=desk.organisation_id, decision_id=decision_id, actor=desk.second, now=WHEN
        )
    assert desk.payment.state == "pending"
    assert desk.settle("refund_all").state == "going_back"
    tags = set(db.session.scalars(select(AuditEvent.tag).where(AuditEvent.tag.contains("settlement"))))
    assert tags == {
        f"rentals:rent_payment:settlement_{word}" for word in ("proposed", "refused", "confirmed")
    }


def test_one_person_alone_settles_where_the_policy_says_so(desk: Desk) -> None:
    with transaction():
        rules = policies.current_policy(desk.organisation_id)[0].rules
        policies.change_policy(
            organisation_id=desk.organisation_id, rules={**rules, "single_operator": {"is_on": True}},
            actor=desk.first, now=WHEN,
        )  # fmt: skip
    desk.receive(9_000_00)
    decision_id = desk.propose("accept")
    desk.confirm(decision_id, by=desk.first)
    assert db.session.get_one(RentDecision, decision_id).is_single_operator
    assert desk.payment.state == "completed"


@pytest.mark.parametrize("choice", ["", "by_hand", "leave"])
def test_a_choice_that_is_none(desk: Desk, choice: str) -> None:
    desk.receive(9_000_00)
    with pytest.raises(Invalid, match="Choose"):
        desk.propose(choice)


def test_what_agrees_needs_nobody(desk: Desk) -> None:
    desk.pay()
    with pytest.raises(Conflict, match="no amount to settle"):
        desk.propose("accept")


def test_a_proposal_is_its_organisations_own(desk: Desk) -> None:
    desk.receive(9_000_00)
    decision_id = desk.propose("accept")
    with pytest.raises(NotFound), transaction():
        settling.confirm(
            organisation_id=rentals.griha().id, decision_id=decision_id, actor=desk.second, now=WHEN
        )


# ---------------------------------------------------------------- refunds that are left to people


def _why(row: RentReturn, at: datetime = WHEN) -> str:
    said = left.why_left(row, at)
    found = db.session.scalars(select(RentReturn.id).where(left.is_left(at))).all()
    assert (row.id in found) == bool(said)
    return said


def _again(desk: Desk, row: RentReturn, at: datetime = WHEN) -> RentReturn:
    return_ref = row.return_ref
    with transaction():
        made = left.try_again(
            organisation_id=desk.organisation_id, return_ref=return_ref, actor=FACTORY, now=at
        ).id
    return desk.row(made)


def test_a_refused_refund_is_tried_again_under_a_new_id(desk: Desk) -> None:
    desk.pay()
    row = desk.refund()
    assert _why(row) == ""
    row = desk.hear(row, CollectionAnswer(_C.FAILED, message="No account."))
    assert _why(row) == "No account."
    made = _again(desk, row)
    assert (made.retry_of_id, made.amount_minor, made.state) == (row.id, 10_000_00, "pending")
    assert made.return_ref != row.return_ref
    assert _why(desk.row(row.id)) == ""
    with pytest.raises(Conflict, match="ordered anew already"):
        _again(desk, desk.row(row.id))
    assert desk.hear(made, _C.NOT_FOUND).state == "pending"
    assert desk.hear(made, _C.COMPLETED).state == "completed"
    assert (desk.payment.state, desk.gateway.refunded) == ("refunded", [(made.return_ref, 10_000_00)])
    assert desk.books_agree()


def test_a_refund_that_may_go_through_is_not_tried_again(desk: Desk) -> None:
    desk.pay()
    row = desk.hear(desk.refund(), _C.PENDING)
    with pytest.raises(Conflict, match="may still go through"):
        _again(desk, row)
    late = WHEN + timedelta(hours=25)
    row = desk.hear(row, _C.UNKNOWN, at=late)
    assert "more than a day ago" in _why(row, late)
    assert row.next_check_at == late + timedelta(hours=1)
    with pytest.raises(Conflict, match="may still go through"):
        _again(desk, row, late)


def test_a_refund_that_the_gateway_never_knew_is_tried_again(desk: Desk) -> None:
    desk.pay()
    row = desk.refund()
    desk.gateway.refund_order = _C.UNKNOWN
    for minutes in (0, 8):
        row = desk.hear(row, _C.NOT_FOUND, at=WHEN + timedelta(minutes=minutes))
    with pytest.raises(Conflict, match="may still go through"):
        _again(desk, row, WHEN + timedelta(minutes=20))
    row = desk.hear(row, _C.UNKNOWN, at=WHEN + timedelta(minutes=12))
    assert row.not_found == 0
    for minutes in (15, 25, 31):
        row = desk.hear(row, _C.NOT_FOUND, at=WHEN + timedelta(minutes=minutes))
    made = _again(desk, row, WHEN + timedelta(minutes=31))
    assert (desk.row(row.id).state, made.state) == ("failed", "pending")


def test_a_refund_that_was_settled_by_hand_left_the_bank(desk: Desk) -> None:
    desk.pay()
    row = desk.hear(desk.refund(), _C.FAILED)
    with pytest.raises(Invalid, match="bank's reference"):
        desk.propose_refund(row, "by_hand")
    decision_id = desk.propose_refund(row, "by_hand", hand_reference=" UTR  77 ")
    assert desk.payment.returned_minor == 0
    with pytest.raises(NotAllowed):
        desk.confirm(decision_id, by=desk.first)
    desk.confirm(decision_id)
    row = desk.row(row.id)
    assert (row.state, row.hand_reference, desk.payment.state) == ("completed", "UTR 77", "refunded")
    assert (desk.balance("bank"), desk.balance("collections")) == (-10_000_00, 10_200_00)
    assert _why(row) == ""
    assert desk.hear(row, _C.PENDING).error_message == ""
    assert desk.books_agree()


@pytest.mark.parametrize("bearer", ["tenant", "loss"])
def test_what_went_back_by_hand_and_through_the_gateway_is_booked_twice(desk: Desk, bearer: str) -> None:
    desk.pay()
    row = desk.hear(desk.refund(), _C.FAILED)
    desk.confirm(desk.propose_refund(row, "by_hand", hand_reference="UTR 77"))
    row = desk.hear(row, CollectionAnswer(_C.COMPLETED, amount_minor=10_000_00))
    assert "after people had given it back by hand" in _why(row)
    with pytest.raises(Invalid, match="Choose who bears it"):
        desk.propose_refund(row, "as_said")
    desk.confirm(desk.propose_refund(row, "as_said", excess_to=bearer))
    assert _why(desk.row(row.id)) == ""
    second = desk.newest()
    assert (second.state, second.excess_minor, second.excess_to) == ("completed", 10_000_00, bearer)
    assert desk.balance("collections") == 200_00
    lease = desk.payment.charge.lease.reference
    account = f"receivable:{lease}" if bearer == "tenant" else "expense:rent_returned_twice"
    assert desk.balance(account) == 10_000_00
    assert desk.payment.returned_minor == 10_000_00
    assert desk.books_agree()


def test_nothing_is_given_back_by_hand_beside_another_refund_of_the_same_money(desk: Desk) -> None:
    desk.pay()
    row = desk.hear(desk.refund(6_000_00), _C.FAILED)
    decision_id = desk.propose_refund(row, "by_hand", hand_reference="UTR 77")
    other = desk.refund(5_000_00)
    with pytest.raises(Conflict, match=r"over ₹5,000\.00 is under way"):
        desk.confirm(decision_id)
    assert (desk.row(row.id).state, desk.payment.returned_minor) == ("failed", 0)
    with transaction():
        settling.refuse(
            organisation_id=desk.organisation_id, decision_id=decision_id, actor=desk.second, now=WHEN
        )
    with pytest.raises(Conflict, match="is under way"):
        desk.propose_refund(desk.row(row.id), "by_hand", hand_reference="UTR 77")
    desk.hear(other, _C.FAILED)
    desk.confirm(desk.propose_refund(desk.row(row.id), "by_hand", hand_reference="UTR 77"))
    assert (desk.row(row.id).state, desk.payment.returned_minor) == ("completed", 6_000_00)
    assert desk.books_agree()


def test_another_refund_of_the_rest_is_no_hindrance(desk: Desk) -> None:
    desk.pay()
    row = desk.hear(desk.refund(6_000_00), _C.FAILED)
    desk.refund(4_000_00)
    desk.confirm(desk.propose_refund(row, "by_hand", hand_reference="UTR 77"))
    assert desk.payment.returned_minor == 6_000_00


def test_what_is_booked_twice_is_not_asked_about_again(desk: Desk) -> None:
    desk.pay()
    row = desk.hear(desk.refund(), _C.FAILED)
    desk.confirm(desk.propose_refund(row, "by_hand", hand_reference="UTR 77"))
    both = CollectionAnswer(_C.COMPLETED, amount_minor=10_000_00)
    row = desk.hear(row, both)
    desk.confirm(desk.propose_refund(row, "as_said", excess_to="loss"))
    row = desk.hear(row, both, at=WHEN + timedelta(days=3))
    assert (_why(row), row.said_minor) == ("", None)
    with pytest.raises(Conflict, match="does not wait for a person"):
        desk.propose_refund(row, "as_said", excess_to="loss")
    assert desk.balance("expense:rent_returned_twice") == 10_000_00
    assert desk.books_agree()


def test_a_third_booking_of_one_refund_is_a_conflict(desk: Desk) -> None:
    desk.pay()
    row = desk.hear(desk.refund(), _C.FAILED)
    desk.confirm(desk.propose_refund(row, "by_hand", hand_reference="UTR 77"))
    row = desk.hear(row, CollectionAnswer(_C.COMPLETED, amount_minor=10_000_00))
    desk.confirm(desk.propose_refund(row, "as_said", excess_to="loss"))
    with transaction():
        found = desk.row(row.id)
        found.said_minor, found.error_message = 10_000_00, returns.GIVEN_TWICE
    decision_id = desk.propose_refund(desk.row(row.id), "as_said", excess_to="loss")
    with pytest.raises(Conflict, match="booked twice already"):
        desk.confirm(decision_id)
    assert desk.balance("expense:rent_returned_twice") == 10_000_00


def test_another_amount_that_went_back_is_booked_as_the_gateway_says(desk: Desk) -> None:
    desk.pay()
    row = desk.hear(desk.refund(500_00), CollectionAnswer(_C.COMPLETED, amount_minor=400_00))
    assert (row.state, row.said_minor) == ("pending", 400_00)
    desk.confirm(desk.propose_refund(row, "as_said"))
    row = desk.row(row.id)
    assert (row.state, row.amount_minor, row.said_minor) == ("completed", 400_00, None)
    assert (desk.payment.returned_minor, desk.balance("collections")) == (400_00, 9_800_00)
    assert desk.books_agree()


def test_a_refund_is_left_and_the_owners_are_paid(desk: Desk) -> None:
    desk.pay()
    row = desk.hear(desk.refund(), _C.FAILED)
    desk.confirm(desk.propose_refund(row, "leave"))
    assert _why(desk.row(row.id)) == ""
    with pytest.raises(Conflict, match="left as it is"):
        _again(desk, desk.row(row.id))
    collecting.share(payment_id=desk.payment.id, clock=lambda: WHEN)
    assert [p.state for p in desk.payouts] == [
        "cancelled",
        "cancelled",
        "pending_approval",
        "pending_approval",
    ]


def test_money_that_is_no_rent_cannot_stay(desk: Desk) -> None:
    desk.receive(9_000_00)
    desk.settle("refund_all")
    row = desk.hear(desk.newest(), _C.FAILED)
    with pytest.raises(Invalid, match="Choose what becomes"):
        desk.propose_refund(row, "leave")
    assert _again(desk, row).amount_minor == 9_000_00


# ---------------------------------------------------------------- money that left twice


def test_a_chargeback_after_a_full_refund_is_recorded(desk: Desk) -> None:
    desk.pay()
    desk.hear(desk.refund(), _C.COMPLETED)
    assert desk.payment.state == "refunded"
    with pytest.raises(Invalid, match=r"₹10,000\.00 more than"):
        desk.charge_back(10_000_00)
    row = desk.charge_back(10_000_00, "tenant")
    assert (row.excess_minor, row.excess_to) == (10_000_00, "tenant")
    assert desk.balance("collections") == -9_800_00
    assert desk.balance(f"receivable:{desk.payment.charge.lease.reference}") == 10_000_00
    assert (desk.payment.returned_minor, desk.state) == (10_000_00, ("open", 0))
    for owner in desk.owners:
        assert desk.balance(f"receivable:{owner.reference}") == 0
    assert desk.books_agree()


def test_a_chargeback_after_a_part_takes_the_rest_first(desk: Desk) -> None:
    desk.pay()
    desk.hear(desk.refund(4_000_00), _C.COMPLETED)
    row = desk.charge_back(10_000_00, "loss")
    assert (row.excess_minor, desk.payment.state, desk.payment.returned_minor) == (
        4_000_00,
        "refunded",
        10_000_00,
    )
    assert desk.balance("expense:rent_returned_twice") == 4_000_00
    assert desk.balance("income:management_fee") == 0
    assert desk.books_agree()


def test_a_refund_that_ends_after_the_chargeback_is_left_to_people(desk: Desk) -> None:
    desk.pay()
    row = desk.hear(desk.refund(), _C.PENDING)
    desk.charge_back(10_000_00)
    assert desk.payment.state == "refunded"
    row = desk.hear(row, _C.COMPLETED)
    assert (row.state, row.said_minor, bool(_why(row))) == ("pending", 10_000_00, True)
    desk.confirm(desk.propose_refund(row, "as_said", excess_to="loss"))
    assert (desk.row(row.id).state, desk.balance("expense:rent_returned_twice")) == ("completed", 10_000_00)
    assert (desk.balance("collections"), desk.payment.returned_minor) == (-9_800_00, 10_000_00)
    assert desk.books_agree()


def test_a_refund_that_fails_after_the_chargeback_changes_nothing(desk: Desk) -> None:
    desk.pay()
    row = desk.hear(desk.refund(), _C.PENDING)
    desk.charge_back(10_000_00)
    row = desk.hear(row, _C.FAILED)
    assert (row.state, desk.balance("expense:rent_returned_twice")) == ("failed", 0)
    assert _why(row) == ""
    with pytest.raises(Conflict, match="Nothing was done"):
        _again(desk, row)
    assert desk.books_agree()


def test_no_more_is_charged_back_than_the_tenant_paid(desk: Desk) -> None:
    desk.pay()
    desk.charge_back(10_200_00, "loss")
    assert (desk.newest().excess_minor, desk.balance("collections")) == (200_00, 0)
    with pytest.raises(Invalid, match=r"At most ₹0\.00"):
        desk.charge_back(1, "loss", case="CB-2")


# ---------------------------------------------------------------- refunds from before people were asked


@pytest.mark.parametrize(("said", "state"), [(9_000_00, "pending"), (10_000_00, "completed")])
def test_a_refund_that_was_given_up_long_ago_is_asked_about_once_more(
    desk: Desk, said: int, state: str
) -> None:
    desk.pay()
    reference = desk.payment.reference
    with transaction() as session:
        row = returns.order_refund(
            organisation_id=desk.organisation_id, reference=reference, amount_minor=10_000_00, reason="Twice.",
            actor=FACTORY, now=WHEN,
        )  # fmt: skip
        return_id, row.next_check_at, row.error_message = row.id, None, "A person must look."
        session.execute(update(OutboxMessage).values(done_at=WHEN))
    later = WHEN + timedelta(days=90)

    def stands() -> tuple[str, int | None, bool]:
        db.session.rollback()
        found = db.session.get_one(RentReturn, return_id, populate_existing=True)
        listed = return_lists.list_returns(desk.organisation_id, left_at=later)
        is_listed = db.session.scalar(listed.with_only_columns(func.count())) == 1
        assert is_listed is bool(left.why_left(found, later))
        return found.state, found.said_minor, is_listed

    assert stands() == ("pending", None, True)
    assert [collecting.recover(clock=lambda: later) for _ in range(2)] == [1, 0]
    desk.gateway.refund_replies = [CollectionAnswer(_C.COMPLETED, amount_minor=said)]
    returns.work(return_id=return_id, clock=lambda: later)
    assert stands() == (state, said if state == "pending" else None, state == "pending")
    # What the gateway says is known now: nobody asks again, people choose from it.
    assert collecting.recover(clock=lambda: later + timedelta(minutes=5)) == 0
    if state == "pending":
        found, payment = db.session.get_one(RentReturn, return_id), desk.payment
        assert settling.choices_of_refund(found, payment) == [settling.Choice.AS_SAID]


def test_a_refund_without_an_order_at_the_gateway_is_left_and_not_asked_about(desk: Desk) -> None:
    desk.pay()
    reference = desk.payment.reference
    with transaction() as session:
        row = returns.order_refund(
            organisation_id=desk.organisation_id, reference=reference, amount_minor=1_00, reason="Twice.",
            actor=FACTORY, now=WHEN,
        )  # fmt: skip
        row.next_check_at = None
        session.get_one(RentPayment, row.payment_id).merchant_order_id = None
        session.execute(update(OutboxMessage).values(done_at=WHEN))
        assert left.why_left(row, WHEN) == left.UNASKED
    assert collecting.recover(clock=lambda: WHEN + timedelta(days=90)) == 0
