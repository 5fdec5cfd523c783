"""The demo's fleet: its stories are there, it proves itself, and its trips are those of a published file."""

from __future__ import annotations

import csv
import io
import json
import random
from datetime import date, timedelta
from itertools import pairwise

import pytest
from click.testing import CliRunner
from sqlalchemy import func, select

from tests.conftest import NOW
from tests.demo.conftest import Seeding
from webapp.database import db, transaction
from webapp.demo import metrocab, metrocab_people, metrocab_trips
from webapp.demo.metrocab_work import WEEKS
from webapp.demo.times import RECENT
from webapp.imports.kinds import get_kind
from webapp.imports.perform import perform
from webapp.kernel.actor import COMMAND
from webapp.ledger import check
from webapp.outbox.models import OutboxMessage
from webapp.payouts.models import Payout
from webapp.people.models import Organisation, Payee
from webapp.programs.repairs.books import (
    Adjustment,
    Charge,
    Dispute,
    Receipt,
    WeeklyProblem,
    WeeklyRun,
)
from webapp.programs.repairs.commands import quote_loan, quote_repair
from webapp.programs.repairs.models import Instalment, Repair, Replan
from webapp.programs.repairs.rules import Week
from webapp.programs.repairs.trips import Trip, gross_of

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("demo")]


@pytest.fixture(scope="module")
def fleet(put_in: Seeding) -> int:
    """A database with the fleet's data; answers the organisation's id."""
    put_in(metrocab.seed)
    return db.session.scalars(select(Organisation.id).where(Organisation.slug == "metrocab")).one()


def _driver(position: int) -> Payee:
    reference = metrocab_people.licence(position)
    return db.session.scalars(select(Payee).where(Payee.external_ref == reference)).one()


def test_there_are_thirty_drivers_and_twenty_six_weeks_of_receipts(fleet: int) -> None:
    assert db.session.scalar(select(func.count()).where(Payee.kind == "driver")) == 30
    weeks = db.session.scalars(select(Receipt.week_start).distinct().order_by(Receipt.week_start)).all()
    assert len(weeks) == WEEKS
    assert weeks == [weeks[0] + n * timedelta(weeks=1) for n in range(WEEKS)]
    assert db.session.scalar(select(func.count()).select_from(WeeklyRun)) == WEEKS
    assert db.session.scalars(select(WeeklyProblem.message)).all() == []


def test_the_ledger_proves_itself(fleet: int) -> None:
    assert check.run().findings == []


def test_weeks_end_with_either_sign_and_add_up(fleet: int) -> None:
    rows = db.session.scalars(
        select(Receipt).where(Receipt.revision == 1).order_by(Receipt.payee_id, Receipt.week_start)
    ).all()
    assert {row.net_minor > 0 for row in rows} == {True, False}
    assert any(row.closing_minor < 0 for row in rows)
    for before, after in pairwise(rows):
        if before.payee_id == after.payee_id:
            assert after.opening_minor == before.closing_minor


@pytest.mark.parametrize("state", ["draft", "open", "hold", "closed", "cancelled"])
def test_there_are_repairs_in_state(fleet: int, state: str) -> None:
    assert db.session.scalar(select(Repair.id).where(Repair.state == state).limit(1))


@pytest.mark.parametrize("state", ["scheduled", "posted", "paid", "skipped", "cancelled"])
def test_there_are_instalments_in_state(fleet: int, state: str) -> None:
    assert db.session.scalar(select(Instalment.id).where(Instalment.state == state).limit(1))


@pytest.mark.parametrize("state", ["pending_approval", "approved", "paid", "failed", "cancelled"])
def test_there_are_payouts_in_state(fleet: int, state: str) -> None:
    assert db.session.scalar(select(Payout.id).where(Payout.state == state).limit(1))


@pytest.mark.parametrize(
    "kind", ["payment", "credit", "reversed", "written_off", "deposit", "payout_back", "correction"]
)
def test_there_are_adjustments_of_kind(fleet: int, kind: str) -> None:
    assert db.session.scalar(select(Adjustment.id).where(Adjustment.kind == kind).limit(1))


@pytest.mark.parametrize(
    "category",
    ["taxes", "tolls", "lease", "tickets", "agency_fees", "repairs", "loans", "advances", "deposit"],
)
def test_there_are_charges_of_category(fleet: int, category: str) -> None:
    assert db.session.scalar(select(Charge.id).where(Charge.category == category).limit(1))


