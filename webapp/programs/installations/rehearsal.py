"""A draft rate replayed over past installations: who would have got how much more or less."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from webapp.database import db
from webapp.kernel.clock import add_months
from webapp.kernel.money import Money
from webapp.people.models import Payee
from webapp.programs.installations import queries, rules
from webapp.programs.installations.models import Installation
from webapp.programs.installations.pricing import Terms, job_of
from webapp.programs.installations.terms import Quote, Rule

MAXIMUM_MONTHS = 24


@dataclass(frozen=True)
class Difference:
    """One technician: what the rates in force give, what the draft would give, in one currency."""

    payee_id: int
    reference: str
    name: str
    installations: int
    before: Money
    after: Money

    @property
    def change(self) -> Money:
        """After less before."""
        return self.after - self.before


@dataclass(frozen=True)
class Rehearsal:
    """The outcome of a replay over whole months up to today."""

    first_day: date
    last_day: date
    looked_at: int
    changed: int
    newly_priced: tuple[str, ...]
    no_longer_priced: tuple[str, ...]
    rows: tuple[Difference, ...]
    before: Money
    after: Money

    @property
    def change(self) -> Money:
        """After less before, of all technicians."""
        return self.after - self.before


def rehearse(
    organisation_id: int, draft: Rule, terms: Terms, *, currency: str, months: int, today: date
) -> Rehearsal:
    """Replay the installations commissioned in this month and the `months` before it (1–24).

    The draft counts as if it had always been in force; nothing is stored. Installations in other currencies
    than the draft's are not looked at.
    """
    first = add_months(today, -min(max(months, 1), MAXIMUM_MONTHS))
    with_draft = terms.with_draft(draft)
    before: dict[int, int] = defaultdict(int)
    after: dict[int, int] = defaultdict(int)
    touched: dict[int, int] = defaultdict(int)
    looked_at = changed = 0
    newly, lost = [], []
    for row in _installations(organisation_id, first, today, currency):
        looked_at += 1
        job = job_of(row, today)
        old, new = terms.quote(job), with_draft.quote(job)
        if old.amount == new.amount:
            _add(before, row, old)
            _add(after, row, new)
            continue
        changed += 1
        if old.amount is None:
            newly.append(row.reference)
        if new.amount is None:
            lost.append(row.reference)
        _add(before, row, old)
        _add(after, row, new)
        for share in row.shares:
            touched[share.payee_id] += 1
    rows = _rows(touched, before, after, currency)
    return Rehearsal(
        first,
        today,
        looked_at,
        changed,
        tuple(newly),
        tuple(lost),
        rows,
        Money(sum(before.values()), currency),
        Money(sum(after.values()), currency),
    )


def _installations(organisation_id: int, first: date, last: date, currency: str) -> list[Installation]:
    query = (
        select(Installation)
        .where(
            Installation.organisation_id == organisation_id,
            Installation.status.in_((*queries.PAYABLE_STATUSES, "decommissioned")),
            Installation.commissioned_on.between(first, last),
            Installation.currency == currency,
        )
        .options(selectinload(Installation.shares))
        .order_by(Installation.id)
    )
    return list(db.session.scalars(query))


def _add(sums: dict[int, int], row: Installation, quote: Quote) -> None:
    if quote.problem or not row.shares:
        return
    parts = rules.split(quote.lines, [share.weight for share in row.shares], quote.currency)
    for share, mine in zip(row.shares, parts, strict=True):
        sums[share.payee_id] += sum(part.amount for part in mine)


def _rows(
    touched: dict[int, int], before: dict[int, int], after: dict[int, int], currency: str
) -> tuple[Difference, ...]:
    people = db.session.execute(select(Payee.id, Payee.reference, Payee.name).where(Payee.id.in_(touched)))
    found = [
        Difference(
            payee_id, reference, name, touched[payee_id],
            Money(before[payee_id], currency), Money(after[payee_id], currency),
        )
        for payee_id, reference, name in people
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda row: (-abs(row.change.amount), row.name)))
