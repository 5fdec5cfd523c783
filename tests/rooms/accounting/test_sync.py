"""A payout in the books: billed when approved, paid when paid, owed again when it comes back, void at last."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from tests import factories
from tests.factories import FACTORY, payouts
from tests.rooms.accounting.conftest import WHEN, World
from webapp.accounting import service, setups
from webapp.audit.models import AuditEvent
from webapp.database import db, transaction
from webapp.kernel.errors import Conflict
from webapp.outbox.service import Later
from webapp.payouts.drafts import LineDraft
from webapp.people.models import Organisation, Payee
from webapp.providers.bookkeeping import BooksError, Trouble
from webapp.providers.bookkeeping import Organisation as Books
from webapp.providers.zoho.books import ZohoBooks
from webapp.simulator.zoho import books


def test_the_whole_way(world: World) -> None:
    reference = world.payout()
    assert world.row(reference).state == "queued"
    assert world.sync(reference) is None
    assert world.bills() == [(reference, "open", 49_950)]
    assert (world.row(reference).state, world.payments()) == ("synced", [])
    world.pay(reference)
    assert world.row(reference).state == "queued"
    world.sync(reference)
    assert world.bills() == [(reference, "paid", 49_950)]
    assert world.payments() == [("UTR-1", 49_950)]
    world.act("reverse", reference, on=WHEN.date(), reason="The account is closed.")
    world.sync(reference)
    assert (world.bills(), world.payments()) == ([(reference, "open", 49_950)], [])
    world.act("cancel", reference, reason="The payee is gone.")
    world.sync(reference)
    assert world.bills() == [(reference, "void", 49_950)]
    assert world.row(reference).state == "void"
    tags = db.session.query(AuditEvent.tag).filter(AuditEvent.tag.startswith("accounting:bill:")).all()
    assert [tag for (tag,) in tags] == [
        "accounting:bill:billed", "accounting:bill:paid", "accounting:bill:billed", "accounting:bill:voided",
    ]  # fmt: skip


def test_what_stands_is_not_asked_again(world: World) -> None:
    reference = world.payout()
    world.sync(reference)
    before = world.calls()
    for _ in range(3):
        assert world.sync(reference) is None
    assert world.calls() == before


def test_approved_and_paid_before_a_worker_comes(world: World) -> None:
    reference = world.payout()
    world.pay(reference)
    world.sync(reference)
    assert (world.bills(), world.payments()) == ([(reference, "paid", 49_950)], [("UTR-1", 49_950)])


def test_cancelled_before_a_worker_comes(world: World) -> None:
    reference = world.payout()
    world.act("cancel", reference, reason="A mistake.")
    world.sync(reference)
    assert (world.bills(), world.row(reference).state) == ([], "void")


def test_a_payment_that_comes_again_has_a_reference_of_its_own(world: World) -> None:
    reference = world.payout()
    world.pay(reference)
    world.sync(reference)
    world.act("reverse", reference, on=WHEN.date(), reason="Returned.")
    world.act("reissue", reference, note="The account is right now.")
    world.pay(reference, "UTR-2")
    # Both turns are worked on at once: the first payment is taken back, the second one stands.
    world.sync(reference)
    assert (world.bills(), world.payments()) == ([(reference, "paid", 49_950)], [("UTR-2", 49_950)])


def test_lines_amounts_and_days_as_the_payout_has_them(world: World) -> None:
    lines = [
        LineDraft(kind="earning", description="Roof\nEast", amount_minor=33_333, source_label="ISR-1",
                  source_type="x", source_id=1, formula="3.33 kW × 100.10 USD = 333.33 USD"),
        LineDraft(kind="earning", description="Nothing", amount_minor=0),
        LineDraft(kind="deduction", description="Tools", amount_minor=-1),
    ]  # fmt: skip
    reference = world.payout(lines=lines)
    world.sync(reference)
    row = world.sim.store.one("SELECT * FROM zoho_bills")
    assert row is not None
    said = [(line["name"], line["rate"]) for line in json.loads(row["lines"])]
    assert (row["total_minor"], said) == (33_332, [("Roof East", 33_333), ("Tools", -1)])
    assert json.loads(row["lines"])[0]["description"] == "ISR-1 3.33 kW × 100.10 USD = 333.33 USD"
    assert (row["day"], row["due_day"], row["currency"]) == ("2026-11-20", "2026-12-04", "USD")


def test_a_payee_is_one_vendor(world: World) -> None:
    organisation = db.session.get_one(Organisation, world.organisation_id)
    payee = factories.payee(organisation, name="Asha Rao")
    number = payee.id
    first = world.payout(payee=payee)
    second = world.payout(payee=db.session.get_one(Payee, number))
    for reference in (first, second):
        world.sync(reference)
    assert (world.vendors(), len(world.bills())) == (["Asha Rao"], 2)


def test_a_vendor_that_is_there_is_found(world: World) -> None:
    add = {"contact_name": "ASHA RAO", "contact_type": "vendor"}
    books.add_contact(world.sim, world.books_id, add)
    organisation = db.session.get_one(Organisation, world.organisation_id)
    world.sync(world.payout(payee=factories.payee(organisation, name="Asha Rao")))
    assert world.vendors() == ["ASHA RAO"]


@pytest.mark.parametrize(
    "other",
    [
        {"contact_type": "customer"},
        {"contact_type": "vendor", "currency_id": "60000000002003"},
    ],
    ids=["a customer", "another currency"],
)
def test_somebody_of_the_same_name_is_not_taken_for_the_payee(world: World, other: dict[str, str]) -> None:
    books.add_contact(world.sim, world.books_id, {"contact_name": "Asha Rao", **other})
    organisation = db.session.get_one(Organisation, world.organisation_id)
    payee = factories.payee(organisation, name="Asha Rao")
    name = f"Asha Rao ({payee.reference})"
    world.sync(world.payout(payee=payee))
    assert name in world.vendors()


def test_two_payees_of_one_name_are_two_vendors(world: World) -> None:
    organisation = db.session.get_one(Organisation, world.organisation_id)
    made = [factories.payee(organisation, name="Asha Rao") for _ in range(2)]
    second = made[1].reference
    for reference in [world.payout(payee=payee) for payee in made]:
        assert world.sync(reference) is None
    assert world.vendors() == ["Asha Rao", f"Asha Rao ({second})"]


def test_only_programs_that_are_switched_on_and_only_since_the_start(world: World) -> None:
    organisation = db.session.get_one(Organisation, world.organisation_id)
    old = payouts.payout_ready(organisation, now=payouts.WHEN.replace(month=10)).reference
    db.session.rollback()
    assert world.messages() == []
    other = factories.organisation()
    payouts.payout_ready(other)
    assert world.messages() == []
    world.payout()
    assert len(world.messages()) == 1
    # A person may ask for the old one.
    with transaction():
        service.retry(organisation_id=world.organisation_id, reference=old, actor=FACTORY, now=payouts.WHEN)
    world.sync(old)
    assert (old, "open", 49_950) in world.bills()


def test_a_bill_of_our_number_that_says_something_else_is_left_alone(world: World) -> None:
    reference = world.payout()
    world.sync(reference)
    world.sim.store.write("UPDATE zoho_bills SET total_minor = 1, balance_minor = 1")
    world.pay(reference)
    assert world.sync(reference) is None
    row = world.row(reference)
    assert (row.state, row.error) == ("failed", f"The bill {reference} in the books is of 0.01 USD.")
    assert world.payments() == []


def test_a_payment_that_a_bookkeeper_entered_is_not_made_again(world: World) -> None:
    reference = world.payout()
    world.sync(reference)
    bill = world.sim.store.one("SELECT * FROM zoho_bills")
    assert bill is not None
    world.sim.store.write("UPDATE zoho_bills SET balance_minor = 0")
    world.pay(reference)
    world.sync(reference)
    assert (world.row(reference).state, world.payments()) == ("synced", [])
    world.act("reverse", reference, on=WHEN.date(), reason="Returned.")
    world.sync(reference)
    assert (
        world.row(reference).error
        == f"The bill {reference} has a payment in the books that Paydesk did not send."
    )


def test_a_bill_that_a_bookkeeper_renamed_is_still_ours(world: World) -> None:
    reference = world.payout()
    world.sync(reference)
    world.sim.store.write("UPDATE zoho_bills SET number = 'INV-77', reference = 'theirs'")
    world.pay(reference)
    world.sync(reference)
    assert (world.bills(), world.payments()) == ([("INV-77", "paid", 49_950)], [("UTR-1", 49_950)])
    world.act("reverse", reference, on=WHEN.date(), reason="Returned.")
    world.act("cancel", reference, reason="The payee is gone.")
    world.sync(reference)
    assert (world.bills(), world.row(reference).state) == ([("INV-77", "void", 49_950)], "void")


def test_a_renamed_bill_is_ours_though_its_payment_found_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is missing may be the account that is paid from: our bill's id stays."""
    reference = world.payout()
    world.sync(reference)
    world.sim.store.write("UPDATE zoho_bills SET number = 'INV-77'")
    world.pay(reference)
    plain = ZohoBooks.add_payment

    def missing(*given: object) -> object:
        raise BooksError(Trouble.MISSING, "No such account.", code="1002")

    monkeypatch.setattr(ZohoBooks, "add_payment", missing)
    assert isinstance(world.sync(reference), Later)
    monkeypatch.setattr(ZohoBooks, "add_payment", plain)
    world.sync(reference)
    assert world.bills() == [("INV-77", "paid", 49_950)]


