"""A payout's rows as the API says them; payees get the same figures and nothing internal."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from webapp.api.bearer import Caller
from webapp.api.schemas.common import Amount, PayeeRef, PaymentDetails
from webapp.api.schemas.payouts import ApprovalOut, Event, Line, Payout, PayoutDetail, TransferOut
from webapp.audit.models import AuditEvent
from webapp.payouts import explain, queries
from webapp.payouts.models import Approval, PayoutLine, Transfer
from webapp.payouts.models import Payout as Row
from webapp.people.models import PayoutMethod

_PAID_NEXT = ("approved", "failed", "retry_scheduled", "reversed")
_OVER = ("paid", "rejected", "cancelled")
_AS_IT_IS = (
    "reference", "state", "program", "period_start", "period_end", "is_automatic", "is_held", "reason",
    "approvals_needed", "rail", "payment_reference", "paid_on", "retry_at", "created_at", "approved_at",
    "submitted_at", "paid_at", "version",
)  # fmt: skip


def payout_of(row: Row, who: Caller) -> Payout:
    """A payout as lists show it."""
    return Payout(**_fields(row, who))


def detail_of(row: Row, who: Caller, now: datetime) -> PayoutDetail:
    """A payout as its own address shows it."""
    staff = who.sees_all
    return PayoutDetail(
        **_fields(row, who),
        lines=[_line(line, row.currency) for line in row.lines],
        approvals=[_approval(a, row) for a in row.approvals] if staff else [],
        transfers=[_transfer(t) for t in row.transfers] if staff else [],
        details_to_confirm=PaymentDetails.of(_to_confirm(row)) if staff else None,
        why_not_paid=[] if row.state in _OVER or not staff else explain.why_not_paid(row, now, who.user_id),
        why_you_cannot_approve=_not_approve(row, who, now) if staff else [],
    )


def _fields(row: Row, who: Caller) -> dict[str, Any]:
    staff = who.sees_all
    given = sum(1 for a in row.approvals if _counts(a, row) and a.decision == "approved")
    return {
        **{name: getattr(row, name) for name in _AS_IT_IS},
        "payee": PayeeRef.of(row.payee),
        "net": Amount.of(row.amount_minor, row.currency),
        "gross": Amount.of(row.gross_minor, row.currency),
        "hold_reason": row.hold_reason if staff else None,
        "note": row.note if staff else None,
        "created_by": row.created_by_label if staff else None,
        "approvals_given": given,
        "payment_details": PaymentDetails.of(row.method or row.payee.current_method),
    }


def _not_approve(row: Row, who: Caller, now: datetime) -> list[str]:
    if row.state != "pending_approval":
        return [f"This payout is {row.state.replace('_', ' ')}."]
    return explain.why_not_approve(row, who.user_id, now)


def _to_confirm(row: Row) -> PayoutMethod | None:
    """The present details, where whoever pays must stand for them."""
    present = row.payee.current_method
    if row.state not in _PAID_NEXT or present is None or row.method_id == present.id:
        return None
    return present


def _line(line: PayoutLine, currency: str) -> Line:
    names = ("position", "kind", "description", "occurred_on", "quantity", "unit", "rate", "formula")
    return Line(
        **{name: getattr(line, name) for name in names},
        amount=Amount.of(line.amount_minor, currency),
        source=line.source_label,
    )


def _counts(row: Approval, payout: Row) -> bool:
    """Whether a decision is about the payout as it is: once approved, as it was approved."""
    of_now = payout.fingerprint or queries.fingerprint_of(payout, payout.payee.current_method)
    return row.round == payout.round and row.fingerprint == of_now


def _approval(row: Approval, payout: Row) -> ApprovalOut:
    return ApprovalOut.model_validate(
        {
            "decision": row.decision,
            "by": row.approver_label,
            "note": row.note,
            "at": row.at,
            "counts": _counts(row, payout),
        }
    )


def _transfer(row: Transfer) -> TransferOut:
    names = TransferOut.model_fields
    return TransferOut(**{name: getattr(row, name) for name in names})


def event_of(row: AuditEvent, who: Caller) -> Event:
    """One event of the trail; a payee learns what happened and when."""
    staff = who.sees_all
    return Event(
        at=row.at,
        event=row.tag.rpartition(":")[2],
        by=row.actor_label if staff else None,
        note=row.note if staff else "",
        changes=dict(row.changes) if staff else {},
    )
