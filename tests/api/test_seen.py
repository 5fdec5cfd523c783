"""An act is to what its caller saw: other versions answer 409 with what changed, and nothing is done."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from sqlalchemy import select

from tests import factories
from tests.api.conftest import Api, Cab, Guild, World, usd
from tests.api.test_driver_money import charge
from tests.api.test_fleet import lease
from tests.factories import bankfiles, clinic, installations, partners, rentals, repairs
from tests.factories.payouts import payout_ready
from webapp.api import openapi
from webapp.database import db, transaction
from webapp.payouts.models import Approval, Payout, Transfer
from webapp.people import methods
from webapp.people.models import PayoutMethod
from webapp.programs.rentals import service
from webapp.programs.rentals.models import Property
from webapp.programs.repairs.rules import week_of

PAID = {"payment_reference": "CHQ-7", "paid_on": "2026-01-05"}


def _new_details(world: World) -> int:
    """The version of details that came into force just now."""
    with transaction():
        return methods.set_payout_method(
            organisation_id=world.organisation.id, payee_id=world.maya.id,
            destination=factories.destination(), actor=factories.FACTORY, now=installations.WHEN,
        ).version  # fmt: skip


def _approvals() -> int:
    db.session.rollback()
    return len(db.session.scalars(select(Approval)).all())


def _state(reference: str) -> str:
    db.session.rollback()
    return db.session.scalars(select(Payout.state).where(Payout.reference == reference)).one()


@pytest.mark.parametrize("left_out", ["version", "seen_details_version"])
def test_an_approval_says_what_was_seen(world: World, left_out: str) -> None:
    reference = world.payout()
    body = {k: v for k, v in world.approval(reference).items() if k != left_out}
    answer = world.api("approver").post(f"/payouts/{reference}/approve", body)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json["errors"]] == [left_out]
    assert _state(reference) == "pending_approval"


def test_what_a_program_read_is_what_it_approves(world: World) -> None:
    reference, api = world.payout(), world.api("approver")
    read = api.get(f"/payouts/{reference}").json
    seen = {"version": read["version"], "seen_details_version": read["payment_details"]["version"]}
    assert seen == world.approval(reference)
    assert api.post(f"/payouts/{reference}/approve", seen).status_code == 200


def test_an_approval_of_another_version_is_refused_with_what_happened(world: World) -> None:
    reference, api = world.payout(), world.api("approver")
    seen = world.approval(reference)
    from webapp.payouts import service

    with transaction():
        service.edit(
            organisation_id=world.organisation.id, reference=reference, note="Look again",
            actor=factories.actor_of(world.users["accountant"]), now=installations.WHEN,
        )  # fmt: skip
    answer = api.post(f"/payouts/{reference}/approve", seen)
    assert (answer.status_code, answer.json["code"]) == (409, "stale")
    assert answer.mimetype == "application/problem+json"
    changed = answer.json["changed"]
    assert [(c["field"], c["seen"], c["now"]) for c in changed] == [("version", 1, 2)]
    assert changed[0]["what"][0].startswith("Edited by accountant@home.example on ")
    assert len(changed[0]["what"]) == 1
    assert _approvals() == 0
    early = api.post(f"/payouts/{reference}/approve", {**seen, "version": 99})
    assert early.json["changed"][0]["what"] == ["There has been no version 99 yet."]
    assert api.post(f"/payouts/{reference}/approve", world.approval(reference)).status_code == 200


def test_an_approval_is_of_the_details_that_were_seen(world: World) -> None:
    reference, api = world.payout(), world.api("approver")
    seen = world.approval(reference)
    version = _new_details(world)
    answer = api.post(f"/payouts/{reference}/approve", seen)
    assert (answer.status_code, answer.json["code"]) == (409, "stale")
    changed = answer.json["changed"][0]
    assert (changed["field"], changed["seen"], changed["now"]) == ("seen_details_version", 1, version)
    assert "••" in " ".join(changed["what"])
    assert (_approvals(), _state(reference)) == (0, "pending_approval")
    for wrong in (0, version + 1):
        body = {**seen, "seen_details_version": wrong}
        assert api.post(f"/payouts/{reference}/approve", body).json["code"] == "stale"
    done = api.post(f"/payouts/{reference}/approve", {**seen, "seen_details_version": version})
    assert done.json["payout"]["state"] == "approved"
    # Sent again with another key, also with old numbers: it has been done, and nothing happens.
    assert api.post(f"/payouts/{reference}/approve", seen).json["is_repeat"] is True
    assert _approvals() == 1


Ready = Callable[[World], str]


def _approved(world: World) -> str:
    return payout_ready(world.organisation, world.maya).reference


def _failed(world: World) -> str:
    row = payout_ready(world.organisation, world.maya)
    with transaction():
        row.state, row.reason = "failed", "The bank refused it."
    return row.reference


@pytest.mark.parametrize(
    ("act", "body", "ready", "state"),
    [
        ("pay", {}, _approved, "processing"),
        ("mark-paid", PAID, _approved, "paid"),
        ("retry", {}, _failed, "processing"),
    ],
)  # fmt: skip
def test_changed_details_are_confirmed_by_their_version(
    world: World, act: str, body: dict[str, Any], ready: Ready, state: str
) -> None:
    reference, api = ready(world), world.api("admin")
    before = _state(reference)
    assert api.get(f"/payouts/{reference}").json["details_to_confirm"] is None
    version = _new_details(world)
    shown = api.get(f"/payouts/{reference}").json["details_to_confirm"]
    assert shown["version"] == version
    blind = api.post(f"/payouts/{reference}/{act}", body)
    assert (blind.status_code, blind.json["code"]) == (409, "conflict")
    assert any("details" in reason for reason in blind.json["reasons"])
    for wrong in (version - 1, version + 1, 0):
        answer = api.post(f"/payouts/{reference}/{act}", {**body, "confirm_details_version": wrong})
        assert (answer.status_code, answer.json["code"]) == (409, "stale")
        assert answer.json["changed"][0]["field"] == "confirm_details_version"
        assert answer.json["changed"][0]["now"] == version
    assert _state(reference) == before
    assert db.session.scalars(select(Transfer)).all() == []
    done = api.post(f"/payouts/{reference}/{act}", {**body, "confirm_details_version": version})
    assert done.status_code == 200, done.text
    assert done.json["payout"]["state"] == state
    assert done.json["payout"]["payment_details"]["version"] == version


def test_a_confirmation_that_nothing_needs_must_be_right_too(world: World) -> None:
    reference, api = _approved(world), world.api("admin")
    version = db.session.scalars(
        select(PayoutMethod.version).where(PayoutMethod.payee_id == world.maya.id)
    ).one()
    db.session.rollback()
    wrong = api.post(f"/payouts/{reference}/mark-paid", {**PAID, "confirm_details_version": version + 1})
    assert wrong.json["code"] == "stale"
    assert _state(reference) == "approved"
    right = api.post(f"/payouts/{reference}/mark-paid", {**PAID, "confirm_details_version": version})
    assert right.status_code == 200


def test_a_returned_payout_is_issued_again_to_details_that_are_named(world: World) -> None:
    reference, api = _approved(world), world.api("approver")
    assert api.post(f"/payouts/{reference}/mark-paid", PAID).status_code == 200
    back = {"reason": "The bank returned it.", "on": "2026-01-06"}
    assert api.post(f"/payouts/{reference}/return", back).status_code == 200
    version = _new_details(world)
    assert api.post(f"/payouts/{reference}/reissue", {}).status_code == 422
    old = api.post(f"/payouts/{reference}/reissue", {"confirm_details_version": version - 1})
    assert (old.status_code, old.json["code"]) == (409, "stale")
    assert _state(reference) == "reversed"
    assert api.get(f"/payouts/{reference}").json["details_to_confirm"]["version"] == version
    new = api.post(f"/payouts/{reference}/reissue", {"confirm_details_version": version})
    assert new.json["payout"]["state"] == "approved"


def _unit(house: Property) -> str:
    common = {"organisation_id": house.organisation_id, "actor": factories.FACTORY, "now": installations.WHEN}
    with transaction():
        return service.create_unit(property_reference=house.reference, name="Flat 9", **common).reference


FLEET = (
    "driver_adjustments", "driver_leases", "driver_loans", "drivers", "instalments", "medallions", "repair_actions",
    "repairs", "vehicles", "weekly_receipts", "weekly_runs",
)  # fmt: skip
PARTNERS = (
    "commissions",
    "deal_events",
    "deals",
    "partner_payouts",
    "partner_registrations",
    "partner_rules",
)
CLINIC = ("appointments", "invoices", "invoice_money", "invoice_payouts", "payout_runs", "withdrawals")


def _of_a_clinic(world: World, name: str, rule: str) -> tuple[Any, str]:
    """A body and the address for what is made of a clinic's records."""
    home, currency = world.organisation, world.organisation.currency
    ana = clinic.practitioner(home, name="Dr Ana Souza")
    paid, due = clinic.paid(home, [ana]), clinic.invoice(home, [ana])
    if name == "withdrawals.create":
        clinic.pay_out(paid)
    alex, some = clinic.customer(home), {"currency": currency, "amount": "10"}
    bodies: dict[str, Any] = {
        "appointments.create": {"customer": alex.reference, "starts_at": "2026-01-05T09:00:00Z"},
        "invoices.create": {
            "customer": alex.reference, "about": "other", "lines": [{"description": "Towel", "unit_price": some}],
        },
        "invoice_money.pay": {"amount": some, "method": "cash"},
        "invoice_money.refund": {"amount": some, "reason": "Too much"},
        "payout_runs.create": {"invoices": [paid.number]},
        "withdrawals.create": {"practitioner": ana.reference, "amount": some},
    }  # fmt: skip
    invoice = due if name == "invoice_money.pay" else paid
    return bodies.get(name), rule.replace("<number>", invoice.number)


