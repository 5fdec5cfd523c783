"""From waiting payouts to the bank: two people, the hash, what stops a file, and that nothing is paid twice."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from tests import factories
from tests.factories import bankfiles
from tests.factories.pages import Place
from tests.factories.payouts import WHEN
from tests.factories.people import actor_of
from tests.rooms.bankfiles.conftest import items, payout, transfers
from webapp.bankfiles import making, queries, service, vault
from webapp.bankfiles.models import BankFile, BankFileItem
from webapp.database import db, transaction
from webapp.kernel.errors import Conflict, Invalid, NotAllowed, NotFound, StaleVersion, Unavailable
from webapp.ledger import check
from webapp.outbox.models import OutboxMessage
from webapp.payouts import execution, policies, recovery
from webapp.payouts import service as payouts
from webapp.people.models import PayoutMethod, User
from webapp.providers import registry, storage
from webapp.providers.ports import Outcome


def _downloaded(place: Place, approver: User | None = None) -> BankFile:
    made = bankfiles.make(place.organisation, place.maker)
    return bankfiles.download(bankfiles.approve(made, approver or place.approver), place.maker)


def test_a_waiting_payout_is_sent_by_no_worker(place: Place) -> None:
    bankfiles.waiting(place.organisation)
    (transfer,) = transfers()
    assert execution.send(transfer_row_id=transfer.id) is None
    recovery.sweep(clock=lambda: WHEN + timedelta(hours=5))
    (transfer,) = transfers()
    assert (transfer.state, transfer.sends) == ("queued", 0)
    assert payout(transfer.payout.reference).state == "processing"
    assert check.run(place.organisation.id).findings == []


def test_from_waiting_to_uploaded(place: Place) -> None:
    references = [bankfiles.waiting(place.organisation, amount).reference for amount in (100, 250, 49_950)]
    file = bankfiles.make(place.organisation, place.maker)
    assert (file.state, file.item_count, file.total_minor, file.currency) == ("made", 3, 50_300, "USD")
    data = bankfiles.bytes_of(file)
    assert hashlib.sha256(data).hexdigest() == file.sha256
    assert len(data) == file.size_bytes
    assert [item.payout.reference for item in items(file)] == references
    file = bankfiles.approve(file, place.approver)
    assert {t.state for t in transfers()} == {"queued"}
    file = bankfiles.download(file, place.maker)
    assert {t.state for t in transfers()} == {"queued"}
    file = bankfiles.send(file, place.maker)
    assert (file.state, file.bank_reference) == ("sent", "UPL-1")
    for transfer in transfers():
        assert (transfer.state, transfer.sends, transfer.provider_reference) == (
            "accepted",
            1,
            file.reference,
        )
        assert transfer.next_check_at is None
        assert [(e.source, e.from_state, e.to_state) for e in transfer.events] == [
            ("operator", "queued", "accepted")
        ]
    assert check.run(place.organisation.id).findings == []
    # Nothing is asked for by itself: the bank answers with files.
    kinds = {kind for (kind,) in db.session.query(OutboxMessage.kind)}
    assert "transfer.check" not in kinds


def test_the_stored_file_holds_no_account_in_the_clear(place: Place) -> None:
    bankfiles.waiting(place.organisation, account="123456789012")
    file = bankfiles.make(place.organisation)
    blob = storage.read(file.storage_key)
    assert b"123456789012" in bankfiles.bytes_of(file)
    assert b"123456789012" not in blob
    storage.save(file.storage_key, blob[:-1] + bytes([blob[-1] ^ 1]))
    with pytest.raises(Unavailable):
        bankfiles.bytes_of(file)


def test_bytes_of_one_file_do_not_open_as_another(place: Place) -> None:
    bankfiles.waiting(place.organisation)
    one = bankfiles.make(place.organisation)
    bankfiles.waiting(place.organisation)
    other = bankfiles.make(place.organisation)
    with pytest.raises(Unavailable):
        vault.get(vault.FILES, one.uid, other.storage_key, one.data_key_encrypted)
    with pytest.raises(Unavailable):
        vault.get(vault.FILES, one.uid, other.storage_key, other.data_key_encrypted)


def test_whoever_made_it_cannot_approve_it(place: Place) -> None:
    bankfiles.waiting(place.organisation)
    file = bankfiles.make(place.organisation, place.maker)
    with pytest.raises(NotAllowed, match="You made this file"):
        bankfiles.approve(file, place.maker)
    file_id, maker_id = file.id, place.maker.id
    with pytest.raises(IntegrityError), transaction():
        db.session.get_one(BankFile, file_id).approved_by_id = maker_id


def test_a_payee_cannot_approve_a_file_that_pays_them(place: Place) -> None:
    mine = factories.payee(place.organisation, user=place.approver)
    bankfiles.waiting(place.organisation, payee=mine, approver=place.maker)
    file = bankfiles.make(place.organisation, place.maker)
    with pytest.raises(NotAllowed, match="This file pays you"):
        bankfiles.approve(file, place.approver)


def test_one_person_alone_may_where_they_run_it_alone(place: Place) -> None:
    bankfiles.waiting(place.organisation)
    bankfiles.switch_on(place.organisation, single_operator={"is_on": True})
    file = bankfiles.approve(bankfiles.make(place.organisation, place.maker), place.maker)
    assert (file.state, file.is_single_operator) == ("approved", True)


def test_an_approval_is_for_one_hash_and_one_version(place: Place) -> None:
    bankfiles.waiting(place.organisation)
    file = bankfiles.make(place.organisation, place.maker)
    arguments: dict[str, Any] = {
        "organisation_id": file.organisation_id, "reference": file.reference, "sha256": file.sha256,
        "actor": actor_of(place.approver), "now": WHEN, "expected_version": file.version,
    }  # fmt: skip
    with pytest.raises(Conflict, match="hash"), transaction():
        service.approve(**{**arguments, "sha256": "0" * 64})
    with pytest.raises(StaleVersion), transaction():
        service.approve(**{**arguments, "expected_version": 7})
    with transaction():
        assert not service.approve(**arguments).is_repeat
    with transaction():
        assert service.approve(**arguments).is_repeat
    other = factories.user(organisation=place.organisation, role="admin")
    with pytest.raises(Conflict, match="approved"), transaction():
        service.approve(**{**arguments, "actor": actor_of(other)})


@pytest.mark.parametrize("step", ["approve", "download"])
def test_changed_payment_details_stop_a_file(place: Place, step: str) -> None:
    made = bankfiles.waiting(place.organisation)
    file = bankfiles.make(place.organisation, place.maker)
    if step == "download":
        file = bankfiles.approve(file, place.approver)
    factories.method(made.payee, factories.destination())
    act = bankfiles.approve if step == "approve" else bankfiles.download
    with pytest.raises(NotAllowed, match="payment details of this payee changed"):
        act(file, place.approver)
    assert db.session.get_one(BankFile, file.id).first_downloaded_at is None


def test_a_halt_stops_files(place: Place) -> None:
    bankfiles.waiting(place.organisation)
    file = bankfiles.make(place.organisation, place.maker)
    organisation_id = place.organisation.id
    with transaction():
        policies.halt(
            organisation_id=organisation_id, rail="*", reason="Audit.", actor=factories.FACTORY, now=WHEN
        )
    with pytest.raises(NotAllowed, match="halted"):
        bankfiles.approve(file, place.approver)
    with pytest.raises(Conflict, match="halted"):
        bankfiles.make(place.organisation)


def test_a_file_that_left_can_be_had_again_whatever_happens(place: Place) -> None:
    made = bankfiles.waiting(place.organisation)
    file = _downloaded(place)
    factories.method(made.payee, factories.destination())
    again = bankfiles.download(file, place.maker)
    assert (again.state, again.downloads) == ("downloaded", 2)
    # It was uploaded before the change: the word counts, and the transfer is with the bank.
    assert bankfiles.send(again, place.maker).state == "sent"
    assert transfers()[0].state == "accepted"


def test_details_that_changed_after_the_download_fail_nothing(place: Place) -> None:
    made = bankfiles.waiting(place.organisation)
    file = _downloaded(place)
    factories.method(made.payee, factories.destination())
    (transfer,) = transfers()
    assert execution.send(transfer_row_id=transfer.id) is None
    assert execution.check(transfer_row_id=transfer.id) is None
    with pytest.raises(Conflict, match=file.reference), transaction():
        service.take_back(
            organisation_id=file.organisation_id,
            transfer_row_id=transfer.id,
            actor=actor_of(place.maker),
            now=WHEN,
        )
    assert transfers()[0].state == "queued"


def test_what_cannot_go_is_named_and_can_be_taken_back(place: Place) -> None:
    changed = bankfiles.waiting(place.organisation)
    factories.method(changed.payee, factories.destination())
    organisation = place.organisation
    draft = making.draft(organisation=organisation, file_format="nacha", now=WHEN)
    assert draft.written is None
    (left,) = draft.left
    assert "payment details" in left.reason
    with transaction():
        service.take_back(
            organisation_id=organisation.id, transfer_row_id=left.transfer_row_id,
            actor=actor_of(place.maker), now=WHEN,
        )  # fmt: skip
    found = payout(changed.reference)
    assert found.state == "failed"
    assert transfers()[0].error_code == "METHOD_CHANGED"
    assert check.run(organisation.id).findings == []
    other = factories.organisation()
    with pytest.raises(NotFound), transaction():
        service.take_back(
            organisation_id=other.id,
            transfer_row_id=left.transfer_row_id,
            actor=actor_of(place.maker),
            now=WHEN,
        )


def test_a_cool_off_keeps_a_payout_out(place: Place) -> None:
    made = bankfiles.waiting(place.organisation)
    bankfiles.waiting(place.organisation)
    method_id = made.method_id
    with transaction():
        db.session.get_one(PayoutMethod, method_id).cool_off_until = WHEN + timedelta(hours=3)
    draft = making.draft(organisation=place.organisation, file_format="nacha", now=WHEN)
    assert [left.reference for left in draft.left] == [made.reference]
    assert len(draft.lines) == 1
    later = making.draft(organisation=place.organisation, file_format="nacha", now=WHEN + timedelta(hours=4))
    assert later.left == ()
    assert len(later.lines) == 2


def test_what_was_shown_is_what_is_made(place: Place) -> None:
    bankfiles.waiting(place.organisation)
    organisation, user_id = place.organisation, place.maker.id
    shown = making.draft(organisation=organisation, file_format="nacha", now=WHEN)
    envelope = making.seal_seen(shown, WHEN, user_id)
    seen = making.open_seen(envelope, organisation.id, user_id, "nacha", WHEN + timedelta(minutes=50))
    again = making.make_again(organisation=organisation, file_format="nacha", seen=seen)
    assert (again.sha256, again.lines) == (shown.sha256, shown.lines)
    with pytest.raises(Conflict):
        making.open_seen(envelope, organisation.id, place.approver.id, "nacha", WHEN)
    with pytest.raises(Conflict):
        making.open_seen(envelope, organisation.id, user_id, "columns", WHEN)
    with pytest.raises(Conflict, match="an hour"):
        making.open_seen(envelope, organisation.id, user_id, "nacha", WHEN + timedelta(minutes=61))
    bankfiles.waiting(organisation)
    with pytest.raises(Conflict, match="changed since"):
        making.make_again(organisation=organisation, file_format="nacha", seen=seen)


def test_a_cancelled_file_releases_its_payouts(place: Place) -> None:
    bankfiles.waiting(place.organisation)
    first = bankfiles.approve(bankfiles.make(place.organisation, place.maker), place.approver)
    with pytest.raises(Invalid):
        _cancel(first, place.maker, reason=" ")
    done = _cancel(first, place.maker)
    assert done.file.state == "cancelled"
    assert [item.is_live for item in items(first)] == [False]
    second = bankfiles.make(place.organisation, place.maker)
    assert items(second)[0].transfer_row_id == items(first)[0].transfer_row_id
    with pytest.raises(Conflict, match="cancelled"):
        bankfiles.approve(db.session.get_one(BankFile, first.id), place.approver)
    # Nothing that the bank may say about the first one is believed of the second.
    assert (
        registry.rail("bank_file").status(first.organisation_id, transfers()[0].transfer_id).outcome
        is Outcome.UNKNOWN
    )


def _cancel(file: BankFile, by: Any, reason: str = "Wrong day.", now: Any = WHEN) -> service.Done:
    db.session.rollback()
    arguments = {"organisation_id": file.organisation_id, "reference": file.reference}
    version = queries.get_file(**arguments).version
    with transaction():
        return service.cancel(
            **arguments, reason=reason, actor=actor_of(by), now=now, expected_version=version
        )


def test_two_people_cancel_what_was_downloaded(place: Place) -> None:
    bankfiles.waiting(place.organisation)
    file = _downloaded(place)
    assert _cancel(file, place.maker).file.state == "downloaded"
    assert [item.is_live for item in items(file)] == [True]
    with pytest.raises(Conflict, match="second person"):
        _cancel(file, place.maker)
    assert making.draft(organisation=place.organisation, file_format="nacha", now=WHEN).written is None
    assert _cancel(file, place.approver, "Nothing on the bank's page.").file.state == "cancelled"
    assert [item.is_live for item in items(file)] == [False]
    file_id, maker_id = file.id, place.maker.id
    with pytest.raises(IntegrityError), transaction():
        db.session.get_one(BankFile, file_id).cancelled_by_id = maker_id


def test_one_person_alone_cancels_after_the_delay(place: Place) -> None:
    bankfiles.waiting(place.organisation)
    bankfiles.switch_on(place.organisation, single_operator={"is_on": True, "delay_hours": 12})
    file = _downloaded(place, place.maker)
    assert _cancel(file, place.maker).file.state == "downloaded"
    with pytest.raises(Conflict, match="alone from"):
        _cancel(file, place.maker, now=WHEN + timedelta(hours=11))
    assert _cancel(file, place.maker, now=WHEN + timedelta(hours=12)).file.state == "cancelled"


def test_uploaded_is_final(place: Place) -> None:
    bankfiles.waiting(place.organisation)
    file = _downloaded(place)
    _cancel(file, place.approver)
    file = bankfiles.send(queries.get_file(file.organisation_id, file.reference), place.maker)
    assert file.cancel_asked_at is None
    with pytest.raises(Conflict, match="not possible to cancel"):
        _cancel(file, place.maker)
    with transaction():
        assert service.mark_sent(
            organisation_id=file.organisation_id, reference=file.reference, bank_reference="", now=WHEN,
            actor=actor_of(place.approver), expected_version=1,
        ).is_repeat  # fmt: skip
    assert transfers()[0].sends == 1


@pytest.mark.parametrize("act", [bankfiles.download, bankfiles.send])
def test_steps_cannot_be_left_out(place: Place, act: Callable[..., Any]) -> None:
    bankfiles.waiting(place.organisation)
    file = bankfiles.make(place.organisation, place.maker)
    with pytest.raises(Conflict, match="to approve"):
        act(file, place.approver)
    assert transfers()[0].state == "queued"


def test_a_transfer_is_in_one_live_file_by_the_database_itself(place: Place) -> None:
    bankfiles.waiting(place.organisation)
    file = bankfiles.make(place.organisation)
    (item,) = items(file)
    values = {
        c.key: getattr(item, c.key) for c in BankFileItem.__table__.columns if c.key not in ("id", "position")
    }
    with pytest.raises(IntegrityError), transaction():
        db.session.add(BankFileItem(**values, position=2))


def test_what_is_in_a_file_goes_over_no_other_rail(place: Place) -> None:
    bankfiles.switch_on(place.organisation, rails=["manual", "sandbox", "bank_file"])
    reference = bankfiles.waiting(place.organisation).reference
    file = _downloaded(place)
    organisation_id, actor = place.organisation.id, actor_of(place.approver)
    common: dict[str, Any] = {
        "organisation_id": organisation_id,
        "reference": reference,
        "actor": actor,
        "now": WHEN,
    }
    attempts: list[Callable[[], Any]] = [
        lambda: payouts.submit(**common, rail="sandbox"),
        lambda: payouts.retry(**common, rail="sandbox"),
        lambda: payouts.mark_paid(**common, payment_reference="CHQ-1", paid_on=WHEN.date()),
        lambda: payouts.cancel(**common, reason="Not needed."),
    ]
    for attempt in attempts:
        with pytest.raises(Conflict), transaction():
            attempt()
    assert [(t.rail, t.state) for t in transfers()] == [("bank_file", "queued")]
    assert bankfiles.send(file, place.maker).state == "sent"


def test_more_than_one_file_holds_go_into_the_next(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "MOST_ITEMS", 2)
    references = [bankfiles.waiting(place.organisation).reference for _ in range(3)]
    assert making.draft(organisation=place.organisation, file_format="nacha", now=WHEN).later == 1
    files = [bankfiles.make(place.organisation) for _ in range(2)]
    assert [[item.payout.reference for item in items(file)] for file in files] == [
        references[:2],
        references[2:],
    ]
    assert [bankfiles.bytes_of(file)[33:34] for file in files] == [b"A", b"B"]
