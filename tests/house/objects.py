"""Example records of every room, for the addresses that name one."""

from __future__ import annotations

import hashlib
from datetime import date

from flask import current_app
from sqlalchemy import select

from tests.factories import FACTORY, actor_of, bankfiles, destination, installations, ledger, rentals, rents
from tests.factories.payouts import WHEN, payout
from tests.factories.statements import ready_statement
from tests.house import (  # noqa: F401 - their example records
    objects_accounting,
    objects_clinic,
    objects_driver_portal,
    objects_drivers,
    objects_partners_deals,
    objects_partners_money,
    objects_partners_portal,
    objects_partners_rates,
    objects_partners_records,
    objects_reconciliation,
    objects_repairs,
    objects_repairs_files,
    objects_retention,
    objects_webhooks,
)
from tests.house.town import Arguments, House, example
from webapp.bankfiles import setups as bank_file_setups
from webapp.connections import service as connections
from webapp.connections import simulated
from webapp.connections.queries import Receiver
from webapp.database import db
from webapp.imports import service as imports
from webapp.inbox import service as inbox
from webapp.inbox.models import WebhookMessage
from webapp.kernel.clock import utc_now
from webapp.kernel.ids import new_uid
from webapp.notices.marks import Subscription, token_of
from webapp.notices.models import Email
from webapp.outbox import service as outbox
from webapp.outbox.models import OutboxMessage
from webapp.payouts import policies, policy_changes
from webapp.payouts.brakes import lifting
from webapp.payouts.models import Payout, Transfer
from webapp.payouts.policy import default_rules
from webapp.people import sessions, users
from webapp.people.access import saved_views
from webapp.people.access.models import AccountLink, Passkey
from webapp.people.changes import queries as bank_queries
from webapp.people.changes import service as bank_changes
from webapp.people.models import UserSession
from webapp.programs.installations import files
from webapp.programs.rentals import pay_links, payments, returns, settling, sharing
from webapp.programs.rentals import service as rental_records
from webapp.programs.rentals.drafts import BillDraft
from webapp.programs.rentals.models import RentCharge, RentPayment
from webapp.providers import keeping, storage
from webapp.providers.models import ProviderAccount
from webapp.runs import service as runs
from webapp.statements import service as statements
from webapp.web.uploads import Upload


@example("admin.payees")
def payees(house: House, kind: str) -> list[Arguments]:
    """A payee."""
    return [{"reference": house.payees["technician"].reference}]


@example("public.passkeys.remove")
def own_passkey(house: House, kind: str) -> list[Arguments]:
    """A passkey of the admin."""
    row = Passkey(
        user_id=house.users["admin"].id,
        credential_id=new_uid(),
        public_key="AA",
        name="Laptop",
        created_at=WHEN,
    )
    db.session.add(row)
    db.session.flush()
    return [{"passkey_id": row.id}]


@example("admin.bank_changes", "admin.bank_names")
def a_bank_change(house: House, kind: str) -> list[Arguments]:
    """New payment details of the technician that wait for a second person."""
    payee = house.payees["technician"]
    waiting = bank_queries.pending_for(payee.id)
    # Whoever asked again as somebody else would be refused: the example is made once and found after that.
    change = waiting or bank_changes.ask(
        organisation_id=house.organisation.id,
        payee_id=payee.id,
        destination=destination(),
        source="admin",
        actor=actor_of(house.users["accountant"]),
        now=WHEN,
    )
    return [{"reference": change.reference}]


@example("public.people.end_session")
def own_session(house: House, kind: str) -> list[Arguments]:
    """A session of the admin in another browser."""
    admin = house.users["admin"].id
    sessions.start(
        user_id=admin, organisation_id=house.organisation.id, ip="", user_agent="other", now=utc_now()
    )
    newest = (
        select(UserSession.id).where(UserSession.user_id == admin).order_by(UserSession.id.desc()).limit(1)
    )
    return [{"session_id": db.session.scalar(newest)}]


@example("public.people.reset", "public.people.accept")
def no_link(house: House, kind: str) -> list[Arguments]:
    """A token that nobody signed."""
    return [{"token": "made-up"}]


@example("public.rent")
def a_rent_to_pay(house: House, kind: str) -> list[Arguments]:
    """The signed link of a month's rent."""
    made = rentals.charge(rentals.property_of(house.organisation, [(house.payees["owner"], 1)]))
    return [{"token": pay_links.token_of(made, utc_now())}]


