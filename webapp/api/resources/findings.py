"""What a comparison with the bank or a provider has found. Findings are settled by people, on their pages."""

from __future__ import annotations

from typing import Any

from webapp.api import paging
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.schemas.common import Amount
from webapp.api.schemas.reconciliation import FindingOut, FindingPage, FindingQuery
from webapp.kernel.clock import local_date, utc_now
from webapp.kernel.errors import NotFound
from webapp.people.access.tokens import Scope
from webapp.reconciliation import queries
from webapp.reconciliation.models import Finding

resource = Resource(
    "findings",
    "/reconciliation/findings",
    title="Reconciliation findings",
    about="What our books and the bank's or a provider's say differently. They are settled on their pages, because "
    "that moves money in the books.",
)
_read = {"scope": Scope.RECONCILIATION_READ}
_AS_IT_IS = ("id", "kind", "source", "state", "label", "happened_on", "resolution", "note", "found_at", "resolved_at",
             "version")  # fmt: skip


def _amount(minor: int | None, currency: str) -> Amount | None:
    return Amount.of(minor, currency) if minor is not None and currency else None


def _out(row: Any) -> FindingOut:
    finding, our_id, payout_reference = row
    return FindingOut(
        **{name: getattr(finding, name) for name in _AS_IT_IS},
        ours=_amount(finding.ours_minor, finding.currency),
        theirs=_amount(finding.theirs_minor, finding.currency),
        ours_state=finding.ours_words,
        theirs_state=finding.theirs_words,
        payout=payout_reference,
        transfer_id=our_id,
        owner=finding.owner_label,
        resolved_by=finding.resolved_by_label,
    )


def _found(who: Caller, wanted: queries.Filter) -> Any:
    return queries.findings(
        who.organisation_id, wanted, who.actor.user_id, local_date(utc_now(), who.timezone)
    )


@resource.get("", summary="List findings", query=FindingQuery, answers=FindingPage, **_read)
def index(who: Caller, query: FindingQuery) -> FindingPage:
    """The findings that match, the newest first; those that nobody has settled when no state is named."""
    wanted = queries.Filter(
        q=query.search or "",
        kind=query.kind or "",
        source=query.source or "",
        state=query.state or "unsettled",
    )
    rows, following = paging.page_of_rows(
        _found(who, wanted), Finding.id, limit=query.limit, cursor=query.cursor
    )
    return FindingPage(items=[_out(row) for row in rows], next_cursor=following)


@resource.get("/<int:finding_id>", summary="Get a finding", answers=FindingOut, **_read)
def show(who: Caller, finding_id: int) -> FindingOut:
    """One finding, settled or not."""
    rows, _ = paging.page(
        _found(who, queries.Filter(state="")).where(Finding.id == finding_id),
        Finding.id,
        limit=1,
        cursor=None,
        as_rows=True,
    )
    if not rows:
        raise NotFound
    return _out(rows[0])
