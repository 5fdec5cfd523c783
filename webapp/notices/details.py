"""Mails about where a payee's money goes: asked, verified, refused, changed, released early.

They go to every address that is or lately was the payee's: whoever takes one mailbox over must not be the only
one who hears of it. The account is the masked one, always.
"""

from __future__ import annotations

from sqlalchemy import select

from webapp.audit.models import AuditEvent
from webapp.database import db
from webapp.kernel.clock import instant_text
from webapp.kernel.errors import NotFound
from webapp.notices import recipients, service
from webapp.notices.compose import destination
from webapp.notices.delivery import to_admins
from webapp.notices.letters import Letter
from webapp.notices.models import Email
from webapp.notices.service import Desk, Recipient
from webapp.people.changes.models import CoolOffRelease, MethodChange
from webapp.people.models import Organisation, Payee, PayoutMethod, User

NOTHING = "nothing was known"
WAYS = {
    "payee": "The payee's own page",
    "admin": "The admins' pages",
    "import": "A file that was imported",
    "api": "Another program",
}


def _where(kind: str, masked: str) -> str:
    return destination(kind, masked) or masked or NOTHING


def _name_of(user_id: int | None, label: str = "") -> str:
    user = db.session.get(User, user_id) if user_id else None
    return user.name if user else label


def _source(change: MethodChange, organisation: Organisation) -> str:
    """Who gave the details and by which way, as far as the payee may know."""
    if change.source == "payee":
        ip = _ip_of_request(change)
        return "Your own page" + (f", from the internet address {ip}" if ip else "")
    by = _name_of(change.requested_by_id)
    who = f"{by} of {organisation.name}" if by else organisation.name
    way = {"import": "with a file", "api": "through another program"}.get(change.source, "")
    return f"{who} {way}".strip()


def _ip_of_request(change: MethodChange) -> str:
    """The address that the audit trail has beside the request."""
    query = (
        select(AuditEvent.ip)
        .where(
            AuditEvent.organisation_id == change.organisation_id,
            AuditEvent.subject_type == "method_change",
            AuditEvent.subject_id == change.id,
        )
        .order_by(AuditEvent.id)
        .limit(1)
    )
    return db.session.scalar(query) or ""


def _change(change_id: int) -> MethodChange:
    change = db.session.get(MethodChange, change_id)
    if change is None:
        raise NotFound
    return change


def _own_page(payee: Payee, to: Recipient, desk: Desk) -> str:
    """The payee's page of payment details; empty for who cannot sign in, or for an address of before."""
    return f"{desk.public_url}/{payee.kind}/payment-details" if payee.user_id and to.user_id else ""


def _rows(change: MethodChange, organisation: Organisation) -> tuple[tuple[str, str], ...]:
    old = change.old_method
    return (
        ("Until now", _where(old.kind, old.masked) if old else NOTHING),
        ("New", _where(change.kind, change.masked)),
        ("When", instant_text(change.requested_at, organisation.timezone)),
        ("Given by", _source(change, organisation)),
    )


def _to_payee(
    notice: str, payee: Payee, key: str, desk: Desk, rows: tuple[tuple[str, str], ...], held_until: str = ""
) -> list[Email]:
    organisation = db.session.get_one(Organisation, payee.organisation_id)
    tell = recipients.tell(organisation)
    if notice == "cool_off_released":
        tell = f"Tell us now: {tell}"
    made = []
    for to in recipients.all_of_payee(payee, desk.now):
        letter = Letter(
            folder=notice,
            organisation=organisation.name,
            contact=organisation.contact_email,
            name=payee.name,
            reference=payee.reference,
            rows=rows,
            values={"tell": tell, "held_until": held_until, "who": payee.name},
            link=_own_page(payee, to, desk),
        )
        made.append(
            service.write(
                notice=notice, key=key, letter=letter, to=to, desk=desk, organisation_id=organisation.id
            )
        )
    return made


def asked(change_id: int, *, desk: Desk) -> list[Email]:
    """New details wait for a second person: tell the payee, and the admins who can verify. Raises NotFound."""
    change = _change(change_id)
    organisation = db.session.get_one(Organisation, change.organisation_id)
    rows = _rows(change, organisation)
    made = _to_payee("details_asked", change.payee, f"details_asked:{change.id}", desk, rows)
    if change.state != "pending":
        return made
    letter = Letter(
        folder="details_to_verify",
        organisation=organisation.name,
        reference=change.reference,
        rows=(("Payee", f"{change.payee.name}, {change.payee.reference}"), *rows[:3],
              ("Given by", _name_of(change.requested_by_id, change.requested_by_label) or "Nobody is written down"),
              ("By way of", WAYS.get(change.source, change.source))),
        values={"who": change.payee.name},
        link=f"{desk.public_url}/admin/bank-changes/{change.reference}",
    )  # fmt: skip
    key = f"details_to_verify:{change.id}"
    return made + to_admins(letter, key, organisation, desk, without=change.requested_by_id)


