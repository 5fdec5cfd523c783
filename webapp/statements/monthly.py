"""The one writer of monthly statements: freezes what the ledger says of a month, issues it again. Never commits.

A statement is frozen when it is asked for; a worker draws it afterwards, once it was checked against the ledger.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from babel.dates import format_date
from sqlalchemy import select

from webapp.database import db, lock_row
from webapp.kernel.actor import Actor
from webapp.kernel.clock import add_months, local_date, month_bounds
from webapp.kernel.errors import Conflict, Invalid, NotFound
from webapp.kernel.money import Money
from webapp.people.models import Organisation, Payee
from webapp.people.numbers import next_number
from webapp.statements import account, codes, collecting, facts, sections, service, tie
from webapp.statements.build import clean
from webapp.statements.facts import MonthlyFacts
from webapp.statements.models import Document
from webapp.statements.sections import Section
from webapp.statements.tie import MONTHLY

REASON_LENGTH = 500


@dataclass(frozen=True)
class Made:
    """A statement that was asked for; `is_new` is False when it was there already."""

    document: Document
    is_new: bool
    message: str


def month_name(day: date) -> str:
    """ "October 2026"."""
    return str(format_date(day, "MMMM y", locale="en"))


def last_month(now: datetime, timezone: str) -> date:
    """First day of the newest month that is over."""
    return add_months(local_date(now, timezone), -1)


def check_month(month: date, now: datetime, timezone: str) -> tuple[date, date]:
    """First and last day of a month that is over. Raises Invalid for one that is not."""
    first, last = month_bounds(month)
    if last >= local_date(now, timezone):
        raise Invalid(
            "month",
            f"{month_name(first)} is not over. Its statements are made from "
            f"{format_date(add_months(first, 1), 'd MMMM y', locale='en')} on.",
        )
    return first, last


def create(
    *,
    organisation_id: int,
    payee_id: int,
    currency: str,
    month: date,
    actor: Actor,
    now: datetime,
    tells: bool = True,
) -> Made:
    """The statement of a payee, currency and month: a new one, queued for a worker, or the one that is there.

    One that failed is queued again. Raises NotFound for another organisation's payee, Invalid for a month that is
    not over, Conflict when there is nothing to state, DoesNotAddUp when a payout contradicts the ledger.
    """
    organisation, payee = _locked(organisation_id, payee_id)
    first, last = check_month(month, now, organisation.timezone)
    there = _newest(payee.id, currency, first)
    if there is not None:
        return _there_already(there, actor, now)
    document = _add(_Order(organisation, payee, currency, first, last, tells), actor, now)
    return Made(
        document, True, f"{document.number}, closing with {_say(document.closing_minor or 0, currency)}."
    )


def reissue(*, organisation_id: int, number: str, reason: str, actor: Actor, now: datetime) -> Document:
    """Make a statement anew from the ledger and the names of today; the new number names the one it replaces.

    Raises NotFound; Invalid without a reason; Conflict when it is being made or is not the newest of its month.
    """
    document = get(organisation_id, number)
    organisation, payee = _locked(organisation_id, document.payee_id)
    db.session.refresh(document)
    reason = clean(reason)
    if not reason:
        raise Invalid("reason", "Say why it is issued again.", "The address was corrected.")
    if len(reason) > REASON_LENGTH:
        raise Invalid("reason", f"The reason may have {REASON_LENGTH} signs.")
    assert document.period_start is not None and document.period_end is not None  # noqa: S101, PT018 - monthly
    newest = _newest(payee.id, document.currency, document.period_start)
    if newest is None or newest.id != document.id:
        raise Conflict(f"{newest.number if newest else 'Another'} was issued since. Issue that one again.")
    if document.state == "queued":
        raise Conflict(f"{number} is being made. Wait until it is there.")
    order = _Order(
        organisation,
        payee,
        document.currency,
        document.period_start,
        document.period_end,
        last_issue=document,
        # Nobody has seen one that failed: what is replaced is what it was to replace.
        replaces=document if document.state == "ready" else _replaced_by(document),
        reason=reason,
    )
    return _add(order, actor, now)


def try_again(*, organisation_id: int, number: str, actor: Actor, now: datetime) -> Document:
    """Queue a statement that failed once more, with what it froze. Raises NotFound, Conflict."""
    document = get(organisation_id, number)
    _locked(organisation_id, document.payee_id)
    db.session.refresh(document)
    if document.state == "ready":
        raise Conflict(f"{number} is there already.")
    if document.state == "failed" or document.error:
        service.queue_again(document, actor, now, _note(document))
    return document


def get(organisation_id: int, number: str) -> Document:
    """A monthly statement by its number. Raises NotFound."""
    document = db.session.scalar(
        select(Document).where(
            Document.organisation_id == organisation_id, Document.number == number, Document.kind == MONTHLY
        )
    )
    if document is None:
        raise NotFound
    return document


def _locked(organisation_id: int, payee_id: int) -> tuple[Organisation, Payee]:
    """The payee, held until the end of the transaction: two who make the same statement wait for each other."""
    payee = lock_row(Payee, Payee.organisation_id == organisation_id, Payee.id == payee_id, key_share=True)
    return db.session.get_one(Organisation, organisation_id), payee


def _newest(payee_id: int, currency: str, first: date) -> Document | None:
    found: Document | None = db.session.scalar(
        tie.issues(payee_id, currency)
        .where(Document.period_start == first)
        .order_by(Document.id.desc())
        .limit(1)
    )
    return found


def _replaced_by(document: Document) -> Document | None:
    return db.session.get(Document, document.replaces_id) if document.replaces_id else None


def _there_already(document: Document, actor: Actor, now: datetime) -> Made:
    if document.state == "failed":
        service.queue_again(document, actor, now, _note(document))
        return Made(document, False, f"{document.number} had failed and is made again.")
    stale = "" if tie.ledger_of(document).agrees else " Entries were posted since; issue it again."
    return Made(document, False, f"{document.number} is there already.{stale}")


@dataclass(frozen=True)
class _Order:
    """What is to be made, and what it follows."""

    organisation: Organisation
    payee: Payee
    currency: str
    first: date
    last: date
    tells: bool = True
    last_issue: Document | None = None
    replaces: Document | None = None
    reason: str = ""


def _add(order: _Order, actor: Actor, now: datetime) -> Document:
    scope = (order.organisation.id, order.payee.id, order.currency)
    account.hold(*scope)
    standing = account.standing_of(*scope, order.first, order.last)
    added = sections.of(sections.Scope(*scope, order.first, order.last))
    if standing is None and not added and order.last_issue is None:
        raise Conflict(
            f"{order.payee.name} has no {order.currency} balance and no activity in {month_name(order.first)}: "
            "there is nothing to state."
        )
    frozen = _frozen(order, standing, added, now)
    facts.check(frozen)
    document = Document(
        organisation_id=order.organisation.id,
        kind=MONTHLY,
        number=frozen.number,
        payee_id=order.payee.id,
        variant=str(int(order.last_issue.variant) + 1 if order.last_issue else 1),
        period_start=order.first,
        period_end=order.last,
        currency=order.currency,
        opening_minor=frozen.opening_minor,
        closing_minor=frozen.closing_minor,
        code=frozen.code,
        facts=facts.to_json(frozen),
        reissue_reason=order.reason,
        replaces_id=order.replaces.id if order.replaces else None,
        created_at=now,
    )
    db.session.add(document)
    db.session.flush()
    service.queue_new(document, actor, now, _note(document), _changes(order, frozen))
    return document


def _frozen(
    order: _Order, standing: account.Standing | None, added: tuple[Section, ...], now: datetime
) -> MonthlyFacts:
    """What the ledger, the payouts and the records of payer and payee say at this moment."""
    organisation, payee = order.organisation, order.payee
    movements = account.movements(standing.account_id, order.first, order.last) if standing else []
    found = collecting.collect(movements, order.currency)
    opening = standing.opening_minor if standing else 0
    lines = facts.with_balances(found.lines, opening)
    year = local_date(now, organisation.timezone).year
    return facts.sealed(
        MonthlyFacts(
            number=next_number(organisation.id, f"ST-{year}", 6),
            code=codes.new_code(),
            issued_at=now,
            payer_name=clean(organisation.legal_name),
            payer_address=organisation.address,
            payer_tax_id=clean(organisation.tax_id),
            payer_email=clean(organisation.contact_email),
            payee_name=clean(payee.name),
            payee_reference=clean(payee.reference),
            payee_address=payee.address,
            country=organisation.country,
            locale=organisation.locale,
            timezone=organisation.timezone,
            home_currency=organisation.currency,
            currency=order.currency,
            period_start=order.first,
            period_end=order.last,
            opening_minor=opening,
            closing_minor=standing.closing_minor if standing else 0,
            totals=facts.totals_of(lines),
            lines=lines,
            payments=found.payments,
            basis=found.basis,
            replaces_number=order.replaces.number if order.replaces else "",
            reason=order.reason if order.replaces else "",
            tells=order.tells,
            sections=added,
        )
    )


def _say(minor: int, currency: str) -> str:
    return f"{Money(minor, currency).plain} {currency}"


def _note(document: Document) -> str:
    assert document.period_start is not None  # noqa: S101 - monthly documents have their period
    return f"Statement of {month_name(document.period_start)} in {document.currency}"


def _changes(order: _Order, frozen: MonthlyFacts) -> dict[str, object]:
    changes: dict[str, object] = {
        "opening": [None, _say(frozen.opening_minor, frozen.currency)],
        "closing": [None, _say(frozen.closing_minor, frozen.currency)],
        "content": [None, frozen.seal],
    }
    if order.reason:
        changes |= {"replaces": [None, frozen.replaces_number or None], "reason": [None, order.reason]}
    return changes
