"""The document and the API agree: whatever fits or does not fit the document, no answer is undocumented."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.api.conftest import World
from tests.api.test_retentions import hold
from tests.factories import clinic, installations, partners, repairs
from tests.factories.tokens import headers, token
from webapp.api import mount, openapi
from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.people.access.tokens import Scope
from webapp.programs.repairs import receipts
from webapp.programs.repairs.models import DriverLease
from webapp.programs.repairs.rules import week_of
from webapp.statements import service as statements

EXAMPLES = 12
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
          response_schema_conformance]  # fmt: skip
assert mount.RESOURCES  # the document is made from what is mounted
SCHEMA = schemathesis.openapi.from_dict(openapi.document())
OPERATIONS = {found.ok().label: found.ok() for found in SCHEMA.get_all_operations()}


def _records(world: World) -> dict[str, Any]:
    """Real arguments for addresses, by the first part of the path."""
    with transaction():
        payout = world.payout()
        rate = installations.rate(world.organisation).id
        installation = world.installation(world.noor)
        from webapp.payouts.queries import get_payout

        document = statements.request_remittance(
            payout_id=get_payout(world.organisation.id, payout).id,
            actor=installations.FACTORY,
            now=utc_now(),
        ).number
    return {"payouts": payout, "rate-configurations": rate, "installations": installation,
            "payees": world.maya.reference, "statements": document}  # fmt: skip


def _retention(world: World, part: str) -> Any:
    """What is held back of a technician; None for other addresses."""
    return hold(world, world.maya).id if part == "retentions" else None


def _clinic_record(world: World, part: str) -> Any:
    """A real argument for an address of a clinic; None for other addresses."""
    if part not in ("customers", "appointments", "invoices", "transactions", "wallets", "commission-rules"):
        return None
    home = world.organisation
    ana = clinic.practitioner(home)
    invoice = clinic.paid(home, [ana])
    clinic.pay_out(clinic.paid(home, [ana]))
    with transaction():
        return {
            "customers": invoice.customer.reference,
            "appointments": clinic.appointment(home, [ana]).reference,
            "invoices": invoice.number,
            "transactions": "TX-000001",
            "wallets": ana.reference,
            "commission-rules": clinic.rule(home).rule_id,
        }[part]


def _fleet_record(world: World, part: str) -> Any:
    """A real argument for an address of a taxi fleet; None for other addresses."""
    makers: dict[str, Any] = {
        "repairs": lambda lease: repairs.draft(lease).reference,
        "instalments": lambda lease: repairs.repair(lease).instalments[0].reference,
        "drivers": lambda lease: lease.payee.reference,
        "driver-leases": lambda lease: lease.reference,
        "driver-loans": lambda lease: repairs.loan(lease.payee).reference,
        "driver-adjustments": lambda lease: repairs.pay(lease.payee, 10_00, repairs.DAY).reference,
        "vehicles": lambda lease: lease.vehicle.plate,
        "weekly-receipts": lambda lease: _receipt(lease, world.organisation.week_start),
    }
    if part == "weekly-runs":
        return repairs.run(world.organisation, repairs.sunday(0)).week_start.isoformat()
    if part not in makers:
        return None
    with transaction():
        lease = repairs.lease(repairs.driver(world.organisation), 500_00)
        return makers[part](lease)


def _partner_record(world: World, part: str) -> Any:
    """A real argument for an address of partners; None for other addresses."""
    home = world.organisation

    def deal() -> Any:
        return partners.won(partners.program(home), [partners.partner(home)])

    makers: dict[str, Any] = {
        "partners": lambda: partners.partner(home).reference,
        "partner-programs": lambda: partners.program(home).reference,
        "deals": lambda: deal().reference,
        "touchpoints": lambda: partners.touch(deal(), partners.partner(home)).id,
        "commissions": lambda: partners.commissions(deal())[0].reference,
        "partner-commission-rules": lambda: partners.rule(home).rule_id,
    }
    return makers[part]() if part in makers else None


def _receipt(lease: DriverLease, week_start: int) -> str:
    week = week_of(repairs.sunday(1), week_start)
    made = receipts.make_receipts(
        organisation_id=lease.organisation_id, payee_ids=[lease.payee_id], week=week, actor=installations.FACTORY,
        now=repairs.at(repairs.sunday(9)),
    )  # fmt: skip
    return made[0].number


@pytest.mark.parametrize(
    "mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value
)
@pytest.mark.parametrize("label", list(OPERATIONS))
def test_every_answer_is_as_documented(world: World, label: str, mode: GenerationMode) -> None:
    operation, records = OPERATIONS[label], _records(world)
    part = operation.path.split("/")[3]
    made = (_retention, _clinic_record, _fleet_record, _partner_record)
    records[part] = records.get(part) or next((r for find in made if (r := find(world, part))), None)
    text = token(world.users["admin"], world.organisation)
    client = world.app.test_client()

    @given(case=operation.as_strategy(generation_mode=mode), is_real=st.booleans())
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
        derandomize=True,
    )
    def run(case: schemathesis.Case, is_real: bool) -> None:
        known = records[part]
        if is_real and known is not None:
            case.path_parameters = dict.fromkeys(case.path_parameters or {}, known)
        sent = headers(text)
        if is_real:
            case.headers = {**(case.headers or {}), "Idempotency-Key": sent["Idempotency-Key"]}
        response = case.call(app=world.app, headers={"Authorization": sent["Authorization"]})
        case.validate_response(response, checks=CHECKS)

    try:
        run()
    finally:
        del client


def test_the_document_is_whole() -> None:
    document = openapi.document()
    assert document["openapi"] == "3.1.0"
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            name = f"{method} {path}"
            assert operation["summary"], name
            assert operation["description"], name
            assert {"401", "403", "404", "429", "500", "503"} <= set(operation["responses"]), name
            assert (method == "get") != ("409" in operation["responses"]) or path.endswith("/pdf"), name
            assert "x-scope" in operation or path == "/api/v1/me", name
            if method != "get":
                assert any(p["name"] == "Idempotency-Key" and p["required"] for p in operation["parameters"])
    used = {operation["x-scope"] for methods in document["paths"].values() for operation in methods.values()
            if "x-scope" in operation}  # fmt: skip
    assert used == {scope.value for scope in Scope}


def test_examples_of_bodies_are_taken_as_they_are() -> None:
    bodies = [operation for operation in openapi.operations() if operation.body is not None]
    assert len(bodies) > 15
    for operation in bodies:
        path = openapi.PREFIX + openapi._ARGUMENT.sub(r"{\2}", operation.rule)
        made = openapi.document()["paths"][path][operation.method.lower()]
        example = made["requestBody"]["content"]["application/json"]["example"]
        assert operation.body is not None
        import json

        operation.body.model_validate_json(json.dumps(example))


def test_the_document_is_served_to_everybody(world: World) -> None:
    client = world.app.test_client()
    response = client.get("/api/v1/openapi.json")
    assert response.status_code == 200
    assert response.json == openapi.document()
    page = client.get("/api/v1/docs")
    assert page.status_code == 200
    for label in ("Approve a payout", "Idempotency-Key", "scope-missing", "payouts:approve"):
        assert label in page.text
