"""Everything that the page of one payout shows, for admins and for the payee."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import g, url_for
from flask_login import current_user
from markupsafe import Markup
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from webapp.audit.models import AuditEvent
from webapp.database import db
from webapp.kernel.money import Money
from webapp.ledger.models import JournalEntry, Posting
from webapp.outbox import service as outbox
from webapp.payouts import approval_queue, explain, panels, policies, policy, queries
from webapp.payouts.flags import flags_of
from webapp.payouts.models import Payout, Transfer
from webapp.payouts.states import PayoutState, TransferState
from webapp.payouts.views import own, plans, review, words
from webapp.people.models import MethodKind
from webapp.web import filters
from webapp.web.i18n import N_, gettext, translated

#: Changes that say nothing to a reader, or that the title says already.
INTERNAL = ("state", "fingerprint", "held", "lines", "finding")
PAYABLE = (PayoutState.APPROVED.value, PayoutState.FAILED.value, PayoutState.RETRY_SCHEDULED.value)
MOVING = (PayoutState.PROCESSING.value, PayoutState.RETRY_SCHEDULED.value)
#: Audit tags as a person reads them: for admins, and for the payee (None: not theirs to see).
TURNS: dict[str, tuple[str, str, str | None]] = {
    "created": ("todo", "Created", N_("Created")),
    "edited": ("note", "Edited", None),
    "approval_given": ("ok", "Approved by one of several", None),
    "approved": ("ok", "Approved", N_("Approved")),
    "rejected": ("rejected", "Rejected", N_("Rejected")),
    "cancelled": ("cancelled", "Cancelled", N_("Cancelled")),
    "held": ("waiting", "Put on hold", N_("Put on hold")),
    "released": ("ok", "Released", N_("Released")),
    "submitted": ("progress", "Sent for payment", N_("Sent to the bank")),
    "retried": ("progress", "Sent again", N_("Sent to the bank again")),
    "marked_paid": ("done", "Marked as paid", N_("Paid")),
    "paid": ("done", "Paid", N_("Paid")),
    "failed": ("failed", "Failed", N_("The bank did not take it")),
    "method_confirmed": ("ok", "Payment details confirmed", None),
    "retry_scheduled": ("waiting", "Retry planned", None),
    "returned": ("returned", "Returned by the bank", N_("Returned by the bank")),
    "reissued": ("ok", "Re-issued", N_("Made payable again")),
    "review": ("failed", "Put under review", None),
    "finding": ("note", "A finding about the review", None),
    "corrected": ("progress", "Corrected after the review", None),
}
#: A turn without an icon of its own; the name must not be a class of the time line's own parts.
PLAIN = "note"


def _calculation(payout: Payout, portal: str) -> dict[str, Any]:
    rows = []
    for line in payout.lines:
        how = line.formula
        if not how and line.quantity is not None:
            how = f"{filters.number(line.quantity)} {line.unit}".strip()
        rows.append(
            {
                "line": line,
                "href": panels.source_href(portal, line),
                "kind": words.LINE_KINDS.get(line.kind, line.kind.capitalize()),
                "how": how or "–",
                "amount": Money(line.amount_minor, payout.currency),
            }
        )
    return {
        "payout": payout,
        "period": words.period(payout),
        "lines": rows,
        "gross": Money(payout.gross_minor, payout.currency),
        "deductions": Money(payout.amount_minor - payout.gross_minor, payout.currency),
        "net": Money(payout.amount_minor, payout.currency),
        "figure": words.gross_to_net(payout),
    }


def events_of(payout: Payout) -> list[AuditEvent]:
    """What happened to the payout itself, oldest first; mails and documents about it have panels of their own."""
    query = select(AuditEvent).where(
        AuditEvent.organisation_id == payout.organisation_id,
        AuditEvent.subject_type == "payout",
        AuditEvent.subject_id == payout.id,
        AuditEvent.tag.startswith("payouts:", autoescape=True),
    )
    return list(db.session.scalars(query.order_by(AuditEvent.id)))


def _turn(event: AuditEvent) -> tuple[str, str, str | None]:
    word = event.tag.rpartition(":")[2]
    return TURNS.get(word, (PLAIN, word.replace("_", " ").capitalize(), None))


def _changes(event: AuditEvent) -> str:
    shown = [
        f"{key}: {value[0]} → {value[1]}"
        for key, value in event.changes.items()
        if isinstance(value, list) and len(value) == 2 and value[0] not in (None, "") and key not in INTERNAL
    ]
    found = str(event.changes["finding"][1]).capitalize() if "finding" in event.changes else ""
    return "; ".join(part for part in [found, event.note, *shown] if part)


def timeline(payout: Payout) -> list[dict[str, Any]]:
    """Who did what when, for admins."""
    return [
        {
            "at": e.at,
            "title": _turn(e)[1],
            "tone": _turn(e)[0],
            "who": e.actor_label,
            "text": _changes(e) or None,
        }
        for e in events_of(payout)
    ]


def own_timeline(payout: Payout) -> list[dict[str, Any]]:
    """What happened, in the payee's words: no names, no notes, nothing internal."""
    return own.timeline(payout, [(event, _turn(event)) for event in events_of(payout)])


