"""The weekly run: once, late, refused, killed; what was issued stays; weeks of any drivers add up to the ledger."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text
from sqlalchemy.exc import DatabaseError

from tests.factories import repairs
from tests.factories.people import FACTORY
from tests.factories.repairs import at, sunday
from tests.programs.repairs.test_receipts import FRIDAY, example
from tests.support.books import clean
from webapp.database import db, transaction
from webapp.kernel.errors import Conflict
from webapp.ledger import check
from webapp.payouts import service as payouts
from webapp.payouts.models import Payout
from webapp.people.models import Organisation, Payee
from webapp.programs.repairs import fleet, queries, receipts, weekly
from webapp.programs.repairs.books import Allocation, Charge, Receipt, ReceiptLine
from webapp.programs.repairs.models import MatrixVersion
from webapp.runs import tasks

#: The whole proof takes hundreds: PAYDESK_SEQUENCES=500.
SEQUENCES = int(os.environ.get("PAYDESK_SEQUENCES", "6"))


@pytest.fixture
def metrocab(database: Flask) -> Organisation:
    """A taxi fleet."""
    return repairs.metrocab()


@pytest.fixture
def ann(metrocab: Organisation) -> Payee:
    """A driver whose lease began on 28 September."""
    found = repairs.driver(metrocab, name="Ann Lee")
    repairs.lease(found)
    return found


def test_running_twice_changes_nothing(metrocab: Organisation, ann: Payee) -> None:
    lease = fleet.lease_on(ann.id, repairs.DAY)
    assert lease is not None
    repairs.repair(lease, 3_000_00)
    example(ann, 1_000_00)

    def seen() -> list[int]:
        tables = (Receipt, ReceiptLine, Charge, Allocation, Payout)
        return [db.session.query(table).count() for table in tables]

    first = repairs.run(metrocab, sunday(1))
    figures, rows = (first.posted, first.receipts, first.payouts), seen()
    assert figures == (1, 1, 1)
    again = repairs.run(metrocab, sunday(1))
    assert ((again.posted, again.receipts, again.payouts), seen()) == (figures, rows)


def test_a_late_run_catches_up_week_by_week(metrocab: Organisation, ann: Payee) -> None:
    lease = fleet.lease_on(ann.id, repairs.DAY)
    assert lease is not None
    row = repairs.repair(lease)
    late = at(sunday(3))
    for n in range(4):
        for hour in (9, 10):
            weekly.run_due(metrocab.id, at(sunday(n), hour), late)
        weekly.run_due(metrocab.id, at(date(2025, 10, 6 + 7 * n), 9), late)
    db.session.refresh(row)
    assert [each.posted_for for each in row.instalments] == [sunday(0), sunday(1), sunday(2)]
    weeks = db.session.scalars(select(Receipt.week_start).order_by(Receipt.id)).all()
    assert weeks == [date(2025, 9, 28), sunday(0), sunday(1), sunday(2)]
    assert clean(metrocab)


@pytest.mark.parametrize(
    ("after", "due"),
    [
        ("2025-11-01T12:00:00+00:00", "2025-11-02T10:00:00+00:00"),
        ("2025-10-25T12:00:00+00:00", "2025-10-26T09:00:00+00:00"),
        ("2026-03-07T12:00:00+00:00", "2026-03-08T09:00:00+00:00"),
    ],
)
def test_it_is_five_in_the_morning_also_when_the_clocks_change(after: str, due: str) -> None:
    task = next(each for each in tasks.registered() if each.name == "repairs.week")
    found = tasks.next_due(task, datetime.fromisoformat(after), "America/New_York")
    assert found == datetime.fromisoformat(due)
    assert task.per_organisation
    assert task.program == "repairs"


def test_a_repair_confirmed_late_is_caught_up_one_a_week_or_at_once(
    metrocab: Organisation, ann: Payee
) -> None:
    lease = fleet.lease_on(ann.id, repairs.DAY)
    assert lease is not None
    repairs.repair(lease)
    assert [repairs.run(metrocab, sunday(n)).posted for n in (2, 3, 4, 5)] == [1, 1, 1, 0]
    repairs.repair(lease)
    repairs.set_up(metrocab, is_one_a_week=False)
    assert repairs.run(metrocab, sunday(6)).posted == 3
    assert clean(metrocab)


def test_a_driver_who_is_refused_does_not_stop_the_others(
    metrocab: Organisation, ann: Payee, monkeypatch: pytest.MonkeyPatch
) -> None:
    ben = repairs.driver(metrocab, name="Ben")
    repairs.lease(ben)
    repairs.earn(ann, 10_00, FRIDAY)
    repairs.earn(ben, 10_00, FRIDAY)
    real = receipts.paying.make_payouts

    def refuse(rows: Sequence[Receipt], *rest: Any) -> None:
        real(rows, *rest)
        if any(row.payee_id == ben.id for row in rows):
            raise Conflict("Ben is being paid for this already.")

    monkeypatch.setattr(receipts.paying, "make_payouts", refuse)
    run = repairs.run(metrocab, sunday(1))
    assert (run.receipts, run.problems) == (1, 1)
    assert [(p.payee_id, p.step, p.message) for p in queries.problems_of(run.id)] == [
        (ben.id, "receipt", "Ben is being paid for this already.")
    ]
    assert clean(metrocab)
    monkeypatch.undo()
    run = repairs.run(metrocab, sunday(1))
    assert (run.receipts, run.problems) == (2, 0)
    assert clean(metrocab)


@pytest.mark.parametrize("broken", ["make_payouts", "_link", "settled", "insert_many", "_remember"])
def test_a_run_that_dies_goes_on_where_it_is(
    metrocab: Organisation, ann: Payee, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    lease = fleet.lease_on(ann.id, repairs.DAY)
    assert lease is not None
    repairs.repair(lease)
    example(ann, 1_000_00)

    def die(*_: Any, **__: Any) -> Any:
        raise SystemExit(137)

    places = {"make_payouts": receipts.paying, "_link": receipts.paying, "settled": receipts.entries}
    where = places.get(broken, receipts)
    monkeypatch.setattr(where, broken, die)
    with pytest.raises(SystemExit):
        repairs.run(metrocab, sunday(1))
    assert db.session.query(Receipt).count() == db.session.query(Payout).count() == 0
    assert clean(metrocab)
    monkeypatch.undo()
    run = repairs.run(metrocab, sunday(1))
    assert (run.posted, run.receipts, run.payouts) == (1, 1, 1)
    assert clean(metrocab)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE repairs_receipts SET paid_minor = paid_minor + 1, closing_debt_minor = closing_debt_minor + 1",
        "UPDATE repairs_receipts SET payout_id = NULL",
        "DELETE FROM repairs_receipts",
        "UPDATE repairs_receipt_lines SET amount_minor = 1",
        "DELETE FROM repairs_allocations",
        "UPDATE repairs_matrix_versions SET fold_below_minor = 1",
    ],
)
def test_what_was_issued_is_never_changed(metrocab: Organisation, ann: Payee, statement: str) -> None:
    example(ann, 1_000_00)
    repairs.run(metrocab, sunday(1))
    with transaction():
        db.session.add(
            MatrixVersion(
                organisation_id=metrocab.id, version=1, currency="USD", bands=[[0, None]], created_by_label="x",
                created_at=at(FRIDAY),
            )
        )  # fmt: skip
    with pytest.raises(DatabaseError, match="never changed"), transaction():
        db.session.execute(text(statement))


def found_by(metrocab: Organisation) -> set[str]:
    """The rules that find something."""
    return {finding.rule for finding in check.run(metrocab.id).findings}


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        (
            "UPDATE repairs_charges SET paid_minor = paid_minor + 1 WHERE category = 'tickets'",
            "drivers' debts",
        ),
        ("UPDATE repairs_earnings SET receipt_id = NULL", "drivers' earnings"),
        ("UPDATE payouts SET amount_minor = amount_minor + 1", "drivers' payouts held"),
        ("UPDATE repairs_instalments SET state = 'cancelled' WHERE state = 'scheduled'", "drivers' loans"),
    ],
)
def test_the_ledgers_check_finds_what_differs(
    metrocab: Organisation, ann: Payee, statement: str, rule: str
) -> None:
    repairs.loan(ann)
    repairs.set_up(metrocab, weekly_caps={"tickets": 5_00})
    repairs.charge(ann, "tickets", 25_00, FRIDAY)
    repairs.earn(ann, 400_00, FRIDAY)
    repairs.run(metrocab, sunday(1))
    assert clean(metrocab)
    with transaction():
        db.session.execute(text(statement))
    assert found_by(metrocab) == {rule}


WEEKS = st.lists(
    st.tuples(
        st.integers(0, 900_00),
        st.sampled_from(["taxes", "tolls", "lease", "tickets", "miscellaneous", "deposit"]),
        st.integers(1, 700_00),
        st.integers(0, 200_00),
        st.booleans(),
    ),
    min_size=2,
    max_size=5,
)


@settings(max_examples=SEQUENCES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(WEEKS, min_size=1, max_size=3),
    st.sampled_from([0, 100_00]),
    st.sampled_from([{}, {"lease": 50_00}]),
)
def test_weeks_of_drivers_add_up_to_the_ledger(
    database: Flask, drivers: list[list[tuple[Any, ...]]], protected: int, caps: dict[str, int]
) -> None:
    metrocab = repairs.metrocab()
    repairs.set_up(metrocab, protected_minor=protected, weekly_caps=caps)
    payees = [repairs.driver(metrocab) for _ in drivers]
    for payee in payees:
        repairs.repair(repairs.lease(payee, 350_00), 900_00)
    for n in range(max(map(len, drivers))):
        day = date(2025, 10, 6).fromordinal(sunday(n).toordinal() + 2)
        for payee, weeks in zip(payees, drivers, strict=True):
            if n < len(weeks):
                earned, category, amount, paid, is_cancelled = weeks[n]
                if earned:
                    repairs.earn(payee, earned, day)
                repairs.charge(payee, category, amount, day)
                if paid:
                    repairs.pay(payee, paid, day)
                _maybe_cancel(payee, is_cancelled, day)
        repairs.run(metrocab, sunday(n + 1))
        assert clean(metrocab)
    for payee in payees:
        _adds_up(metrocab, payee)


def _maybe_cancel(payee: Payee, is_cancelled: bool, day: date) -> None:
    waiting = db.session.scalar(
        select(Payout).where(Payout.payee_id == payee.id, Payout.state == "pending_approval").limit(1)
    )
    if is_cancelled and waiting is not None:
        with transaction():
            payouts.cancel(
                organisation_id=payee.organisation_id, reference=waiting.reference, reason="x", actor=FACTORY,
                now=at(day),
            )  # fmt: skip


def _adds_up(metrocab: Organisation, payee: Payee) -> None:
    rows = db.session.scalars(select(Receipt).where(Receipt.payee_id == payee.id).order_by(Receipt.id)).all()
    opening = 0
    for row in rows:
        assert row.opening_minor == opening
        opening = (
            row.opening_minor
            + row.earnings_minor
            - row.charges_minor
            + row.adjustments_minor
            - row.paid_minor
        )
        assert row.closing_minor == opening
        by_kind = {
            kind: sum(line.amount_minor for line in row.lines if line.kind == kind)
            for kind in ("earning", "charge", "adjustment")
        }
        assert by_kind == {
            "earning": row.earnings_minor, "charge": -row.charges_minor, "adjustment": row.adjustments_minor,
        }  # fmt: skip
    uncounted = db.session.scalar(
        select(func.coalesce(func.sum(Charge.amount_minor), 0)).where(
            Charge.payee_id == payee.id, Charge.receipt_id.is_(None)
        )
    )
    assert queries.balance_of(metrocab.id, payee, "USD").net.amount == opening - int(uncounted or 0)
