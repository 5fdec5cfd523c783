"""Whatever is repeated, lost, late, cut off or refused: one vendor, one bill, one payment; and what people are told."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from tests.factories import FACTORY, accounting
from tests.providers.zoho.test_client import age_tokens
from tests.rooms.accounting.conftest import WHEN, World
from webapp import queue
from webapp.accounting import asking, pace, rules, service, setups, sync
from webapp.accounting.models import AccountingBill, AccountingPace
from webapp.database import db, transaction
from webapp.kernel.errors import Conflict, NotFound
from webapp.outbox.models import OutboxMessage
from webapp.outbox.service import Later
from webapp.providers import accounts
from webapp.providers.bookkeeping import BooksError, Trouble
from webapp.providers.zoho.books import ZohoBooks
from webapp.simulator.zoho import books

ROOMS = ("books/contacts", "books/bills", "books/vendorpayments")
# Faults after which nobody knows whether it was done, and those before anything was.
UNCLEAR = ("F1", "F2", "F3", "F4", "F5", "F11", "F12", "F13", "F14", "F15")


def until_it_stands(world: World, reference: str, most: int = rules.MOST_TRIES) -> int:
    """What workers do with the payout, one after the other; how many it took."""
    for n in range(1, most + 1):
        if world.sync(reference) is None:
            assert world.row(reference).state != "failed", world.row(reference).error
            return n
    raise AssertionError(world.row(reference).error)


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("fault", UNCLEAR)
def test_one_of_each_whatever_is_lost(world: World, room: str, fault: str) -> None:
    for skip in range(2):
        world.sim.plan.add(fault, provider="zoho", endpoint=room, skip=skip, times=1)
    reference = world.payout()
    world.pay(reference)
    until_it_stands(world, reference)
    # What was late on the way comes after all.
    world.sim.clock.move(3600)
    world.sim.advance()
    assert world.row(reference).state == "synced"
    assert (len(world.vendors()), world.bills()) == (1, [(reference, "paid", 49_950)])
    assert world.payments() == [("UTR-1", 49_950)]


@pytest.mark.parametrize("seed", range(6))
def test_one_of_each_on_a_bad_day(world: World, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "MOST_TRIES", 40)
    world.sim.plan.mix(seed=seed, rate=0.4, faults=UNCLEAR, most=8)
    made = [world.payout() for _ in range(3)]
    for reference in made:
        until_it_stands(world, reference, 40)
    for n, reference in enumerate(made):
        world.pay(reference, f"UTR-{n}")
        until_it_stands(world, reference, 40)
    world.sim.clock.move(3600)
    world.sim.advance()
    assert sorted(world.bills()) == [(reference, "paid", 49_950) for reference in made]
    assert sorted(world.payments()) == [(f"UTR-{n}", 49_950) for n in range(3)]
    assert len(world.vendors()) == 3


@pytest.mark.parametrize("fault", UNCLEAR)
def test_a_return_takes_a_payment_back_that_nobody_heard_of(world: World, fault: str) -> None:
    """The payment's answer was lost, and the money came back before anybody looked again."""
    reference = world.payout()
    world.sync(reference)
    world.pay(reference)
    world.sim.plan.add("F3", provider="zoho", endpoint="books/vendorpayments", skip=1, times=1)
    assert isinstance(world.sync(reference), Later)
    assert len(world.payments()) == 1
    world.act("reverse", reference, on=WHEN.date(), reason="Returned.")
    world.sim.plan.add(fault, provider="zoho", endpoint="books/vendorpayments", times=1)
    until_it_stands(world, reference)
    assert (world.bills(), world.payments()) == ([(reference, "open", 49_950)], [])


