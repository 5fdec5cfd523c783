"""One organisation in which everything has happened that is told by mail."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import select

from tests.factories import partners, people, rentals, rents, repairs
from tests.factories import payouts as factory
from tests.factories.people import FACTORY, stored
from webapp import queue
from webapp.database import db
from webapp.imports.models import ImportFile
from webapp.kernel.ids import new_uid
from webapp.notices import catalogue
from webapp.notices.models import Email
from webapp.outbox import service as outbox
from webapp.payouts import policies, policy
from webapp.payouts.brakes import alerts
from webapp.payouts.brakes.alerts import AlertKind
from webapp.payouts.brakes.models import HaltLift
from webapp.payouts.models import PolicyProposal
from webapp.people import service as people_service
from webapp.people import sessions
from webapp.people.access.models import AccountLink
from webapp.people.changes.models import CoolOffRelease, MethodChange
from webapp.people.models import Organisation, Payee, PayoutMethod, User, UserSession
from webapp.programs.partners import disputing as commission_disputes
from webapp.programs.partners import registering
from webapp.programs.partners.drafts import RegistrationDraft
from webapp.programs.rentals import returns
from webapp.programs.rentals.models import OwnerDebt, Property, RentCharge, RentReminder, ShareChange
from webapp.programs.repairs import disputing, receipt_document, receipts
from webapp.programs.repairs.rules import Week
from webapp.runs.models import Run
from webapp.statements.models import Document
from webapp.webhooks import endpoints as webhooks

OLD_ACCOUNT, NEW_ACCOUNT = "123456784821", "987654329174"
AGENT = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:142.0) Gecko/20100101 Firefox/142.0"


@dataclass
class World:
    """The people and the ids of what happened to them."""

    organisation: Organisation
    ana: User
    ben: User
    maya: User
    payee: Payee
    now: datetime
    text: str
    ids: dict[str, int] = field(default_factory=dict)


def build(now: datetime, text: str = "") -> World:
    """Everything once; with `text` in every field that people write."""
    with stored():
        organisation = people.organisation("solaria", contact_email="payouts@solaria.example")
        ana = people.user("ana@solaria.example", organisation=organisation, role="admin", name="Ana Ruiz")
        ben = people.user("ben@solaria.example", organisation=organisation, role="admin", name="Ben Yeo")
        maya = people.user("maya@example.com", name="Maya Okafor")
        payee = people.payee(organisation, user=maya, name="Maya Okafor", email="maya@example.com")
        world = World(organisation, ana, ben, maya, payee, now, text)
        _accounts(world)
        _details(world)
        _work(world)
        _driver(world)
        _endpoint(world)
        _partner(world)
        if text:
            organisation.name = text[:120]
            for user in (ana, ben, maya):
                user.name = text[:120]
            payee.name = text[:200]
    return world


def _or(world: World, words: str, length: int = 2000) -> str:
    return world.text[:length] or words


def _accounts(world: World) -> None:
    world.ids["admin_added"] = world.ben.memberships[0].id
    for kind, hours in (("invitation", 168), ("reset", 1)):
        link = AccountLink(
            uid=new_uid(), kind=kind, user_id=world.maya.id, organisation_id=world.organisation.id,
            created_by_id=world.ana.id, created_at=world.now, expires_at=world.now + timedelta(hours=hours),
        )  # fmt: skip
        world.ids[kind] = _added(link)
    sessions.start(
        user_id=world.maya.id, organisation_id=world.organisation.id, ip="203.0.113.7",
        user_agent=_or(world, AGENT, 300), now=world.now,
    )  # fmt: skip
    world.ids["new_device"] = db.session.scalars(
        select(UserSession.id).where(UserSession.user_id == world.maya.id)
    ).one()
    for event in ("password_changed", "factor_added", "factor_removed", "recovery_used"):
        _message(world, f"notice.security.{event}", world.maya.id)
        world.ids[f"security_{event}"] = world.maya.id


def _details(world: World) -> None:
    old = people.method(world.payee, people.destination(OLD_ACCOUNT))
    people_service.update_payee(
        organisation_id=world.organisation.id, payee_id=world.payee.id, changes={"email": "new@example.com"},
        actor=people.actor_of(world.ana), now=world.now - timedelta(days=3),
    )  # fmt: skip
    new = people.method(world.payee, people.destination(NEW_ACCOUNT), now=world.now - timedelta(hours=1))
    new.cool_off_until = world.now + timedelta(hours=47)
    for number, (name, state) in enumerate(
        (("asked", "pending"), ("verified", "verified"), ("refused", "refused"))
    ):
        world.ids[f"details_{name}"] = _added(_change(world, number, state, old, new))
    world.ids["contact_changed"] = world.payee.id
    world.ids["details_changed"] = world.ids["cool_off_released"] = new.id
    for user in (world.ana, world.ben):
        _added(
            CoolOffRelease(
                organisation_id=world.organisation.id, method_id=new.id, user_id=user.id,
                reason=_or(world, "She is at the counter."), at=world.now,
            )
        )  # fmt: skip


def _change(world: World, number: int, state: str, old: PayoutMethod, new: PayoutMethod) -> MethodChange:
    is_decided = state != "pending"
    return MethodChange(
        reference=f"BC-{number + 1:04d}", organisation_id=world.organisation.id, payee_id=world.payee.id,
        uid=new_uid(), old_method_id=old.id, kind="bank_account", scheme="aba", masked="••9174",
        details_encrypted="sealed", source="payee", findings={}, state=state,
        requested_by_id=world.maya.id, requested_by_label=_or(world, "maya@example.com", 254),
        requested_at=world.now, decided_by_id=world.ana.id if is_decided else None,
        decided_at=world.now if is_decided else None, note=_or(world, "She did not ask for it."),
        method_id=new.id if state == "verified" else None,
    )  # fmt: skip


def _work(world: World) -> None:
    organisation, ana, now = world.organisation, world.ana, world.now
    rules = policies.current_policy(organisation.id)[0].rules
    for hours in (24, 72):
        row = policies.change_policy(
            organisation_id=organisation.id, rules={**rules, "cool_off_hours": hours},
            actor=people.actor_of(ana), now=now,
        )  # fmt: skip
    world.ids["policy_changed"] = row.id
    proposal = PolicyProposal(
        organisation_id=organisation.id, base_version=row.version, rules=policy.strict_rules("USD"),
        note=_or(world, "We grew."), proposed_by_id=ana.id, proposed_by_label=ana.email, proposed_at=now,
    )  # fmt: skip
    world.ids["policy_proposed"] = _added(proposal)
    _stops(world)
    run = Run(
        organisation_id=organisation.id, reference="BA-0192", kind="payouts.approve",
        title=_or(world, "Approve 47 payouts", 200), state="finished", parameters={}, total=47, done=44,
        skipped=0, failed=3, created_by_id=ana.id, created_by_label=ana.email, created_at=now, finished_at=now,
    )  # fmt: skip
    world.ids["bulk_result"] = _added(run)
    world.ids["import_result"] = _added(_import(world))
    world.ids["statement"] = _added(_statement(world))
    for n in range(7):
        other = people.payee(organisation, name=_or(world, f"Payee {n}", 200))
        people.method(other)
        factory.payout(organisation, other, now=now - timedelta(days=n, hours=1))
    _message(world, "notice.digest", ana.id)
    world.ids["digest"] = ana.id
    _rents(world)
    made = factory.payout(organisation, world.payee)
    for event in ("approved", "rejected", "paid", "failed", "reversed"):
        world.ids[f"payout_{event}"] = made.id


def _stops(world: World) -> None:
    """A halt, one that was lifted, transfers without an answer, and a wish to lift a halt that takes two."""
    common = {"organisation_id": world.organisation.id, "now": world.now - timedelta(minutes=5)}
    reason = _or(world, "The bank reports a wrong balance.")
    raised = partial(alerts.raise_alert, **common)
    world.ids["payments_stopped"] = raised(kind=AlertKind.HALTED, rail="cashfree", reason=reason).id
    world.ids["transfers_unknown"] = raised(kind=AlertKind.UNKNOWN, rail="*", reason=reason).id
    gone = raised(kind=AlertKind.LOW_BALANCE, rail="sandbox", reason=reason)
    alerts.end_alerts(
        organisation_id=world.organisation.id, kinds=alerts.HALTS, rail="sandbox", now=world.now
    )
    world.ids["payments_resumed"] = gone.id
    world.ids["lift_asked"] = _added(
        HaltLift(organisation_id=world.organisation.id, rail="*", reason=reason, asked_by_id=world.ana.id,
                 asked_by_label=_or(world, world.ana.email, 254), asked_at=world.now)
    )  # fmt: skip


def _rents(world: World) -> None:
    """A rent that is asked for, one that was received, and an owner whom nobody knows how to pay."""
    owner = people.payee(
        world.organisation, "owner", user=people.user("omar@example.com"), name="Omar Haddad",
        email="omar@example.com",
    )  # fmt: skip
    place = rentals.property_of(world.organisation, [(owner, 1)])
    asked, paid = (rentals.charge(place) for _ in range(2))
    received = rents.received(paid)
    if world.text:
        owner.name = place.name = world.text[:200]
        for charge in (asked, paid):
            charge.lease.tenants[0].tenant.name = world.text[:200]
            charge.lease.unit.name = f"{world.text[:110]}{charge.id}"
        received.proof_reference = world.text[:120]
    world.ids |= {"rent_due": asked.id, "rent_received": received.id, "details_wanted": owner.id}
    _rents_that_change(world, place, owner, asked)


def _rents_that_change(world: World, place: Property, owner: Payee, asked: RentCharge) -> None:
    """A tenant who is reminded, a rent that went back by hand, an owner whose part changed."""
    paid = rents.received(rentals.charge(place))
    back = returns.order_refund(
        organisation_id=world.organisation.id, reference=paid.reference, amount_minor=1_000_00,
        reason=_or(world, "Paid twice."), actor=people.actor_of(world.ana), now=world.now,
    )  # fmt: skip
    reminder = RentReminder(
        organisation_id=world.organisation.id, charge_id=asked.id, stage=3, created_at=world.now
    )
    change = ShareChange(
        organisation_id=world.organisation.id, property_id=place.id, payee_id=owner.id, weight_before=1,
        total_before=2, weight_after=1, total_after=1, changed_by_id=world.ana.id,
        changed_by_label=world.ana.email, changed_at=world.now, waits_until=world.now + timedelta(hours=48),
    )  # fmt: skip
    world.ids |= {"rent_reminder": _added(reminder), "owner_shares_changed": _added(change)}
    debt = db.session.scalars(select(OwnerDebt).where(OwnerDebt.return_id == back.id)).one()
    world.ids |= {"rent_refunded": back.id, "owner_rent_went_back": debt.id}


def _driver(world: World) -> None:
    """A driver's weekly receipt that is drawn, and two disputes: one that waits, one that is decided."""
    here = world.organisation
    driver = people.payee(
        here, "driver", user=people.user("dora@example.com"), name="Dora Ek", email="dora@example.com"
    )
    repairs.lease(driver, 500_00)
    repairs.earn(driver, 800_00, date(2025, 10, 1))
    charges = [repairs.charge(driver, "tolls", 12_00, date(2025, 10, 1)) for _ in range(2)]
    row = receipts.make_receipts(
        organisation_id=here.id,
        payee_ids=[driver.id],
        week=Week(date(2025, 9, 29)),
        actor=FACTORY,
        now=world.now,
    )[0]
    (document,) = receipt_document.freeze(
        organisation_id=here.id, receipt_ids=[row.id], actor=FACTORY, now=world.now
    )
    document.state, document.storage_key, document.sha256 = "ready", "documents/receipt.pdf", "0" * 64
    disputes = [
        disputing.dispute_charge(
            organisation_id=here.id, payee_id=driver.id, charge_id=charge.id,
            reason=_or(world, "I did not use this bridge.", 1000), actor=people.actor_of(world.maya), now=world.now,
        )
        for charge in charges
    ]  # fmt: skip
    disputing.decide_dispute(
        organisation_id=here.id, reference=disputes[1].reference, accepts=True,
        answer=_or(world, "It was another vehicle.", 1000), actor=people.actor_of(world.ana), now=world.now,
    )  # fmt: skip
    world.ids |= {
        "receipt": document.id, "dispute_opened": disputes[0].id, "dispute_decided": disputes[1].id
    }  # fmt: skip
    if world.text:
        driver.name = world.text[:200]


