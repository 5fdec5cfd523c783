"""Calculations as runs: an answer for each partner, again nothing new, by themselves on the first of a month."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from tests.factories import partners as factory
from tests.factories.partners import OPENED, TODAY, commissions
from tests.factories.people import FACTORY
from tests.rooms.payouts.test_races import together
from tests.support.books import clean
from webapp.database import db, transaction
from webapp.kernel.errors import Invalid
from webapp.payouts.models import Payout
from webapp.people.models import Organisation
from webapp.programs.partners import calculating, calculation_runs, commission_rules, due
from webapp.programs.partners.drafts import PROGRAM, RuleDraft
from webapp.programs.partners.rules import period
from webapp.runs import moves, results
from webapp.runs import service as runs
from webapp.runs.models import Run, RunRow


def start(organisation: Organisation, until: str = "2026-Q1", now: datetime = TODAY) -> int | None:
    """The id of the run that is queued; None: nothing new."""
    with transaction():
        run = calculation_runs.start(organisation_id=organisation.id, until=until, actor=FACTORY, now=now)
        return run.id if run else None


def work(run_id: int | None) -> Run:
    """The run after a worker was at it."""
    assert run_id is not None
    assert runs.step(run_id=run_id, clock=lambda: TODAY) is True
    db.session.rollback()
    return db.session.get_one(Run, run_id, populate_existing=True)


def amounts(organisation: Organisation) -> list[int]:
    """The amounts of all payouts of the program."""
    db.session.rollback()
    query = select(Payout.amount_minor).where(
        Payout.organisation_id == organisation.id, Payout.program == PROGRAM
    )
    return sorted(db.session.scalars(query))


def answers(run: Run) -> list[tuple[str, str]]:
    """What became of each partner."""
    rows = db.session.scalars(select(RunRow).where(RunRow.run_id == run.id).order_by(RunRow.position))
    return [(row.outcome, row.message) for row in rows]


def test_each_partner_gets_an_answer(base: Organisation) -> None:
    program = factory.program(base, minimums={"USD": 60_00})
    ann, ben, cleo = (factory.partner(base, name=name) for name in ("Ann", "Ben", "Cleo"))
    factory.won(program, [ann], 2_000_00)
    factory.won(program, [ben], 1_000_00)
    factory.won(program, [ben], 700_00, currency="EUR")
    factory.won(program, [cleo], 3_000_00)
    run_id = start(base)
    factory.calculate(base, payees=[cleo])
    run = work(run_id)
    assert (run.done, run.skipped, run.failed) == (2, 1, 0)
    [(_, of_ann), (_, of_ben), of_cleo] = answers(run)
    assert "over $100.00" in of_ann
    assert "PO-2026-" in of_ben
    assert "rolls over" in of_ben
    assert of_cleo == ("skipped", "Nothing is due any more; it is in a payout already.")
    assert amounts(base) == [35_00, 100_00, 150_00]
    assert clean(base)


def test_nothing_is_started_for_those_who_only_wait(base: Organisation) -> None:
    program = factory.program(base, minimums={"USD": 60_00})
    ann, ben, cleo = (factory.partner(base, name=name) for name in ("Ann", "Ben", "Cleo"))
    factory.won(program, [ann], 1_000_00)
    deal = factory.won(program, [ben], 2_000_00)
    factory.calculate(base, payees=[ben])
    factory.lost(deal)
    assert calculating.partners_due(base.id, "2026-Q1", TODAY, 0, 10) == [ann.id, ben.id]
    assert due.ready(base.id, "2026-Q1", TODAY, 10) == []
    assert start(base) is None
    factory.won(program, [cleo], 2_000_00)
    run = work(start(base))
    assert (run.total, run.done) == (1, 1)
    assert start(base) is None


def test_a_second_calculation_has_nothing_new(base: Organisation) -> None:
    factory.won(factory.program(base), [factory.partner(base)])
    work(start(base))
    assert start(base) is None
    assert amounts(base) == [50_00]


def test_while_one_waits_or_works_a_second_start_is_that_one(base: Organisation) -> None:
    factory.won(factory.program(base), [factory.partner(base)])
    first = start(base)
    assert start(base) == first
    with transaction():
        db.session.get_one(Run, first).state = "running"
    assert start(base) == first
    with transaction():
        db.session.get_one(Run, first).state = "queued"
    work(first)
    assert start(base) is None


def test_one_that_leaves_programs_out_does_not_stand_for_one_that_does_not(base: Organisation) -> None:
    factory.won(factory.program(base), [factory.partner(base)])
    april = datetime(2026, 4, 1, 6, tzinfo=UTC)
    assert night(base, april) == ["2026-Q1"]
    assert night(base, april) == ["2026-Q1"]
    assert start(base, now=april) is not None
    assert night(base, april) == ["2026-Q1", "2026-Q1"]


def test_two_runs_started_before_either_worked_take_each_commission_once(base: Organisation) -> None:
    factory.won(factory.program(base), [factory.partner(base)])
    first, second = start(base), start(base, "2026-03")
    assert first != second
    work(first)
    assert answers(work(second)) == [("skipped", "Nothing is due any more; it is in a payout already.")]
    assert amounts(base) == [50_00]


def test_two_workers_at_two_runs_take_each_commission_once(database: Flask) -> None:
    base = factory.partnerbase()
    program = factory.program(base)
    for n in range(5):
        factory.won(program, [factory.partner(base)], 1_000_00 + n)
    ids = [start(base), start(base, "2026-03")]

    def worker(run_id: int | None) -> str:
        assert run_id is not None
        assert runs.step(run_id=run_id, clock=lambda: TODAY) is True
        return "over"

    assert together(database, [lambda: worker(ids[0]), lambda: worker(ids[1])]) == ["over", "over"]
    assert len(amounts(base)) == 5
    assert clean(base)


def test_one_that_is_killed_half_way_is_gone_on_with(
    base: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = factory.program(base)
    for _ in range(3):
        factory.won(program, [factory.partner(base)])
    run_id = start(base)
    assert run_id is not None
    with monkeypatch.context() as patch:
        # The batch is written and its worker is gone before the commit.
        patch.setattr(results, "keep_all", lambda *values: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            runs.step(run_id=run_id, clock=lambda: TODAY)
    db.session.rollback()
    assert amounts(base) == []
    later = TODAY + 2 * moves.LEASE
    assert runs.step(run_id=run_id, clock=lambda: later) is True
    assert amounts(base) == [50_00, 50_00, 50_00]
    assert clean(base)


def test_one_partner_who_is_refused_does_not_stop_the_others(base: Organisation) -> None:
    program = factory.program(base)
    ann, ben = factory.partner(base), factory.partner(base)
    deal = factory.won(program, [ann])
    factory.won(program, [ben])
    run_id = start(base)
    # Somebody claims Ann's commission with a payout of other hands: the batch is refused, Ben's goes alone.
    factory.calculate(base, payees=[ann])
    with transaction():
        row = commissions(deal)[0]
        row.state, row.payout_id = "open", None
    run = work(run_id)
    assert (run.done, run.skipped + run.failed) == (1, 1)
    assert amounts(base) == [50_00, 50_00]


@pytest.mark.parametrize("text", ["2026-13", "February", "", "2026-Q5", "2031-01"])
def test_wrong_periods_are_refused_with_the_field(base: Organisation, text: str) -> None:
    with pytest.raises(Invalid) as refused:
        start(base, text)
    assert refused.value.field == "period"


def test_a_month_takes_nothing_of_programs_that_pay_by_the_quarter(base: Organisation) -> None:
    ann = factory.partner(base)
    factory.won(factory.program(base, period="quarter"), [ann])
    assert start(base, "2026-02") is None
    assert due.preview(base.id, "2026-02", TODAY).rows == ()
    work(start(base, "2026-Q1"))
    assert amounts(base) == [50_00]


def test_the_preview_is_what_the_run_makes(base: Organisation) -> None:
    program = factory.program(base, minimums={"USD": 60_00})
    ann, ben = factory.partner(base, name="Ann"), factory.partner(base, name="Ben")
    factory.won(program, [ann], 2_000_00)
    factory.won(program, [ben], 1_000_00)
    factory.won(program, [ben], 700_00, currency="EUR")
    found = due.preview(base.id, "2026-Q1", TODAY).rows
    ready = [(each.payee_name, each.amount.plain, each.amount.currency) for each in found if not each.reason]
    assert ready == [("Ann", "100.00", "USD"), ("Ben", "35.00", "EUR")]
    assert ["rolls over" in each.reason for each in found if each.reason] == [True]
    work(start(base))
    assert amounts(base) == [35_00, 100_00]


@pytest.mark.parametrize(
    ("day", "text"),
    [
        (date(2026, 3, 1), "2026-02"),
        (date(2026, 4, 1), "2026-Q1"),
        (date(2026, 1, 1), "2025-Q4"),
        (date(2026, 3, 2), None),
    ],
)
def test_the_first_of_a_month_collects_what_has_ended(day: date, text: str | None) -> None:
    found = calculation_runs.ended(day)
    assert (found.text if found else None) == text


def night(organisation: Organisation, at: datetime) -> list[str]:
    """The periods of the runs after the scheduler's task of a night."""
    db.session.rollback()
    calculation_runs.calculate_due(organisation.id, at, at)
    query = select(Run.parameters).where(
        Run.organisation_id == organisation.id, Run.kind == calculation_runs.KIND
    )
    return [each["period"] for each in db.session.scalars(query.order_by(Run.id))]