@example("admin.users")
def a_colleague(house: House, kind: str) -> list[Arguments]:
    """The accountant, as the admin sees them."""
    return [{"user_id": house.users["accountant"].id}]


@example("admin.users.end_session")
def a_colleague_s_session(house: House, kind: str) -> list[Arguments]:
    """A session of the accountant in this organisation."""
    colleague = house.users["accountant"].id
    _, row = sessions.start(
        user_id=colleague, organisation_id=house.organisation.id, ip="", user_agent="other", now=utc_now()
    )
    return [{"user_id": colleague, "session_id": row.id}]


@example("admin.users.resend", "admin.users.revoke")
def an_invitation(house: House, kind: str) -> list[Arguments]:
    """An invitation that was not accepted."""
    invited = users.invite(
        organisation_id=house.organisation.id,
        email=f"invited@{house.organisation.slug}.example",
        name="Ira Vance",
        roles=["accountant"],
        actor=actor_of(house.users["admin"]),
        now=utc_now(),
    )
    link = db.session.scalars(select(AccountLink).where(AccountLink.user_id == invited.id)).one()
    return [{"link_id": link.id}]


def _payout(house: House, kind: str = "") -> Payout:
    return payout(house.organisation, house.payees[kind or "technician"])


@example("admin.payouts", "payee.payouts", "admin.statements.make")
def payouts(house: House, kind: str) -> list[Arguments]:
    """A payout that waits for approval."""
    return [{"reference": _payout(house, kind).reference}]


@example("admin.payouts.act")
def payout_actions(house: House, kind: str) -> list[Arguments]:
    """Every action that a payout's page may offer."""
    reference = payouts(house, kind)[0]["reference"]
    actions = (
        "approve",
        "reject",
        "cancel",
        "hold",
        "release",
        "pay",
        "mark-paid",
        "retry",
        "check-status",
        "reissue",
        "return",
        "settle-review",
    )
    return [{"reference": reference, "action": action} for action in (*actions, "edit")]


@example(
    "admin.payouts.export",
    "admin.installations.export",
    "admin.installations.totals_export",
    "payee.installations.export",
    "admin.rentals.payouts_export",
    "admin.rentals.payments_export",
    "admin.rentals.charges_export",
    "admin.rentals.arrears_export",
    "admin.rentals.leases_export",
    "admin.rentals.properties_export",
    "payee.rents.export",
)
def formats(house: House, kind: str) -> list[Arguments]:
    """Both file formats."""
    return [{"format": "csv"}, {"format": "xlsx"}]


@example("admin.imports.template", "admin.imports.template_workbook", "admin.imports.upload")
def templates(house: House, kind: str) -> list[Arguments]:
    """Every kind of list that can be imported."""
    return [{"kind": kind} for kind in ("payees", "technicians", "rates", "installations", "leases")]


@example("admin.imports")
def an_import(house: House, kind: str) -> list[Arguments]:
    """A list that the admin uploaded."""
    data, key = b"name,email\nAna Souza,ana@example.com\n", f"imports/{house.organisation.id}/house.csv"
    storage.save(key, data)
    row = imports.add_file(
        organisation_id=house.organisation.id,
        kind="technicians",
        file_name="technicians.csv",
        storage_key=key,
        data=data,
        rows=1,
        actor=actor_of(house.users["admin"]),
        now=WHEN,
    )
    return [{"reference": row.reference}]


@example("admin.installations", "payee.installations")
def an_installation(house: House, kind: str) -> list[Arguments]:
    """An installation of the technician."""
    return [
        {"reference": installations.installation(house.organisation, house.payees["technician"]).reference}
    ]


@example("payee.properties")
def a_property(house: House, kind: str) -> list[Arguments]:
    """A property of the owner."""
    return [{"reference": rentals.property_of(house.organisation, [(house.payees[kind], 1)]).reference}]


@example("payee.rents")
def a_rent(house: House, kind: str) -> list[Arguments]:
    """A rent of which the owner had a part."""
    return [{"reference": rents.rent_of(house.organisation, [(house.payees[kind], 1)]).reference}]


@example("admin.installations.settle")
def a_share(house: House, kind: str) -> list[Arguments]:
    """The technician's part of an installation."""
    made = installations.installation(house.organisation, house.payees["technician"])
    return [{"share_id": made.shares[0].id}]


