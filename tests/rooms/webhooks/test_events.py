"""Every turn of a payout becomes an event in its own transaction, for whoever wants it, without payment details."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from tests import factories
from tests.factories import FACTORY, clinic
from tests.factories import payouts as made
from tests.factories.payouts import WHEN
from tests.rooms.webhooks.made import all_deliveries, endpoint, waiting
from webapp.audit.models import AuditEvent
from webapp.database import db, savepoint, transaction
from webapp.kernel.actor import Actor
from webapp.payouts import policies, service, turns
from webapp.payouts.creation_many import PayoutDraft, create_many
from webapp.payouts.drafts import LineDraft, SourceDraft
from webapp.payouts.models import Payout
from webapp.payouts.policy import default_rules
from webapp.people.models import Organisation
from webapp.programs.clinic import bulk
from webapp.runs import service as runs
from webapp.webhooks.models import WebhookDelivery, WebhookEvent
from webapp.webhooks.rules import EVENT_OF_TURN, EventType

ACCOUNT = "987654321123"


@pytest.fixture
def organisation(database: Flask) -> Organisation:
    return factories.organisation("solaria")


def events() -> list[tuple[str, str]]:
    """Type and payout of every event, in their order."""
    rows = db.session.execute(select(WebhookEvent.type, WebhookEvent.subject).order_by(WebhookEvent.id))
    return [(row[0], row[1]) for row in rows]


def bodies() -> list[dict[str, Any]]:
    return [
        json.loads(text) for text in db.session.scalars(select(WebhookEvent.body).order_by(WebhookEvent.id))
    ]


def actors(organisation: Organisation) -> tuple[Actor, Actor]:
    people = [factories.user(organisation=organisation, role="admin") for _ in range(2)]
    return factories.actor_of(people[0]), factories.actor_of(people[1])


def test_the_life_of_a_payout_is_told_turn_by_turn(organisation: Organisation) -> None:
    endpoint(organisation)
    payee = factories.payee(organisation)
    factories.method(payee, factories.destination(ACCOUNT))
    maker, approver = actors(organisation)
    payout = made.payout(organisation, payee, 49_950, actor=maker)
    common = {"organisation_id": organisation.id, "reference": payout.reference, "now": WHEN}
    with transaction():
        service.approve(**common, actor=approver)
    with transaction():
        service.hold(**common, actor=approver, reason="A question to the bank.")
    with transaction():
        service.release(**common, actor=approver)
    with transaction():
        service.submit(**common, actor=approver)
    assert [kind for kind, _ in events()] == [
        "payout.created", "payout.approved", "payout.held", "payout.released", "payout.processing"
    ]  # fmt: skip
    assert {subject for _, subject in events()} == {payout.reference}
    said = [body["data"]["payout"] for body in bodies()]
    assert [one["state"] for one in said] == [
        "pending_approval",
        "approved",
        "approved",
        "approved",
        "processing",
    ]
    assert [one["is_held"] for one in said] == [False, False, True, False, False]
    assert [one["version"] for one in said] == sorted(one["version"] for one in said)
    assert len(waiting()) == 5


def test_an_event_says_what_the_api_says_and_no_payment_details(organisation: Organisation) -> None:
    endpoint(organisation)
    payee = factories.payee(organisation, name="Maya Okafor", email="maya@example.com")
    factories.method(payee, factories.destination(ACCOUNT))
    payout = made.payout(organisation, payee, 49_950, note="Look at this twice.")
    (text,) = db.session.scalars(select(WebhookEvent.body))
    body = json.loads(text)
    assert (body["type"], body["timestamp"]) == ("payout.created", "2026-11-20T12:00:00.000Z")
    said = body["data"]["payout"]
    assert said["reference"] == payout.reference
    assert said["net"] == {"amount_minor": 49_950, "currency": "USD", "amount": "499.50"}
    assert said["payee"] == {"reference": payee.reference, "kind": "technician"}
    assert said["href"] == f"/api/v1/payouts/{payout.reference}"
    assert (said["period_start"], said["period_end"]) == ("2026-11-01", "2026-11-30")
    for hidden in (ACCOUNT, ACCOUNT[-4:], "021000021", "Maya", "maya@example.com", "twice", "First Bank"):
        assert hidden not in text


def test_a_rejection_and_its_reason_are_told(organisation: Organisation) -> None:
    endpoint(organisation)
    maker, approver = actors(organisation)
    payout = made.payout(organisation, factories.payee(organisation), actor=maker)
    with transaction():
        service.reject(
            organisation_id=organisation.id, reference=payout.reference, actor=approver, now=WHEN,
            reason="The size is wrong.",
        )  # fmt: skip
    assert events()[-1] == ("payout.rejected", payout.reference)
    assert bodies()[-1]["data"]["payout"]["reason"] == "The size is wrong."


def test_only_what_an_endpoint_wants_is_written_for_it(organisation: Organisation) -> None:
    first, _ = endpoint(organisation, events=["payout.approved"])
    second, _ = endpoint(organisation, events=["payout.approved", "payout.created"])
    made.payout_ready(organisation)
    found = [(row.endpoint_id, row.event.type) for row in all_deliveries()]
    assert sorted(found) == sorted(
        [(second.id, "payout.created"), (first.id, "payout.approved"), (second.id, "payout.approved")]
    )
    # One event, whoever gets it: the same id for both.
    assert len(events()) == 2


def test_where_nobody_wants_to_know_nothing_is_written(organisation: Organisation) -> None:
    made.payout_ready(organisation)
    endpoint(organisation, events=["payout.paid"])
    made.payout_ready(organisation)
    assert events() == []
    assert waiting() == []


def test_what_is_rolled_back_is_told_to_nobody(organisation: Organisation) -> None:
    endpoint(organisation)
    payee = factories.payee(organisation)
    with pytest.raises(ZeroDivisionError), transaction():
        made.payout(organisation, payee)
        raise ZeroDivisionError
    with transaction(), pytest.raises(ZeroDivisionError), savepoint():
        made.payout(organisation, payee)
        raise ZeroDivisionError
    assert events() == []
    made.payout(organisation, payee)
    assert [kind for kind, _ in events()] == ["payout.created"]


def test_two_organisations_never_hear_of_each_other(organisation: Organisation) -> None:
    other = factories.organisation("lumina")
    here, _ = endpoint(organisation)
    there, _ = endpoint(other)
    mine, theirs = made.payout_ready(organisation), made.payout_ready(other)
    found = {(row.endpoint_id, row.organisation_id, row.event.organisation_id) for row in all_deliveries()}
    assert found == {(here.id, organisation.id, organisation.id), (there.id, other.id, other.id)}
    by_place = {
        endpoint_id: set(
            db.session.scalars(
                select(WebhookEvent.id)
                .join(WebhookDelivery, WebhookDelivery.event_id == WebhookEvent.id)
                .where(WebhookDelivery.endpoint_id == endpoint_id)
            )
        )
        for endpoint_id in (here.id, there.id)
    }
    assert not by_place[here.id] & by_place[there.id]
    # The references begin anew in each organisation; the payees' tell them apart.
    assert mine.organisation_id != theirs.organisation_id


def test_the_trail_and_the_events_agree(organisation: Organisation) -> None:
    """Whatever the trail says of a payout, an endpoint that wants everything was told."""
    endpoint(organisation)
    payout = made.payout_sent(organisation)
    tags = db.session.scalars(
        select(AuditEvent.tag).where(AuditEvent.subject_type == "payout").order_by(AuditEvent.id)
    )
    words = [tag.rpartition(":")[2] for tag in tags]
    assert [EVENT_OF_TURN[word].value for word in words if word in EVENT_OF_TURN] == [
        kind for kind, _ in events()
    ]
    assert payout.state == "processing"


def test_many_turns_of_one_transaction_are_few_statements(organisation: Organisation) -> None:
    endpoint(organisation)
    payouts = [made.payout(organisation, factories.payee(organisation)) for _ in range(3)]
    before = len(events())
    with transaction():
        for payout in payouts * 50:
            turns.add("held", organisation.id, payout.id, WHEN)
    assert len(events()) - before == 150
    assert db.session.scalar(select(func.count()).select_from(WebhookDelivery)) == 153


@pytest.mark.parametrize("event", EventType, ids=lambda event: event.value)
def test_the_words_of_events_are_unlike(event: EventType) -> None:
    assert event.value.startswith("payout.")
    assert [one.label for one in EventType].count(event.label) == 1


def test_payouts_made_at_once_are_told_like_those_made_one_by_one(organisation: Organisation) -> None:
    endpoint(organisation)
    with transaction():
        rules = default_rules("USD", 100_00)
        policies.change_policy(organisation_id=organisation.id, rules=rules, actor=FACTORY, now=WHEN)
    drafts = []
    for n, amount in enumerate((50_00, 500_00)):
        payee = factories.payee(organisation)
        factories.method(payee)
        line = LineDraft("earning", "Work", amount, date(2026, 11, 3), source_type="job", source_id=n + 1)
        drafts.append(
            PayoutDraft(
                payee, "USD", [line], [SourceDraft("job", n + 1)], date(2026, 11, 1), date(2026, 11, 30),
                "expense:installations", f"key:{n}", [], is_automatic=True,
            )
        )  # fmt: skip
    with transaction():
        create_many(
            organisation_id=organisation.id, program="installations", drafts=drafts, actor=FACTORY, now=WHEN
        )
    found = sorted(events(), key=lambda one: one[1])
    assert [kind for kind, _ in found].count("payout.created") == 2
    assert [kind for kind, _ in found].count("payout.approved") == 1
    assert db.session.query(Payout).filter_by(state="approved").count() == 1


@pytest.mark.parametrize("at_once", [True, False], ids=["in a run", "one by one"])
def test_payouts_into_wallets_are_told_too(database: Flask, at_once: bool) -> None:
    care = clinic.carepoint()
    ada = clinic.practitioner(care, name="Ada")
    clinic.paid(care, None, 500_00)
    rows = [clinic.paid(care, [ada], 100_00) for _ in range(2)]
    endpoint(care)
    if at_once:
        by = factories.actor_of(factories.user(organisation=care, role="admin"))
        with transaction():
            run = bulk.draft_run(
                organisation_id=care.id, invoice_ids=[row.id for row in rows], actor=by, now=clinic.WHEN
            )
            runs.confirm(organisation_id=care.id, reference=run.reference, actor=by, now=clinic.WHEN)
        assert runs.step(run_id=run.id, clock=lambda: clinic.WHEN)
    else:
        for row in rows:
            clinic.pay_out(row)
    told = [kind for kind, _ in events()]
    for kind in ("payout.created", "payout.approved", "payout.paid"):
        assert told.count(kind) == 2, kind
