"""Rates, installations, payees, payment details and statements by API."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from tests.api.conftest import World
from tests.factories.payouts import payout_ready
from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.people.models import PayoutMethod
from webapp.providers import storage
from webapp.statements import service as statements

RATE = {
    "name": "Solar",
    "installation_type": "solar",
    "capacity_unit": "kW",
    "rate_type": "per_unit",
    "rate": "50.00",
}
ABA = {
    "way": "aba",
    "account_number": "000123456789",
    "routing_number": "021000021",
    "name_at_bank": "Maya Fernandez",
}


def _items(answer: Any, name: str = "reference") -> list[Any]:
    return [item[name] for item in answer.json["items"]]


def test_rates_are_versioned(world: World) -> None:
    api = world.api("admin")
    made = api.post("/rate-configurations", {**RATE, "external_ref": "R-1",
                                            "bonus": {"currency": "USD", "amount": "25.00"}})  # fmt: skip
    assert made.status_code == 201, made.text
    ident = made.json["id"]
    assert (made.json["version"], made.json["rate"], made.json["bonus"]["amount_minor"]) == (1, "50", 2500)
    revised = api.send("PUT", f"/rate-configurations/{ident}", {**RATE, "rate": "55.50", "version": 1})
    assert (revised.json["version"], revised.json["rate"], revised.json["bonus"]) == (2, "55.5", None)
    assert [v["rate"] for v in revised.json["earlier_versions"]] == ["50"]
    stale = api.send("PUT", f"/rate-configurations/{ident}", {**RATE, "rate": "60.00", "version": 1})
    assert (stale.status_code, stale.json["code"]) == (409, "stale")
    assert _items(api.get("/rate-configurations/active"), "id") == [ident]
    ended = api.post(f"/rate-configurations/{ident}/end", {"last_day": "2020-01-01"})
    assert (ended.json["version"], ended.json["is_in_force"]) == (3, False)
    assert _items(api.get("/rate-configurations/active"), "id") == []
    assert _items(api.get("/rate-configurations"), "id") == [ident]
    assert api.post("/rate-configurations", {**RATE, "external_ref": "R-1"}).status_code == 422
    assert api.get("/rate-configurations/999999").status_code == 404


@pytest.mark.parametrize(("change", "field"), [
    ({"rate": 50.0}, "rate"), ({"rate": "-1"}, "rate"), ({"rate": "0"}, "rate"), ({"rate": "1.1234567"}, "rate"),
    ({"rate_type": "free"}, "rate_type"), ({"installation_type": "castle"}, "installation_type"),
    ({"min_size": "10", "max_size": "5"}, "max_size"), ({"bonus": {"currency": "EUR", "amount": "1.00"}}, "bonus"),
    ({"bonus": {"currency": "USD"}}, "bonus"), ({"priority": True}, "priority"),
    ({"effective_to": "tomorrow"}, "effective_to"),
])  # fmt: skip
def test_rates_that_cannot_be(world: World, change: dict[str, Any], field: str) -> None:
    response = world.api("admin").post("/rate-configurations", {**RATE, **change})
    assert response.status_code == 422
    assert response.json["errors"][0]["field"].startswith(field)


def test_installations(world: World) -> None:
    api = world.api("admin")
    body = {
        "installation_type": "solar", "capacity_unit": "kW", "size": "9.99", "status": "in_progress",
        "order_value": {"currency": "USD", "amount_minor": 1250000}, "external_ref": "JOB-1",
        "shares": [{"technician": world.maya.reference, "weight": 60},
                   {"technician": world.noor.reference, "weight": 40}],
    }  # fmt: skip
    made = api.post("/installations", body)
    assert made.status_code == 201, made.text
    reference = made.json["reference"]
    assert made.json["order_value"]["amount"] == "12500.00"
    done = api.post(
        f"/installations/{reference}/status", {"status": "commissioned", "commissioned_on": "2026-01-02"}
    )
    assert done.json["status"] == "commissioned"
    changed = api.send(
        "PATCH", f"/installations/{reference}", {"size": "10", "version": done.json["version"]}
    )
    assert (changed.json["size"], changed.json["external_ref"]) == ("10", "JOB-1")
    stale = api.send("PATCH", f"/installations/{reference}", {"size": "11", "version": 1})
    assert stale.json["code"] == "stale"
    assert api.send("PATCH", f"/installations/{reference}", {"site": None}).status_code == 422
    assert api.send("PATCH", f"/installations/{reference}", {"size": None}).json["size"] is None
    own = world.api("maya").get(f"/installations/{reference}").json
    assert [share["technician"]["name"] for share in own["shares"]] == ["Maya Fernandez"]
    assert _items(world.api("noor").get("/installations")) == [reference]
    assert _items(api.get("/installations?payment=due")) == [reference]
    assert _items(api.get("/installations?status=pending")) == []
    bad = api.post("/installations", {**body, "external_ref": "JOB-2", "shares": [{"technician": "PY-999"}]})
    assert bad.json["errors"][0]["field"] == "shares"


def test_a_technician_does_not_see_anothers_installation(world: World) -> None:
    reference = world.installation(world.noor)
    api = world.api("maya")
    assert api.get(f"/installations/{reference}").status_code == 404
    assert _items(api.get("/installations")) == []
    assert api.post("/installations", {"installation_type": "solar"}).json["scope"] == "installations:write"


def test_payees(world: World) -> None:
    api = world.api("admin")
    made = api.post("/payees", {"kind": "technician", "name": "Ana Souza", "email": "ana@example.com"})
    assert made.status_code == 201
    reference = made.json["reference"]
    changed = api.send("PATCH", f"/payees/{reference}", {"phone": "+1 203 555 0142", "version": 1})
    assert (changed.json["phone"], changed.json["version"]) == ("+1 203 555 0142", 2)
    assert api.send("PATCH", f"/payees/{reference}", {"phone": "1", "version": 1}).json["code"] == "stale"
    assert api.send("PATCH", f"/payees/{reference}", {"name": None}).status_code == 422
    assert api.send("PATCH", f"/payees/{reference}", {"reference": "PY-1"}).status_code == 422
    off = api.send("PATCH", f"/payees/{reference}", {"is_active": False})
    assert off.json["is_active"] is False
    assert _items(api.get("/payees?is_active=false")) == [reference]
    assert _items(api.get("/payees?search=Souza&kind=technician")) == [reference]
    assert (
        api.post("/payees", {"kind": "technician", "name": "X", "email": "no"}).json["errors"][0]["field"]
        == "email"
    )


def test_a_technician_sees_themselves(world: World) -> None:
    api = world.api("maya")
    assert _items(api.get("/payees")) == [world.maya.reference]
    assert api.get(f"/payees/{world.maya.reference}").json["name"] == "Maya Fernandez"
    assert api.get(f"/payees/{world.noor.reference}").status_code == 404
    assert (
        api.send("PUT", f"/payees/{world.maya.reference}/payment-details", ABA).json["scope"]
        == "payees:write"
    )


def test_first_details_are_in_force_and_never_answered_in_clear(world: World) -> None:
    api = world.api("admin")
    reference = api.post("/payees", {"kind": "technician", "name": "Ana Souza"}).json["reference"]
    done = api.send("PUT", f"/payees/{reference}/payment-details", {**ABA, "version": 0})
    assert done.status_code == 200, done.text
    assert (done.json["status"], done.json["payment_details"]["masked"]) == ("in_force", "••6789")
    for address in (f"/payees/{reference}", "/payees", "/bank-changes"):
        assert "000123456789" not in api.get(address).text
    replay = db.session.execute(db.text("SELECT answer FROM api_requests")).scalars().all()
    assert not any("000123456789" in answer for answer in replay)


@pytest.mark.parametrize(("body", "field"), [
    ({"way": "aba"}, "account_number"), ({**ABA, "routing_number": "021000022"}, "routing_number"),
    ({**ABA, "iban": "DE89370400440532013000"}, "iban"), ({"way": "manual", "name_at_bank": "Maya"}, "name_at_bank"),
    ({"way": "iban", "iban": "DE00", "name_at_bank": "M"}, "iban"), ({"way": "cash"}, "way"),
    ({"way": "upi", "vpa": "x", "name_at_bank": "M"}, "vpa"),
])  # fmt: skip
def test_details_that_cannot_be(world: World, body: dict[str, Any], field: str) -> None:
    response = world.api("admin").send("PUT", f"/payees/{world.maya.reference}/payment-details", body)
    assert response.status_code == 422
    assert response.json["errors"][0]["field"] == field
    assert "021000022" not in response.text


def test_changed_details_take_two_people_and_payouts_wait(world: World) -> None:
    ready = payout_ready(world.organisation, world.maya).reference
    admin, approver = world.api("admin"), world.api("approver")
    asked = admin.send("PUT", f"/payees/{world.maya.reference}/payment-details", ABA)
    assert asked.json["status"] == "waiting"
    change = asked.json["bank_change"]
    waits = approver.post(f"/payouts/{ready}/pay", {})
    assert waits.status_code == 409
    assert any("second person" in reason for reason in waits.json["reasons"]), waits.json
    assert approver.get(f"/payouts/{ready}").json["why_not_paid"]
    assert _items(approver.get("/bank-changes?state=pending")) == [change]
    shown = approver.get(f"/bank-changes/{change}").json
    assert (shown["new"]["masked"], shown["source"], shown["requested_by"]) == (
        "••6789",
        "api",
        "admin@home.example",
    )
    assert "000123456789" not in str(shown)
    own = admin.post(f"/bank-changes/{change}/verify", {"note": "It is me."})
    assert own.status_code == 409
    done = approver.post(f"/bank-changes/{change}/verify", {"note": "Called Maya on the number on file."})
    assert (done.status_code, done.json["bank_change"]["state"]) == (200, "verified")
    details = approver.get(f"/payees/{world.maya.reference}").json["payment_details"]
    assert details["masked"] == "••6789"
    assert details["cool_off_until"] is not None
    cooling = approver.post(f"/payouts/{ready}/pay", {"confirm_details_version": details["version"]})
    assert cooling.status_code == 409
    release, said = f"/payees/{world.maya.reference}/payment-details/release", {"reason": "Called her."}
    older = approver.post(release, {**said, "version": details["version"] - 1})
    assert (older.status_code, older.json["code"]) == (409, "stale"), "a word is for what the person saw"
    word = approver.post(release, {**said, "version": details["version"]})
    assert (word.status_code, word.json["is_over"]) == (200, False)


def test_refused_details_change_nothing(world: World) -> None:
    admin, approver = world.api("admin"), world.api("approver")
    change = admin.send("PUT", f"/payees/{world.maya.reference}/payment-details", ABA).json["bank_change"]
    assert approver.post(f"/bank-changes/{change}/refuse", {}).status_code == 422
    done = approver.post(f"/bank-changes/{change}/refuse", {"reason": "She did not ask for it."})
    assert done.json["bank_change"]["state"] == "refused"
    assert db.session.query(PayoutMethod).filter_by(payee_id=world.maya.id).count() == 1
    assert _items(world.api("maya").get("/bank-changes")) == [change]
    assert _items(world.api("noor").get("/bank-changes")) == []
    assert world.api("noor").get(f"/bank-changes/{change}").status_code == 404


def test_statements(world: World) -> None:
    reference = world.payout()
    api = world.api("admin")
    asked = api.post("/statements", {"payout": reference})
    assert asked.status_code == 201, asked.text
    number = asked.json["number"]
    assert (asked.json["file"], asked.json["payout"]) == ("queued", reference)
    assert api.post("/statements", {"payout": reference}).json["number"] == number
    assert api.get(f"/statements/{number}/pdf").status_code == 409
    data = b"%PDF-1.7 a statement"
    storage.save("statements/test.pdf", data)
    from webapp.statements.models import Document

    with transaction():
        document = db.session.query(Document).filter_by(number=number).one()
        statements.record_ready(
            document_id=document.id, storage_key="statements/test.pdf", content=data,
            sha256=hashlib.sha256(data).hexdigest(), now=utc_now(),
        )  # fmt: skip
    pdf = world.api("maya").get(f"/statements/{number}/pdf")
    assert (pdf.status_code, pdf.mimetype, pdf.data) == (200, "application/pdf", data)
    assert pdf.headers["Content-Disposition"].startswith("attachment")
    assert world.api("maya").get(f"/statements/{number}").json["file"] == "ready"
    for address in (f"/statements/{number}", f"/statements/{number}/pdf"):
        assert world.api("noor").get(address).status_code == 404
    assert _items(world.api("noor").get("/statements"), "number") == []
    assert _items(api.get(f"/statements?payout={reference}&kind=remittance"), "number") == [number]


@pytest.mark.parametrize(("body", "field"), [
    ({}, "payout"), ({"payout": "PO-1", "month": "2026-01"}, "payout"), ({"month": "2026-01"}, "payee"),
    ({"payee": "PY-0001", "month": "2026-13"}, "month"), ({"payee": "{maya}", "month": "2999-12"}, "month"),
])  # fmt: skip
def test_statements_that_cannot_be(world: World, body: dict[str, str], field: str) -> None:
    body = {name: value.format(maya=world.maya.reference) for name, value in body.items()}
    response = world.api("admin").post("/statements", body)
    assert response.status_code == 422
    assert response.json["errors"][0]["field"] == field


def test_a_month_without_movement_has_no_statement(world: World) -> None:
    answer = world.api("admin").post("/statements", {"payee": world.maya.reference, "month": "2020-01"})
    assert answer.status_code == 409


def test_words_of_the_models_are_those_of_the_house() -> None:
    from typing import get_args

    from webapp.api.schemas import common, payouts, people
    from webapp.api.schemas import installations as built
    from webapp.payouts.states import PayoutState
    from webapp.people.changes.rules import ChangeState
    from webapp.people.models import PAYEE_KINDS, MethodKind
    from webapp.programs.installations.models import (
        CAPACITY_UNITS,
        InstallationStatus,
        QualityCheck,
        RateType,
    )

    pairs = [
        (payouts.StateWord, PayoutState), (common.MethodKindWord, MethodKind), (common.PayeeKindWord, PAYEE_KINDS),
        (people.ChangeWord, ChangeState), (built.StatusWord, InstallationStatus), (built.QualityWord, QualityCheck),
        (built.RateTypeWord, RateType), (built.UnitWord, ("", *CAPACITY_UNITS)),
    ]  # fmt: skip
    for words, members in pairs:
        assert set(get_args(words)) == {str(member) for member in members}