@example("admin.installations.pay_one")
def somebody_due(house: House, kind: str) -> list[Arguments]:
    """A technician to whom an installation is due."""
    installations.rate(house.organisation)
    installations.installation(house.organisation, house.payees["technician"])
    return [{"payee_reference": house.payees["technician"].reference}]


@example("admin.installations.file")
def a_file(house: House, kind: str) -> list[Arguments]:
    """A document of an installation."""
    made = installations.installation(house.organisation, house.payees["technician"])
    data = b"%PDF-1.7 certificate %%EOF"
    sha = hashlib.sha256(data).hexdigest()
    storage.save("papers/none", data)
    kept = files.add_file(
        organisation_id=house.organisation.id,
        reference=made.reference,
        kept=keeping.Kept("papers/none", Upload("certificate.pdf", "application/pdf", data, sha)),
        actor=FACTORY,
        now=WHEN,
    )
    return [{"reference": made.reference, "file_id": kept.id}]


@example("admin.rates")
def a_rate(house: House, kind: str) -> list[Arguments]:
    """A rate configuration."""
    return [{"configuration_id": installations.rate(house.organisation).id}]


@example("admin.runs", "admin.approvals.draft", "admin.approvals.confirm")
def a_run(house: House, kind: str) -> list[Arguments]:
    """A run that the admin prepared and has not confirmed."""
    made = _payout(house)
    row = runs.RowDraft(
        subject_type="payout",
        subject_id=made.id,
        subject_label=made.reference,
        subject_version=made.version,
        data={"reference": made.reference, "payee": "Somebody", "program": made.program,
              "amount_minor": made.amount_minor, "currency": made.currency, "method": "Bank account",
              "pay_to": "••0001", "is_last_approval": True},
    )  # fmt: skip
    run = runs.create_draft(
        organisation_id=house.organisation.id,
        kind="payouts.approve",
        title="Approve 1 payout",
        rows=[row],
        parameters={"not_included": [], "n_not_included": 0},
        actor=actor_of(house.users["admin"]),
        now=WHEN,
    )
    return [{"reference": run.reference}]


@example("admin.notices", "demo.outbox")
def an_email(house: House, kind: str) -> list[Arguments]:
    """An e-mail that the demo kept."""
    made = _payout(house)
    email = Email(
        organisation_id=house.organisation.id,
        dedupe_key=f"house:{made.id}",
        notice="payout_approved",
        to_address="tara@x.example",
        payee_id=made.payee_id,
        payout_id=made.id,
        subject="Approved",
        body_text="It is approved.",
        body_html="<p>It is approved.</p>",
        message_id=f"<house-{made.id}@x.example>",
        state="kept",
        created_at=WHEN,
    )
    db.session.add(email)
    db.session.flush()
    return [{"email_id": email.id}]


@example("public.notices")
def own_mail(house: House, kind: str) -> list[Arguments]:
    """An e-mail to the admin about their own account."""
    admin = house.users["admin"]
    email = Email(
        dedupe_key=f"house:account:{admin.id}",
        notice="security_password_changed",
        to_address=admin.email,
        user_id=admin.id,
        subject="Your password was changed",
        body_text="It was changed.",
        body_html="<p>It was changed.</p>",
        message_id="<house-account@x.example>",
        created_at=WHEN,
    )
    db.session.add(email)
    db.session.flush()
    return [{"email_id": email.id}]


@example("public.notices.unsubscribe", "public.notices.unsubscribe_now")
def own_choice(house: House, kind: str) -> list[Arguments]:
    """The link that switches the admin's digest off."""
    digest = Subscription("digest", user_id=house.users["admin"].id)
    return [{"token": token_of(digest, current_app.config["SETTINGS"])}]


@example("admin.statements.download", "payee.statements")
def a_document(house: House, kind: str) -> list[Arguments]:
    """A remittance advice that has not been drawn yet."""
    document = statements.request_remittance(payout_id=_payout(house, kind).id, actor=FACTORY, now=WHEN)
    return [{"document_id": document.id}]


@example("admin.statements")
def a_statement(house: House, kind: str) -> list[Arguments]:
    """A monthly statement of the technician."""
    return [{"number": ready_statement(house.organisation, house.payees["technician"]).number}]


@example("admin.statements.lines")
def a_statements_files(house: House, kind: str) -> list[Arguments]:
    """The lines of a monthly statement in both formats."""
    (found,) = a_statement(house, kind)
    return [{**found, "format": "csv"}, {**found, "format": "xlsx"}]


