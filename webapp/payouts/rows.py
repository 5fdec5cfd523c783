"""The rows of many payouts, written with a few statements; what stands in them is decided by whoever calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import IntegrityError

from webapp.database import db, insert_many
from webapp.kernel.errors import Conflict
from webapp.payouts.drafts import ExclusionDraft, LineDraft, SourceDraft
from webapp.payouts.models import Approval, ApprovalExclusion, Payout, PayoutLine, SourceClaim


@dataclass(frozen=True)
class Parts:
    """What belongs to one payout beside its own row."""

    payout_id: int
    payee_id: int
    lines: Sequence[LineDraft]
    sources: Sequence[SourceDraft]
    exclusions: Sequence[ExclusionDraft]


def insert_payouts(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Store payouts, all with the same columns; returns reference -> id."""
    found = insert_many(db.session(), Payout, rows, returning=("reference", "id"))
    return {row.reference: row.id for row in found}


def insert_parts(organisation_id: int, parts: Sequence[Parts]) -> None:
    """Store lines, claims and exclusions. Raises Conflict when a record is in another live payout."""
    session = db.session()
    insert_many(session, PayoutLine, [row for part in parts for row in _lines(part)])
    claims = [
        {
            "organisation_id": organisation_id,
            "payout_id": part.payout_id,
            "payee_id": part.payee_id,
            "source_type": source.source_type,
            "source_id": source.source_id,
        }
        for part in parts
        for source in dict.fromkeys(part.sources)
    ]
    try:
        insert_many(session, SourceClaim, claims)
    except IntegrityError as error:
        # Somebody else claimed one of them between our look and our write: the unique key let one through.
        raise Conflict(
            "One of these records has just been paid by another payout. Nothing was made."
        ) from error
    exclusions = [
        {"payout_id": part.payout_id, "user_id": user_id, "reason": reason[:200]}
        for part in parts
        for user_id, reason in dict.fromkeys((each.user_id, each.reason) for each in part.exclusions)
    ]
    insert_many(session, ApprovalExclusion, exclusions)


def insert_approvals(rows: Sequence[Mapping[str, Any]]) -> None:
    """Store decisions; `rows` give payout_id, fingerprint, approver, maker, policy_version and the instant."""
    common = {"round": 1, "is_single_operator": False, "decision": "approved", "note": ""}
    insert_many(db.session(), Approval, [{**common, **row} for row in rows])


def _lines(part: Parts) -> list[dict[str, Any]]:
    return [
        {
            "payout_id": part.payout_id,
            "position": position,
            "kind": line.kind,
            "description": line.description[:300],
            "occurred_on": line.occurred_on,
            "quantity": line.quantity,
            "unit": line.unit,
            "rate": line.rate,
            "formula": line.formula[:300],
            "amount_minor": line.amount_minor,
            "source_type": line.source_type,
            "source_id": line.source_id,
            "source_label": line.source_label[:120],
            "details": dict(line.details),
        }
        for position, line in enumerate(part.lines, start=1)
    ]
