"""From a tenant's payment to the owners' payouts: received once, shared out once, paid once; and back again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select

from tests import factories
from tests.factories import rentals
from tests.factories.people import FACTORY
from tests.factories.rentals import WHEN
from tests.programs.rentals.gateway import ScriptedGateway
from webapp.database import db, transaction
from webapp.kernel.errors import Conflict, Invalid, NotAllowed
from webapp.ledger import check as ledger_check
from webapp.ledger.models import Account
from webapp.payouts import service as payouts
from webapp.payouts.models import Payout
from webapp.people.models import Organisation, Payee
from webapp.programs.rentals import collecting, payments, returns, sharing
from webapp.programs.rentals.models import (
    DistributionShare,
    OwnerDebt,
    PaymentState,
    Property,
    RentCharge,
    RentPayment,
    RentReturn,
)
from webapp.providers import registry
from webapp.providers.ports import CollectionAnswer, CollectionState

pytestmark = pytest.mark.usefixtures("database")
_C = CollectionState


class Scene:
    """A house of two owners (60 and 40), a flat of 10,000.00 a month, and the month's charge."""

    def __init__(self, gateway: ScriptedGateway) -> None:
        self.gateway = gateway
        self.organisation: Organisation = rentals.griha()
        self.owners: list[Payee] = [rentals.owner(self.organisation) for _ in range(2)]
        self.place: Property = rentals.property_of(
            self.organisation, [(self.owners[0], 60), (self.owners[1], 40)]
        )
        self.charge: RentCharge = rentals.charge(self.place)
        self.organisation_id, self.charge_id = self.organisation.id, self.charge.id

    def begin(self) -> RentPayment:
        """The tenant goes to the gateway's page."""
        collecting.open_order(
            charge_id=self.charge_id, return_url="http://localhost/", actor=FACTORY, clock=lambda: WHEN
        )
        return self.payment

    def pay(self) -> RentPayment:
        """The tenant pays, and the owners' payouts are made."""
        self.begin()
        self.gateway.statuses = [_C.COMPLETED]
        return self.ask()

    def ask(self) -> RentPayment:
        """Ask the gateway, and share out what came."""
        payment_id = self.payment.id
        collecting.check(payment_id=payment_id, clock=lambda: WHEN)
        collecting.share(payment_id=payment_id, clock=lambda: WHEN)
        return self.payment

    @property
    def payment(self) -> RentPayment:
        db.session.rollback()
        query = select(RentPayment).where(RentPayment.organisation_id == self.organisation_id)
        return db.session.scalars(
            query.order_by(RentPayment.id.desc()).execution_options(populate_existing=True)
        ).first()

    @property
    def payouts(self) -> list[Payout]:
        db.session.rollback()
        query = select(Payout).where(Payout.organisation_id == self.organisation_id).order_by(Payout.id)
        return list(db.session.scalars(query.execution_options(populate_existing=True)))

    def balance(self, code: str) -> int:
        db.session.rollback()
        query = select(Account.balance_minor).where(
            Account.organisation_id == self.organisation_id, Account.code == code
        )
        return int(db.session.scalar(query) or 0)

    def books_agree(self) -> bool:
        db.session.rollback()
        return not ledger_check.run().findings


@pytest.fixture
def gateway() -> Iterator[ScriptedGateway]:
    """The gateway of the test."""
    other = ScriptedGateway()
    with registry.collecting_with("phonepe", other):
        yield other


@pytest.fixture
def scene(database: object, gateway: ScriptedGateway) -> Scene:
    """A house, a flat, a month's rent."""
    return Scene(gateway)


def test_a_paid_rent_becomes_one_payout_for_each_owner(scene: Scene) -> None:
    assert scene.pay().state == PaymentState.COMPLETED
    assert [p.amount_minor for p in scene.payouts] == [5_433_60, 3_622_40]
    assert scene.balance("income:management_fee") == 800_00
    assert scene.balance("tax_on_fees") == 144_00
    assert scene.balance("income:gateway_charge") == 200_00
    assert scene.balance("collections") == 10_200_00
    assert scene.balance("rent_received") == 0
    assert scene.books_agree()


def test_lines_of_a_payout_say_how_it_came_about(scene: Scene) -> None:
    scene.pay()
    lines = [(line.kind, line.amount_minor) for line in scene.payouts[0].lines]
    assert lines == [("earning", 6_000_00), ("deduction", -480_00), ("tax", -86_40)]


def test_asking_again_changes_nothing(scene: Scene) -> None:
    scene.pay()
    scene.ask()
    scene.ask()
    assert len(scene.payouts) == 2
    assert scene.balance("collections") == 10_200_00


def test_two_clicks_open_one_order(scene: Scene) -> None:
    scene.begin()
    scene.begin()
    assert len(scene.gateway.created) == 1