@example("payee.statements.lines")
def own_statements_files(house: House, kind: str) -> list[Arguments]:
    """The lines of one's own monthly statement in both formats."""
    document_id = ready_statement(house.organisation, house.payees[kind]).id
    return [{"document_id": document_id, "format": name} for name in ("csv", "xlsx")]


@example("admin.statements.year_archive", "payee.statements.year_archive")
def a_year(house: House, kind: str) -> list[Arguments]:
    """The year of a payee's statement."""
    payee = house.payees[kind or "technician"]
    ready_statement(house.organisation, payee)
    return [{"year": 2026} if kind else {"reference": payee.reference, "year": 2026}]


@example("admin.statements.month_archive")
def a_month(house: House, kind: str) -> list[Arguments]:
    """A month with a statement."""
    ready_statement(house.organisation, house.payees["technician"])
    return [{"month": "2026-10"}]


@example("public.verification.show")
def a_code(house: House, kind: str) -> list[Arguments]:
    """The code of an issued statement."""
    return [{"code": ready_statement(house.organisation, house.payees["technician"]).code}]


def _entry(house: House) -> tuple[int, int]:
    entry = ledger.entry(
        house.organisation.id,
        "house",
        ledger.leg("bank", 100),
        ledger.leg("opening", -100),
        effective_on=date(2026, 11, 20),
    )
    return entry.id, entry.postings[0].account_id


@example("admin.ledger.entry")
def an_entry(house: House, kind: str) -> list[Arguments]:
    """A journal entry."""
    return [{"entry_id": _entry(house)[0]}]


@example("admin.ledger.account")
def an_account(house: House, kind: str) -> list[Arguments]:
    """An account with one posting."""
    return [{"account_id": _entry(house)[1]}]


@example("assets.serve")
def old_asset(house: House, kind: str) -> list[Arguments]:
    """A style sheet under the address of another version, and a file that is not served."""
    return [{"digest": "00000000", "name": "app.css"}, {"digest": "00000000", "name": "app.py"}]


@example("admin.policy.decide")
def policy_proposal(house: House, kind: str) -> list[Arguments]:
    """A change of the rules that another admin asked for."""
    rules = {**default_rules(house.organisation.currency), "cool_off_hours": 72}
    row = policy_changes.pending(house.organisation.id) or policy_changes.propose(
        organisation_id=house.organisation.id,
        rules=rules,
        note="Longer cool-off",
        expected_version=policies.current_policy(house.organisation.id)[1],
        actor=FACTORY,
        now=WHEN,
    )
    return [{"proposal_id": row.id}]


@example("admin.policy.decide_lift")
def halt_lift(house: House, kind: str) -> list[Arguments]:
    """A wish to lift the halt of a restored database."""
    organisation_id = house.organisation.id
    policies.halt(
        organisation_id=organisation_id, rail="*", reason="Restored.", actor=FACTORY, now=WHEN, takes_two=True
    )
    row = lifting.resume(
        organisation_id=organisation_id, rail="*", reason="The bank was asked.",
        actor=actor_of(house.users["admin"]), now=WHEN,
    )  # fmt: skip
    assert row is not None
    return [{"lift_id": row.id}]


@example("admin.connections", "api.connections")
def a_connection(house: House, kind: str) -> list[Arguments]:
    """PhonePe, at an address where nobody answers; and Cashfree, of which there are no keys."""
    _receiver(house)
    return [{"name": "phonepe"}, {"name": "cashfree"}]


@example("admin.connections.switch")
def a_connection_to_switch(house: House, kind: str) -> list[Arguments]:
    """The same, each off and on."""
    return [{**name, "kind": to} for name in a_connection(house, kind) for to in ("off", "on")]


def _receiver(house: House) -> Receiver:
    row = connections.save(
        organisation_id=house.organisation.id,
        provider="phonepe",
        environment="sandbox",
        credentials=simulated.phonepe("http://127.0.0.1:9"),
        is_trial=True,
        actor=FACTORY,
        now=WHEN,
    )
    return Receiver(row.id, row.organisation_id, row.provider, {})