def _partner(world: World) -> None:
    """Deals that a partner registered and commissions that they disputed: one of each waits, one is decided."""
    here = world.organisation
    partner = partners.partner(
        here, user=people.user("pia@example.com"), name="Pia Lund", email="pia@example.com"
    )
    program = partners.program(here)
    made = []
    for n in range(2):
        draft = RegistrationDraft(
            program.id,
            _or(world, f"Acme {n}", 190) + str(n),
            "USD",
            5_000_00,
            note=_or(world, "They called us."),
        )
        made.append(
            registering.register(
                organisation_id=here.id, payee_id=partner.id, draft=draft, actor=people.actor_of(world.maya),
                now=world.now,
            )
        )  # fmt: skip
    registering.refuse(
        organisation_id=here.id, reference=made[1].reference, reason=_or(world, "It is ours."),
        actor=people.actor_of(world.ana), now=world.now,
    )  # fmt: skip
    disputes = []
    for n in range(2):
        deal = partners.won(program, [partner], name=_or(world, f"Acme: {n} seats", 200))
        disputes.append(
            commission_disputes.raise_dispute(
                organisation_id=here.id, payee_id=partner.id, reference=partners.commissions(deal)[0].reference,
                reason=_or(world, "The deal was over more."), actor=people.actor_of(world.maya), now=world.now,
            )
        )  # fmt: skip
    commission_disputes.decide(
        organisation_id=here.id, dispute_id=disputes[1].id, is_accepted=False,
        answer=_or(world, "The order says so."), actor=people.actor_of(world.ana), now=world.now,
    )  # fmt: skip
    world.ids |= {
        "registration_made": made[0].id, "registration_decided": made[1].id,
        "commission_disputed": disputes[0].id, "commission_decided": disputes[1].id,
    }  # fmt: skip
    if world.text:
        partner.name = world.text[:200]


