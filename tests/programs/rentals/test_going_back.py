"""Rent on its way back to the tenant: believed only when it is certain, and nothing of it leaves meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import func, select, update

from tests import factories
from tests.factories import rentals
from tests.factories.people import FACTORY
from tests.factories.rentals import WHEN
from tests.programs.rentals.gateway import ScriptedGateway
from tests.programs.rentals.test_flow import Scene
from tests.rooms.payouts.rails import ScriptedRail
from webapp.audit.models import AuditEvent
from webapp.database import db, transaction
from webapp.inbox.handling import Outcome as Handled
from webapp.inbox.models import MessageState
from webapp.kernel.errors import Conflict
from webapp.outbox.models import OutboxMessage
from webapp.outbox.service import Later
from webapp.payouts import execution, settlement
from webapp.payouts import service as payouts
from webapp.payouts.models import Payout, Transfer
from webapp.people.models import Payee
from webapp.programs.rentals import booking, collecting, hooks, returns, service, sharing, work
from webapp.programs.rentals.models import DistributionShare, OwnerDebt, RentCharge, RentPayment, RentReturn
from webapp.providers import registry
from webapp.providers.ports import Answer, CollectionAnswer, CollectionState, Outcome

pytestmark = pytest.mark.usefixtures("database")
_C, _O = CollectionState, Outcome


@pytest.fixture
def scene(database: object) -> Iterator[Scene]:
    """A house, a flat, a month's rent that was paid and shared out."""
    work.register()
    gateway = ScriptedGateway()
    with registry.collecting_with("phonepe", gateway):
        made = Scene(gateway)
        made.pay()
        yield made


def _order(scene: Scene, amount: int = 10_000_00) -> int:
    with transaction():
        row = returns.order_refund(
            organisation_id=scene.organisation_id, reference=scene.payment.reference, amount_minor=amount,
            reason="Paid twice.", actor=FACTORY, now=WHEN,
        )  # fmt: skip
        return row.id


def _work(scene: Scene, return_id: int, *replies: CollectionAnswer | CollectionState) -> RentReturn:
    if replies:
        scene.gateway.refund_replies = list(replies)
    returns.work(return_id=return_id, clock=lambda: WHEN)
    return _return(return_id)


def _return(return_id: int) -> RentReturn:
    db.session.rollback()
    return db.session.get_one(RentReturn, return_id, populate_existing=True)


def _share(scene: Scene) -> None:
    collecting.share(payment_id=scene.payment.id, clock=lambda: WHEN)


def _chargeback(scene: Scene, case: str = "CB-1", amount: int = 10_000_00) -> None:
    with transaction():
        returns.record_chargeback(
            organisation_id=scene.organisation_id, reference=scene.payment.reference, case_number=case,
            amount_minor=amount, reason="The tenant's bank took it back.", actor=FACTORY, now=WHEN,
        )  # fmt: skip


def _differences() -> int:
    db.session.rollback()
    tag = "rentals:rent_payment:amount_differs"
    return int(db.session.scalar(select(func.count()).where(AuditEvent.tag == tag)) or 0)


# ---------------------------------------------------------------- what the gateway says


def test_a_refused_refund_that_the_gateway_knows_has_not_failed(scene: Scene) -> None:
    return_id = _order(scene)
    scene.gateway.refund_order = CollectionAnswer(_C.FAILED, code="BAD_REQUEST", message="No.")
    row = _work(scene, return_id, _C.NOT_FOUND, _C.PENDING)
    assert (row.state, row.next_check_at is not None) == ("pending", True)
    assert _work(scene, return_id, _C.COMPLETED).state == "completed"
    assert len(scene.gateway.refunded) == 1


@pytest.mark.parametrize("said", [_C.UNKNOWN, _C.NOT_SENT])
def test_a_refused_refund_is_asked_about_until_it_is_certain(scene: Scene, said: CollectionState) -> None:
    return_id = _order(scene)
    scene.gateway.refund_order = CollectionAnswer(_C.FAILED, message="No.")
    assert _work(scene, return_id, _C.NOT_FOUND, said).state == "pending"
    row = _work(scene, return_id, _C.NOT_FOUND)
    assert (row.state, row.error_message) == ("failed", "No.")


