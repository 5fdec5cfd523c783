"""The help page: for everybody, linked from every page, in the reader's language."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.factories.pages import place
from webapp.database import transaction
from webapp.payouts.states import PayoutState


def test_a_stranger_reads_how_to_sign_in_and_what_each_state_means(client: FlaskClient) -> None:
    html = client.get("/help").text
    for text in ("have a link sent to you", 'href="/forgot', 'href="/v"', "Waiting", "<kbd>j k</kbd>",
                 "ask the organisation that pays you", *(state.label for state in PayoutState)):  # fmt: skip
        assert text in html
    assert "switched off in your" not in html


def test_who_is_signed_in_is_told_whom_to_write_to(database: Flask) -> None:
    there = place(database)
    html = there.client(there.technician).get("/help").text
    assert "write to <bdi>Solaria</bdi>" in html
    assert "switched off in your" in html
    with transaction():
        there.organisation.contact_email = "pay@solaria.example"
    html = there.client(there.technician).get("/help").text
    assert '<a href="mailto:pay@solaria.example">pay@solaria.example</a>' in html


@pytest.mark.parametrize("address", ["/sign-in", "/v", "/help", "/nothing-here"])
def test_pages_of_strangers_lead_to_the_help(client: FlaskClient, address: str) -> None:
    assert '<a class="d-inline-block py-1" href="/help">Help</a>' in client.get(address).text


@pytest.mark.parametrize("address", ["/technician/", "/technician/payouts", "/account", "/organisations"])
def test_pages_behind_the_sign_in_lead_to_the_help_and_to_ones_mail(database: Flask, address: str) -> None:
    there = place(database)
    html = there.client(there.technician).get(address).text
    assert '<a class="top-link" href="/help">Help</a>' in html
    menu = html[html.index('<div class="menu-panel">') : html.index("</details>")]
    assert '<a href="/account/notifications">Your mail</a>' in menu


def test_the_help_is_in_the_readers_language(client: FlaskClient) -> None:
    html = client.get("/help", headers={"Accept-Language": "hi"}).text
    assert '<html lang="hi"' in html
    assert '<h2 id="keys">कीबोर्ड शॉर्टकट</h2>' in html
    assert "The bank did not take it" not in html