def test_a_repair_of_twelve_weeks_is_under_way(fleet: int) -> None:
    repair = db.session.scalars(
        select(Repair).where(
            Repair.payee_id == _driver(metrocab_people.PORTAL).id, Repair.amount_minor == 3_000_00
        )
    ).one()
    assert (repair.state, [each.amount_minor for each in repair.instalments]) == ("open", [250_00] * 12)
    assert {each.state for each in repair.instalments} >= {"paid", "scheduled"}


def test_what_waits_for_somebody(fleet: int) -> None:
    assert sorted(db.session.scalars(select(Dispute.state))) == ["accepted", "open", "refused"]
    assert sorted(db.session.scalars(select(Replan.state))) == ["accepted", "proposed"]


def test_who_left_has_a_final_receipt_and_a_correction_has_its_number(fleet: int) -> None:
    left = _driver(metrocab_people.LEAVING)
    last = db.session.scalars(
        select(Receipt).where(Receipt.payee_id == left.id).order_by(Receipt.week_start.desc()).limit(1)
    ).one()
    assert last.is_final
    again = db.session.scalars(select(Receipt).where(Receipt.revision == 2)).one()
    assert (again.difference_minor, again.replaces_id is not None) == (6_94, True)


def test_history_asks_for_no_mails(fleet: int) -> None:
    assert db.session.scalar(select(func.min(OutboxMessage.created_at))) >= NOW - RECENT


def test_the_trips_are_those_of_a_file(fleet: int) -> None:
    """What the generator stores, the importer stores: a file of the same rows changes nothing."""
    day = db.session.scalars(select(Trip.day).order_by(Trip.day.desc()).limit(1)).one()
    organisation = db.session.get_one(Organisation, fleet)
    licences = dict(db.session.execute(select(Payee.id, Payee.external_ref)).all())
    text = io.StringIO()
    writer = csv.DictWriter(text, metrocab_trips.COLUMNS)
    writer.writeheader()
    rng = random.Random(1)
    rows = [
        trip for position in range(5) for trip in metrocab_trips.trips_of_day(rng, position, date(2020, 3, 2))
    ]
    writer.writerows(rows)
    with transaction():
        payees = {reference: ident for ident, reference in licences.items()}
        stored = metrocab_trips.store(fleet, payees, rows, NOW)
    try:
        report = perform(
            kind=get_kind("trips"), data=text.getvalue().encode(), organisation=organisation, actor=COMMAND,
            now=NOW, audit_tag="repairs:trips:imported",
        )  # fmt: skip
        assert (report.unchanged, report.created, report.problems) == (stored, 0, [])
    finally:
        with transaction() as session:
            for trip in session.scalars(select(Trip).where(Trip.day < day - timedelta(days=400))):
                session.delete(trip)


def test_a_weeks_earnings_are_what_cards_paid(fleet: int) -> None:
    payee = _driver(metrocab_people.PORTAL)
    for receipt in db.session.scalars(select(Receipt).where(Receipt.payee_id == payee.id)):
        gross = gross_of(fleet, payee.id, Week(receipt.week_start), "USD")
        assert (receipt.earnings_minor, gross.trips > 0) == (gross.card.amount, True)


def _quoted(command: object, *arguments: str) -> dict[str, object]:
    result = CliRunner().invoke(command, ["--organisation", "metrocab", *arguments, "--json"])  # type: ignore[arg-type]
    assert result.exit_code == 0, result.output
    answer: dict[str, object] = json.loads(result.output)
    return answer


def test_quotes_of_the_fleet(fleet: int) -> None:
    repair = _quoted(quote_repair, "--amount", "500.50", "--invoice-date", "2025-10-01", "--start", "next")
    rows = repair["instalments"]
    assert isinstance(rows, list)
    assert [(row["week_start"], row["amount"], row["balance_after"]) for row in rows] == [
        ("2025-10-12", "200.00", "300.50"), ("2025-10-19", "200.00", "100.50"), ("2025-10-26", "100.50", "0.00"),
    ]  # fmt: skip
    loan = _quoted(
        quote_loan, "--amount", "1200.00", "--percent", "10", "--lent-on", "2025-10-06", "--start", "current"
    )
    rows = loan["instalments"]
    assert isinstance(rows, list)
    assert [row["amount"] for row in rows] == ["251.97", "251.82", "251.34", "250.86", "200.38"]