def test_a_refund_that_was_called_failed_counts_when_it_went_through(scene: Scene) -> None:
    return_id = _order(scene)
    assert _work(scene, return_id, _C.FAILED).state == "failed"
    _share(scene)
    assert _work(scene, return_id, _C.COMPLETED).state == "completed"
    _share(scene)
    assert scene.payment.returned_minor == 10_000_00
    assert {p.state for p in scene.payouts} == {"cancelled"}
    assert scene.balance("collections") == 200_00
    assert scene.gateway.refunded == []
    assert scene.books_agree()


def test_a_failed_refund_is_never_ordered_again(scene: Scene) -> None:
    return_id = _order(scene)
    _work(scene, return_id, _C.FAILED)
    assert _work(scene, return_id, _C.NOT_FOUND).state == "failed"
    assert scene.gateway.refunded == []


def test_more_than_was_paid_is_left_to_a_person(scene: Scene) -> None:
    return_id = _order(scene, 6_000_00)
    _work(scene, return_id, _C.FAILED)
    _chargeback(scene, amount=6_000_00)
    for _ in range(2):
        row = _work(scene, return_id, _C.COMPLETED)
        assert (row.state, row.error_message[-19:]) == ("failed", "A person must look.")
    assert scene.payment.returned_minor == 6_000_00
    assert _differences() == 1
    assert scene.books_agree()


def test_a_refund_of_another_amount_is_asked_for_no_more(scene: Scene) -> None:
    return_id = _order(scene, 500_00)
    other = CollectionAnswer(_C.COMPLETED, amount_minor=400_00)
    for _ in range(2):
        row = _work(scene, return_id, other)
        assert (row.state, row.next_check_at) == ("pending", None)
        assert (
            row.error_message
            == "The gateway says ₹400.00 went back, and ₹500.00 was asked for. A person must look."
        )
    assert (_differences(), scene.payment.returned_minor) == (1, 0)
    query = select(func.count()).where(OutboxMessage.kind == "rent.return")
    assert db.session.scalar(query) == 1


def test_another_amount_of_an_order_is_recorded_once(scene: Scene) -> None:
    scene.charge_id = rentals.charge(scene.place, 12_000_00).id
    scene.begin()
    scene.gateway.statuses = [CollectionAnswer(_C.COMPLETED, amount_minor=5)]
    for _ in range(3):
        assert scene.ask().error_code == "AMOUNT_DIFFERS"
    assert _differences() == 1


def _message(return_id: int) -> Handled | Later:
    return hooks.handle(
        _return(return_id).organisation_id, _return(return_id).return_ref, "pg.refund.completed"
    )


def test_a_message_of_a_refund_is_not_applied_before_it_is(scene: Scene) -> None:
    return_id = _order(scene, 500_00)
    scene.gateway.refund_replies = [_C.PENDING]
    assert isinstance(_message(return_id), Later)
    scene.gateway.refund_replies = [CollectionAnswer(_C.COMPLETED, amount_minor=400_00)]
    differs = _message(return_id)
    assert isinstance(differs, Handled)
    assert (differs.state, "A person must look" in differs.note) == (MessageState.FAILED, True)
    scene.gateway.refund_replies = [CollectionAnswer(_C.FAILED, message="No account.")]
    failed = _message(return_id)
    assert isinstance(failed, Handled)
    assert (failed.state, failed.note.partition(" is ")[2]) == (MessageState.FAILED, "failed: No account.")
    scene.gateway.refund_replies = [_C.UNKNOWN]
    assert isinstance(_message(return_id), Later)
    scene.gateway.refund_replies = [_C.COMPLETED]
    applied = _message(return_id)
    assert isinstance(applied, Handled)
    assert applied.state == MessageState.APPLIED


# ---------------------------------------------------------------- what has not left


def _send(scene: Scene, *, is_begun: bool = True) -> list[Payout]:
    with transaction():
        for payout_id in db.session.scalars(select(Payout.id).order_by(Payout.id)).all():
            row = db.session.get_one(Payout, payout_id)
            if row.state != "pending_approval":
                continue
            factories.method(db.session.get_one(Payee, row.payee_id))
            same: dict[str, Any] = {
                "organisation_id": scene.organisation_id,
                "reference": row.reference,
                "actor": FACTORY,
            }
            payouts.approve(**same, now=WHEN)
            payouts.submit(**same, now=WHEN, rail="sandbox")
        # A worker has begun to send them, or has not yet.
        db.session.execute(update(Transfer).values(sends=int(is_begun)))
    return scene.payouts