def _transfer(transfer: Transfer, methods: dict[int, str]) -> dict[str, Any]:
    facts: list[tuple[str, Any]] = [
        ("Our transfer id", transfer.transfer_id),
        ("To", methods.get(transfer.method_id or 0, "–")),
        ("Amount", filters.money(Money(transfer.amount_minor, transfer.currency))),
        ("Asked the bank to send", f"{transfer.sends}×"),
        ("Asked the bank for the status", f"{transfer.checks}×"),
    ]
    if transfer.provider_reference:
        facts.append(("Bank's reference", transfer.provider_reference))
    if transfer.utr:
        facts.append(("Bank trace (UTR)", transfer.utr))
    if transfer.error_code or transfer.error_message:
        facts.append(("Error", f"{transfer.error_message} ({transfer.error_code})".replace(" ()", "")))
    if transfer.next_check_at and transfer.finished_at is None:
        facts.append(("Next question to the bank", filters.instant(transfer.next_check_at)))
    if transfer.credited_at:
        facts.append(("Credit confirmed", filters.instant(transfer.credited_at)))
    state = TransferState(transfer.state)
    sentence = words.file_sentence(transfer) or state.sentence
    rail = transfer.rail.replace("_", " ")
    return {"transfer": transfer, "state": state, "facts": facts, "sentence": sentence, "rail": rail}


def _transfers(payout: Payout) -> list[dict[str, Any]]:
    methods = {m.id: m.masked for m in (payout.method, payout.payee.current_method) if m is not None}
    return [_transfer(transfer, methods) for transfer in reversed(payout.transfers)]


def _entries(payout: Payout) -> list[dict[str, Any]]:
    query = (
        select(JournalEntry)
        .where(
            JournalEntry.organisation_id == payout.organisation_id,
            JournalEntry.source_type == "payout",
            JournalEntry.source_id == payout.id,
        )
        .options(selectinload(JournalEntry.postings).joinedload(Posting.account))
        .order_by(JournalEntry.id)
    )
    return [
        {
            "id": entry.id,
            "description": entry.description,
            "effective_on": entry.effective_on,
            "legs": [
                {
                    "account": leg.account.code,
                    "debit": Money(leg.amount_minor, leg.currency) if leg.amount_minor > 0 else None,
                    "credit": Money(-leg.amount_minor, leg.currency) if leg.amount_minor < 0 else None,
                }
                for leg in entry.postings
            ],
        }
        for entry in db.session.scalars(query)
    ]


def cut_off_sentence(rules: policy.Policy, program: str, now: datetime, timezone: str) -> str | None:
    """Until when approved payouts of a program can be stopped today; None without a cut-off or behind it.

    Also None where people send them: somebody may do so at any time before.
    """
    if program not in rules.paid_by_itself:
        return None
    until = policy.stoppable_until(rules, program, now, timezone)
    if until is None or until <= now:
        return None
    return f"You can stop it until {until:%H:%M} {until.tzname()}."


def status_context(payout: Payout, now: datetime, rules: policy.Policy | None = None) -> dict[str, Any]:
    """What the status block shows; it is asked again while the bank is at work."""
    cut_off, status = None, words.page_status(payout)
    if payout.state == PayoutState.APPROVED.value:
        rules = rules or policies.current_policy(payout.organisation_id)[0]
        if status.tone == PayoutState.APPROVED.tone and queries.leaves_by_itself(payout, rules):
            look = outbox.next_look(kind="payout.pay", reference_id=payout.id)
            status = words.leaving_status(status, look, now) if look is not None else status
        cut_off = cut_off_sentence(rules, payout.program, now, g.organisation.timezone)
    return {
        "payout": payout,
        "net": Money(payout.amount_minor, payout.currency),
        "status": status,
        "cut_off": cut_off,
        "is_moving": payout.state in MOVING and review.transfer_of(payout) is None,
        "poll_href": url_for("admin.payouts.status", reference=payout.reference),
        "show_href": url_for("admin.payouts.show", reference=payout.reference),
    }


