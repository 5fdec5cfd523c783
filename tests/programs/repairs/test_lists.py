"""Lists of repairs, instalments, receipts and a driver's ledger: what a filter finds, in which order, page by page."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from flask import Flask

from tests.factories import repairs as world
from tests.factories.repairs import DAY, FACTORY, at, sunday
from webapp.database import transaction
from webapp.kernel.money import Money
from webapp.people.models import Organisation, Payee
from webapp.programs.repairs import changing, correcting, fleet, ledger_list, lists, queries
from webapp.programs.repairs.ledger_list import LedgerFilter
from webapp.programs.repairs.lists import DUE, UNPOSTED, InstalmentFilter, ReceiptFilter, RepairFilter
from webapp.programs.repairs.models import Repair
from webapp.web import listing
from webapp.web.listing import Listing, Sort

FRIDAY = date(2025, 10, 10)


@pytest.fixture
def metrocab(database: Flask) -> Organisation:
    """A taxi fleet."""
    return world.metrocab()


@pytest.fixture
def ann(metrocab: Organisation) -> Payee:
    """A driver."""
    return world.driver(metrocab, name="Ann Lee")


@pytest.fixture
def bob(metrocab: Organisation) -> Payee:
    """Another one, whose name has signs that a search must not take for its own."""
    return world.driver(metrocab, name="Bob 100%_Roy")


def found(of: Listing, sort: str | None = None) -> list[Any]:
    """All rows of a list, in an order."""
    return [row for batch in listing.batches(of, of.sort(sort), size=2) for row in batch]


def references(of: Listing, sort: str | None = None) -> list[str]:
    """Their numbers."""
    return [row.reference for row in found(of, sort)]


def walk(of: Listing, sort: Sort, size: int) -> list[list[int]]:
    """The pages to the end, and the same pages on the way back."""
    pages, part = [], listing.page(of, sort, size=size)
    assert not part.has_previous
    while True:
        pages.append([row.id for row in part.rows])
        if not part.has_next:
            break
        part = listing.page(of, sort, size=size, after=part.rows[-1].id)
        assert part.has_previous
    back = [pages[-1]]
    while part.has_previous:
        part = listing.page(of, sort, size=size, before=part.rows[0].id)
        assert part.has_next
        back.insert(0, [row.id for row in part.rows])
    assert back == pages
    return pages


def test_repairs_are_found_by_each_field(metrocab: Organisation, ann: Payee, bob: Payee) -> None:
    with transaction():
        number = fleet.create_medallion(
            organisation_id=metrocab.id, number="9Y01", actor=FACTORY, now=at(DAY)
        )
        medallion_id = number.id
    hers = world.lease(ann, medallion_id=medallion_id)
    his = world.lease(bob)
    one = world.repair(hers, 500_50, workshop="in_house", description="Brakes, both sides")
    two = world.draft(
        his, 200_00, workshop="external", invoice_number="INV 7", invoice_date=date(2025, 9, 30)
    )
    both = [one.reference, two.reference]
    foreign = world.metrocab()
    world.repair(world.lease(world.driver(foreign, name="Ann Lee")))
    for chosen, expected in (
        (RepairFilter(), both),
        (RepairFilter(text="brakes"), both[:1]),
        (RepairFilter(text="inv 7"), both[1:]),
        (RepairFilter(text=one.reference.lower()), both[:1]),
        (RepairFilter(text="ann"), both[:1]),
        (RepairFilter(text="%"), both[1:]),
        (RepairFilter(text="_"), both[1:]),
        (RepairFilter(text=his.vehicle.plate.lower()), both[1:]),
        (RepairFilter(driver=ann.reference.lower()), both[:1]),
        (RepairFilter(driver="roy"), both[1:]),
        (RepairFilter(lease=hers.reference), both[:1]),
        (RepairFilter(vehicle=his.vehicle.plate), both[1:]),
        (RepairFilter(medallion="9y"), both[:1]),
        (RepairFilter(state="draft"), both[1:]),
        (RepairFilter(workshop="in_house"), both[:1]),
        (RepairFilter(date_from=DAY), both[:1]),
        (RepairFilter(date_to=date(2025, 9, 30)), both[1:]),
        (RepairFilter(date_from=date(2025, 9, 30), date_to=DAY), both),
        (RepairFilter(amount_from=200_01, currency="USD"), both[:1]),
        (RepairFilter(amount_to=200_00, currency="USD"), both[1:]),
        (RepairFilter(amount_from=1, currency="EUR"), []),
        (RepairFilter(text="ann", state="draft"), []),
    ):
        assert sorted(references(lists.repairs(metrocab.id, chosen))) == expected, chosen
    assert references(lists.repairs(metrocab.id, payee_id=bob.id)) == both[1:]


def test_every_order_pages_forth_and_back(metrocab: Organisation, ann: Payee, bob: Payee) -> None:
    for payee, amounts in ((ann, (300_00, 100_00, 300_00, 450_00)), (bob, (200_00, 300_00, 50_00))):
        lease = world.lease(payee)
        for amount in amounts:
            world.repair(lease, amount)
    of = lists.repairs(metrocab.id)
    rows = found(of)
    assert len(rows) == 7
    for key, column in (
        ("amount", "amount_minor"), ("driver", "driver_name"), ("state", "state"), ("outstanding", "outstanding_minor"),
        ("vehicle", "vehicle_plate"), ("date", "invoice_date"), ("created", "id"),
    ):  # fmt: skip
        for is_descending in (False, True):
            sort = Sort(key, is_descending)
            wanted = sorted(rows, key=lambda row: (getattr(row, column), row.id), reverse=is_descending)
            expected = [row.id for row in wanted]
            assert [row.id for row in found(of, sort.text)] == expected
            for size in (1, 3, 7, 50):
                assert [i for part in walk(of, sort, size) for i in part] == expected
    assert of.sort("nonsense") == of.sort(None) == Sort("date", is_descending=True)
    assert of.sort("-amount").text == "-amount"


def test_a_position_holds_when_its_row_leaves_the_filter_or_is_not_there(
    metrocab: Organisation, ann: Payee
) -> None:
    lease = world.lease(ann)
    rows = [world.draft(lease, amount) for amount in (100_00, 200_00, 300_00)]
    of, sort = lists.repairs(metrocab.id, RepairFilter(state="draft")), Sort("amount")
    _change(rows[1], changing.cancel_repair, reason="Entered twice.")
    assert [row.id for row in listing.page(of, sort, size=5, after=rows[1].id).rows] == [rows[2].id]
    # A key that is nobody's, or another organisation's, is no place in this list.
    foreign = world.draft(world.lease(world.driver(world.metrocab())), 150_00)
    for key in (foreign.id, 10**12):
        part = listing.page(of, sort, size=5, after=key)
        assert ([row.id for row in part.rows], part.has_previous) == ([rows[0].id, rows[2].id], False)


def _change(repair: Repair, function: Any, **values: Any) -> None:
    with transaction():
        function(
            organisation_id=repair.organisation_id, reference=repair.reference, actor=FACTORY, now=at(DAY), **values
        )  # fmt: skip


def test_totals_are_those_of_the_rows(metrocab: Organisation, ann: Payee, bob: Payee) -> None:
    hers = world.lease(ann)
    for lease, amount in ((hers, 500_50), (world.lease(bob), 120_00), (hers, 80_00)):
        world.repair(lease, amount)
    world.run(metrocab, sunday(0))
    world.earn(ann, 130_00, FRIDAY)
    world.run(metrocab, sunday(1))
    of = lists.repairs(metrocab.id, RepairFilter(driver=ann.reference))
    rows = found(of)
    assert len(rows) == 2
    (total,) = listing.totals(of)
    assert (total.currency, total.count) == ("USD", 2)
    for name in ("amount", "paid", "credited", "outstanding"):
        assert total.sums[name] == Money(sum(getattr(row, f"{name}_minor") for row in rows), "USD")
    assert total.sums["paid"] == Money(130_00, "USD")
    assert listing.totals(lists.repairs(metrocab.id, RepairFilter(state="hold"))) == []
    assert listing.count(of) == "2"
    assert listing.count(of, limit=1) == "1+"
    assert (listing.is_longer(of, 1), listing.is_longer(of, 2)) == (True, False)


def test_what_is_not_charged_is_that_of_open_repairs_and_loans(
    metrocab: Organisation, ann: Payee, bob: Payee
) -> None:
    lease = world.lease(ann)
    plan = world.repair(lease, 500_50)
    world.draft(lease, 90_00)
    held = world.repair(lease, 70_00)
    _change(held, changing.hold_repair, reason="The invoice is looked at.")
    lent = world.loan(bob)
    unposted = InstalmentFilter(state=UNPOSTED)
    rows = found(lists.instalments(metrocab.id, unposted))
    assert {row.repair_reference or row.loan_reference for row in rows} == {plan.reference, lent.reference}
    assert [row.week_start for row in rows] == sorted(row.week_start for row in rows)
    assert len(rows) == 3 + 5
    due = InstalmentFilter(state=DUE, today=sunday(0))
    assert references(lists.instalments(metrocab.id, due)) == [f"{plan.reference}-01"]
    assert len(found(lists.instalments(metrocab.id, replace(due, today=date(2025, 10, 4))))) == 0
    with pytest.raises(ValueError, match="depends on the day"):
        lists.instalments(metrocab.id, InstalmentFilter(state=DUE))
    assert len(found(lists.instalments(metrocab.id, InstalmentFilter(state="scheduled")))) == 3 + 1 + 1 + 5
    world.run(metrocab, sunday(0))
    assert references(lists.instalments(metrocab.id, due)) == []
    (posted,) = found(lists.instalments(metrocab.id, InstalmentFilter(state="posted")))
    assert (posted.reference, posted.posted_for) == (f"{plan.reference}-01", sunday(0))


def test_instalments_are_found_by_driver_vehicle_days_and_amount(
    metrocab: Organisation, ann: Payee, bob: Payee
) -> None:
    hers, his = world.lease(ann), world.lease(bob)
    one, two = world.repair(hers, 500_50), world.repair(his, 450_00)
    last_day = date(2025, 10, 11)
    assert (one.instalments[0].week_start, one.instalments[0].due_on) == (sunday(0), last_day)
    ours = [f"{one.reference}-0{n}" for n in (1, 2, 3)]
    for chosen, expected in (
        (InstalmentFilter(driver=ann.reference), ours),
        (InstalmentFilter(text="lee"), ours),
        (InstalmentFilter(text=ours[1]), ours[1:2]),
        (InstalmentFilter(repair=one.reference), ours),
        (InstalmentFilter(vehicle=hers.vehicle.plate), ours),
        (InstalmentFilter(date_to=last_day), [ours[0], f"{two.reference}-01"]),
        (InstalmentFilter(date_from=last_day, date_to=last_day), [ours[0], f"{two.reference}-01"]),
        (InstalmentFilter(date_to=date(2025, 10, 10)), []),
        (InstalmentFilter(driver="ann", date_from=date(2025, 10, 12)), ours[1:]),
        (InstalmentFilter(amount_from=100_01, amount_to=199_99, currency="USD"), ours[2:]),
    ):
        assert references(lists.instalments(metrocab.id, chosen)) == expected, chosen
    assert references(lists.instalments(metrocab.id, payee_id=ann.id), "amount") == [ours[2], *ours[:2]]
    for key in ("week", "-week", "amount", "-driver", "created"):
        of = lists.instalments(metrocab.id)
        assert [i for part in walk(of, of.sort(key), 3) for i in part] == [row.id for row in found(of, key)]


def test_receipts_are_found_by_week_sign_and_payout(metrocab: Organisation, ann: Payee, bob: Payee) -> None:
    for payee in (ann, bob):
        world.lease(payee)
    world.earn(ann, 900_00, FRIDAY)
    world.charge(bob, "tickets", 40_00, FRIDAY)
    world.run(metrocab, sunday(1))
    world.run(metrocab, sunday(2))
    rows = found(lists.receipts(metrocab.id))
    assert [row.week_start for row in rows] == [sunday(1)] * 2 + [sunday(0)] * 2
    hers = next(row for row in rows if row.driver_name == "Ann Lee" and row.week_start == sunday(0))
    his = [row.number for row in rows if row.driver_name != "Ann Lee"]
    assert (hers.net_minor, hers.paid_minor, hers.closing_minor) == (900_00, 900_00, 0)
    assert hers.payout_state == "pending_approval"
    first = ReceiptFilter(week_to=sunday(0))
    for chosen, expected in (
        (ReceiptFilter(sign="positive"), {hers.number}),
        (ReceiptFilter(sign="negative"), set(his)),
        (ReceiptFilter(payout="with"), {hers.number}),
        (ReceiptFilter(payout="without", driver=bob.reference), set(his)),
        (replace(first, driver="ann"), {hers.number}),
        (ReceiptFilter(text=hers.payout_reference), {hers.number}),
        (ReceiptFilter(text=hers.number), {hers.number}),
        (ReceiptFilter(week_from=sunday(2)), set()),
        (ReceiptFilter(lease=hers.lease_reference, week_to=sunday(0)), {hers.number}),
        (ReceiptFilter(sign="zero"), {row.number for row in rows if not row.net_minor}),
    ):
        assert {row.number for row in found(lists.receipts(metrocab.id, chosen))} == expected, chosen
    assert {row.number for row in found(lists.receipts(metrocab.id, payee_id=bob.id))} == set(his)


def test_what_was_corrected_is_listed_and_not_added_up(metrocab: Organisation, ann: Payee) -> None:
    world.lease(ann)
    world.earn(ann, 900_00, FRIDAY)
    world.run(metrocab, sunday(1))
    (old,) = found(lists.receipts(metrocab.id))
    with transaction():
        correcting.reissue_receipt(
            organisation_id=metrocab.id, number=old.number, reason="A fare was missed.", actor=FACTORY,
            lines=[correcting.CorrectionLine("tolls", "Trip 9", 20_00)], now=at(sunday(1)),
        )  # fmt: skip
    of = lists.receipts(metrocab.id)
    assert [row.revision for row in found(of, "-created")] == [2, 1]
    (total,) = listing.totals(of)
    assert total.count == 2
    assert {name: each.amount for name, each in total.sums.items()} == {
        "earnings": 900_00, "charges": 0, "adjustments": 20_00, "paid": 900_00,
    }  # fmt: skip
    newest = lists.receipts(metrocab.id, ReceiptFilter(is_newest=True))
    assert [row.revision for row in found(newest)] == [2]


def test_a_drivers_ledger_ends_with_the_drivers_balance(
    metrocab: Organisation, ann: Payee, bob: Payee
) -> None:
    world.lease(bob, 70_00)
    world.repair(world.lease(ann, 100_00), 150_00)
    world.earn(ann, 700_00, FRIDAY)
    world.charge(ann, "taxes", 25_00, FRIDAY)
    world.run(metrocab, sunday(0))
    world.run(metrocab, sunday(1))
    world.charge(ann, "tickets", 40_00, date(2025, 10, 14))
    world.pay(ann, 15_00, date(2025, 10, 15))
    world.run(metrocab, sunday(2))
    of = ledger_list.driver_ledger(metrocab.id, ann.id)
    rows = found(of)
    assert [row.day for row in rows] == sorted((row.day for row in rows), reverse=True)
    assert {row.kind for row in rows} == {"charge", "earning", "adjustment", "payout"}
    assert rows[0].balance_minor == queries.balance_of(metrocab.id, ann, "USD").net.amount
    running = 0
    for row in reversed(rows):
        running += row.amount_minor
        assert row.balance_minor == running
    closings = {
        row.week_start: row.closing_minor for row in found(lists.receipts(metrocab.id, payee_id=ann.id))
    }
    assert running == closings[sunday(1)] - sum(
        -row.amount_minor for row in rows if row.receipt_number is None
    )
    (total,) = listing.totals(of)
    assert total.sums["net"].amount == running
    assert total.sums["credited"] == Money(715_00, "USD")
    narrow = ledger_list.driver_ledger(metrocab.id, ann.id, LedgerFilter(category="taxes"))
    (tax,) = found(narrow)
    # Beside a line of a filter stands the same balance as in the whole list.
    assert tax.balance_minor == next(row.balance_minor for row in rows if row.id == tax.id)
    assert (tax.amount_minor, tax.covered_minor) == (-25_00, 25_00)
    assert ledger_list.words_of(tax.kind, tax.category) == "Taxes"
    for chosen, n in (
        (LedgerFilter(kind="payout"), 1),
        (LedgerFilter(kind="adjustment"), 1),
        (LedgerFilter(text="DTR-"), sum(row.receipt_number is not None for row in rows)),
        (LedgerFilter(date_from=date(2025, 10, 14), date_to=date(2025, 10, 15)), 2),
    ):
        assert len(found(ledger_list.driver_ledger(metrocab.id, ann.id, chosen))) == n, chosen
    for sort in (Sort("date"), Sort("date", is_descending=True)):
        assert [i for part in walk(of, sort, 3) for i in part] == [row.id for row in found(of, sort.text)]


def test_balances_by_category_are_what_is_open(metrocab: Organisation, ann: Payee) -> None:
    world.lease(ann)
    world.charge(ann, "tickets", 40_00, FRIDAY)
    world.charge(ann, "tickets", 10_00, FRIDAY)
    world.charge(ann, "taxes", 30_00, FRIDAY)
    world.earn(ann, 45_00, FRIDAY)
    world.run(metrocab, sunday(1))
    rows = ledger_list.balances_by_category(metrocab.id, ann.id, "USD")
    assert [(row.category, row.charged.amount, row.covered.amount, row.open.amount) for row in rows] == [
        ("taxes", 30_00, 30_00, 0), ("tickets", 50_00, 15_00, 35_00),
    ]  # fmt: skip
    assert ledger_list.balances_by_category(metrocab.id, ann.id, "EUR") == []