MAKING = {f"{o.group}.{o.name}": o for o in openapi.operations() if o.status == 201}


def _of_a_fleet(cab: Cab, name: str, rule: str) -> tuple[Any, str]:
    """A body and the address for what is made of a taxi fleet's records."""
    api, ten, ann = cab.api(), usd("10"), cab.ann.reference
    on = {"driver": ann, "amount": ten}
    if name == "drivers.return_deposit":
        row = api.post("/driver-charges", {"charges": [charge(cab, "deposit", "10.00")]}).json["items"][0]
        paid = {
            "method": "cash",
            "received_on": "2025-10-01",
            "charges": [{"charge": row["id"], "amount": ten}],
        }
        api.post("/driver-adjustments/payments", {**on, **paid})
    if name == "weekly_receipts.reissue":
        repairs.run(cab.organisation, repairs.sunday(0))
    if name == "driver_leases.create":
        api.post("/vehicles", {"plate": "T900001C"})
    received = next(iter(api.get("/weekly-receipts").json["items"]), {})
    reference = cab.repair()
    toll = {"category": "tolls", "description": "Another driver's", "amount": ten, "is_for_driver": True}
    day = api.get("/repairs/calculate-installments?amount=1").json["invoice_date"]
    bodies: dict[str, Any] = {
        "driver_adjustments.pay": {**on, "method": "cash", "received_on": "2025-10-01"},
        "driver_adjustments.credit": {**on, "reason": "Waited for the workshop"},
        "driver_leases.create": lease(cab, "T900001C"),
        "driver_loans.create": {**on, "percent": "0", "lent_on": "2025-10-01", "start": "CURRENT"},
        "drivers.return_deposit": {"amount": ten},
        "instalments.skip": {"reason": "Ill"},
        "medallions.create": {"number": "5Y21"},
        "repair_actions.propose_replan": {"weekly": usd("50"), "reason": "Ill"},
        "repairs.create": cab.invoice(),
        "vehicles.create": {"plate": "T900009C"},
        "weekly_receipts.reissue": {
            "reason": "A toll was another driver's.", "lines": [toll],
        },
        "weekly_runs.start": {"week": str(week_of(date.fromisoformat(day), cab.organisation.week_start).start)},
    }  # fmt: skip
    whose = ann if name.startswith("drivers.") else f"{reference}-01" if "instalments" in rule else reference
    address = rule.replace("<reference>", whose).replace("<number>", received.get("number", ""))
    return bodies[name], address


