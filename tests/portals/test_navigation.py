"""The admins' navigation: entries below headings, without those of programs that an organisation does not have."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.factories import people, rentals
from tests.factories.pages import counted_queries
from webapp.people.models import Organisation

INSTALLATIONS, RENTALS = {"Installations", "Rates"}, {"Rentals"}


def _client(app: Flask, organisation: Organisation) -> FlaskClient:
    client = app.test_client()
    people.sign_in(client, people.user(organisation=organisation, role="admin"), organisation)
    return client


def _navigation(client: FlaskClient, address: str = "/admin/payees") -> str:
    html = client.get(address).text
    return html[html.index("<nav") : html.index("</nav>")]


def _entries(navigation: str) -> list[str]:
    return re.findall(r"<a [^>]*>([^<]*)</a>", navigation)


def test_entries_stand_below_headings_in_lists_that_have_their_names(database: Flask) -> None:
    navigation = _navigation(_client(database, people.organisation()))
    headings = re.findall(
        r'<span class="nav-group" id="(nav-\d+)">([^<]*)</span><ul aria-labelledby="\1">', navigation
    )
    assert [words for _, words in headings] == ["Pay", "Programs", "People", "Books", "System"]
    assert navigation.count("<ul") == 6
    assert _entries(navigation)[:2] == ["Home", "Approvals"]
    assert "<summary>Menu: Payees<" in navigation


def test_every_entry_keeps_its_letter(database: Flask) -> None:
    navigation = _navigation(_client(database, people.organisation(programs=["installations", "rentals"])))
    letters = re.findall(r'data-key="g (\w)"', navigation)
    assert len(letters) == len(set(letters)) == len(_entries(navigation)) == 23


@pytest.mark.parametrize(
    ("programs", "shown", "hidden"),
    [
        (["installations"], INSTALLATIONS, RENTALS),
        (["rentals"], RENTALS, INSTALLATIONS),
        (["installations", "rentals"], INSTALLATIONS | RENTALS, set()),
        ([], set(), INSTALLATIONS | RENTALS),
    ],
)
def test_programs_that_are_not_there_are_left_out(
    database: Flask, programs: list[str], shown: set[str], hidden: set[str]
) -> None:
    entries = set(_entries(_navigation(_client(database, people.organisation(programs=programs)))))
    assert shown <= entries
    assert not hidden & entries
    assert {"Home", "Payouts", "Imports", "Jobs"} <= entries


def test_records_of_a_program_are_never_out_of_reach(database: Flask) -> None:
    organisation = people.organisation()
    rentals.property_of(organisation, [(people.payee(organisation, kind="owner"), 1)])
    elsewhere = people.organisation()
    assert "Rentals" in _entries(_navigation(_client(database, organisation)))
    assert "Rentals" not in _entries(_navigation(_client(database, elsewhere)))


def test_who_is_in_a_part_sees_its_entry(database: Flask) -> None:
    navigation = _navigation(_client(database, people.organisation()), "/admin/rentals/properties")
    assert '<a href="/admin/rentals" aria-current="page"' in navigation


def test_what_is_left_out_costs_one_small_query(database: Flask) -> None:
    client = _client(database, people.organisation())
    with counted_queries() as asked:
        client.get("/admin/payees")
    assert len([statement for statement in asked if "FROM properties" in statement]) == 1
    whole = _client(database, people.organisation(programs=["installations", "rentals"]))
    with counted_queries() as asked:
        whole.get("/admin/payees")
    assert not [statement for statement in asked if "FROM properties" in statement]


def test_payees_have_a_plain_row_of_entries(database: Flask) -> None:
    organisation = people.organisation()
    user = people.user()
    people.payee(organisation, user=user)
    client = database.test_client()
    people.sign_in(client, user, organisation)
    navigation = _navigation(client, "/technician/")
    assert "<details" not in navigation
    assert len(_entries(navigation)) == 5