def _answer(payout: Payout, *answers: Answer) -> None:
    payout_id = payout.id
    with transaction():
        row_id = db.session.scalars(select(Transfer.id).where(Transfer.payout_id == payout_id)).one()
        for answer in answers:
            settlement.apply(*settlement.lock_transfer(row_id), answer, WHEN)


_ENDS = {
    "failed": [Answer(_O.FAILED, code="ACCOUNT_CLOSED")],
    "retry_scheduled": [Answer(_O.FAILED, code="BANK_UNAVAILABLE")],
    "reversed": [Answer(_O.SUCCEEDED, utr="U1"), Answer(_O.REVERSED)],
}


def _nobody_owes(scene: Scene) -> None:
    for owner in scene.owners:
        assert scene.balance(f"held:{owner.reference}") == 0
        assert scene.balance(f"receivable:{owner.reference}") == 0
        assert scene.balance(f"payable:{owner.reference}") == 0
    assert all(debt.netted_minor == debt.amount_minor for debt in db.session.scalars(select(OwnerDebt)))
    assert scene.balance("collections") == 200_00
    assert scene.books_agree()


@pytest.mark.parametrize("state", sorted(_ENDS))
def test_what_did_not_reach_the_owner_is_not_sent_after_a_chargeback(scene: Scene, state: str) -> None:
    for payout in _send(scene):
        _answer(payout, *_ENDS[state])
    assert [p.state for p in scene.payouts] == [state, state]
    _chargeback(scene)
    _share(scene)
    assert [p.state for p in scene.payouts] == ["cancelled", "cancelled"]
    for payout in scene.payouts:
        assert (
            execution.retry_due(payout_id=payout.id, clock=lambda: WHEN.replace(year=WHEN.year + 1)) is None
        )
    db.session.rollback()
    assert len(db.session.scalars(select(Transfer)).all()) == 2
    _nobody_owes(scene)


@pytest.mark.parametrize("state", sorted(_ENDS))
def test_a_transfer_that_comes_to_nothing_after_the_chargeback_is_taken_back(
    scene: Scene, state: str
) -> None:
    _send(scene)
    _chargeback(scene)
    assert scene.balance(f"receivable:{scene.owners[0].reference}") == 5_433_60
    for payout in scene.payouts:
        _answer(payout, *_ENDS[state])
    query = select(OutboxMessage.id).where(
        OutboxMessage.kind == "rent.share", OutboxMessage.dedupe_key.contains(":failed:")
    )
    assert len(db.session.scalars(query).all()) >= 2
    _share(scene)
    assert [p.state for p in scene.payouts] == ["cancelled", "cancelled"]
    _nobody_owes(scene)


def test_a_transfer_that_no_worker_has_begun_to_send_is_taken_back(scene: Scene) -> None:
    _send(scene, is_begun=False)
    _chargeback(scene, amount=1_000_00)
    assert [p.state for p in scene.payouts] == ["cancelled", "cancelled"]
    for transfer in db.session.scalars(select(Transfer)):
        assert (transfer.state, transfer.error_code) == ("failed", "WITHDRAWN")
    for transfer_id in db.session.scalars(select(Transfer.id)).all():
        db.session.rollback()
        assert execution.send(transfer_row_id=transfer_id, clock=lambda: WHEN) is None
    _share(scene)
    assert [p.amount_minor for p in scene.payouts[2:]] == [4_890_24, 3_260_16]
    debts = db.session.scalars(select(OwnerDebt).order_by(OwnerDebt.id)).all()
    assert [(d.unsent_minor, d.amount_minor) for d in debts] == [(543_36, 543_36), (362_24, 362_24)]
    db.session.rollback()
    query = select(func.count()).where(OutboxMessage.kind == "notice.payout.failed")
    assert db.session.scalar(query) == 0
    assert scene.books_agree()


def test_what_was_never_taken_in_by_the_bank_is_taken_back(scene: Scene) -> None:
    _send(scene, is_begun=False)
    with registry.using("sandbox", ScriptedRail([_O.NOT_SENT])):
        for transfer_id in db.session.scalars(select(Transfer.id)).all():
            db.session.rollback()
            execution.send(transfer_row_id=transfer_id, clock=lambda: WHEN)
    assert [t.sends for t in db.session.scalars(select(Transfer))] == [1, 1]
    _chargeback(scene, amount=1_000_00)
    assert [p.state for p in scene.payouts] == ["cancelled", "cancelled"]
    assert scene.books_agree()