def _of_partners(guild: Guild, name: str, rule: str) -> tuple[Any, str]:
    """A body and the address for what is made of partners' records."""
    deal, anna = guild.won(), guild.anna.reference
    [earned] = partners.commissions(deal)
    some = usd("100")
    data = {"deal": "crm-1", "name": "Acme", "amount": some}
    bodies: dict[str, Any] = {
        "commissions.dispute": {"reason": "It was 1,200."},
        "deal_events.receive": {
            "id": "evt-1",
            "type": "deal.created",
            "occurred_at": "2026-01-15T12:00:00Z",
            "data": data,
        },
        "deals.add_touch": {"partner": anna, "type": "demo", "happened_at": "2026-01-20T12:00:00Z"},
        "deals.create": {"name": "Acme", "amount": some},
        "partner_payouts.create": {"partner": anna, "commissions": [earned.reference]},
        "partner_registrations.create": {"partner": anna, "customer": "Acme", "expected": some},
        "partner_rules.create": {"name": "Standard", "percent": "12"},
    }
    whose = earned.reference if rule.startswith("/commissions") else deal.reference
    return bodies[name], rule.replace("<reference>", whose)


# Where what is made is read, when that is not where it was made.
READ_AT = {
    "commissions.dispute": "/partner-disputes",
    "deals.add_touch": "/touchpoints",
    "partner_payouts.create": "/payouts",
    "driver_adjustments.pay": "/driver-adjustments",
    "driver_adjustments.credit": "/driver-adjustments",
    "drivers.return_deposit": "/driver-adjustments",
    "instalments.skip": "/instalments",
    "repair_actions.propose_replan": "/repairs",
    "weekly_receipts.reissue": "/weekly-receipts",
}


