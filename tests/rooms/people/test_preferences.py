"""A person's own settings."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.factories import organisation, sign_in, user
from webapp.database import db
from webapp.people.models import User

PAGE = "/account/preferences"


@pytest.fixture
def person(database: Flask) -> User:
    return user(organisation=organisation(), role="admin")


@pytest.fixture
def browser(database: Flask, person: User) -> FlaskClient:
    client = database.test_client()
    sign_in(client, person, person.memberships[0].organisation)
    return client


def test_numbers_and_days_follow_the_person(browser: FlaskClient) -> None:
    assert browser.post(PAGE, data={"locale": "hi_IN"}).status_code == 303
    assert "नव" in browser.get("/account").text  # the month of "signed in", in Hindi


def test_amounts_are_hidden_and_shortcuts_switched_off_from_the_first_paint(browser: FlaskClient) -> None:
    assert "data-no-shortcuts" not in browser.get(PAGE).text
    browser.post(PAGE, data={"locale": "", "hides_amounts": "y"})
    html = browser.get(PAGE).text
    assert 'class="hide-amounts"' in html
    assert "data-no-shortcuts" in html


def test_locale_that_writes_amounts_otherwise_is_not_offered(browser: FlaskClient, person: User) -> None:
    answer = browser.post(PAGE, data={"locale": "de_DE"})
    assert answer.status_code == 422
    assert db.session.get_one(User, person.id).locale == ""


def test_nothing_else_of_the_user_can_be_set(browser: FlaskClient, person: User) -> None:
    browser.post(PAGE, data={"locale": "", "email": "other@example.com", "is_active": ""})
    assert db.session.get_one(User, person.id).email == person.email
