"""What a commission rule would have changed last month: the payouts of that month, cut again under the draft."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import date

from sqlalchemy import select

from webapp.database import db
from webapp.kernel.clock import month_bounds
from webapp.kernel.money import Money
from webapp.people.models import Organisation
from webapp.programs.clinic.commission_rules import draft_rule, load_rules
from webapp.programs.clinic.drafts import RuleDraft
from webapp.programs.clinic.models import Appointment, ClinicPayout, Invoice
from webapp.programs.clinic.rules import cut, find_rule


@dataclass(frozen=True)
class Effect:
    """Commission of a month as it was and as it would have been, in the organisation's currency."""

    first_day: date
    last_day: date
    looked_at: int
    changed: int
    before: Money
    after: Money


def of_draft(*, organisation_id: int, draft: RuleDraft, month: date, rule_id: int | None = None) -> Effect:
    """Cut the month's payouts again as if the draft had counted all month; nothing is written.

    A further part of an invoice is cut as a payout of its own. `rule_id` names the rule that the draft is a next
    version of; without it the draft is a new rule.
    """
    currency = db.session.get_one(Organisation, organisation_id).currency
    first, last = month_bounds(month)
    rules = [rule for rule in load_rules(organisation_id) if rule.rule_id != rule_id]
    newest = 1 + max((rule.rule_id for rule in rules), default=0)
    rules.append(draft_rule(replace(draft, valid_from=None), rule_id or newest, 1))
    rows = db.session.execute(
        select(
            ClinicPayout.payee_id, ClinicPayout.base_minor, ClinicPayout.commission_minor, ClinicPayout.held_on,
            Appointment.category,
        )
        .join(Invoice, Invoice.id == ClinicPayout.invoice_id)
        .join(Appointment, Appointment.id == Invoice.appointment_id)
        .where(
            ClinicPayout.organisation_id == organisation_id,
            ClinicPayout.currency == currency,
            ClinicPayout.held_on.between(first, last),
            ClinicPayout.released_at.is_(None),
        )
        .order_by(ClinicPayout.id)
    ).all()  # fmt: skip
    volumes: dict[int, int] = defaultdict(int)
    before = after = changed = 0
    for payee_id, base_minor, commission_minor, held_on, category in rows:
        rule = find_rule(rules, payee_id=payee_id, category=category, on=held_on)
        new = cut(
            Money(base_minor, currency), rule.commission, volume_minor=volumes[payee_id]
        ).commission.amount
        volumes[payee_id] += base_minor
        before, after, changed = before + commission_minor, after + new, changed + (new != commission_minor)
    return Effect(first, last, len(rows), changed, Money(before, currency), Money(after, currency))