def test_by_itself_on_the_organisations_own_first_day(base: Organisation) -> None:
    factory.won(factory.program(base), [factory.partner(base)])
    # The first of April in UTC is still the last of March in New York.
    assert night(base, datetime(2026, 4, 1, 2, tzinfo=UTC)) == []
    assert night(base, datetime(2026, 4, 1, 6, tzinfo=UTC)) == ["2026-Q1"]


def test_programs_that_are_calculated_by_hand_are_left_out(base: Organisation) -> None:
    factory.won(factory.program(base, is_automatic=False), [factory.partner(base)])
    assert night(base, datetime(2026, 4, 1, 6, tzinfo=UTC)) == []
    assert calculation_runs.upcoming(base.id, date(2026, 3, 31)) is None


def test_what_comes_next(base: Organisation) -> None:
    factory.program(base, period="quarter")
    found = calculation_runs.upcoming(base.id, date(2026, 1, 31))
    assert found == calculation_runs.Next(date(2026, 4, 1), period("2026-Q1"))
    factory.program(base, period="month")
    found = calculation_runs.upcoming(base.id, date(2026, 1, 31))
    assert found == calculation_runs.Next(date(2026, 2, 1), period("2026-01"))


def test_another_organisation_is_left_alone(base: Organisation) -> None:
    other = factory.partnerbase()
    for each in (base, other):
        factory.won(factory.program(each), [factory.partner(each)])
    work(start(base))
    assert (amounts(base), amounts(other)) == ([50_00], [])
    assert calculating.partners_due(other.id, "2026-Q1", TODAY, 0, 10) != []


def test_retainers_are_seen_before_made_once_and_paid_with_the_rest(base: Organisation) -> None:
    program, ann = factory.program(base), factory.partner(base, name="Ann")
    april = TODAY + timedelta(days=2)
    draft = RuleDraft("Retainer", 500, retainer_minor=200_00, currency="USD", valid_from=date(2026, 3, 1))
    with transaction():
        db.session.merge(ann).created_at = OPENED
        commission_rules.create_rule(organisation_id=base.id, draft=draft, actor=FACTORY, now=OPENED)
    factory.won(program, [ann])
    seen = due.preview(base.id, "2026-03", april)
    assert ([each.amount.plain for each in seen.rows], seen.retainers) == (["250.00"], 1)
    run_id = start(base, "2026-03", april)
    assert run_id is not None
    assert runs.step(run_id=run_id, clock=lambda: april) is True
    assert amounts(base) == [250_00]
    assert start(base, "2026-03", april) is None
    assert due.preview(base.id, "2026-03", april) == due.Preview((), 0, ())