def test_somebody_else_s_bill_of_our_number_is_left_alone(world: World) -> None:
    """Not voided when the payout is cancelled, not taken for ours while it is owed: amount and name are the same."""
    payee = factories.payee(db.session.get_one(Organisation, world.organisation_id), name="Asha Rao").id
    world.sync(world.payout(payee=db.session.get_one(Payee, payee)))
    vendor = world.sim.store.one("SELECT id FROM zoho_contacts")
    assert vendor is not None
    references = [world.payout(payee=db.session.get_one(Payee, payee)) for _ in range(2)]
    for reference in references:
        books.add_bill(world.sim, world.books_id, {
            "vendor_id": books.shown_id(vendor["id"]), "bill_number": reference, "reference_number": reference,
            "line_items": [{"account_id": f"{world.books_id}001", "rate": Decimal("499.50"), "quantity": 1}],
        })  # fmt: skip
    world.act("cancel", references[0], reason="A mistake.")
    for reference in references:
        world.sync(reference)
    assert world.bills()[1:] == [(reference, "open", 49_950) for reference in references]
    assert world.row(references[0]).state == "void"
    row = world.row(references[1])
    assert (row.state, row.bill_id, "not Paydesk's" in row.error) == ("failed", "", True)
    # Given another number, it is in nobody's way.
    world.sim.store.write("UPDATE zoho_bills SET number = 'X-1' WHERE number = ?", (references[1],))
    with transaction():
        service.retry(organisation_id=world.organisation_id, reference=references[1], actor=FACTORY, now=WHEN)
    assert world.sync(references[1]) is None
    assert (references[1], "open", 49_950) in world.bills()


