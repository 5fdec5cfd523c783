"""Programs: entered, changed with what another model does to deals that are open, and shown."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from tests.factories import partners
from tests.programs.partners.views.conftest import Partnerbase
from tests.support.worker import work_off
from webapp.database import db
from webapp.programs.partners import reattributing, rules
from webapp.programs.partners.models import Attribution, Deal, PartnerProgram
from webapp.runs.models import Run

ROOT = "/admin/partners/programs"


def form(**values: Any) -> dict[str, Any]:
    """A program as people type it."""
    weights = {f"weight_{kind}": str(weight) for kind, weight in rules.ROLE_WEIGHTS.items()}
    return {
        "name": "Resellers", "model": "equal", "period": "month", "holding_days": "30", "final_days": "365",
        "minimums": "USD 50.00\neur 40", "is_active": "y", **weights, **values,
    }  # fmt: skip


def shares_of(deal: Deal) -> list[int]:
    """What each partner has of a deal, of a million."""
    db.session.rollback()
    query = (
        select(Attribution.millionths).where(Attribution.deal_id == deal.id).order_by(Attribution.payee_id)
    )
    return list(db.session.scalars(query))


def edit(client: FlaskClient, program: PartnerProgram, seen: str = "", **values: Any) -> Any:
    """Send the form of a program that is there."""
    now = {"minimums": "", "name": program.name, "version": str(program.version), "seen": seen}
    sent = form(**{**now, **values})
    return client.post(f"{ROOT}/{program.reference}/edit", data=sent)


def test_a_program_is_entered_and_shown(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    answer = admin.post(f"{ROOT}/new", data=form(external_ref="P-7"))
    made = partnerbase.newest(PartnerProgram)
    assert answer.status_code in (302, 303)
    assert (made.name, made.minimums, made.role_weights) == ("Resellers", {"EUR": 40_00, "USD": 50_00}, {})
    page = admin.get(f"{ROOT}/{made.reference}").text
    for words in ("The same to every partner who took part.", "$50.00", "€40.00", "P-7", "Due 30 days"):
        assert words in page
    assert "Resellers" in admin.get(ROOT).text
    [href] = re.findall(r'href="([^"]*state=won)"', page)
    assert admin.get(href.replace("&amp;", "&")).status_code == 200


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", "", "Enter the name of the program"),
        ("model", "magic", "Not a valid choice"),
        ("holding_days", "91", "from 0 to 90"),
        ("holding_days", "x", "whole number"),
        ("final_days", "-1", "from 0 to 3650"),
        ("minimums", "50.00", "is not a currency"),
        ("minimums", "USD x", "cannot be read"),
        ("minimums", "USD 5\nUSD 6", "cannot be read, or is there twice"),
        ("minimums", "USD -5", "zero or more"),
        ("weight_demo", "-1", "from 0 to 1,000,000"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_at_its_field(
    partnerbase: Partnerbase, admin: FlaskClient, field: str, value: str, words: str
) -> None:
    answer = admin.post(f"{ROOT}/new", data=form(**{field: value}))
    assert answer.status_code == 422
    assert words in answer.text
    assert f'href="#{field}' in answer.text
    assert partnerbase.newest(PartnerProgram).name == "Referrals"


def test_another_model_says_first_how_many_deals_it_changes(
    partnerbase: Partnerbase, admin: FlaskClient
) -> None:
    base = partnerbase
    deal = partners.deal(base.program, [base.ada, base.ben])
    won = partners.won(base.program, [base.ada, base.ben])
    asked = edit(admin, base.program, model="last_touch")
    assert "works out the shares of 1 open deal anew" in asked.text
    assert shares_of(deal) == [500_000, 500_000]
    seen = asked.text.split('name="seen" type="hidden" value="')[1].split('"')[0]
    assert edit(admin, base.program, seen, model="last_touch").status_code in (302, 303)
    assert shares_of(deal) == [1_000_000]
    assert shares_of(won) == [500_000, 500_000]


def test_what_was_shown_for_one_model_does_not_save_another(
    partnerbase: Partnerbase, admin: FlaskClient
) -> None:
    base = partnerbase
    deal = partners.deal(base.program, [base.ada, base.ben])
    asked = edit(admin, base.program, model="last_touch")
    seen = asked.text.split('name="seen" type="hidden" value="')[1].split('"')[0]
    assert "open deal anew" in edit(admin, base.program, seen, model="first_touch").text
    assert shares_of(deal) == [500_000, 500_000]


def test_weights_count_for_open_deals(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    base = partnerbase
    program = partners.program(base.organisation, model="role")
    deal = partners.deal(program, [base.ada])
    partners.touch(deal, base.ben, type="demo")
    asked = edit(admin, program, model="role", weight_referral="30", weight_demo="10")
    seen = asked.text.split('name="seen" type="hidden" value="')[1].split('"')[0]
    edit(admin, program, seen, model="role", weight_referral="30", weight_demo="10")
    assert shares_of(deal) == [750_000, 250_000]
    page = admin.get(f"{ROOT}/{program.reference}").text
    assert "Demonstration" in page
    assert "usual weights" not in page


def test_weights_that_give_nothing_to_anybody_are_refused(
    partnerbase: Partnerbase, admin: FlaskClient
) -> None:
    nothing = {f"weight_{kind}": "" for kind in rules.ROLE_WEIGHTS}
    refused = admin.post(f"{ROOT}/new", data=form(model="role", **nothing))
    assert refused.status_code == 422
    assert "Give at least one kind of touch a weight." in refused.text
    admin.post(f"{ROOT}/new", data=form(model="equal", **nothing))
    assert partnerbase.newest(PartnerProgram).role_weights == {}


def test_many_deals_become_a_run(
    partnerbase: Partnerbase, admin: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reattributing, "AT_ONCE", 2)
    base = partnerbase
    deals = [partners.deal(base.program, [base.ada, base.ben]) for _ in range(5)]
    asked = edit(admin, base.program, model="first_touch")
    assert "5 open deals" in asked.text
    seen = asked.text.split('name="seen" type="hidden" value="')[1].split('"')[0]
    edit(admin, base.program, seen, model="first_touch")
    assert [shares_of(deal) for deal in deals] == [[500_000, 500_000]] * 5
    run = partnerbase.newest(Run)
    assert run.total == 3
    assert run.reference in admin.get(f"{ROOT}/{base.program.reference}").text
    late = partners.deal(partnerbase.again(base.program), [base.ben, base.ada])
    work_off(run.id)
    assert [shares_of(deal) for deal in [*deals, late]] == [[1_000_000]] * 6
    assert partnerbase.again(run).done == 3
    assert run.reference not in admin.get(f"{ROOT}/{base.program.reference}").text


def test_a_change_that_somebody_made_meanwhile_is_not_overwritten(
    partnerbase: Partnerbase, admin: FlaskClient
) -> None:
    program = partnerbase.program
    assert edit(admin, program, name="A").status_code in (302, 303)
    stale = admin.post(f"{ROOT}/{program.reference}/edit", data=form(name="B", version="1"))
    assert stale.status_code == 409
    assert "Nothing was saved" in stale.text
    assert partnerbase.again(program).name == "A"


def test_an_accountant_looks_and_changes_nothing(partnerbase: Partnerbase) -> None:
    client = partnerbase.as_(partnerbase.books)
    assert client.get(f"{ROOT}/{partnerbase.program.reference}").status_code == 200
    assert "New program" not in client.get(ROOT).text
    assert client.post(f"{ROOT}/new", data=form()).status_code in (403, 404)


def test_another_organisations_program_is_not_there(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    theirs = [partners.program(other, name="Theirs") for other in [partners.partnerbase()] for _ in range(2)][
        -1
    ]
    assert admin.get(f"{ROOT}/{theirs.reference}").status_code == 404
    assert admin.post(f"{ROOT}/{theirs.reference}/edit", data=form()).status_code == 404
    assert "Theirs" not in admin.get(ROOT).text
