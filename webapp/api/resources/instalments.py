"""Instalments of repairs and loans: lists, what is not charged yet, charging one or many, moving one to the end."""

from __future__ import annotations

from collections.abc import Sequence

from webapp.api import paging, repairs_queries
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.resources import listed
from webapp.api.resources.amounts import bound
from webapp.api.resources.repair_words import instalment_of, listed_instalment, today_of
from webapp.api.schemas.repairs import (
    InstalmentChoice,
    InstalmentOut,
    InstalmentPage,
    InstalmentPosted,
    InstalmentQuery,
    PostedMany,
    PostMany,
    PostOne,
    SkipReason,
    UnpostedQuery,
)
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Invalid
from webapp.people.access.tokens import Scope
from webapp.programs.repairs import changing, instalments, lists
from webapp.programs.repairs.lists import DUE, UNPOSTED, InstalmentFilter

resource = Resource(
    "instalments",
    "/instalments",
    title="Instalments",
    about="One week's part of a repair or a loan. Posted, it is charged to the driver: once, whoever posts it. A "
    "driver's token sees its own.",
)
_read = {"scope": Scope.REPAIRS_READ}
#: Drivers of one call that posts all that is due.
DRIVERS_AT_ONCE = 200


def _page(who: Caller, query: InstalmentChoice, state: str) -> InstalmentPage:
    today = today_of(who)
    chosen = InstalmentFilter(
        text=query.search or "",
        driver=query.driver or "",
        lease=query.lease or "",
        vehicle=query.vehicle or "",
        repair=query.repair or "",
        state=state,
        date_from=query.due_from,
        date_to=query.due_to,
        amount_from=bound(query.amount_from, who.currency, is_upper=False),
        amount_to=bound(query.amount_to, who.currency, is_upper=True),
        currency=who.currency,
        today=today,
    )
    found = listed.own(lists.instalments(who.organisation_id, chosen), who.viewer)
    rows, following = listed.page(found, query, query.sort)
    return InstalmentPage(items=[listed_instalment(row, today) for row in rows], next_cursor=following)


@resource.get("", summary="List instalments", query=InstalmentQuery, answers=InstalmentPage, **_read)
def index(who: Caller, query: InstalmentQuery) -> InstalmentPage:
    """The instalments that match, in the order that `sort` names."""
    return _page(who, query, query.state or "")


@resource.get(
    "/unposted", summary="List what is not charged yet", query=UnpostedQuery, answers=InstalmentPage, **_read
)
def unposted(who: Caller, query: UnpostedQuery) -> InstalmentPage:
    """Instalments of open repairs and of loans that are not charged, the earliest week first."""
    return _page(who, query, DUE if query.is_due == "true" else UNPOSTED)


@resource.get("/<reference>", summary="Get an instalment", answers=InstalmentOut, **_read)
def show(who: Caller, reference: str) -> InstalmentOut:
    """One instalment."""
    return instalment_of(repairs_queries.instalment(who.viewer, reference), who)


@resource.post(
    "/post", summary="Charge many instalments", body=PostMany, answers=PostedMany, scope=Scope.REPAIRS_POST
)
def post_many(who: Caller, body: PostMany) -> PostedMany:
    """Each has its own answer: those that can be charged are, whatever becomes of the others.

    `all_due` charges what is due of 200 drivers; while `next_cursor` is there, call again with it.
    """
    if body.all_due == bool(body.instalments):
        raise Invalid("instalments", "Give either instalments, or all_due.", "RPR-2026-001-01")
    if not body.all_due and (body.driver is not None or body.cursor is not None):
        raise Invalid("all_due", "driver and cursor belong to all_due.", "true")
    return _post_due(who, body) if body.all_due else _answer(_post_chosen(who, body.instalments))


def _post_chosen(who: Caller, references: Sequence[str]) -> list[PostOne]:
    known = repairs_queries.known_instalments(who.organisation_id, references)
    results = instalments.post_chosen(
        organisation_id=who.organisation_id, references=references, actor=who.actor, now=utc_now()
    )
    return [
        PostOne(
            reference=each.reference,
            code="posted" if each.is_posted else "conflict" if each.reference in known else "not-found",
            message=each.message,
        )
        for each in results
    ]


def _answer(results: list[PostOne], next_cursor: str | None = None) -> PostedMany:
    posted = sum(each.code == "posted" for each in results)
    return PostedMany(posted=posted, refused=len(results) - posted, results=results, next_cursor=next_cursor)


def _post_due(who: Caller, body: PostMany) -> PostedMany:
    today = today_of(who)
    if body.driver is not None:
        ids: Sequence[int] = [repairs_queries.driver(who.viewer, body.driver).id]
    else:
        after = 0 if body.cursor is None else paging.key_of(body.cursor)
        ids = instalments.drivers_due(who.organisation_id, today, after, DRIVERS_AT_ONCE)
    due = repairs_queries.due_instalments(who.organisation_id, ids, today)
    instalments.post_due(
        organisation_id=who.organisation_id, payee_ids=ids, day=today, actor=who.actor, now=utc_now()
    )
    left = {row.reference for row in repairs_queries.due_instalments(who.organisation_id, ids, today)}
    results = [_due(row.reference, row.reference not in left) for row in due]
    is_full = body.driver is None and len(ids) == DRIVERS_AT_ONCE
    return _answer(results, paging.cursor_of(ids[-1]) if is_full else None)


def _due(reference: str, is_posted: bool) -> PostOne:
    if is_posted:
        return PostOne(reference=reference, code="posted", message=f"{reference} is charged.")
    message = f"Of a plan one instalment a week is charged; {reference} waits for a later week."
    return PostOne(reference=reference, code="conflict", message=message)


@resource.post(
    "/<reference>/post", summary="Charge an instalment", answers=InstalmentPosted, scope=Scope.REPAIRS_POST
)
def post_one(who: Caller, reference: str) -> InstalmentPosted:
    """Its week has begun and its repair is open. Charged already, too early, on hold: 409 that says which."""
    done = instalments.post_instalment(
        organisation_id=who.organisation_id, reference=reference, actor=who.actor, now=utc_now()
    )
    row = repairs_queries.instalment(who.viewer, reference)
    return InstalmentPosted(message=done.message, instalment=instalment_of(row, who))


@resource.post("/<reference>/skip", summary="Move an instalment to the end", body=SkipReason, answers=InstalmentOut,
               status=201, location="/instalments/{reference}", scope=Scope.REPAIRS_WRITE)  # fmt: skip
def skip(who: Caller, reference: str, body: SkipReason) -> InstalmentOut:
    """It stays as skipped, and a new one after the last stands for it; the answer is the new one."""
    made = changing.skip_instalment(
        organisation_id=who.organisation_id,
        reference=reference,
        reason=body.reason,
        actor=who.actor,
        now=utc_now(),
    )
    return instalment_of(repairs_queries.instalment(who.viewer, made.reference), who)