@pytest.mark.parametrize("change", ["total_minor = 1, balance_minor = 1", "vendor_id = vendor_id + 1"])
def test_a_bill_found_by_number_alone_is_voided_only_as_we_sent_it(world: World, change: str) -> None:
    reference = world.payout()
    # The bill came through, its answer did not.
    world.sim.plan.add("F3", provider="zoho", endpoint="books/bills", skip=1, times=1)
    assert isinstance(world.sync(reference), Later)
    assert world.row(reference).bill_id == ""
    world.sim.store.write(f"UPDATE zoho_bills SET {change}")
    world.act("cancel", reference, reason="A mistake.")
    world.sync(reference)
    assert (world.row(reference).state, world.bills()[0][1]) == ("failed", "open")


def test_books_that_another_organisation_keeps_are_refused(world: World) -> None:
    other = factories.organisation().id
    both = [Books(each, f"Books {each}", "USD") for each in (world.books_id, "60000000001")]
    with pytest.raises(Conflict, match="Each needs books of its own"), transaction():
        setups.keep_books(other, both[:1], FACTORY, WHEN)
    with transaction():
        setups.keep_books(other, both, FACTORY, WHEN)
    with pytest.raises(Conflict, match="Each needs books of its own"), transaction():
        setups.choose_books(other, world.books_id, FACTORY, WHEN)
    with transaction():
        assert setups.choose_books(other, "60000000001", FACTORY, WHEN).books_id == "60000000001"