def theirs(world: World, bill_minor: int) -> None:
    """A bookkeeper enters a payment of our reference: it pays so much of our bill."""
    bill = world.sim.store.one("SELECT * FROM zoho_bills")
    assert bill is not None
    amount = Decimal(49_950).scaleb(-2)
    applied = [{"bill_id": books.shown_id(bill["id"]), "amount_applied": Decimal(bill_minor).scaleb(-2)}]
    books.add_payment(world.sim, world.books_id, {
        "vendor_id": books.shown_id(bill["vendor_id"]), "amount": amount, "reference_number": "UTR-1",
        "paid_through_account_id": f"{world.books_id}011", "bills": applied if bill_minor else [],
    })  # fmt: skip


def test_a_payment_of_our_reference_that_does_not_pay_our_bill_is_not_taken_for_ours(world: World) -> None:
    reference = world.payout()
    world.sync(reference)
    theirs(world, 0)
    world.pay(reference)
    assert world.sync(reference) is None
    row = world.row(reference)
    assert (row.state, row.payment_id, row.payment_reference) == ("failed", "", "")
    assert row.error == f"The payment UTR-1 in the books does not pay the bill {reference}."


def test_a_bookkeeper_s_payment_of_our_reference_is_never_deleted(world: World) -> None:
    reference = world.payout()
    world.sync(reference)
    theirs(world, 49_950)
    world.pay(reference)
    assert world.sync(reference) is None
    row = world.row(reference)
    assert (row.state, row.payment_id, row.payment_reference) == ("synced", "", "")
    world.act("reverse", reference, on=WHEN.date(), reason="Returned.")
    world.sync(reference)
    assert (world.row(reference).state, world.payments()) == ("failed", [("UTR-1", 49_950)])


def test_a_payment_of_another_bill_is_not_deleted_for_its_reference(world: World) -> None:
    reference = world.payout()
    world.pay(reference)
    world.sync(reference)
    # A bookkeeper has moved what we sent to another bill, and ours is owed again.
    world.sim.store.write('UPDATE zoho_payments SET applied = \'[{"bill": 99, "minor": 49950}]\'')
    world.sim.store.write("UPDATE zoho_bills SET balance_minor = total_minor")
    world.act("reverse", reference, on=WHEN.date(), reason="Returned.")
    assert world.sync(reference) is None
    assert (world.row(reference).state, world.payments()) == ("synced", [("UTR-1", 49_950)])


