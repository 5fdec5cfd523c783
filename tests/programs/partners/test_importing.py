"""Lists of partners, deals, touches and rates: a CRM's own columns, bad rows, changes, and the same file again."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, text
from sqlalchemy.exc import OperationalError

from tests.factories import partners as factory
from tests.factories import people
from tests.factories.pages import place as make_place
from tests.factories.partners import commissions
from tests.factories.people import FACTORY
from tests.rooms.imports.conftest import Desk
from tests.support.books import clean
from webapp.audit.models import AuditEvent
from webapp.database import db, transaction
from webapp.imports import kinds
from webapp.imports.columns import map_columns
from webapp.imports.perform import audit_tag, perform, template
from webapp.imports.reading import read
from webapp.imports.report import Report
from webapp.outbox.models import OutboxMessage
from webapp.payouts.models import Payout
from webapp.people.models import Organisation, OrganisationProgram, Payee
from webapp.programs.partners import commission_rules, exchange_rates, locking
from webapp.programs.partners.drafts import RuleDraft
from webapp.programs.partners.importing import KINDS, deals
from webapp.programs.partners.importing.touchpoints import TouchImport
from webapp.programs.partners.models import Attribution, Commission, Deal, PartnerProfile, Touchpoint
from webapp.programs.partners.models_rates import ExchangeRate

DATA = Path(__file__).parents[2] / "data" / "crm"
TEAMS, PIPELINE = ((DATA / f"sales_{name}.csv").read_text() for name in ("teams", "pipeline"))
AFTER = datetime(2018, 6, 1, 12, tzinfo=UTC)
HEADER = "id,partner,name,state,opened,closed,amount,product,customer\n"
ONE = HEADER + "D-1,Anna Snelling,Seats,won,2017-01-10,2017-02-10,1000,Seats,Acme\n"
MODELS = (Payee, Deal, Touchpoint, Attribution, Commission, ExchangeRate)


@pytest.fixture
def base(database: Flask) -> Organisation:
    """A company whose only program pays by the quarter, 5 % to everybody."""
    found = factory.partnerbase(slug="partnerbase")
    factory.program(found, period="quarter")
    with transaction():
        commission_rules.create_rule(
            organisation_id=found.id, draft=RuleDraft("Five per cent", 500), actor=FACTORY, now=factory.OPENED
        )
    return found


def bring(base: Organisation, kind: str, text: str, **values: Any) -> Report:
    """A list, brought in."""
    found = kinds.get_kind(kind)
    return perform(
        kind=found, data=text.encode(), organisation=base, audit_tag=audit_tag(found),
        **{"actor": FACTORY, "now": AFTER, **values},
    )  # fmt: skip


@pytest.fixture
def anna(base: Organisation) -> Payee:
    """The partners of the teams; answers one of them."""
    bring(base, "partners", TEAMS)
    return db.session.scalars(select(Payee).where(Payee.name == "Anna Snelling")).one()


def outcome(report: Report) -> tuple[int, int, int, int]:
    """How many were created, updated, unchanged and refused."""
    return report.created, report.updated, report.unchanged, report.refused


def reasons(report: Report) -> list[tuple[int, str, str]]:
    """What was wrong."""
    return [(each.line, each.column, each.reason) for each in report.problems]


def counts() -> dict[str, int]:
    """How many records there are of each kind."""
    return {m.__name__: db.session.scalar(select(func.count()).select_from(m)) or 0 for m in MODELS}


def deal(reference: str = "D-1") -> Deal:
    """A deal, read anew."""
    db.session.rollback()
    query = select(Deal).where(Deal.external_ref == reference).execution_options(populate_existing=True)
    return db.session.scalars(query).one()


def row(reference: str = "D-1", **values: str) -> str:
    """A list of one deal, like ONE but for what is given."""
    told = {"id": reference, "partner": "Anna Snelling", "name": "Seats", "state": "won", "opened": "2017-01-10",
            "closed": "2017-02-10", "amount": "1000", "product": "Seats", "customer": "Acme", **values}  # fmt: skip
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, told)
    writer.writeheader()
    writer.writerow(told)
    return buffer.getvalue()


def earned(reference: str = "D-1") -> list[tuple[str, str, int]]:
    """The commissions of a deal."""
    return [(each.kind, each.state, each.amount_minor) for each in commissions(deal(reference))]


# ------------------------------------------------------------------------------------------------- a CRM's own list
def test_a_crms_own_list_is_read_as_it_is(base: Organisation) -> None:
    teams = bring(base, "partners", TEAMS)
    assert outcome(teams) == (4, 0, 0, 0)
    assert teams.notes[0] == "Read as sales teams in the columns of Maven Analytics."
    made = bring(base, "deals", PIPELINE)
    assert outcome(made) == (10, 0, 0, 0)
    assert made.notes[0] == "Read as sales opportunities in the columns of Maven Analytics."
    assert made.notes[-1] == f"{deals.NO_TOUCH} 10, 11."
    states = db.session.execute(select(Deal.state, func.count()).group_by(Deal.state)).all()
    assert dict(map(tuple, states)) == {"won": 5, "lost": 1, "open": 4}
    assert counts()["Touchpoint"] == 8
    assert {touch.type for touch in db.session.scalars(select(Touchpoint))} == {"referral"}
    first = deal("AAAA0002")
    assert (first.name, first.customer, first.product) == ("Isdom GTXPro", "Isdom", "GTXPro")
    assert (first.currency, first.amount_minor, first.state) == ("USD", 4_514_00, "won")
    assert (deal("AAAA0009").amount_minor, deal("AAAA0009").name) == (0, "GTX Plus Pro")
    assert clean(base)


def by_hand(first: str, last: str) -> dict[str, int]:
    """Five per cent of what the list says was won between two days, in cents, by agent."""
    found: dict[str, Decimal] = defaultdict(Decimal)
    for each in csv.DictReader(io.StringIO(PIPELINE)):
        if each["deal_stage"] == "Won" and first <= each["close_date"] <= last:
            found[each["sales_agent"]] += Decimal(each["close_value"]) * 5
    return {name: int(cents) for name, cents in found.items()}


def test_a_quarters_payouts_are_five_per_cent_of_the_lists_own_sums(base: Organisation, anna: Payee) -> None:
    bring(base, "deals", PIPELINE)
    quarters = {"2017-Q1": ("2017-01-01", "2017-03-31"), "2017-Q2": ("2017-04-01", "2017-06-30")}
    for quarter, days in quarters.items():
        ids = factory.calculate(base, quarter, now=AFTER).payout_ids
        paid = {
            row.payee.name: row.amount_minor for row in db.session.query(Payout).where(Payout.id.in_(ids))
        }
        assert paid == by_hand(*days)
    assert by_hand(*quarters["2017-Q1"]) == {"Moses Frase": 52_70, "Darcel Schlecht": 228_25}
    assert by_hand(*quarters["2017-Q2"]) == {"Moses Frase": 29_40, "Anna Snelling": 237_45}
    assert clean(base)


@pytest.mark.parametrize("kind", ["partners", "deals"])
def test_the_same_list_again_changes_nothing(base: Organisation, anna: Payee, kind: str) -> None:
    bring(base, "deals", PIPELINE)
    before = counts()
    again = bring(base, kind, TEAMS if kind == "partners" else PIPELINE)
    assert again.created == again.updated == again.refused == 0
    assert (again.unchanged, counts()) == (again.rows, before)


def test_a_list_of_deals_serves_as_one_of_partners(base: Organisation) -> None:
    assert outcome(bring(base, "partners", PIPELINE)) == (3, 0, 0, 0)
    assert outcome(bring(base, "deals", PIPELINE)) == (10, 0, 0, 0)


def test_a_dry_run_leaves_nothing_behind(base: Organisation, anna: Payee) -> None:
    before, events = counts(), db.session.scalar(select(func.count()).select_from(AuditEvent))
    assert outcome(bring(base, "deals", PIPELINE, is_dry_run=True)) == (10, 0, 0, 0)
    assert counts() == before
    assert db.session.scalar(select(func.count()).select_from(AuditEvent)) == events


def test_a_list_is_one_event_of_the_trail_and_its_importer_does_not_approve(
    base: Organisation, anna: Payee
) -> None:
    admin = people.user(organisation=base, role="admin")
    bring(base, "deals", PIPELINE, actor=people.actor_of(admin))
    query = select(AuditEvent).where(AuditEvent.tag == "partners:deal:imported")
    [event] = db.session.scalars(query)
    assert (event.changes["deals"], event.changes["touches"]) == ([None, 10], [None, 8])
    ids = factory.calculate(base, "2017-Q1", now=AFTER).payout_ids
    for ident in ids:
        assert admin.id in {each.user_id for each in db.session.get_one(Payout, ident).exclusions}


def test_a_worker_checks_and_stores_a_list_chunk_by_chunk(database: Flask) -> None:
    place = make_place(database)
    here = place.organisation
    with transaction():
        db.session.add(OrganisationProgram(organisation_id=here.id, program="partners"))
    factory.program(here)
    bring(here, "partners", TEAMS)
    desk = Desk(place, place.client(place.maker))
    reference = desk.kept("deals", PIPELINE)
    assert desk.columns(reference).status_code == 303
    while not desk.work(reference, chunk=3, chunks=1):
        assert counts()["Deal"] == 0
    assert desk.bring(reference).status_code == 303
    stored = []
    while not desk.work(reference, chunk=3, chunks=1):
        stored.append((counts()["Deal"], counts()["Touchpoint"]))
    assert stored[:4] == [(3, 3), (6, 6), (9, 8), (10, 8)]
    assert desk.row(reference).created == 10


# ------------------------------------------------------------------------------------------------- bad rows
@pytest.mark.parametrize(
    ("values", "column", "words"),
    [
        ({"partner": "Nobody"}, "partner", "There is no partner 'Nobody'"),
        ({"state": "perhaps"}, "state", "is no state of a deal"),
        ({"amount": ""}, "amount", "A deal that is won has an amount."),
        ({"amount": "-5"}, "amount", "It is below zero."),
        ({"amount": "1O0"}, "amount", "is not an amount"),
        ({"amount": "10.001"}, "amount", "USD has 2 decimals"),
        ({"closed": ""}, "closed", "has the day of its close"),
        ({"closed": "2017-01-09"}, "closed", "closes before it began"),
        ({"closed": "2018-06-02"}, "closed", "has not come yet"),
        ({"opened": "2017-02-30"}, "opened", "is not a day"),
        ({"opened": "1812-01-01"}, "opened", "Days begin on 1970-01-01"),
        ({"name": "x" * 201}, "name", "at most 200 characters"),
    ],
)
def test_a_broken_row_comes_back_and_the_good_ones_are_in(
    base: Organisation, anna: Payee, values: dict[str, str], column: str, words: str
) -> None:
    broken = row("D-2", **values).splitlines()[1]
    report = bring(base, "deals", f"{row('D-1')}{broken}\n{row('D-3').splitlines()[1]}\n")
    assert outcome(report) == (2, 0, 0, 1)
    [problem] = report.problems
    assert (problem.line, problem.column) == (3, column)
    assert words in problem.reason
    assert earned("D-1") == earned("D-3") == [("sale", "open", 50_00)]


def test_references_that_are_missing_repeated_or_too_long(base: Organisation, anna: Payee) -> None:
    lines = "".join(row(ref).splitlines()[1] + "\n" for ref in ("D-1", "D-1", "", "D" * 111))
    report = bring(base, "deals", row("D-0") + lines)
    assert outcome(report) == (2, 0, 0, 3)
    assert [line for line, _, _ in reasons(report)] == [4, 5, 6]


def test_a_currency_that_there_is_not(base: Organisation, anna: Payee) -> None:
    report = bring(base, "deals", row(currency="ZZZ"))
    assert [(column) for _, column, _ in reasons(report)] == ["currency"]
    assert outcome(bring(base, "deals", row(currency="EUR"))) == (1, 0, 0, 0)
    assert commissions(deal())[0].currency == "EUR"


def test_several_programs_must_be_told_apart(base: Organisation, anna: Payee) -> None:
    factory.program(base, name="Resellers")
    [(_, _, reason)] = reasons(bring(base, "deals", ONE))
    assert reason == "There are several programs; say which one."
    assert outcome(bring(base, "deals", row(program="resellers"))) == (1, 0, 0, 0)
    assert deal().program.name == "Resellers"


def test_without_a_program_it_says_what_to_do(database: Flask) -> None:
    base = factory.partnerbase()
    bring(base, "partners", TEAMS)
    [(_, _, reason)] = reasons(bring(base, "deals", ONE))
    assert reason == "There is no program; make one first."


def test_another_organisations_partners_are_not_known(base: Organisation, anna: Payee) -> None:
    other = factory.partnerbase()
    factory.program(other)
    [(_, column, reason)] = reasons(bring(other, "deals", ONE))
    assert column == "partner"
    assert "There is no partner 'Anna Snelling'" in reason
    bring(base, "deals", ONE)
    bring(other, "partners", TEAMS)
    # The same reference there is a deal of its own.
    assert outcome(bring(other, "deals", ONE)) == (1, 0, 0, 0)


# ------------------------------------------------------------------------------------------------- what changed since
def test_an_open_deal_that_is_won_since_earns(base: Organisation, anna: Payee) -> None:
    bring(base, "deals", row(state="open", closed="", amount=""))
    assert (deal().amount_minor, earned()) == (0, [])
    assert outcome(bring(base, "deals", ONE)) == (0, 1, 0, 0)
    assert (deal().state, earned()) == ("won", [("sale", "open", 50_00)])
    assert outcome(bring(base, "deals", ONE)) == (0, 0, 1, 0)


def test_a_prospect_gets_its_touch_when_its_day_is_known(base: Organisation, anna: Payee) -> None:
    bring(base, "deals", row(state="prospecting", opened="", closed="", amount=""))
    assert counts()["Touchpoint"] == 0
    assert outcome(bring(base, "deals", ONE)) == (0, 1, 0, 0)
    assert earned() == [("sale", "open", 50_00)]


def test_lost_after_it_was_paid_is_taken_back(base: Organisation, anna: Payee) -> None:
    bring(base, "deals", ONE)
    factory.calculate(base, "2017-Q1", now=AFTER)
    assert outcome(bring(base, "deals", row(state="lost", amount="0"))) == (0, 1, 0, 0)
    assert earned() == [("sale", "claimed", 50_00), ("clawback", "open", -50_00)]
    assert deal().amount_minor == 1_000_00
    assert clean(base)


def test_another_amount_corrects_what_was_paid(base: Organisation, anna: Payee) -> None:
    bring(base, "deals", ONE)
    factory.calculate(base, "2017-Q1", now=AFTER)
    bring(base, "deals", row(amount="1200"))
    assert earned() == [("sale", "claimed", 50_00), ("correction", "open", 10_00)]
    assert deal().reason == deals.REASON


def test_a_lost_deal_is_opened_again(base: Organisation, anna: Payee) -> None:
    bring(base, "deals", row(state="lost"))
    assert outcome(bring(base, "deals", row(state="open", closed=""))) == (0, 1, 0, 0)
    assert (deal().state, deal().closed_at) == ("open", None)


@pytest.mark.parametrize(
    ("values", "column", "words"),
    [
        ({"state": "open", "closed": ""}, "state", "a list does not open it again"),
        ({"closed": "2017-02-11"}, "closed", "closed on 2017-02-10"),
        ({"partner": "Moses Frase"}, "partner", "another partner's touch"),
    ],
)
def test_what_a_list_does_not_change(
    base: Organisation, anna: Payee, values: dict[str, str], column: str, words: str
) -> None:
    bring(base, "deals", ONE)
    [(_, at, reason)] = reasons(bring(base, "deals", row(**values)))
    assert at == column
    assert words in reason


def test_columns_that_a_list_lacks_keep_what_is_stored(base: Organisation, anna: Payee) -> None:
    bring(base, "deals", ONE)
    assert outcome(bring(base, "deals", "id,customer\nD-1,Acme Corporation\n")) == (0, 1, 0, 0)
    assert (deal().customer, deal().product, deal().state) == ("Acme Corporation", "Seats", "won")


# ------------------------------------------------------------------------------------------------- partners
def test_partners_with_type_tier_and_rate(base: Organisation) -> None:
    text = "id,name,type,tier,rate\nP-1,Ann,Reseller,Gold,12.5\nP-2,Ben,,,\n"
    assert outcome(bring(base, "partners", text)) == (2, 0, 0, 0)
    [profile] = db.session.scalars(select(PartnerProfile))
    assert (profile.type, profile.tier, profile.rate_bp) == ("reseller", "gold", 1_250)
    changed = text.replace("Gold", "Platinum")
    assert outcome(bring(base, "partners", changed)) == (0, 1, 1, 0)
    assert outcome(bring(base, "partners", changed)) == (0, 0, 2, 0)
    db.session.expire_all()
    assert db.session.scalars(select(PartnerProfile.tier)).one() == "platinum"


@pytest.mark.parametrize(
    ("cell", "column"),
    [("type,owner", "type"), ("tier,tin", "tier"), ("rate,100.01", "rate"), ("rate,-1", "rate"), ("rate,x", "rate"),
     ("rate,5.005", "rate")],
)  # fmt: skip
def test_a_broken_profile_is_named_and_left_out(base: Organisation, cell: str, column: str) -> None:
    name, value = cell.split(",")
    report = bring(base, "partners", f"id,name,{name}\nP-1,Ann,{value}\nP-2,Ben,\n")
    assert outcome(report) == (1, 0, 0, 1)
    assert [(line, at) for line, at, _ in reasons(report)] == [(2, column)]


# ------------------------------------------------------------------------------------------------- touches
TOUCHES = "id,deal,partner,type,date\nT-1,D-1,Moses Frase,Demonstration,2017-01-20 14:30\n"


def test_touches_share_a_deal_anew(base: Organisation, anna: Payee) -> None:
    bring(base, "deals", ONE)
    assert outcome(bring(base, "touchpoints", TOUCHES)) == (1, 0, 0, 0)
    assert sorted(earned()) == [("sale", "open", 25_00), ("sale", "open", 25_00)]
    [touch] = db.session.scalars(select(Touchpoint).where(Touchpoint.external_ref == "T-1"))
    assert (touch.type, touch.happened_at) == ("demo", datetime(2017, 1, 20, 19, 30, tzinfo=UTC))
    assert outcome(bring(base, "touchpoints", TOUCHES)) == (0, 0, 1, 0)
    assert clean(base)


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        (TOUCHES.replace("D-1", "D-9"), "deal", "There is no deal 'D-9'"),
        (TOUCHES.replace("Moses Frase", "Mo"), "partner", "There is no partner 'Mo'"),
        (TOUCHES.replace("Demonstration", "dance"), "type", "is none of"),
        (TOUCHES.replace("2017-01-20 14:30", ""), "date", "There is no day."),
        (TOUCHES.replace("2017-01-20 14:30", "2018-06-01 23:00"), "date", "has not come yet"),
        (TOUCHES.replace("2017-01-20 14:30", "soon"), "date", "is not a day"),
        ("id,deal,partner,date,weight\nT-1,D-1,Moses Frase,2017-01-20,1.5\n", "weight", "whole number"),
        ("id,deal,partner,date,weight\nT-1,D-1,Moses Frase,2017-01-20,-1\n", "weight", "whole number"),
    ],
)
def test_a_broken_touch_is_named(base: Organisation, anna: Payee, text: str, column: str, words: str) -> None:
    bring(base, "deals", ONE)
    report = bring(base, "touchpoints", text)
    assert outcome(report) == (0, 0, 0, 1)
    [(_, at, reason)] = reasons(report)
    assert at == column
    assert words in reason


def test_a_deal_that_a_payout_pays_for_takes_no_touch(base: Organisation, anna: Payee) -> None:
    bring(base, "deals", ONE)
    factory.calculate(base, "2017-Q1", now=AFTER)
    [(_, column, reason)] = reasons(bring(base, "touchpoints", TOUCHES))
    assert (column, reason.startswith("A payout pays for this deal already")) == ("deal", True)


def test_a_touch_that_is_there_is_not_made_another_one(base: Organisation, anna: Payee) -> None:
    bring(base, "deals", ONE)
    bring(base, "touchpoints", TOUCHES)
    [(_, column, _)] = reasons(bring(base, "touchpoints", TOUCHES.replace("Moses Frase", "Reed Clapper")))
    assert column == "partner"


# ------------------------------------------------------------------------------------------------- rates
RATES = "date,currency,rate\n2018-01-31,EUR,1.2457\n2018-02-28,eur,1.2214\n2018-02-28,INR,0.0153371\n"


def test_rates_are_entered_corrected_and_left_alone(base: Organisation) -> None:
    assert outcome(bring(base, "exchange_rates", RATES)) == (3, 0, 0, 0)
    assert outcome(bring(base, "exchange_rates", RATES)) == (0, 0, 3, 0)
    assert outcome(bring(base, "exchange_rates", RATES.replace("1.2214", "1.2215"))) == (0, 1, 2, 0)
    rates = exchange_rates.rates_on(base.id, "USD", ["EUR", "INR"], AFTER.date())
    assert {code: str(rate.rate) for code, rate in rates.items()} == {"EUR": "1.2215", "INR": "0.0153371"}
    assert counts()["ExchangeRate"] == 4


def test_new_rates_have_what_waited_looked_at(base: Organisation) -> None:
    bring(base, "exchange_rates", RATES)
    asked = db.session.scalars(
        select(OutboxMessage).where(OutboxMessage.kind == "partners.exchange.all")
    ).one()
    assert asked.reference_id == base.id


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ("2018-03-31,USD,1", "currency"),
        ("2018-03-31,ZZZ,1", "currency"),
        ("2018-03-31,EUR,0", "rate"),
        ("2018-03-31,EUR,-1", "rate"),
        ("2018-03-31,EUR,", "rate"),
        ("2018-03-31,EUR,n/a", "rate"),
        ("2018-06-02,EUR,1.2", "date"),
        (",EUR,1.2", "date"),
        ("2018-01-31,EUR,1.3", "date"),
    ],
)
def test_a_broken_rate_is_named_and_the_others_are_in(base: Organisation, line: str, column: str) -> None:
    report = bring(base, "exchange_rates", f"{RATES}{line}\n")
    assert outcome(report) == (3, 0, 0, 1)
    assert [(at, name) for at, name, _ in reasons(report)] == [(5, column)]


def test_rates_that_lead_to_another_currency_are_refused(base: Organisation) -> None:
    report = bring(
        base, "exchange_rates", "date,from,to,rate\n2018-01-31,USD,EUR,0.8\n2018-01-31,EUR,USD,1.25\n"
    )
    assert outcome(report) == (1, 0, 0, 1)


# ------------------------------------------------------------------------------------------------- all of them
@pytest.mark.parametrize("kind", KINDS)
def test_the_template_of_each_list_can_be_read(base: Organisation, kind: str) -> None:
    report = bring(base, kind, template(KINDS[kind]), now=datetime(2026, 6, 1, tzinfo=UTC))
    assert {reason.partition(" '")[0] for _, _, reason in reasons(report)} <= {
        "There is no partner", "There is no program", "There is no deal",
    }  # fmt: skip


def test_deals_that_get_touches_are_locked_and_read_afresh(
    app: Flask, base: Organisation, anna: Payee
) -> None:
    bring(base, "deals", ONE.replace("won,2017-01-10,2017-02-10", "open,2017-01-10,"))
    table = map_columns(kinds.get_kind("touchpoints"), read(TOUCHES.encode()), None)
    importer = TouchImport(base, table, FACTORY, AFTER)
    deal = db.session.scalars(select(Deal)).one()
    organisation_id = deal.organisation_id
    importer.prepare(list(table.rows(0, 10)))
    if db.engine.dialect.name == "postgresql":
        with pytest.raises(OperationalError, match="lock timeout"), app.app_context(), transaction():
            db.session.execute(text("SET LOCAL lock_timeout = '20ms'"))
            locking.beside(organisation_id)
    # As if somebody had lost it before the lock was given.
    db.session.execute(text("UPDATE partners_deals SET state = 'lost', closed_at = opened_at"))
    assert deal.state == "open"
    importer.prepare(list(table.rows(0, 10)))
    assert deal.state == "lost"
    db.session.rollback()