def test_nothing_is_asked_for_a_paid_rent(scene: Scene) -> None:
    scene.pay()
    with pytest.raises(Conflict, match="is paid"):
        scene.begin()


def test_another_amount_is_not_received(scene: Scene) -> None:
    scene.begin()
    scene.gateway.statuses = [CollectionAnswer(_C.COMPLETED, amount_minor=10_000_00)]
    payment = scene.ask()
    assert (payment.state, payment.error_code) == (PaymentState.PENDING, "AMOUNT_DIFFERS")
    assert scene.payouts == []
    assert scene.balance("collections") == 0


def test_money_that_comes_after_a_failure_is_received(scene: Scene) -> None:
    scene.begin()
    scene.gateway.statuses = [_C.FAILED, _C.COMPLETED]
    assert scene.ask().state == PaymentState.FAILED
    assert scene.ask().state == PaymentState.COMPLETED
    assert len(scene.payouts) == 2


@pytest.mark.parametrize("word", [_C.PENDING, _C.UNKNOWN, _C.NOT_SENT, _C.NOT_FOUND])
def test_what_is_not_known_is_asked_again(scene: Scene, word: CollectionState) -> None:
    scene.begin()
    scene.gateway.statuses = [word]
    payment = scene.ask()
    assert payment.state == PaymentState.PENDING
    assert payment.next_check_at == WHEN + timedelta(seconds=3)


def test_an_order_that_nobody_knows_fails_after_its_time(scene: Scene) -> None:
    payment_id = scene.begin().id
    scene.gateway.statuses = [_C.NOT_FOUND]
    collecting.check(payment_id=payment_id, clock=lambda: WHEN + timedelta(hours=1))
    assert scene.payment.state == PaymentState.FAILED


def test_an_adapter_that_breaks_says_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.begin()

    def broken(*_: object) -> CollectionAnswer:
        raise RuntimeError

    monkeypatch.setattr(scene.gateway, "status", broken)
    assert scene.ask().state == PaymentState.PENDING


def test_a_property_without_owners_keeps_the_rent(scene: Scene) -> None:
    with transaction():
        place = db.session.get_one(Property, scene.place.id)
        place.shares = []
    assert scene.pay().state == PaymentState.COMPLETED
    assert scene.payouts == []
    assert scene.balance("rent_received") == 10_000_00


def test_a_switched_off_owner_waits_with_a_reason_and_the_other_is_paid(scene: Scene) -> None:
    with transaction():
        db.session.get_one(Payee, scene.owners[0].id).is_active = False
    scene.pay()
    assert [p.payee_id for p in scene.payouts] == [scene.owners[1].id]
    share = db.session.scalars(select(DistributionShare).order_by(DistributionShare.id)).first()
    assert share is not None
    assert "switched off" in share.waits_for


def _reject(scene: Scene, payout: Payout) -> None:
    with transaction():
        payouts.reject(
            organisation_id=scene.organisation_id,
            reference=payout.reference,
            reason="The terms are wrong.",
            actor=FACTORY,
            now=WHEN,
        )


def test_a_rejected_share_waits_for_a_person(scene: Scene) -> None:
    scene.pay()
    _reject(scene, scene.payouts[0])
    scene.ask()
    assert len(scene.payouts) == 2
    share_id = db.session.scalar(select(DistributionShare.id).where(DistributionShare.offer == "blocked"))
    assert share_id is not None
    with transaction():
        sharing.decide_blocked(
            organisation_id=scene.organisation_id, share_id=share_id, is_paid_again=True,
            reason="They are right now.", actor=FACTORY, now=WHEN,
        )  # fmt: skip
    scene.ask()
    assert [p.state for p in scene.payouts] == ["rejected", "pending_approval", "pending_approval"]


def _refund(scene: Scene, amount: int) -> RentReturn:
    with transaction():
        row = returns.order_refund(
            organisation_id=scene.organisation_id, reference=scene.payment.reference, amount_minor=amount,
            reason="Paid twice.", actor=FACTORY, now=WHEN,
        )  # fmt: skip
        return_id = row.id
    returns.work(return_id=return_id, clock=lambda: WHEN)
    scene.gateway.refund_replies = [_C.COMPLETED]
    returns.work(return_id=return_id, clock=lambda: WHEN)
    db.session.rollback()
    return db.session.get_one(RentReturn, return_id)


def test_a_refund_takes_unsent_payouts_back(scene: Scene) -> None:
    scene.pay()
    assert _refund(scene, 10_000_00).state == "completed"
    scene.ask()
    assert [p.state for p in scene.payouts] == ["cancelled", "cancelled"]
    assert scene.payment.state == PaymentState.REFUNDED
    assert scene.balance(f"held:{scene.owners[0].reference}") == 0
    assert scene.balance(f"receivable:{scene.owners[0].reference}") == 0
    assert scene.balance("income:management_fee") == 0
    assert scene.balance("collections") == 200_00
    assert scene.books_agree()