def _facts(payout: Payout, payee_href: str) -> list[tuple[str, Any]]:
    now_method = payout.payee.current_method
    method = payout.method or now_method
    to = gettext("No payment details yet")
    if method:
        to = f"{translated(MethodKind(method.kind).label)} {translated(method.masked)}".strip()
    facts: list[tuple[str, Any]] = [
        ("Payee", Markup('<a href="{}"><bdi>{}</bdi></a>').format(payee_href, payout.payee.name)),
        (N_("Pay to"), Markup("<bdi>{}</bdi>").format(to)),
        (N_("Program"), translated(payout.program.capitalize())),
        (N_("Period"), words.period(payout)),
        (
            "Created",
            Markup("{} by <bdi>{}</bdi>").format(filters.instant(payout.created_at), payout.created_by_label),
        ),
    ]
    if payout.approved_at:
        facts.append((N_("Approved"), filters.instant(payout.approved_at)))
    if payout.payment_reference:
        facts.append((N_("Payment reference"), Markup("<bdi>{}</bdi>").format(payout.payment_reference)))
    if payout.paid_on:
        facts.append((N_("Paid on"), filters.day(payout.paid_on)))
    if payout.reason:
        facts.append(("Reason", payout.reason))
    return facts


def drawer(payout: Payout, now: datetime) -> dict[str, Any]:
    """The few facts beside a list: what, to whom, how the amount comes about, what this person can do."""
    whole = context(payout, now)
    kept = ("payout", "status", "net", "gross", "deductions", "lines", "actions", "approvals_sentence", "period",
            "not_approve", "show_href", "flags")  # fmt: skip
    return {**{name: whole[name] for name in kept}, "facts": whole["facts"][:2], "dialog_id": "drawer"}


def _approvals_sentence(payout: Payout, rules: policy.Policy) -> str:
    of_round = [a for a in payout.approvals if a.round == payout.round and a.decision == "approved"]
    present = queries.fingerprint_of(payout, payout.payee.current_method)
    lapsed = sum(1 for a in of_round if a.fingerprint != present)
    if payout.state != PayoutState.PENDING_APPROVAL.value:
        words = f"{len(of_round)} given." if of_round else "None was given."
        if lapsed and payout.state in PAYABLE:
            words += " The payment details changed afterwards: whoever pays it must confirm the new ones."
        return words
    given = len(of_round) - lapsed
    needed = 1 if rules.single_operator.is_on else max(1, payout.approvals_needed)
    missing = max(0, needed - given)
    words = (
        f"{given} of {needed} given; {missing} more {'person' if missing == 1 else 'people'} must approve it."
    )
    if lapsed:
        words += f" {lapsed} lapsed, because the payment details changed afterwards."
    return words


def _not_paid(payout: Payout, user_id: int, now: datetime) -> list[str]:
    """Why it is not paid yet; nothing where it is over, and the status says so."""
    over = (PayoutState.PAID.value, PayoutState.REJECTED.value, PayoutState.CANCELLED.value)
    return [] if payout.state in over else explain.why_not_paid(payout, now, user_id)


def context(payout: Payout, now: datetime) -> dict[str, Any]:
    """The admins' page."""
    organisation = g.organisation
    who = approval_queue.approver(organisation=organisation, user_id=current_user.id, now=now)
    is_pending = payout.state == PayoutState.PENDING_APPROVAL.value
    return {
        **_calculation(payout, "admin"),
        **status_context(payout, now, who.policy),
        "flags": flags_of([payout.id])[payout.id] if is_pending else [],
        "actions": []
        if "admin" not in g.roles
        else plans.buttons(payout, current_user.id, now, who.policy.rails),
        "not_approve": approval_queue.reasons(who, payout) if is_pending else [],
        "not_paid": _not_paid(payout, current_user.id, now),
        "approvals": payout.approvals,
        "approvals_sentence": _approvals_sentence(payout, who.policy),
        "transfers": _transfers(payout),
        "entries": _entries(payout),
        "events": timeline(payout),
        "facts": _facts(payout, url_for("admin.payees.show", reference=payout.payee.reference)),
        "panels": panels.load(payout, panels.ADMIN, now),
    }


def payee_context(payout: Payout, portal: str, now: datetime) -> dict[str, Any]:
    """The payee's page: the same figures, their words, nothing internal."""
    status = own.status(payout)
    details_href = url_for(f"{portal}.details.show")
    method = payout.payee.current_method
    needs_details = (
        payout.state in (PayoutState.FAILED.value, PayoutState.REVERSED.value) or method is None
    ) and status.who != "Nobody"
    hidden = ("Payee", "Created", "Reason")
    facts = [(term, value) for term, value in _facts(payout, "") if term not in hidden]
    return {
        **_calculation(payout, portal),
        "status": status,
        "details_href": details_href if needs_details else None,
        "details_label": N_("Add payment details") if method is None else N_("Check your payment details"),
        "events": own_timeline(payout),
        "facts": facts,
        "document": panels.document_hrefs(portal, [payout.id]).get(payout.id),
        "panels": panels.load(payout, panels.PAYEE, now),
        "list_href": url_for(f"{portal}.payouts.index"),
    }
