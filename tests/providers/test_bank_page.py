"""The simulated bank's desk in the demo."""

from __future__ import annotations

from flask import Flask
from flask.testing import FlaskClient

from tests import factories
from tests.factories.payouts import payout_sent
from webapp.database import db
from webapp.payouts import execution
from webapp.payouts.models import Transfer
from webapp.people.models import Organisation
from webapp.providers import sandbox


def _sent(organisation: Organisation, **values: object) -> str:
    payout_sent(organisation, **values)
    row = db.session.query(Transfer).order_by(Transfer.id.desc()).first()
    transfer_row_id, transfer_id = row.id, row.transfer_id
    execution.send(transfer_row_id=transfer_row_id)
    return transfer_id


def test_the_desk_settles_a_pending_transfer_and_refuses_to_do_it_twice(client: FlaskClient) -> None:
    organisation = factories.organisation()
    admin = factories.user(organisation=organisation, role="admin")
    factories.sign_in(client, admin, organisation)
    assert "No transfers yet" in client.get("/demo/bank/").text
    transfer_id = _sent(organisation, account="000000000005")
    page = client.get("/demo/bank/").text
    assert "Pending" in page
    fields = {"action": "settle", "transfer_id": transfer_id}
    assert client.post("/demo/bank/", data=fields).status_code == 303
    assert "Settled" in client.get("/demo/bank/").text
    again = client.post("/demo/bank/", data=fields)
    assert again.status_code == 409
    assert "The transfer is settled; the bank cannot settle it." in again.text
    assert client.post("/demo/bank/", data={**fields, "action": "return"}).status_code == 303
    assert "Returned" in client.get("/demo/bank/").text


def test_a_failure_needs_a_known_reason(client: FlaskClient) -> None:
    organisation = factories.organisation()
    factories.sign_in(client, factories.user(organisation=organisation, role="admin"), organisation)
    fields = {"action": "fail", "transfer_id": _sent(organisation, account="000000000005")}
    assert client.post("/demo/bank/", data={**fields, "code": "BAD"}).status_code == 422
    assert client.post("/demo/bank/", data={**fields, "code": "ACCOUNT_CLOSED"}).status_code == 303


def test_an_order_is_shown_and_can_be_taken_back(client: FlaskClient) -> None:
    organisation = factories.organisation()
    organisation_id = organisation.id
    factories.sign_in(client, factories.user(organisation=organisation, role="admin"), organisation)
    assert client.post("/demo/bank/", data={"action": "order", "behaviour": "hang"}).status_code == 303
    assert 'value="hang" selected' in client.get("/demo/bank/").text
    assert client.post("/demo/bank/", data={"action": "order", "behaviour": ""}).status_code == 303
    assert sandbox.ordered(organisation_id) is None
    assert client.post("/demo/bank/", data={"action": "order", "behaviour": "explode"}).status_code == 422


def test_the_desk_is_closed_to_others(client: FlaskClient, database: Flask) -> None:
    organisation, other = factories.organisation(), factories.organisation()
    transfer_id = _sent(organisation, account="000000000005")
    stranger = factories.user(organisation=other, role="admin")
    factories.sign_in(client, stranger, other)
    assert transfer_id not in client.get("/demo/bank/").text
    fields = {"action": "settle", "transfer_id": transfer_id}
    assert client.post("/demo/bank/", data=fields).status_code == 404
    technician = factories.user(organisation=other, role="technician")
    factories.sign_in(client, technician, other)
    assert client.get("/demo/bank/").status_code == 404
