"""A partner's pages: deals with the share explained, registrations, commissions, disputing one, asking for a payout."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from flask.testing import FlaskClient
from sqlalchemy import event, select

from tests.factories import partners, people
from tests.factories.partners import TODAY
from tests.factories.people import FACTORY
from tests.programs.partners.views.conftest import Partnerbase
from webapp.database import db, transaction
from webapp.payouts.models import Payout
from webapp.people.models import Payee, User
from webapp.programs.partners import calculating, disputing, registering
from webapp.programs.partners import partners as records
from webapp.programs.partners.drafts import ProgramDraft, RegistrationDraft
from webapp.programs.partners.models import Commission, CommissionDispute, Deal, Registration

FORM = {
    "customer": "Acme Corporation",
    "wanted_currency": "usd",
    "expected": "5,000.00",
    "product": "Seats",
    "note": "",
}


@pytest.fixture(autouse=True)
def today() -> Iterator[None]:
    """The last day of March, by when everything is due."""
    with time_machine.travel(TODAY, tick=False):
        yield


@pytest.fixture
def eve(partnerbase: Partnerbase) -> Payee:
    """A partner who signs in."""
    user = people.user("eve@example.com", name="Eve Lund")
    return partners.partner(partnerbase.organisation, name="Eve Lund", user=user, email="eve@example.com")


def user_of(payee: Payee) -> User:
    """Who signs in as a partner."""
    assert payee.user_id is not None
    return db.session.get_one(User, payee.user_id)


@pytest.fixture
def own(partnerbase: Partnerbase, eve: Payee) -> FlaskClient:
    """Her browser."""
    return partnerbase.as_(user_of(eve))


def read(client: FlaskClient, path: str, code: int = 200) -> str:
    """The words of a page."""
    answer = client.get(path)
    assert answer.status_code == code, answer.text[:300]
    return " ".join(answer.get_data(as_text=True).split())


def only(of: Deal | Payee) -> Commission:
    """The one commission."""
    (row,) = partners.commissions(of)
    return row


def allow(partnerbase: Partnerbase, **values: object) -> None:
    """Let partners of the program ask for payouts."""
    draft = ProgramDraft(**{"name": "Referrals", "partners_may_request": True, **values})  # type: ignore[arg-type]
    with transaction():
        records.change_program(
            organisation_id=partnerbase.organisation.id, reference=partnerbase.program.reference, draft=draft,
            actor=FACTORY, now=TODAY,
        )  # fmt: skip


def test_home_says_what_was_earned_by_currency(
    partnerbase: Partnerbase, own: FlaskClient, eve: Payee
) -> None:
    assert "When a deal of yours is won" in read(own, "/partner/")
    partners.won(partnerbase.program, [eve], 1_000_00)
    partners.won(partnerbase.program, [eve], 2_000_00, currency="EUR")
    page = read(own, "/partner/")
    for words in ("Earned in all", "Earned in 2026", "Earned and not paid yet", "$50.00", "€100.00",
                  "Earned by you per month, USD", "Earned by you per month, EUR"):  # fmt: skip
        assert words in page, words
    assert "Ask for a payout" not in page


def test_what_is_cancelled_or_dismissed_is_not_earned(
    partnerbase: Partnerbase, own: FlaskClient, eve: Payee
) -> None:
    partners.lost(partners.won(partnerbase.program, [eve], 1_000_00))
    partners.won(partnerbase.program, [eve], 400_00)
    assert only_stat(read(own, "/partner/"), "Earned in all") == "$20.00"


def only_stat(page: str, label: str) -> str:
    """The figure of a card."""
    found = re.search(rf">{label}</a></span><span class=\"stat-value\"><bdi[^>]*>([^<]+)<", page)
    assert found, label
    return found[1]


def test_a_deal_says_which_touch_earned_what_and_of_others_nothing(
    partnerbase: Partnerbase, own: FlaskClient, eve: Payee
) -> None:
    deal = partners.won(
        partnerbase.program, [eve, partnerbase.ada, partnerbase.ben], 10_000_00, customer="Acme"
    )
    index = read(own, "/partner/deals?q=acme")
    assert deal.name in index
    assert "33.33 %" in index
    page = read(own, f"/partner/deals/{deal.reference}")
    for words in ("33.33 %", "$3,333.34", "Referral", "each with the same part", "Other partners", "$166.67"):
        assert words in page, words
    for others in (partnerbase.ada, partnerbase.ben):
        assert others.reference not in index + page
        assert others.name.split()[0] not in index + page
    assert "Nothing matches" in read(own, "/partner/deals?q=nobody")


def test_deals_of_others_and_of_other_companies_are_not_there(
    partnerbase: Partnerbase, own: FlaskClient, eve: Payee
) -> None:
    deal = partners.won(partnerbase.program, [partnerbase.ada])
    elsewhere = partners.partnerbase(slug="elsewhere")
    other = partners.won(partners.program(elsewhere), [partners.partner(elsewhere, name="Eve Lund")])
    for row in (deal, other):
        read(own, f"/partner/deals/{row.reference}", 404)
        for path in ("", "/dispute"):
            read(own, f"/partner/commissions/{only(row).reference}{path}", 404)
    assert deal.name not in read(own, "/partner/deals")
    assert only(deal).reference not in read(own, "/partner/commissions")


def test_a_registration_is_sent_and_withdrawn(partnerbase: Partnerbase, own: FlaskClient) -> None:
    assert "Register a deal" in read(own, "/partner/registrations")
    assert 'value="USD"' in read(own, "/partner/registrations/new")
    data = {**FORM, "program": partnerbase.program.reference}
    sent = own.post("/partner/registrations/new", data=data, follow_redirects=True)
    row = partnerbase.newest(Registration)
    assert (row.currency, row.expected_minor, row.state) == ("USD", 5_000_00, "pending")
    assert f"{row.reference} is sent" in sent.text
    again = own.post("/partner/registrations/new", data=data)
    assert again.status_code == 409
    assert "Acme Corporation" in again.text
    path = f"/partner/registrations/{row.reference}"
    assert "Nobody decides about it any more" in read(own, f"{path}/withdraw")
    stale = own.post(f"{path}/withdraw", data={"version": "7"})
    assert stale.status_code == 409
    done = own.post(f"{path}/withdraw", data={"version": str(row.version)}, follow_redirects=True)
    assert "is withdrawn" in done.text
    assert partnerbase.again(row).state == "withdrawn"
    assert own.post(f"{path}/withdraw", data={}).status_code == 409
    assert row.reference in read(own, "/partner/registrations?state=withdrawn")
    assert "Nothing matches" in read(own, "/partner/registrations?state=pending")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"customer": " "}, "Enter who the customer is."),
        ({"wanted_currency": "XQX"}, "Enter the code of a currency."),
        ({"expected": "0"}, "more than zero"),
        ({"expected": "-5"}, "more than zero"),
        ({"expected": "12,34"}, "not an amount"),
        ({"program": "PP-9999"}, "Not a valid choice."),
        ({"note": "x" * 2001}, "2,000 characters"),
    ],
)
def test_a_registration_that_cannot_be_is_refused_at_its_field(
    partnerbase: Partnerbase, own: FlaskClient, changes: dict[str, str], words: str
) -> None:
    data = {**FORM, "program": partnerbase.program.reference, **changes}
    answer = own.post("/partner/registrations/new", data=data)
    assert answer.status_code == 422
    assert words in answer.text
    assert db.session.scalar(select(Registration.id)) is None


def test_a_refused_registration_is_changed_and_sent_again(
    partnerbase: Partnerbase, own: FlaskClient, eve: Payee
) -> None:
    draft = RegistrationDraft(partnerbase.program.id, "Acme", "EUR", 7_000_00, note="They called.")
    who = {"organisation_id": partnerbase.organisation.id, "now": TODAY}
    with transaction():
        row = registering.register(payee_id=eve.id, draft=draft, actor=people.actor_of(user_of(eve)), **who)
        registering.refuse(
            reference=row.reference, reason="It is <ours>.", actor=people.actor_of(partnerbase.dana), **who
        )
    page = read(own, f"/partner/registrations/{row.reference}")
    assert "It is &lt;ours&gt;." in page
    assert "dana@" not in page
    form = read(own, f"/partner/registrations/new?again={row.reference}")
    for value in ('value="Acme"', 'value="EUR"', 'value="7000.00"', "They called."):
        assert value in form, value
    assert read(own, "/partner/registrations/new?again=DR-9999", 404)


def test_a_commission_says_how_it_was_worked_out_and_until_when_it_can_go(
    partnerbase: Partnerbase, own: FlaskClient, eve: Payee
) -> None:
    deal = partners.won(partnerbase.program, [eve], 1_234_50)
    row = only(deal)
    listed = read(own, "/partner/commissions?state=due&q=deal&earned_from=2026-02-01&earned_to=2026-02-28")
    assert row.reference in listed
    page = read(own, f"/partner/commissions/{row.reference}")
    for words in ("$1,234.50", "5 %", "$61.72", "Due", "12 Mar 2026", "Your own rate", "This is not right"):
        assert words in page, words
    made = partners.calculate(partnerbase.organisation, payees=[eve]).payout_ids
    with transaction():
        calculating.mark_paid(partnerbase.organisation.id, made[0], TODAY)
    paid = read(own, f"/partner/commissions/{row.reference}")
    assert "taken back until" in paid
    assert "31 Mar 2027" in paid
    assert "This is not right" not in paid
    partners.lost(deal, "The customer <i>went</i>.")
    taken = partners.commissions(deal)[1]
    page = read(own, f"/partner/commissions/{taken.reference}")
    assert "Reason given: The customer &lt;i&gt;went&lt;/i&gt;." in page
    assert "−$61.72" in page
    assert "What the deal earns you now" in page
    assert "Your own rate" not in page
    assert only_stat(read(own, "/partner/"), "Earned and not paid yet") == "−$61.72"


def test_a_payout_leads_to_its_commissions(partnerbase: Partnerbase, own: FlaskClient, eve: Payee) -> None:
    row = only(partners.won(partnerbase.program, [eve]))
    (payout_id,) = partners.calculate(partnerbase.organisation, payees=[eve]).payout_ids
    payout = db.session.get_one(Payout, payout_id).reference
    page = read(own, f"/partner/payouts/{payout}")
    assert f"/partner/commissions/{row.reference}" in page
    assert "Commissions earned" in page
    assert f"/partner/payouts/{payout}" in read(own, "/partner/commissions?state=claimed")


def test_a_commission_is_disputed_and_answered(
    partnerbase: Partnerbase, own: FlaskClient, eve: Payee
) -> None:
    row = only(partners.won(partnerbase.program, [eve]))
    path = f"/partner/commissions/{row.reference}"
    assert "Until it is answered" in read(own, f"{path}/dispute")
    for empty in ("", " "):
        answer = own.post(f"{path}/dispute", data={"reason": empty})
        assert answer.status_code == 422
        assert "The deal was over 12,000.00." in answer.text
    sent = own.post(f"{path}/dispute", data={"reason": "It was <b>more</b>"}, follow_redirects=True)
    assert "is sent" in sent.text
    assert "It was &lt;b&gt;more&lt;/b&gt;" in sent.text
    assert row.reference in read(own, "/partner/commissions?state=disputed")
    twice = own.post(f"{path}/dispute", data={"reason": "Still"})
    assert twice.status_code == 409
    assert "waits for an answer" in twice.text
    made = partnerbase.newest(CommissionDispute)
    with transaction():
        disputing.decide(
            organisation_id=partnerbase.organisation.id, dispute_id=made.id, is_accepted=False,
            answer="The order says so.", actor=people.actor_of(partnerbase.dana), now=TODAY,
        )  # fmt: skip
    page = read(own, path)
    assert "The answer: The order says so." in page
    assert "dana@" not in page
    partners.calculate(partnerbase.organisation, payees=[eve])
    late = own.post(f"{path}/dispute", data={"reason": "Once more"})
    assert late.status_code == 409
    assert "in a payout already" in late.text


def test_the_file_has_the_filter_and_no_admins_words(
    partnerbase: Partnerbase, own: FlaskClient, eve: Payee
) -> None:
    row = only(partners.won(partnerbase.program, [eve], name="=HYPERLINK(1)"))
    (payout_id,) = partners.calculate(partnerbase.organisation, payees=[eve]).payout_ids
    with transaction():
        calculating.release(
            partnerbase.organisation.id, payout_id, "PO was rejected: he lies", FACTORY, TODAY
        )
    answer = own.get("/partner/commissions/export.csv?state=rejected")
    (found,) = csv.DictReader(io.StringIO(answer.get_data(as_text=True).lstrip("\ufeff")))
    assert (found["Commission"], found["Amount"], found["Rate %"]) == (row.reference, "50.00", "5")
    assert found["Deal name"].startswith("'=")
    assert "he lies" not in answer.text
    assert "he lies" not in read(own, f"/partner/commissions/{row.reference}")
    assert own.get("/partner/commissions/export.xlsx").mimetype.endswith("sheet")
    assert own.get("/partner/commissions/export.csv?earned_to=soon").status_code == 422
    assert own.get("/partner/commissions?earned_from=2026-03-02&earned_to=2026-03-01").status_code == 422


def test_a_payout_is_asked_for_where_the_program_allows_it(
    partnerbase: Partnerbase, own: FlaskClient, eve: Payee
) -> None:
    row = only(partners.won(partnerbase.program, [eve], 2_000_00))
    path = "/partner/commissions/request-payout"
    assert "Nothing is due now" in read(own, f"{path}?currency=USD")
    assert own.post(path, data={"wanted_currency": "USD", "amount": "10000"}).status_code == 409
    allow(partnerbase)
    assert "Ask for a payout of $100.00" in read(own, "/partner/commissions")
    page = read(own, f"{path}?currency=USD")
    assert "$100.00" in page
    assert "No payment details yet" in page
    assert "Nothing is due now" in read(own, f"{path}?currency=EUR")
    changed = own.post(path, data={"wanted_currency": "USD", "amount": "9999"})
    assert changed.status_code == 409
    assert "It comes to $100.00 now" in changed.text
    assert db.session.scalar(select(Payout.id)) is None
    done = own.post(path, data={"wanted_currency": "USD", "amount": "10000"}, follow_redirects=True)
    assert "is asked for" in done.text
    payout = partnerbase.newest(Payout)
    assert (payout.amount_minor, payout.state, payout.payee_id) == (100_00, "pending_approval", eve.id)
    assert partnerbase.again(row).payout_id == payout.id
    twice = own.post(path, data={"wanted_currency": "USD", "amount": "10000"})
    assert twice.status_code == 409
    assert "Nothing is due that you can ask for." in twice.text


def test_less_than_the_smallest_payout_waits(partnerbase: Partnerbase, own: FlaskClient, eve: Payee) -> None:
    partners.won(partnerbase.program, [eve])
    allow(partnerbase, minimums={"USD": 60_00})
    page = read(own, "/partner/commissions")
    assert "The smallest payout is $60.00." in page
    answer = own.post(
        "/partner/commissions/request-payout", data={"wanted_currency": "USD", "amount": "5000"}
    )
    assert answer.status_code == 409


def test_somebody_who_is_no_partner_yet_sees_that(partnerbase: Partnerbase) -> None:
    user = people.user("new@example.com")
    people.membership(user, partnerbase.organisation, "partner")
    client = partnerbase.as_(user)
    for path in ("", "deals", "registrations", "commissions", "commissions/export.csv"):
        assert client.get(f"/partner/{path}").status_code == 200
    assert "not linked to a partner yet" in read(client, "/partner/registrations/new", 404)


@pytest.mark.parametrize("path", ["", "deals", "registrations", "commissions"])
def test_lists_ask_no_question_per_row(
    partnerbase: Partnerbase, own: FlaskClient, eve: Payee, path: str
) -> None:
    for n in range(6):
        partners.won(partnerbase.program, [eve, partnerbase.ada])
        draft = RegistrationDraft(partnerbase.program.id, f"Customer {n}", "USD", 100_00)
        with transaction():
            registering.register(
                organisation_id=partnerbase.organisation.id, payee_id=eve.id, draft=draft, actor=FACTORY,
                now=TODAY - timedelta(days=n),
            )  # fmt: skip
    asked: list[str] = []

    def remember(*args: object) -> None:
        asked.append(str(args[2]))

    own.get(f"/partner/{path}")
    event.listen(db.engine, "before_cursor_execute", remember)
    try:
        read(own, f"/partner/{path}")
    finally:
        event.remove(db.engine, "before_cursor_execute", remember)
    assert len(asked) <= 18, asked