def test_a_payment_that_is_late_on_its_way_is_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answer was lost, the money came back, and only then it arrives."""
    reference = world.payout()
    world.sync(reference)
    world.pay(reference)
    plain, sent = ZohoBooks.add_payment, []

    def lost(*given: Any) -> None:
        sent.append(given)
        raise BooksError(Trouble.UNKNOWN, "No answer.")

    monkeypatch.setattr(ZohoBooks, "add_payment", lost)
    assert isinstance(world.sync(reference), Later)
    world.act("reverse", reference, on=WHEN.date(), reason="Returned.")
    over = WHEN + rules.ON_ITS_WAY
    assert world.sync(reference) == Later(over, "A payment whose answer was lost may still arrive.")
    assert world.row(reference).payment_reference == "UTR-1"
    plain(*sent[0])
    assert world.sync(reference, over) is None
    assert (world.bills(), world.payments()) == ([(reference, "open", 49_950)], [])
    row = world.row(reference)
    assert (row.state, row.payment_id, row.payment_reference) == ("synced", "", "")


def test_a_worker_stops_before_its_lease_is_over(world: World) -> None:
    reference = world.payout()
    payout_id = world.row(reference).payout_id
    times = iter([WHEN, WHEN, WHEN, WHEN + rules.LEASE - timedelta(seconds=60)])
    last = [WHEN]

    def clock() -> datetime:
        last[0] = next(times, last[0])
        return last[0]

    said = sync.work(payout_id, clock=clock)
    assert said is not None
    assert (said.reason, world.bills()) == ("It took too long.", [])
    assert world.sync(reference, WHEN + rules.LEASE) is None


def test_a_worker_whose_lease_was_over_writes_nothing_down(world: World) -> None:
    reference = world.payout()
    payout_id = world.row(reference).payout_id
    with transaction():
        slow = service.claim(payout_id, "slow", WHEN)
    # Two takings of one worker, too, are told apart.
    with transaction():
        fast = service.claim(payout_id, "slow", WHEN + rules.LEASE)
    assert isinstance(slow, service.Job)
    assert isinstance(fast, service.Job)
    with pytest.raises(BooksError) as caught, transaction():
        service.note(slow, bill_id="1")
    assert caught.value.trouble is Trouble.BUSY
    with transaction():
        assert isinstance(service.done(slow, WHEN), Later)
    with transaction():
        assert isinstance(service.failed(slow, BooksError(Trouble.REFUSED, "No."), WHEN), Later)
    row = world.row(reference)
    assert (row.state, row.bill_id, row.error, row.lease_until) == ("queued", "", "", fast.lease_until)
    with transaction():
        service.note(fast, bill_id="2")
    with transaction():
        assert service.done(fast, WHEN) is None
    assert world.row(reference).state == "synced"


@pytest.mark.parametrize("room", ROOMS[:2])
def test_an_exists_already_that_is_not_true_is_asked_again(world: World, room: str) -> None:
    world.sim.plan.add(
        "F9", provider="zoho", endpoint=room, subject="", skip=1, times=1, parameters={"accepted": False}
    )
    reference = world.payout()
    until_it_stands(world, reference)
    assert world.bills() == [(reference, "open", 49_950)]


def test_a_refusal_waits_for_a_person_with_its_own_words(world: World) -> None:
    world.sim.plan.add("F10", provider="zoho", endpoint="books/bills", skip=1)
    reference = world.payout()
    assert world.sync(reference) is None
    row = world.row(reference)
    assert (row.state, row.error_code) == ("failed", "2")
    assert row.error == "Invalid value passed (code 2, HTTP 400)"
    assert world.sync(reference) is None
    assert world.bills() == []
    with transaction():
        service.retry(organisation_id=world.organisation_id, reference=reference, actor=FACTORY, now=WHEN)
    world.sync(reference)
    assert (world.row(reference).state, world.row(reference).error) == ("synced", "")


def test_after_some_tries_without_an_answer_a_person_looks(world: World) -> None:
    world.sim.plan.add("F5", provider="zoho", endpoint="books/bills", times=0)
    reference = world.payout()
    waits = []
    for _ in range(rules.MOST_TRIES - 1):
        said = world.sync(reference)
        assert isinstance(said, Later)
        waits.append((said.at - WHEN).total_seconds())
    assert waits == [15, 30, 60, 120, 240, 480, 960]
    assert world.sync(reference) is None
    assert (world.row(reference).state, world.row(reference).error) == (
        "failed", "Internal error (code 1000, HTTP 500)",
    )  # fmt: skip


def test_a_429_keeps_everybody_away_for_a_minute(world: World) -> None:
    first, second = world.payout(), world.payout()
    world.sim.plan.add("F6", provider="zoho", times=1)
    said = world.sync(first)
    assert isinstance(said, Later)
    assert said.at == WHEN + timedelta(seconds=60)
    before = world.calls()
    again = world.sync(second)
    assert isinstance(again, Later)
    assert (again.at, world.calls()) == (said.at, before)
    assert world.row(first).tries == 0
    with transaction():
        db.session.get_one(AccountingPace, world.organisation_id).paused_until = WHEN
    assert world.sync(first) is None


def test_the_day_s_calls_end(world: World) -> None:
    with transaction():
        setup = setups.find(world.organisation_id)
        assert setup is not None
        setup.calls_a_day = 100
    with transaction():
        pace.book(world.organisation_id, 100, WHEN)
        db.session.get_one(AccountingPace, world.organisation_id).day_calls = 97
    said = world.sync(world.payout())
    assert isinstance(said, Later)
    assert (said.at - WHEN, world.calls()) == (timedelta(hours=12), 0)
    # It is no pause: whoever raises the limit need not wait.
    assert db.session.get_one(AccountingPace, world.organisation_id).paused_until is None


def test_ten_at_once_then_one_by_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "BURST", 10)
    now, slept = [WHEN], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += timedelta(seconds=seconds)

    starts = []
    for _ in range(300):
        pace.reserve(world.organisation_id, 10_000, clock=lambda: now[0], sleep=sleep)
        starts.append(now[0])
    assert not any(starts[n + 91] - starts[n] < timedelta(seconds=60) for n in range(200))
    assert starts[9] == WHEN
    assert starts[-1] - WHEN < timedelta(seconds=220)


def test_a_turn_that_is_far_is_not_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "BURST", 1)
    with transaction():
        pace.book(world.organisation_id, 100, WHEN)
        db.session.get_one(AccountingPace, world.organisation_id).booked_until_ms += 60_000
    with pytest.raises(BooksError) as caught:
        pace.reserve(world.organisation_id, 100, clock=lambda: WHEN, sleep=lambda seconds: None)
    assert caught.value.trouble is Trouble.BUSY


def test_payouts_that_find_no_turn_wait_in_a_line_and_no_worker_sleeps(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "BURST", 10)

    def sleep(seconds: float) -> None:
        raise AssertionError("a worker sleeps")

    monkeypatch.setattr(pace.time, "sleep", sleep)
    made = [world.payout() for _ in range(7)]
    said = [world.sync(reference) for reference in made]
    # A new payee's bill takes five calls: two payouts have theirs at once, the others come one by one.
    assert said[:2] == [None, None]
    waits = [(each.at - WHEN).total_seconds() for each in said[2:] if each is not None]
    assert waits == [3.75, 6.75, 9.75, 12.75, 15.75]
    assert (len(world.bills()), world.row(made[2]).error) == (2, "")
    assert sync.work(world.row(made[2]).payout_id, clock=lambda: WHEN + timedelta(seconds=3.75)) is None
    assert len(world.bills()) == 3
    query = select(OutboxMessage.queue).where(OutboxMessage.kind == asking.KIND).distinct()
    assert list(db.session.scalars(query)) == [queue.OUTSIDE]


def test_what_a_payout_takes_beyond_its_turns_comes_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "BURST", 5)
    reference = world.payout()
    world.pay(reference)
    said = world.sync(reference)
    assert said == Later(WHEN + timedelta(seconds=1), "The limit of calls to the books is reached.")
    assert (world.bills(), world.row(reference).tries) == ([(reference, "open", 49_950)], 0)
    row = db.session.get_one(AccountingPace, world.organisation_id)
    assert (row.paused_until, row.day_calls) == (None, 5)
    payout_id = world.row(reference).payout_id
    assert sync.work(payout_id, clock=lambda: WHEN + timedelta(seconds=4)) is None
    assert world.bills() == [(reference, "paid", 49_950)]
    # It had five turns again, and needed three.
    db.session.expire_all()
    assert db.session.get_one(AccountingPace, world.organisation_id).day_calls == 8


def test_a_consent_that_was_taken_back_stops_everything_and_says_so(world: World) -> None:
    reference = world.payout()
    world.sim.providers["zoho"].act(world.sim, "revoke", "1000.sim.refresh", {})
    said = world.sync(reference)
    assert isinstance(said, Later)
    setup = setups.find(world.organisation_id)
    assert setup is not None
    assert setup.problem == "Zoho gives no token: invalid_code. An admin must connect Zoho Books again."
    assert world.row(reference).state == "queued"


def test_who_waits_in_vain_for_a_token_holds_nobody_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*given: object, **named: object) -> str:
        raise accounts.Busy

    reference = world.payout()
    monkeypatch.setattr(accounts, "shared_token", busy)
    assert world.sync(reference) == Later(WHEN + timedelta(seconds=20), "Another worker fetches the token.")
    row = db.session.get_one(AccountingPace, world.organisation_id)
    assert (world.row(reference).tries, row.paused_until, world.calls()) == (0, None, 0)


def test_a_token_that_is_refused_is_replaced_once(world: World) -> None:
    reference = world.payout()
    assert world.sync(reference) is None
    age_tokens()
    world.sim.plan.add("F7", provider="zoho", times=1)
    world.pay(reference)
    assert world.sync(reference) is None
    assert world.calls("token") == 2


def test_without_access_nobody_asks_until_an_admin_has_connected_again(world: World) -> None:
    references = [world.payout() for _ in range(3)]
    world.sim.providers["zoho"].act(world.sim, "revoke", "1000.sim.refresh", {})
    said = [world.sync(reference) for reference in references]
    assert said[0] is not None
    assert said[0].at == WHEN + service.OFF
    assert (len(said), None in said, world.calls("token"), world.calls()) == (3, False, 1, 1)
    world.sim.store.write("DELETE FROM zoho_refresh")
    with transaction():
        setups.reconnected(world.organisation_id, WHEN)
    for reference in references:
        assert world.sync(reference) is None
    assert len(world.bills()) == 3


@pytest.mark.parametrize("way", ["reconnected", "keep_books", "save"])
def test_what_an_admin_puts_right_ends_a_pause(world: World, way: str) -> None:
    with transaction():
        pace.pause(world.organisation_id, WHEN + timedelta(hours=12), WHEN)
    with transaction():
        assert pace.book(world.organisation_id, 1000, WHEN) == timedelta(hours=12)
    with transaction():
        if way == "reconnected":
            setups.reconnected(world.organisation_id, WHEN)
        elif way == "keep_books":
            setups.keep_books(world.organisation_id, [], FACTORY, WHEN)
        else:
            was = setups.find(world.organisation_id)
            assert was is not None
            draft = setups.Draft(
                was.bill_account_id, was.paid_through_id, was.programs, was.starts_on, 14, was.calls_a_day
            )
            setups.save(organisation_id=world.organisation_id, draft=draft, actor=FACTORY, now=WHEN)
    with transaction():
        assert pace.book(world.organisation_id, 1000, WHEN) is None


def test_a_worker_that_died_is_taken_over_after_its_lease(world: World) -> None:
    reference = world.payout()
    with transaction():
        number = db.session.scalars(select(AccountingBill.payout_id)).one()
        service.claim(number, "dead", WHEN)
    said = world.sync(reference)
    assert isinstance(said, Later)
    with transaction():
        job = service.claim(number, "alive", WHEN + rules.LEASE)
    assert isinstance(job, service.Job)


def test_a_turn_meanwhile_is_not_lost(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The payout is paid while its bill is made: what was done for the older ask does not end the newer one."""
    reference = world.payout()
    plain = sync._align

    def paid_meanwhile(*given: object) -> None:
        plain(*given)  # type: ignore[arg-type]
        world.pay(reference)

    monkeypatch.setattr(sync, "_align", paid_meanwhile)
    world.sync(reference)
    assert (world.row(reference).state, world.payments()) == ("queued", [])
    monkeypatch.setattr(sync, "_align", plain)
    world.sync(reference)
    assert (world.row(reference).state, len(world.payments())) == ("synced", 1)