def test_payouts_are_taken_back_in_their_order_and_not_in_that_of_the_shares(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches lock payouts in the order of their ids; whoever locks them in another one may wait in a circle."""
    first = scene.payouts[0]
    common: dict[str, Any] = {"organisation_id": scene.organisation_id, "actor": FACTORY, "now": WHEN}
    reference, share_id = (
        first.reference, db.session.scalar(select(DistributionShare.id).where(DistributionShare.payout_id == first.id))
    )  # fmt: skip
    db.session.rollback()
    with transaction():
        payouts.cancel(reference=reference, reason="Made again.", **common)
    with transaction():
        sharing.decide_blocked(share_id=share_id, is_paid_again=True, reason="Pay it.", **common)
    _share(scene)
    third = scene.payouts[2].reference
    taken, real = [], payouts.cancel

    def cancel(**values: Any) -> Any:
        taken.append(values["reference"])
        return real(**values)

    monkeypatch.setattr(payouts, "cancel", cancel)
    second_reference = scene.payouts[1].reference
    _chargeback(scene)
    assert taken == [second_reference, third]
    _nobody_owes(scene)


def test_what_is_under_review_is_held(scene: Scene) -> None:
    for payout in _send(scene):
        _answer(payout, Answer(_O.FAILED, code="ACCOUNT_CLOSED"), Answer(_O.SUCCEEDED, utr="U1"))
    _chargeback(scene)
    assert [(p.state, p.is_held) for p in scene.payouts] == [("failed", True)] * 2
    assert scene.payouts[0].hold_reason.startswith("The rent went back to the tenant (chargeback of RP-")
    assert scene.books_agree()


def test_what_is_on_hold_stays_there_until_a_person_has_looked(scene: Scene) -> None:
    for payout in scene.payouts:
        factories.method(payout.payee)
        same: dict[str, Any] = {"organisation_id": scene.organisation_id, "reference": payout.reference}
        with transaction():
            payouts.approve(**same, actor=FACTORY, now=WHEN)
            payouts.hold(**same, reason="Restored from a back-up.", actor=FACTORY, now=WHEN)
    return_id = _order(scene)
    _share(scene)
    _work(scene, return_id, _C.COMPLETED)
    _share(scene)
    assert [(p.state, p.is_held) for p in scene.payouts] == [("approved", True)] * 2
    said = scene.payouts[0].hold_reason
    assert said.startswith("Restored from a back-up. The rent goes back to the tenant (refund of RP-")
    for payout in scene.payouts:
        reference = payout.reference
        with transaction():
            payouts.cancel(
                organisation_id=scene.organisation_id, reference=reference, reason="Not paid.",
                actor=FACTORY, now=WHEN,
            )  # fmt: skip
    _share(scene)
    assert len(scene.payouts) == 2
    _nobody_owes(scene)


def _drop(scene: Scene, *, is_dismissed: bool) -> DistributionShare:
    with transaction():
        payout = db.session.scalars(select(Payout).order_by(Payout.id)).first()
        assert payout is not None
        payouts.reject(
            organisation_id=scene.organisation_id, reference=payout.reference, reason="Wrong.",
            actor=FACTORY, now=WHEN,
        )  # fmt: skip
    share_id = db.session.scalars(
        select(DistributionShare.id).where(DistributionShare.offer == "blocked")
    ).one()
    db.session.rollback()
    if is_dismissed:
        with transaction():
            sharing.decide_blocked(
                organisation_id=scene.organisation_id, share_id=share_id, is_paid_again=False,
                reason="Not theirs.", actor=FACTORY, now=WHEN,
            )  # fmt: skip
    return db.session.get_one(DistributionShare, share_id)


@pytest.mark.parametrize("is_dismissed", [False, True])
def test_a_held_share_bears_its_own_return(scene: Scene, is_dismissed: bool) -> None:
    share_id = _drop(scene, is_dismissed=is_dismissed).id
    _chargeback(scene)
    share = db.session.get_one(DistributionShare, share_id)
    assert (share.offer, share.waits_for, share.netted_minor) == ("open", "", 5_433_60)
    _share(scene)
    _nobody_owes(scene)
    scene.charge_id = rentals.charge(scene.place, 12_000_00).id
    scene.pay()
    assert [p.amount_minor for p in scene.payouts[2:]] == [6_520_32, 4_346_88]


@pytest.mark.parametrize("is_dismissed", [False, True])
def test_a_held_share_bears_a_part(scene: Scene, is_dismissed: bool) -> None:
    share_id = _drop(scene, is_dismissed=is_dismissed).id
    _chargeback(scene, amount=1_000_00)
    share = db.session.get_one(DistributionShare, share_id)
    assert (share.offer, share.netted_minor) == ("dismissed" if is_dismissed else "blocked", 543_36)
    first = scene.owners[0].reference
    assert (scene.balance(f"held:{first}"), scene.balance(f"receivable:{first}")) == (4_890_24, 0)
    assert scene.books_agree()


# ---------------------------------------------------------------- while it is under way


def test_nothing_leaves_while_a_refund_is_under_way(scene: Scene) -> None:
    return_id = _order(scene, 1_000_00)
    assert [p.state for p in scene.payouts] == ["cancelled", "cancelled"]
    _share(scene)
    assert len(scene.payouts) == 2
    waiting = {share.waits_for for share in db.session.scalars(select(DistributionShare))}
    assert waiting == {"A refund to the tenant is under way."}
    _work(scene, return_id, _C.FAILED)
    _share(scene)
    assert [p.amount_minor for p in scene.payouts[2:]] == [5_433_60, 3_622_40]
    assert scene.books_agree()


def test_a_transfer_that_fails_while_a_refund_is_under_way_is_taken_back(scene: Scene) -> None:
    payout = _send(scene)[0]
    return_id = _order(scene)
    _answer(payout, *_ENDS["retry_scheduled"])
    _share(scene)
    assert [p.state for p in scene.payouts] == ["cancelled", "processing"]
    _work(scene, return_id, _C.COMPLETED)
    assert scene.balance(f"receivable:{scene.owners[0].reference}") == 0
    assert scene.balance(f"receivable:{scene.owners[1].reference}") == 3_622_40
    assert scene.books_agree()


def test_a_refused_refund_keeps_nobody_waiting_where_payouts_are_made_by_hand(scene: Scene) -> None:
    return_id = _order(scene, 1_000_00)
    with transaction():
        service.change_settings(
            organisation_id=scene.organisation_id, charge_days_before=5, is_automatic=False,
            actor=FACTORY, now=WHEN,
        )  # fmt: skip
    _work(scene, return_id, _C.FAILED)
    _share(scene)
    assert len(scene.payouts) == 2
    assert {share.waits_for for share in db.session.scalars(select(DistributionShare))} == {""}


@pytest.mark.parametrize(("said", "n_payouts"), [(_C.COMPLETED, 0), (_C.FAILED, 2)])
def test_a_rent_is_not_shared_out_while_it_is_going_back(
    scene: Scene, said: CollectionState, n_payouts: int
) -> None:
    scene.charge_id = rentals.charge(scene.place, 12_000_00).id
    scene.begin()
    scene.gateway.statuses = [_C.COMPLETED]
    collecting.check(payment_id=scene.payment.id, clock=lambda: WHEN)
    return_id = _order(scene, 12_000_00)
    payment_id = scene.payment.id
    _share(scene)
    assert db.session.get_one(RentPayment, payment_id).distribution is None
    _work(scene, return_id, said)
    query = select(OutboxMessage.id).where(
        OutboxMessage.kind == "rent.share",
        OutboxMessage.dedupe_key.startswith(f"rent.share:{payment_id}:return:"),
    )
    assert len(db.session.scalars(query).all()) == 1
    _share(scene)
    assert len(scene.payouts) == 2 + n_payouts
    assert scene.books_agree()


# ---------------------------------------------------------------- locks and numbers


def test_the_charge_is_locked_after_its_payment(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    locked: list[type] = []
    lock = booking.lock_row

    def spy(model: type, *conditions: object, **how: object) -> object:
        locked.append(model)
        return lock(model, *conditions, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(booking, "lock_row", spy)
    _chargeback(scene)
    assert locked[-2:] == [RentPayment, RentCharge]
    db.session.rollback()
    assert db.session.get_one(RentCharge, scene.charge_id).paid_minor == 0


def test_a_case_number_belongs_to_one_organisation(scene: Scene) -> None:
    _chargeback(scene, "CB-7", 100_00)
    with pytest.raises(Conflict, match="recorded already"):
        _chargeback(scene, "CB-7", 100_00)
    other = Scene(scene.gateway)
    other.pay()
    _chargeback(other, "CB-7", 200_00)
    assert (other.payment.returned_minor, scene.payment.returned_minor) == (200_00, 100_00)
    assert other.books_agree()
