"""The approval rules in words: tiers, the other rules, what differs between two versions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from webapp.database import db
from webapp.kernel.money import Money
from webapp.payouts.models import ApprovalPolicy
from webapp.payouts.policy import Policy, Tier, from_rules
from webapp.payouts.policy_form import RAIL_LABELS
from webapp.people.models import Organisation, User
from webapp.web import filters

_PEOPLE = {0: "Nobody: the policy approves it", 1: "One person", 2: "Two different people"}


@dataclass(frozen=True)
class Version:
    """One stored version and what it changed."""

    number: int
    at: datetime
    by: str
    differences: list[tuple[str, str, str]]


def _amount(minor: int | None, currency: str, nothing: str) -> str:
    return nothing if minor is None else str(filters.money(Money(minor, currency)))


def tier(rules: Policy, one: Tier) -> dict[str, str]:
    """One tier as a row of the table."""
    return {
        "up_to": _amount(one.up_to_minor, one.currency or rules.currency, "Any amount")
        + (f" ({one.currency})" if one.currency and one.up_to_minor is None else ""),
        "applies": "Payouts that a program makes by itself" if one.automatic_only else "All payouts",
        "approvals": _PEOPLE.get(one.approvals, f"{one.approvals} different people"),
    }


def said(rules: Policy) -> list[tuple[str, str]]:
    """Every rule but the tiers, as name and sentence."""
    solo = rules.single_operator
    cap = _amount(solo.daily_cap_minor, rules.currency, "")
    return [
        ("Changed payment details", f"Nothing is paid to them for {rules.cool_off_hours} hours."
         if rules.cool_off_hours else "They are paid to at once."),
        ("Who entered payment details", f"Does not approve payouts to them for {rules.method_editor_days} days."
         if rules.method_editor_days else "May approve payouts to them."),
        ("Retries after a passing failure", ", ".join(f"{m} min" for m in rules.retry_minutes) + " later"
         if rules.retry_minutes else "None: a person tries again."),
        ("Who pays", f"Above {_amount(rules.separate_payer_above_minor, rules.currency, '')}, somebody other than "
         "the last approver." if rules.separate_payer_above_minor is not None else "Also the last approver."),
        ("Smallest automatic payout", f"{_amount(rules.minimum_minor, rules.currency, '')}; what is below waits "
         "until it is reached." if rules.minimum_minor else "None."),
        *((f"Cut-off of {program}", f"Payouts can be stopped until {at}.") for program, at in rules.cut_off.items()),
        ("Sent without a person", f"Approved payouts of {', '.join(rules.paid_by_itself)}." if rules.paid_by_itself
         else "Nothing: a person sends each payout."),
        ("Rails", ", ".join(RAIL_LABELS[rail] for rail in rules.rails)),
        ("One person alone", (f"Yes: a delay of {solo.delay_hours} hours"
         + (f" and a cap of {cap} within 24 hours" if cap else "") + " stand in for the second person.")
         if solo.is_on else "No: nobody approves what they made."),
    ]  # fmt: skip


def differences(old: Policy, new: Policy) -> list[tuple[str, str, str]]:
    """What differs, as (rule, before, after)."""
    found = []
    tiers = [
        "; ".join(f"{t['up_to']} – {t['applies'].lower()}: {t['approvals'].lower()}" for t in
                  (tier(rules, one) for one in rules.tiers))
        for rules in (old, new)
    ]  # fmt: skip
    if tiers[0] != tiers[1]:
        found.append(("Who must approve", tiers[0], tiers[1]))
    before, after = dict(said(old)), dict(said(new))
    for name in dict.fromkeys([*before, *after]):
        if before.get(name) != after.get(name):
            found.append((name, before.get(name, "None."), after.get(name, "None.")))
    return found


def history(organisation: Organisation) -> list[Version]:
    """Every stored version, newest first, with what it changed against the one before. Few: no paging."""
    rows = db.session.execute(
        select(ApprovalPolicy, User.email)
        .outerjoin(User, User.id == ApprovalPolicy.created_by_id)
        .where(ApprovalPolicy.organisation_id == organisation.id)
        .order_by(ApprovalPolicy.version.desc())
        .limit(101)
    ).all()
    parsed = [(row, email, from_rules(row.rules)) for row, email in rows]
    return [
        Version(
            row.version,
            row.created_at,
            email or "Paydesk",
            differences(parsed[i + 1][2], rules) if i + 1 < len(parsed) else [],
        )
        for i, (row, email, rules) in enumerate(parsed)
    ]