@pytest.mark.parametrize("name", [name for name, each in MAKING.items() if each.group in FLEET])
def test_what_is_made_of_a_fleet_says_where_it_is_read(cab: Cab, name: str) -> None:
    operation = MAKING[name]
    body, address = _of_a_fleet(cab, name, operation.rule)
    _is_read(cab.api(), operation, address, body, READ_AT.get(name, address))


@pytest.mark.parametrize("name", [name for name, each in MAKING.items() if each.group in PARTNERS])
def test_what_is_made_of_partners_says_where_it_is_read(guild: Guild, name: str) -> None:
    operation = MAKING[name]
    body, address = _of_partners(guild, name, operation.rule)
    _is_read(guild.api(), operation, address, body, READ_AT.get(name, address))


@pytest.mark.parametrize(
    "name", [name for name, each in MAKING.items() if each.group not in (*FLEET, *PARTNERS)]
)
def test_what_is_made_says_where_it_is_read(world: World, name: str) -> None:
    with transaction():
        installations.rate(world.organisation)
    house = rentals.property_of(world.organisation, [(factories.payee(world.organisation, kind="owner"), 1)])
    bodies = {
        "properties.create": {"name": "Banyan Court"},
        "leases.create": {
            "unit": _unit(house),
            "tenants": [{"name": "Asha"}],
            "start_on": "2026-01-01",
            "rent": {"currency": house.currency, "amount": "900"},
        },
        "rent_payments.create": {
            "rent": rentals.charge(house).reference,
            "proof_reference": "UTR 1",
            "received_on": "2026-01-05",
            "amount": {"currency": house.currency, "amount": "900"},
        },
        "payouts.create": {"payee": world.maya.reference, "installations": [world.installation()]},
        "installations.create": {"installation_type": "solar"},
        "rates.create": {"name": "Solar", "rate_type": "flat", "rate": "50", "installation_type": "solar"},
        "payees.create": {"kind": "technician", "name": "Ana Souza"},
        "statements.create": {"payout": world.payout()},
        "customers.create": {"name": "Alex Morgan"},
        "commission_rules.create": {"name": "Standard", "percent": "12"},
        "invoice_payouts.create": None,
    }
    api, operation = world.api("admin"), MAKING[name]
    address = operation.rule
    if operation.group in CLINIC:
        bodies[name], address = _of_a_clinic(world, name, address)
    if name == "bank_files.create":
        bankfiles.switch_on(world.organisation)
        bankfiles.setup(world.organisation)
        bankfiles.waiting(world.organisation)
        bodies[name] = {"format": "nacha", "seen": api.get("/bank-files/draft?format=nacha").json["seen"]}
    # What is made of an invoice is read elsewhere: a movement, or the payout.
    elsewhere = {"pay": "/transactions", "refund": "/transactions", "create": "/payouts"}
    inside = elsewhere[operation.name] if "<number>" in operation.rule else address
    _is_read(api, operation, address, bodies[name], inside)


def _is_read(api: Api, operation: openapi.Operation, address: str, body: Any, inside: str) -> None:
    """Make it; it is found where the answer says, and a repeat or a refusal says no other place."""
    made = api.send(operation.method, address, body, key="k-1")
    assert made.status_code == 201, made.text
    place = made.headers["Location"]
    assert place.startswith(f"/api/v1{inside}/")
    found = api.get(place.removeprefix("/api/v1"))
    assert found.status_code == 200
    identity = next(k for k in ("reference", "number", "plate", "week_start", "id") if k in found.json)
    record = made.json.get("transaction") or next(iter(made.json.get("payouts") or []), made.json)
    # A new plan is read with its repair.
    assert found.json[identity] in (record.get(identity), record.get("repair"))
    again = api.send(operation.method, address, body, key="k-1")
    assert (again.headers["Idempotency-Replayed"], again.headers["Location"]) == ("true", place)
    if operation.body is not None and operation.group != "statements":
        refused = api.send(operation.method, address, {"nothing": 1})
        assert refused.status_code == 422
        assert "Location" not in refused.headers
