"""Asking Cashfree in whose name an account is, before a second person verifies it. Each question is billed.

Nobody is asked by itself, and never twice for the same answer. What was said stands in the audit trail; the page of
the change reads it from there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from webapp.audit import service as audit
from webapp.audit.models import AuditEvent
from webapp.connections import queries
from webapp.database import db, transaction
from webapp.kernel.actor import Actor
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict
from webapp.people.changes import checks
from webapp.people.changes import queries as changes
from webapp.people.changes.checks import BankWord
from webapp.people.changes.models import MethodChange
from webapp.people.changes.rules import ChangeState
from webapp.providers.accounts import Access
from webapp.providers.cashfree import client, modes
from webapp.providers.http import Reply

TAG = "connections:account_name:asked"
NAME, ANSWER = "name at the bank", "answer"
_LABEL = "Cashfree"
# What a bank says about an account that cannot be paid to; other words of Cashfree are shown as they are.
_SENTENCES = {
    "INVALID_ACCOUNT_FAIL": "there is no such account",
    "INVALID_IFSC_FAIL": "the IFSC is wrong",
    "ACCOUNT_BLOCKED": "the account is blocked or closed",
    "NRE_ACCOUNT_FAIL": "the account is of a kind that cannot take this payment",
}


@dataclass(frozen=True)
class Said:
    """What the bank said: a name, or why there is none. `is_final`: asking again would bring the same."""

    name: str
    problem: str = ""
    is_final: bool = True

    @property
    def words(self) -> str:
        """For people."""
        return self.name or f"none, {self.problem}"


def can_ask(change: MethodChange) -> bool:
    """Whether there are keys to ask with, and an account in India or a UPI address to ask about. One query."""
    if change.state != ChangeState.PENDING.value or not (change.kind == "upi" or change.scheme == "ifsc"):
        return False
    account = queries.find(change.organisation_id, client.PROVIDER)
    return account is not None and account.is_enabled and _has_keys(queries.opened(account))


def is_open(change: MethodChange) -> bool:
    """Whether the question can be asked now: nobody asked yet, or there was no answer about the account."""
    return can_ask(change) and not _was_answered(change)


def _was_answered(change: MethodChange) -> bool:
    event = _last(change)
    return event is not None and bool(event.changes["is final"][1])


def _has_keys(values: Mapping[str, str]) -> bool:
    return bool(values.get("verification_client_id") and values.get("verification_client_secret"))


def stored_word(change: MethodChange) -> BankWord | None:
    """What was said when it was asked last; None while nobody asked."""
    event = _last(change)
    return None if event is None else BankWord(_LABEL, str(event.changes[ANSWER][1]), event.at)


def _last(change: MethodChange) -> AuditEvent | None:
    return db.session.scalar(
        select(AuditEvent)
        .where(
            AuditEvent.organisation_id == change.organisation_id,
            AuditEvent.subject_type == changes.SUBJECT,
            AuditEvent.subject_id == change.id,
            AuditEvent.tag == TAG,
        )
        .order_by(AuditEvent.seq.desc())
        .limit(1)
    )


def ask(
    *, organisation_id: int, reference: str, actor: Actor, clock: Callable[[], datetime] = utc_now
) -> Said:
    """Ask for the name of the account that a change asks for, and keep the answer. Opens its own transaction.

    Raises NotFound, Conflict when it was answered already, or when nobody can be asked.
    """
    db.session.rollback()
    change = changes.get_change(organisation_id, reference)
    if not can_ask(change):
        raise Conflict(
            "The bank cannot be asked about this account. It needs an account in India or a UPI address that waits "
            "for a second person, and keys for Verification under Connections."
        )
    if _was_answered(change):
        raise Conflict("The bank has been asked about this account already. Its answer stands on this page.")
    account = queries.find(organisation_id, client.PROVIDER)
    assert account is not None  # noqa: S101 - can_ask has just found it
    access, details = queries.access(account), changes.details_of(change).reveal()
    change_id, masked, uid, name = change.id, change.masked, change.uid, modes.plain_name(change.name_at_bank)
    db.session.rollback()
    said = _said(_call(access, details, uid, name))
    with transaction():
        audit.record(
            tag=TAG,
            actor=actor,
            now=clock(),
            organisation_id=organisation_id,
            subject_type=changes.SUBJECT,
            subject_id=change_id,
            subject_label=reference,
            changes={
                "account": [None, masked],
                NAME: [None, said.name],
                ANSWER: [None, said.words],
                "is final": [None, said.is_final],
            },
        )
    return said


def _call(access: Access, details: Mapping[str, str], uid: str, name: str) -> Reply:
    if "vpa" in details:
        return client.verify_upi(access, verification_id=f"PDV{uid}", vpa=details["vpa"], name=name)
    return client.verify_bank_account(
        access, account=details["account_number"], ifsc=details["ifsc"], name=name
    )


def _said(reply: Reply) -> Said:
    """What an answer means. Trouble at the bank's side says nothing about the account, and can be asked again."""
    body = reply.body
    status = str(body.get("account_status") or body.get("status") or "")
    code = str(body.get("account_status_code") or body.get("code") or "")
    name = " ".join(str(body.get("name_at_bank") or "").split())[:200]
    if reply.is_ok and status == "VALID":
        return Said(name, "" if name else "the account is there, and the bank tells no name")
    if reply.is_ok and status == "INVALID":
        return Said("", _SENTENCES.get(code, "there is no such account"))
    if code == "fraud_account":
        return Said("", "Cashfree warns of fraud with this account")
    if reply.status in (401, 403):
        return Said("", "Cashfree does not take the keys for Verification", is_final=False)
    return Said("", "the bank does not answer at the moment", is_final=False)


checks.register_bank_names(stored_word)
checks.register_name_question("admin.bank_names.ask", is_open)