@example("admin.inbox", "api.messages")
def a_provider_s_message(house: House, kind: str) -> list[Arguments]:
    """A message that no worker has looked at, about an order that nobody made."""
    body = b'{"event": "checkout.order.completed", "payload": {"merchantOrderId": "RP1"}}'
    inbox.receive(_receiver(house), body, {"content-type": "application/json"}, WHEN)
    newest = select(WebhookMessage).order_by(WebhookMessage.id.desc()).limit(1)
    message = db.session.scalars(newest).one()
    message.state = "unmatched"
    db.session.flush()
    return [{"message_id": message.id}]


@example("public.hooks.receive")
def an_address_for_messages(house: House, kind: str) -> list[Arguments]:
    """The address of an account at PhonePe."""
    receiver = _receiver(house)
    row = db.session.get_one(ProviderAccount, receiver.account_id)
    return [{"provider": row.provider, "uid": row.uid}]


@example("admin.bankfiles", "api.bank_files")
def a_bank_file(house: House, kind: str) -> list[Arguments]:
    """A file that waits for its second person."""
    if bank_file_setups.find(house.organisation.id, "nacha") is None:
        bankfiles.switch_on(house.organisation)
        bankfiles.setup(house.organisation)
    bankfiles.waiting(house.organisation)
    return [{"reference": bankfiles.make(house.organisation, house.users["admin"]).reference}]


@example("admin.bankfiles.take_back")
def a_transfer_that_waits_for_a_file(house: House, kind: str) -> list[Arguments]:
    """A payout that waits for a bank file."""
    a_bank_file(house, kind)
    payout_id = bankfiles.waiting(house.organisation).id
    newest = select(Transfer.id).where(Transfer.payout_id == payout_id)
    return [{"transfer_id": db.session.scalar(newest)}]


@example("admin.bankfiles.make", "admin.bankfiles.setup")
def formats_of_bank_files(house: House, kind: str) -> list[Arguments]:
    """Every format."""
    return [{"kind": one} for one in ("pain001", "nacha", "columns")]


@example("admin.bankfiles.return_file")
def a_return_file(house: House, kind: str) -> list[Arguments]:
    """A file of the bank about nothing that is known."""
    made = bankfiles.returned(house.organisation, b"NACHA and CSV are in the room's own tests")
    return [{"reference": made.reference}]


@example("admin.saved_views.remove")
def saved_view(house: House, kind: str) -> list[Arguments]:
    """A view that the admin saved."""
    view = saved_views.save(
        user_id=house.users["admin"].id,
        organisation_id=house.organisation.id,
        endpoint="admin.payouts.index",
        name="Failed ones",
        query="status=failed",
        now=WHEN,
    )
    db.session.flush()
    return [{"view_id": view.id}]


@example("admin.jobs.retry")
def a_message_that_gave_up(house: House, kind: str) -> list[Arguments]:
    """A message of the organisation that failed every time."""
    outbox.add(
        kind="email.send", reference_id=1, dedupe_key=f"gave up {house.organisation.id}", to_queue="mail",
        organisation_id=house.organisation.id, now=WHEN,
    )  # fmt: skip
    message = db.session.scalars(select(OutboxMessage).order_by(OutboxMessage.id.desc()).limit(1)).one()
    message.gave_up_at = WHEN
    db.session.flush()
    return [{"message_id": message.id}]


def _rent(house: House) -> RentCharge:
    place = rentals.property_of(house.organisation, [(house.payees["owner"], 1)])
    return rentals.charge(place)


@example("admin.rentals.property", "admin.rentals.edit_property", "admin.rentals.add_unit", "admin.rentals.add_bill",
         "admin.rentals.set_property_terms", "admin.rentals.switch_property")  # fmt: skip
def a_managed_property(house: House, kind: str) -> list[Arguments]:
    """A property of the owner."""
    return [{"reference": rentals.property_of(house.organisation, [(house.payees["owner"], 1)]).reference}]


@example("admin.rentals.cancel_bill")
def a_bill(house: House, kind: str) -> list[Arguments]:
    """A bill of a property."""
    place = rentals.property_of(house.organisation, [(house.payees["owner"], 1)])
    draft = BillDraft(place.id, "Lift repair", WHEN.date(), 1_250_00)
    made = rental_records.add_bill(
        organisation_id=house.organisation.id, draft=draft, actor=FACTORY, now=WHEN
    )
    return [{"reference": made.reference}]


@example("admin.rentals.lease", "admin.rentals.end_lease", "admin.rentals.change_rent")
def a_lease(house: House, kind: str) -> list[Arguments]:
    """A lease."""
    return [{"reference": _rent(house).lease.reference}]


