"""What drivers are charged beside instalments, what they earn, and loans: booked at once, one call for many."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select

from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict
from webapp.kernel.ids import digest, new_uid
from webapp.kernel.money import Money
from webapp.people.numbers import next_number
from webapp.programs.repairs import entries, plans, trail
from webapp.programs.repairs.books import Charge, Earning
from webapp.programs.repairs.drafts import ChargeDraft, EarningDraft, LoanDraft
from webapp.programs.repairs.models import Loan
from webapp.programs.repairs.rules import first_week, loan_schedule, week_of


def add_charges(
    *, organisation_id: int, drafts: Sequence[ChargeDraft], actor: Actor, now: datetime
) -> list[Charge]:
    """Charge drivers; returns what is new, one whose key is there already counts once.

    All or none. Raises NotFound, Invalid with the field, Conflict when a key was used for another amount or driver.
    """
    organisation = trail.organisation(organisation_id)
    for draft in drafts:
        draft.check()
        trail.check_day("charged_on", draft.charged_on, organisation_id, now)
    payees = trail.lock_drivers(organisation_id, {draft.payee_id for draft in drafts})
    keyed = {f"charge:{draft.idempotency_key or new_uid()}": draft for draft in drafts}
    known = db.session.scalars(
        select(Charge).where(
            Charge.organisation_id == organisation_id, Charge.idempotency_key.in_(list(keyed))
        )
    ).all()
    for row in known:
        draft = keyed.pop(row.idempotency_key)
        if (row.payee_id, row.amount_minor) != (draft.payee_id, draft.amount_minor):
            raise Conflict(
                f"The key {draft.idempotency_key} was used for another charge. Nothing was stored."
            )
    made = [
        Charge(
            organisation_id=organisation_id,
            payee_id=draft.payee_id,
            category=draft.category,
            description=" ".join(draft.description.split()),
            currency=organisation.currency,
            amount_minor=draft.amount_minor,
            charged_on=draft.charged_on,
            week_start=week_of(draft.charged_on, organisation.week_start).start,
            idempotency_key=key,
            created_by_id=actor.user_id,
            created_by_label=actor.label,
            created_at=now,
        )
        for key, draft in keyed.items()
    ]
    if not made:
        return []
    db.session.add_all(made)
    db.session.flush()
    entries.post(organisation_id, [entries.charged(row, payees[row.payee_id]) for row in made], actor, now)
    changes = {
        "charges": [None, len(made)],
        "digest": [None, digest([[row.payee_id, row.category, row.amount_minor] for row in made])],
    }
    trail.record_many("charge", "added", organisation_id, _label(len(made), "charge"), actor, now, changes)
    return made


def _label(n: int, word: str) -> str:
    return f"{n:,} {word}{'' if n == 1 else 's'}"


def record_earnings(
    *, organisation_id: int, drafts: Sequence[EarningDraft], actor: Actor, now: datetime
) -> list[Earning]:
    """What drivers earned; returns what is new: a name of the same source counts once.

    All or none. Raises NotFound, Invalid with the field, Conflict when a name stands for another amount or driver.
    """
    organisation = trail.organisation(organisation_id)
    for draft in drafts:
        draft.check()
        trail.check_day("earned_on", draft.earned_on, organisation_id, now)
    payees = trail.lock_drivers(organisation_id, {draft.payee_id for draft in drafts})
    keyed = {(" ".join(d.source.split()), " ".join(d.external_ref.split())): d for d in drafts}
    known = db.session.scalars(
        select(Earning).where(
            Earning.organisation_id == organisation_id,
            Earning.source.in_({source for source, _ in keyed}),
            Earning.external_ref.in_({reference for _, reference in keyed}),
        )
    ).all()
    for row in known:
        name = (row.source, row.external_ref)
        if name not in keyed:
            continue
        draft = keyed.pop(name)
        if (row.payee_id, row.amount_minor) != (draft.payee_id, draft.amount_minor):
            label = " ".join(name)
            raise Conflict(f"{label} is there with another amount or driver. Nothing was stored.")
    made = [
        Earning(
            organisation_id=organisation_id,
            payee_id=draft.payee_id,
            source=source,
            external_ref=reference,
            description=draft.description,
            currency=organisation.currency,
            amount_minor=draft.amount_minor,
            earned_on=draft.earned_on,
            week_start=week_of(draft.earned_on, organisation.week_start).start,
            created_at=now,
        )
        for (source, reference), draft in keyed.items()
    ]
    if not made:
        return []
    db.session.add_all(made)
    db.session.flush()
    entries.post(organisation_id, [entries.earned(row, payees[row.payee_id]) for row in made], actor, now)
    changes = {
        "earnings": [None, len(made)],
        "digest": [None, digest([[row.source, row.external_ref, row.amount_minor] for row in made])],
    }
    trail.record_many(
        "earning", "recorded", organisation_id, _label(len(made), "earning"), actor, now, changes
    )
    return made


def lend(
    *,
    organisation_id: int,
    draft: LoanDraft,
    actor: Actor,
    now: datetime,
    idempotency_key: str | None = None,
) -> Loan:
    """Lend a driver money, paid out of the bank by hand; its instalments follow the payment matrix, with interest.

    The same key returns the loan that is there. Raises NotFound, Invalid, Conflict.
    """
    draft.check()
    payee = trail.lock_drivers(organisation_id, [draft.payee_id])[draft.payee_id]
    if idempotency_key is not None:
        found = db.session.scalar(
            select(Loan).where(
                Loan.organisation_id == organisation_id, Loan.idempotency_key == idempotency_key
            )
        )
        if found is not None:
            if (found.payee_id, found.principal_minor) != (payee.id, draft.principal_minor):
                raise Conflict(
                    f"{found.reference} was made with the same key for something else. Nothing was done."
                )
            return found
    trail.check_day("lent_on", draft.lent_on, organisation_id, now)
    organisation = trail.organisation(organisation_id)
    parts = plans.amounts(organisation_id, draft.principal_minor, "principal")
    year = trail.today(organisation_id, now).year
    row = Loan(
        organisation_id=organisation_id,
        reference=next_number(organisation_id, f"LN-{year}", 3),
        payee_id=payee.id,
        currency=organisation.currency,
        principal_minor=draft.principal_minor,
        percent=draft.percent,
        lent_on=draft.lent_on,
        note=draft.note.strip(),
        idempotency_key=idempotency_key,
        created_by_id=actor.user_id,
        created_by_label=actor.label,
        created_at=now,
    )
    planned = loan_schedule(
        parts,
        first_week(draft.lent_on, draft.start, organisation.week_start),
        percent=draft.percent,
        lent_on=draft.lent_on,
        currency=organisation.currency,
    )
    row.instalments.extend(plans.rows(row, planned))
    db.session.add(row)
    db.session.flush()
    changes = {"principal": [None, Money(row.principal_minor, row.currency).plain]}
    trail.record("loan", "lent", row, row.reference, actor, now, changes)
    entries.post(organisation_id, [entries.lent(row, payee)], actor, now)
    return row
