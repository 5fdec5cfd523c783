"""What everybody at work must know stands above every page of the admins' portal."""

from datetime import datetime

from flask import Flask
from flask.testing import FlaskClient

from tests import factories
from webapp.database import transaction
from webapp.kernel.actor import COMMAND
from webapp.payouts import policies
from webapp.payouts.policy import default_rules


def _page(client: FlaskClient, house: object) -> str:
    person = factories.user(organisation=house, role="admin")  # type: ignore[arg-type]
    factories.sign_in(client, person, house)  # type: ignore[arg-type]
    return client.get("/admin/payees").text


def test_no_banner_when_nothing_is_halted(client: FlaskClient) -> None:
    assert "are halted" not in _page(client, factories.organisation())


def test_a_halt_is_said_with_its_reason(client: FlaskClient, database: Flask, now: datetime) -> None:
    house = factories.organisation()
    with transaction():
        policies.halt(
            organisation_id=house.id, rail="*", reason="The balance is wrong.", actor=COMMAND, now=now
        )
    assert "All payments are halted: The balance is wrong." in _page(client, house)


def test_a_company_of_one_is_said(client: FlaskClient, database: Flask, now: datetime) -> None:
    house = factories.organisation()
    rules = default_rules(house.currency)
    rules["single_operator"] = {"is_on": True}
    with transaction():
        policies.change_policy(organisation_id=house.id, rules=rules, actor=COMMAND, now=now)
    assert "One person does everything here" in _page(client, house)