def test_a_part_that_goes_back_makes_smaller_payouts(scene: Scene) -> None:
    scene.pay()
    _refund(scene, 1_000_00)
    scene.ask()
    assert [(p.state, p.amount_minor) for p in scene.payouts[2:]] == [
        ("pending_approval", 4_890_24),
        ("pending_approval", 3_260_16),
    ]
    assert scene.books_agree()


def test_a_refund_is_ordered_once(scene: Scene) -> None:
    scene.pay()
    row = _refund(scene, 500_00)
    returns.work(return_id=row.id, clock=lambda: WHEN)
    assert scene.gateway.refunded == [(row.return_ref, 500_00)]


@pytest.mark.parametrize("amount", [0, -1, 10_000_01])
def test_more_than_came_cannot_go_back(scene: Scene, amount: int) -> None:
    scene.pay()
    with pytest.raises(Invalid, match="At most"):
        _refund(scene, amount)


def test_a_chargeback_after_payout_is_owed_and_netted(scene: Scene) -> None:
    scene.pay()
    with transaction():
        for number, payout in enumerate(scene_payouts := list(scene_ids(scene))):
            row = db.session.get_one(Payout, payout)
            factories.method(db.session.get_one(Payee, row.payee_id))
            payouts.approve(
                organisation_id=scene.organisation_id, reference=row.reference, actor=FACTORY, now=WHEN
            )
            payouts.mark_paid(
                organisation_id=scene.organisation_id, reference=row.reference, payment_reference=f"N{number}",
                paid_on=WHEN.date(), actor=FACTORY, now=WHEN,
            )  # fmt: skip
    assert len(scene_payouts) == 2
    with transaction():
        returns.record_chargeback(
            organisation_id=scene.organisation_id, reference=scene.payment.reference, case_number="CB-1",
            amount_minor=10_000_00, reason="The tenant's bank took it back.", actor=FACTORY, now=WHEN,
        )  # fmt: skip
    owed = [debt.amount_minor for debt in db.session.scalars(select(OwnerDebt).order_by(OwnerDebt.id))]
    assert owed == [5_433_60, 3_622_40]
    assert scene.balance(f"receivable:{scene.owners[0].reference}") == 5_433_60
    scene.charge_id = rentals.charge(scene.place, 12_000_00).id
    scene.pay()
    # 12,000.00 leaves 10,867.20; 6,520.32 and 4,346.88 less what is owed.
    assert [p.amount_minor for p in scene.payouts[2:]] == [1_086_72, 724_48]
    assert scene.balance(f"receivable:{scene.owners[0].reference}") == 0
    assert scene.books_agree()


def scene_ids(scene: Scene) -> list[int]:
    """Ids of the payouts, read before a transaction begins."""
    return list(db.session.scalars(select(Payout.id).where(Payout.organisation_id == scene.organisation_id)))


def _enter(scene: Scene, proof: str = "UTR123") -> RentPayment:
    first = factories.user(organisation=scene.organisation, role="admin")
    with transaction():
        return payments.enter_by_hand(
            organisation_id=scene.organisation_id, charge_reference=scene.charge.reference,
            amount_minor=4_000_00, received_on=WHEN.date(), proof_reference=proof, proof_key=None,
            proof_name="", actor=factories.actor_of(first), now=WHEN,
        )  # fmt: skip


def test_rent_by_hand_counts_when_a_second_person_verified_it(scene: Scene) -> None:
    payment = _enter(scene)
    assert scene.balance("bank") == 0
    second = factories.actor_of(factories.user(organisation=scene.organisation, role="admin"))
    with transaction():
        payments.verify(
            organisation_id=scene.organisation_id, reference=payment.reference, actor=second, now=WHEN
        )
    collecting.share(payment_id=scene.payment.id, clock=lambda: WHEN)
    assert scene.balance("bank") == 4_000_00
    assert len(scene.payouts) == 2
    assert db.session.get_one(RentCharge, scene.charge_id).state == "part"


def test_who_entered_it_does_not_verify_it(scene: Scene) -> None:
    payment = _enter(scene)
    entered_by = payment.entered_by_id
    with pytest.raises(NotAllowed, match="another person"), transaction():
        payments.verify(
            organisation_id=scene.organisation_id,
            reference=payment.reference,
            actor=type(FACTORY)(entered_by, "first"),
            now=WHEN,
        )


def test_one_proof_proves_one_payment(scene: Scene) -> None:
    _enter(scene)
    with pytest.raises(Conflict, match="another payment"):
        _enter(scene)