def test_what_was_only_tried_goes_into_the_books_that_are_chosen_then(world: World) -> None:
    reference = world.payout()
    world.sim.plan.add("F5", provider="zoho", endpoint="books/contacts", times=1)
    assert isinstance(world.sync(reference), Later)
    found = [Books(each, f"Books {each}", "USD") for each in (world.books_id, "60000000001")]
    with transaction():
        setups.keep_books(world.organisation_id, found, FACTORY, WHEN)
    with pytest.raises(Conflict, match="1 bills are on their way"), transaction():
        setups.choose_books(world.organisation_id, "60000000001", FACTORY, WHEN)
    world.sim.plan.add("F10", provider="zoho", endpoint="books/bills", times=1)
    assert world.sync(reference) is None
    assert (world.row(reference).state, world.row(reference).books_id) == ("failed", world.books_id)
    with transaction():
        setups.choose_books(world.organisation_id, "60000000001", FACTORY, WHEN)
    assert (world.row(reference).books_id, world.row(reference).vendor_id) == ("", "")
    with transaction():
        row = setups.find(world.organisation_id)
        assert row is not None
        row.bill_account_id, row.paid_through_id, row.is_on = "60000000001001", "60000000001011", True
    with transaction():
        service.retry(organisation_id=world.organisation_id, reference=reference, actor=FACTORY, now=WHEN)
    assert world.sync(reference) is None
    assert world.row(reference).state == "synced"
    assert world.sim.store.read("SELECT organisation FROM zoho_bills")[0]["organisation"] == "60000000001"


def test_a_vendor_that_was_put_together_with_another_is_followed(world: World) -> None:
    payee = factories.payee(db.session.get_one(Organisation, world.organisation_id), name="Asha Rao").id
    first = world.payout(payee=db.session.get_one(Payee, payee))
    world.sync(first)
    left = books.add_contact(
        world.sim, world.books_id, {"contact_name": "Asha Rao & Sons", "contact_type": "vendor"}
    )
    world.sim.store.write("UPDATE zoho_bills SET vendor_id = ?", (left["id"],))
    world.sim.store.write("DELETE FROM zoho_contacts WHERE id <> ?", (left["id"],))
    world.pay(first)
    assert world.sync(first) is None
    second = world.payout(payee=db.session.get_one(Payee, payee))
    assert world.sync(second) is None
    assert world.bills() == [(first, "paid", 49_950), (second, "open", 49_950)]
    assert (world.vendors(), world.row(first).error) == (["Asha Rao & Sons"], "")


def test_an_account_that_is_gone_waits_for_a_person_and_the_vendor_stays(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*given: object) -> object:
        raise BooksError(Trouble.MISSING, "The account is gone.", code="1002")

    monkeypatch.setattr(ZohoBooks, "add_bill", missing)
    reference = world.payout()
    assert world.sync(reference) is None
    row = world.row(reference)
    assert (row.state, row.error) == ("failed", "The account is gone.")
    assert setups.vendors(world.organisation_id) == 1


@pytest.mark.parametrize(("count", "last"), [(100, "Roof 99"), (250, "and 151 further lines")])
def test_what_does_not_fit_into_a_bill_is_one_line(world: World, count: int, last: str) -> None:
    lines = [
        LineDraft(kind="earning", description=f"Roof {n}", amount_minor=100 + n, source_type="x", source_id=n)
        for n in range(count)
    ]
    reference = world.payout(lines=lines)
    assert world.sync(reference) is None
    row = world.sim.store.one("SELECT * FROM zoho_bills")
    assert row is not None
    said = json.loads(row["lines"])
    assert (len(said), said[-1]["name"]) == (100, last)
    assert row["total_minor"] == sum(line.amount_minor for line in lines)


def test_a_bill_that_was_deleted_in_the_books_is_made_again(world: World) -> None:
    reference = world.payout()
    world.sync(reference)
    world.sim.store.write("DELETE FROM zoho_bills")
    world.pay(reference)
    world.sync(reference)
    assert world.bills() == [(reference, "paid", 49_950)]


def test_a_vendor_that_was_deleted_in_the_books_is_made_again(world: World) -> None:
    organisation = db.session.get_one(Organisation, world.organisation_id)
    number = factories.payee(organisation, name="Asha Rao").id
    world.sync(world.payout(payee=db.session.get_one(Payee, number)))
    world.sim.store.write("DELETE FROM zoho_contacts")
    reference = world.payout(payee=db.session.get_one(Payee, number))
    assert world.sync(reference) is not None
    assert world.sync(reference) is None
    assert (world.vendors(), world.row(reference).state) == (["Asha Rao"], "synced")