@example("admin.rentals.tenant", "admin.rentals.edit_tenant")
def a_tenant(house: House, kind: str) -> list[Arguments]:
    """A tenant."""
    return [{"reference": _rent(house).lease.tenants[0].tenant.reference}]


@example(
    "admin.rentals.charge", "admin.rentals.waive", "admin.rentals.enter_payment", "admin.rentals.revoke_link"
)
def an_open_rent(house: House, kind: str) -> list[Arguments]:
    """A month's rent that is open."""
    return [{"reference": _rent(house).reference}]


def _payment(house: House) -> RentPayment:
    charge, key = _rent(house), f"rentals/{new_uid()}"
    storage.save(key, b"%PDF-1.7 advice %%EOF")
    return payments.enter_by_hand(
        organisation_id=house.organisation.id,
        charge_reference=charge.reference,
        amount_minor=charge.amount_minor,
        received_on=WHEN.date(),
        proof_reference=f"UTR {new_uid()}",
        proof_key=key,
        proof_name="advice.pdf",
        actor=actor_of(house.users["accountant"]),
        now=rentals.WHEN,
    )


@example("admin.rentals.payment", "admin.rentals.proof", "admin.rentals.verify", "admin.rentals.cancel_payment",
         "admin.rentals.check_payment", "admin.rentals.refund", "admin.rentals.chargeback",
         "admin.rentals.settle_payment")  # fmt: skip
def a_payment(house: House, kind: str) -> list[Arguments]:
    """A payment by hand that waits for a second person."""
    return [{"reference": _payment(house).reference}]


@example("admin.rentals.rename_unit", "admin.rentals.switch_unit")
def a_unit(house: House, kind: str) -> list[Arguments]:
    """A unit that is free."""
    place = rentals.property_of(house.organisation, [(house.payees["owner"], 1)])
    unit = rental_records.create_unit(
        organisation_id=house.organisation.id, property_reference=place.reference, name="Flat 9",
        actor=FACTORY, now=WHEN,
    )  # fmt: skip
    return [{"reference": unit.reference}]


@example("admin.rentals.confirm_settlement", "admin.rentals.refuse_settlement")
def a_proposal(house: House, kind: str) -> list[Arguments]:
    """What the accountant proposed about a payment of which another amount came."""
    payment = payments.begin_online(charge_id=_rent(house).id, actor=FACTORY, now=rentals.WHEN)
    payment.error_code, payment.said_minor = payments.AMOUNT_DIFFERS, payment.amount_minor - 1
    db.session.flush()
    made = settling.propose_for_payment(
        organisation_id=house.organisation.id, reference=payment.reference, choice="accept", reason="Less came.",
        actor=actor_of(house.users["accountant"]), now=rentals.WHEN,
    )  # fmt: skip
    return [{"decision_id": made.id}]


@example("admin.rentals.refund_page", "admin.rentals.ask_refund", "admin.rentals.try_refund_again",
         "admin.rentals.settle_refund")  # fmt: skip
def a_refund(house: House, kind: str) -> list[Arguments]:
    """A refund by hand."""
    payment, admin = _payment(house), actor_of(house.users["admin"])
    same = {"organisation_id": house.organisation.id, "reference": payment.reference, "actor": admin}
    payments.verify(**same, now=rentals.WHEN)
    made = returns.order_refund(**same, amount_minor=100, reason="Too much.", now=rentals.WHEN)
    return [{"return_ref": made.return_ref}]


@example("admin.rentals.decide")
def a_share_that_waits(house: House, kind: str) -> list[Arguments]:
    """The owner's share of a received rent whose payout was dropped."""
    payment = _payment(house)
    admin = actor_of(house.users["admin"])
    payments.verify(
        organisation_id=house.organisation.id, reference=payment.reference, actor=admin, now=rentals.WHEN
    )
    distribution = sharing.share_out(payment_id=payment.id, actor=admin, now=rentals.WHEN)
    assert distribution is not None
    (share,) = distribution.shares
    share.offer, share.waits_for = "blocked", "Its payout was rejected."
    db.session.flush()
    return [{"share_id": share.id}]


@example("admin.rentals.ask_owner")
def an_owner_to_ask(house: House, kind: str) -> list[Arguments]:
    """An owner."""
    return [{"reference": house.payees["owner"].reference}]
