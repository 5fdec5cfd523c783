"""Asked-for payment details: one person asks, another verifies or refuses."""

from __future__ import annotations

from webapp.api import paging, queries
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.schemas.common import PayeeRef
from webapp.api.schemas.people import (
    BankChange,
    BankChangePage,
    ChangeQuery,
    Decided,
    Place,
    RefuseIn,
    VerifyIn,
)
from webapp.kernel.clock import utc_now
from webapp.people.access.tokens import Scope
from webapp.people.changes import service
from webapp.people.changes.models import MethodChange
from webapp.people.changes.service import Decision
from webapp.people.models import Payee, PayoutMethod

resource = Resource(
    "bank_changes",
    "/bank-changes",
    title="Changes of payment details",
    about="New payment details wait here for a second person. Whoever asked, or is paid to them, cannot verify them.",
)
_read, _decide = {"scope": Scope.PAYEES_READ}, {"scope": Scope.PAYEES_VERIFY, "answers": Decided}


def _place(row: PayoutMethod | MethodChange | None) -> Place | None:
    return None if row is None else Place(**{name: getattr(row, name) for name in Place.model_fields})


def _out(row: MethodChange, who: Caller) -> BankChange:
    return BankChange.model_validate(
        {
            "reference": row.reference,
            "state": row.state,
            "payee": PayeeRef.of(row.payee),
            "old": _place(row.old_method),
            "new": _place(row),
            "source": row.source,
            "findings": dict(row.findings) if who.sees_all else {},
            "requested_by": row.requested_by_label,
            "requested_at": row.requested_at,
            "decided_by": row.decided_by_label if who.sees_all else "",
            "decided_at": row.decided_at,
            "note": row.note if who.sees_all or row.state == "refused" else "",
        }
    )


@resource.get("", summary="List asked-for changes", query=ChangeQuery, answers=BankChangePage, **_read)
def index(who: Caller, query: ChangeQuery) -> BankChangePage:
    """The changes that match, the newest first."""
    found = queries.bank_changes(who.viewer, state=query.state or "")
    if query.payee:
        found = found.join(MethodChange.payee).where(Payee.reference == query.payee)
    rows, following = paging.page(found, MethodChange.id, limit=query.limit, cursor=query.cursor)
    return BankChangePage(items=[_out(row, who) for row in rows], next_cursor=following)


@resource.get("/<reference>", summary="Get an asked-for change", answers=BankChange, **_read)
def show(who: Caller, reference: str) -> BankChange:
    """Old and new side by side, masked."""
    return _out(queries.bank_change(who.viewer, reference), who)


def _decided(decision: Decision, who: Caller) -> Decided:
    return Decided(
        message=decision.message, is_repeat=decision.is_repeat, bank_change=_out(decision.change, who)
    )


@resource.post("/<reference>/verify", summary="Verify new payment details", body=VerifyIn, **_decide)
def verify(who: Caller, reference: str, body: VerifyIn) -> Decided:
    """The second person's yes, with whom they called on which number on file. The cool-off begins."""
    decision = service.verify(
        organisation_id=who.organisation_id,
        reference=reference,
        note=body.note,
        actor=who.actor,
        now=utc_now(),
    )
    return _decided(decision, who)


@resource.post("/<reference>/refuse", summary="Refuse new payment details", body=RefuseIn, **_decide)
def refuse(who: Caller, reference: str, body: RefuseIn) -> Decided:
    """The details on file stay, and payouts go on. The payee is told the reason."""
    decision = service.refuse(
        organisation_id=who.organisation_id,
        reference=reference,
        reason=body.reason,
        actor=who.actor,
        now=utc_now(),
    )
    return _decided(decision, who)