def verified(change_id: int, *, desk: Desk) -> list[Email]:
    """A second person verified the details, they are in force: tell the payee. Raises NotFound."""
    change = _change(change_id)
    organisation = db.session.get_one(Organisation, change.organisation_id)
    until = change.method.cool_off_until if change.method else None
    held_until = instant_text(until, organisation.timezone) if until and until > desk.now else ""
    rows = (*_rows(change, organisation), ("Payouts wait until", held_until))
    return _to_payee(
        "details_verified", change.payee, f"details_verified:{change.id}", desk, rows, held_until
    )


def refused(change_id: int, *, desk: Desk) -> list[Email]:
    """The new details were refused: tell the payee that all stays as it was, and why. Raises NotFound."""
    change = _change(change_id)
    organisation = db.session.get_one(Organisation, change.organisation_id)
    old = change.old_method
    rows = (
        ("Stays", _where(old.kind, old.masked) if old else NOTHING),
        ("Not accepted", _where(change.kind, change.masked)),
        ("Reason", change.note or "No reason was written down."),
        ("Decided by", _name_of(change.decided_by_id) or organisation.name),
    )
    return _to_payee("details_refused", change.payee, f"details_refused:{change.id}", desk, rows)


def _method(method_id: int) -> PayoutMethod:
    method = db.session.get(PayoutMethod, method_id)
    if method is None:
        raise NotFound
    return method


def changed(method_id: int, *, desk: Desk) -> list[Email]:
    """A version that nobody had to verify is in force (the first details, say): tell the payee. Raises NotFound."""
    method = _method(method_id)
    organisation = db.session.get_one(Organisation, method.organisation_id)
    before = next((m for m in method.payee.methods if m.version == method.version - 1), None)
    until = method.cool_off_until
    held_until = instant_text(until, organisation.timezone) if until and until > desk.now else ""
    rows = (
        ("Until now", _where(before.kind, before.masked) if before else NOTHING),
        ("New", _where(method.kind, method.masked)),
        ("When", instant_text(method.created_at, organisation.timezone)),
        ("Given by", _name_of(method.created_by_id) or organisation.name),
        ("Payouts wait until", held_until),
    )
    return _to_payee("details_changed", method.payee, f"details_changed:{method.id}", desk, rows, held_until)


def released(method_id: int, *, desk: Desk) -> list[Email]:
    """Two admins ended the waiting time after a change: tell the payee and every admin. Raises NotFound."""
    method = _method(method_id)
    payee = method.payee
    organisation = db.session.get_one(Organisation, method.organisation_id)
    said = db.session.scalars(
        select(CoolOffRelease).where(CoolOffRelease.method_id == method.id).order_by(CoolOffRelease.id)
    ).all()
    names = [_name_of(release.user_id) for release in said]
    rows = (
        ("Paid to", _where(method.kind, method.masked)),
        ("Details given", instant_text(method.created_at, organisation.timezone)),
        ("Released by", " and ".join(name for name in names if name)),
        ("Released", instant_text(said[-1].at, organisation.timezone) if said else ""),
    )
    made = _to_payee("cool_off_released", payee, f"cool_off_released:{method.id}", desk, rows)
    reasons = tuple(
        (f"Reason of {name or 'an admin'}", release.reason) for name, release in zip(names, said, strict=True)
    )
    letter = Letter(
        folder="cool_off_released",
        organisation=organisation.name,
        reference=payee.reference,
        rows=(("Payee", f"{payee.name}, {payee.reference}"), *rows, *reasons),
        values={"who": payee.name, "tell": "Halt payments under Settings, then ask the two people"},
        link=f"{desk.public_url}/admin/payees/{payee.reference}",
    )
    return made + to_admins(letter, f"cool_off_released:{method.id}", organisation, desk)


def contact_changed(payee_id: int, *, desk: Desk) -> list[Email]:
    """The payee's e-mail address or phone was changed: tell every address, the former one too. Raises NotFound."""
    payee = db.session.get(Payee, payee_id)
    if payee is None:
        raise NotFound
    organisation = db.session.get_one(Organisation, payee.organisation_id)
    event = db.session.scalar(
        select(AuditEvent)
        .where(
            AuditEvent.organisation_id == payee.organisation_id,
            AuditEvent.subject_type == "payee",
            AuditEvent.subject_id == payee.id,
            AuditEvent.tag == "people:payee:changed",
        )
        .order_by(AuditEvent.id.desc())
        .limit(1)
    )
    changed = (event.changes or {}) if event else {}
    labels = [label for field, label in (("email", "E-mail address"), ("phone", "Phone")) if field in changed]
    method = payee.current_method
    until = method.cool_off_until if method else None
    held_until = instant_text(until, organisation.timezone) if until and until > desk.now else ""
    rows = (
        ("Changed", " and ".join(labels).capitalize() or "How we reach you"),
        ("When", instant_text(event.at if event else desk.now, organisation.timezone)),
        ("Changed by", (_name_of(event.actor_id) if event else "") or organisation.name),
        ("Payouts wait until", held_until),
    )
    key = f"contact_changed:{payee.id}:{event.id if event else payee.version}"
    return _to_payee("contact_changed", payee, key, desk, rows, held_until)