def test_what_breaks_of_ours_is_tried_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*given: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(sync, "_align", broken)
    reference = world.payout()
    assert isinstance(world.sync(reference), Later)
    assert world.row(reference).error == "Paydesk could not finish it (ZeroDivisionError)."


def test_off_means_nothing_is_asked(world: World) -> None:
    reference = world.payout()
    with transaction():
        setups.switch_off(organisation_id=world.organisation_id, actor=FACTORY, now=WHEN)
    assert isinstance(world.sync(reference), Later)
    later = world.payout()
    assert (world.calls(), len(world.messages())) == (0, 1)
    with pytest.raises(Conflict, match="switched off"), transaction():
        service.retry(organisation_id=world.organisation_id, reference=later, actor=FACTORY, now=WHEN)
    # On again: the sweep finds what nobody asked for.
    organisation = world.organisation
    accounting.kept(organisation, world.running.url)
    for each in (reference, later):
        assert world.sync(each) is None
    assert len(world.bills()) == 2


def test_what_happens_to_billed_payouts_while_the_books_are_off_is_not_lost(world: World) -> None:
    paid, cancelled = world.payout(), world.payout()
    for each in (paid, cancelled):
        world.sync(each)
    with transaction():
        setups.switch_off(organisation_id=world.organisation_id, actor=FACTORY, now=WHEN)
    world.pay(paid)
    world.act("cancel", cancelled, reason="A mistake.")
    for each in (paid, cancelled):
        assert isinstance(world.sync(each), Later)
    assert world.bills() == [(paid, "open", 49_950), (cancelled, "open", 49_950)]
    accounting.kept(world.organisation, world.running.url)
    query = select(OutboxMessage.not_before).where(OutboxMessage.kind == asking.KIND)
    assert set(db.session.scalars(query)) == {WHEN}
    for each in (paid, cancelled):
        assert world.sync(each) is None
    assert world.bills() == [(paid, "paid", 49_950), (cancelled, "void", 49_950)]