def _endpoint(world: World) -> None:
    """An endpoint that has taken nothing for days."""
    row, _ = webhooks.create(
        organisation_id=world.organisation.id, url="https://example.com/hooks/paydesk",
        name=_or(world, "Accounting", 120), events=["payout.paid"], is_trial=False,
        actor=people.actor_of(world.ana), now=world.now - timedelta(days=9),
    )  # fmt: skip
    row.failures, row.failing_since = 12, world.now - timedelta(days=4)
    webhooks.stop_if_given_up(row, world.now)
    row.stop_reason = _or(world, row.stop_reason)
    world.ids["webhook_stopped"] = row.id


def _import(world: World) -> ImportFile:
    return ImportFile(
        reference="IM-0007", organisation_id=world.organisation.id, kind="payees",
        file_name=_or(world, "technicians.csv", 200), storage_key="x", sha256="0" * 64, size_bytes=1, mapping={},
        reading={}, state="done", rows=10, done=10, created=6, updated=2, unchanged=1, refused=1,
        created_by_id=world.ana.id, created_by_label=world.ana.email, created_at=world.now,
    )  # fmt: skip


def _statement(world: World) -> Document:
    return Document(
        organisation_id=world.organisation.id, kind="monthly", number="MS-2026-000001", payee_id=world.payee.id,
        variant="1", period_start=date(2026, 10, 1), period_end=date(2026, 10, 31), currency="USD",
        opening_minor=0, closing_minor=123_456, created_at=world.now,
    )  # fmt: skip


def _added(row: Any) -> int:
    db.session.add(row)
    db.session.flush()
    return int(row.id)


def _message(world: World, kind: str, reference_id: int) -> None:
    outbox.add(
        kind=kind, reference_id=reference_id, dedupe_key=f"{kind}:{reference_id}", to_queue=queue.MAIL,
        organisation_id=world.organisation.id if kind == "notice.digest" else None, now=world.now,
    )  # fmt: skip


def kind_of(name: str) -> str:
    """The kind of the message that asks for a mail."""
    for area in (
        "payout",
        "security",
        "details",
        "contact",
        "cool_off",
        "admin",
        "policy",
        "rent",
        "owner",
        "payments",
        "transfers",
        "lift",
        "dispute",
        "registration",
        "commission",
        "webhook",
    ):
        if name.startswith(f"{area}_"):
            return f"notice.{area}.{name.removeprefix(f'{area}_')}"
    return f"notice.{name}"


def mails() -> list[Email]:
    """Every mail that was written, oldest first."""
    return list(db.session.scalars(select(Email).order_by(Email.id)))


#: Every kind of mail that is asked for by a message of its own; "details_to_verify" comes with "details_asked".
NAMES = [name for name in catalogue.KINDS if name != "details_to_verify"]