@pytest.mark.parametrize("is_switched", [False, True], ids=["the sweep", "switching on"])
def test_a_turn_that_nobody_told_of_is_found(
    world: World, monkeypatch: pytest.MonkeyPatch, is_switched: bool
) -> None:
    paid, other = world.payout(), world.payout()
    for each in (paid, other):
        world.sync(each)
    monkeypatch.setattr(asking, "WORDS", frozenset())
    world.pay(paid)
    assert world.row(paid).state == "synced"
    if is_switched:
        with transaction():
            setups.switch_off(organisation_id=world.organisation_id, actor=FACTORY, now=WHEN)
        accounting.kept(world.organisation, world.running.url)
    else:
        asking.sweep_all(0, WHEN, WHEN)
    assert (world.row(paid).state, world.row(other).state) == ("queued", "synced")
    world.sync(paid)
    assert world.bills() == [(paid, "paid", 49_950), (other, "open", 49_950)]
    asking.sweep_all(0, WHEN, WHEN + timedelta(days=1))
    assert world.row(paid).state == "synced"


def test_the_sweep_finds_what_lost_its_message(world: World) -> None:
    reference = world.payout()
    with transaction():
        db.session.query(OutboxMessage).delete()
    asking.sweep_all(0, WHEN, WHEN)
    assert world.messages() == []
    asking.sweep_all(0, WHEN, WHEN + asking.LOST + timedelta(seconds=1))
    assert len(world.messages()) == 1
    world.sync(reference)
    asking.sweep_all(0, WHEN, WHEN + timedelta(days=1))
    assert len(world.messages()) == 1


def test_another_organisation_s_payout_is_not_found(world: World) -> None:
    from tests import factories
    from tests.factories import payouts

    theirs = payouts.payout_ready(factories.organisation()).reference
    number = db.session.scalars(select(asking.Payout.id).where(asking.Payout.reference == theirs)).one()
    db.session.rollback()
    with pytest.raises(NotFound), transaction():
        service.retry(
            organisation_id=world.organisation_id, reference="PO-2026-999999", actor=FACTORY, now=WHEN
        )
    with pytest.raises(Conflict), transaction():
        service.retry_many(
            organisation_id=world.organisation_id, payout_ids=[number], actor=FACTORY, now=WHEN
        )
    assert db.session.query(AccountingBill).count() == 0
