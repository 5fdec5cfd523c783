"""From installations to payouts: what is due to whom and why not, by hand and automatically."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import groupby

from sqlalchemy import select

from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict, Invalid
from webapp.kernel.money import Money, total
from webapp.payouts import policies
from webapp.payouts import service as payouts
from webapp.payouts.drafts import ExclusionDraft, LineDraft, SourceDraft
from webapp.payouts.models import Payout
from webapp.payouts.queries import find_by_idempotency_key
from webapp.payouts.states import PayoutState
from webapp.people.models import Payee
from webapp.people.queries import get_payee
from webapp.programs.installations import held_lines, queries, retaining
from webapp.programs.installations.models import Installation, InstallationShare, InstallationStatus
from webapp.programs.installations.pricing import SOURCE_TYPE, Part, Pricer, details_of, settings_of
from webapp.programs.installations.retention_rules import HeldBack
from webapp.programs.installations.service import today_of
from webapp.programs.installations.terms import Line, say_money

PROGRAM = "installations"
COST_ACCOUNT = "expense:installations"
# A payout has as many installations as a person can still check; more make a second payout next time.
MAXIMUM_INSTALLATIONS = 500


@dataclass(frozen=True)
class Plan:
    """A payout as it would be: one technician, one currency, the priced parts, and what has no rate."""

    payee: Payee
    currency: str
    parts: tuple[Part, ...]
    without_rate: tuple[Part, ...] = ()
    # What is taken off each priced part, in their order: it waits for its day, or was released or charged before.
    held: tuple[HeldBack | None, ...] = ()

    @property
    def gross(self) -> Money:
        """What the parts come to."""
        return total((part.amount for part in self.parts), self.currency)

    @property
    def retained(self) -> Money:
        """What is taken off it."""
        return total((one.amount for one in self.held if one is not None), self.currency)

    @property
    def amount(self) -> Money:
        """What the payout would pay."""
        return self.gross - self.retained

    @property
    def period(self) -> tuple[date, date]:
        """First and last commissioning day among the priced parts."""
        days = [p.installation.commissioned_on for p in self.parts if p.installation.commissioned_on]
        return min(days), max(days)

    def why_waiting(self, minimum: Money) -> str:
        """Why the automatic run leaves it out; empty when it does not."""
        if not self.parts:
            return "No rate matches any of the installations."
        if self.amount.amount <= 0:
            return "The amount is zero."
        if minimum.currency == self.currency and self.amount < minimum:
            return (
                f"{say_money(self.amount)} is below the minimum of {say_money(minimum)}; it waits for more."
            )
        return ""


@dataclass(frozen=True)
class Due:
    """What is due to all technicians: plans to pay now, plans that wait with the reason."""

    ready: tuple[Plan, ...]
    waiting: tuple[tuple[Plan, str], ...] = field(default=())


def minimum_of(organisation_id: int, currency: str) -> Money:
    """The least amount that the automatic run pays out: this program's, or the policy's if that is higher."""
    policy, _ = policies.current_policy(organisation_id)
    general = policy.minimum_minor if policy.currency == currency else 0
    return Money(max(settings_of(organisation_id).minimum_payout_minor, general), currency)


def plans(shares: Sequence[InstallationShare], pricer: Pricer) -> list[Plan]:
    """Group due parts (ordered by technician) into one plan per technician and currency, and price them."""
    pricer.remember_agreed([share.installation_id for share in shares])
    result = []
    for payee, of_payee in groupby(shares, key=lambda share: share.payee):
        by_currency: dict[str, list[Part]] = defaultdict(list)
        for share in of_payee:
            by_currency[share.installation.currency].append(pricer.part(share))
        for currency, parts in sorted(by_currency.items()):
            priced = [part for part in parts if not part.quote.problem][:MAXIMUM_INSTALLATIONS]
            without = [part for part in parts if part.quote.problem]
            result.append(Plan(payee, currency, tuple(priced), tuple(without), pricer.held_back(priced)))
    return result


def due(organisation_id: int, currency: str, now: datetime, *, payee_id: int | None = None) -> Due:
    """Everything that is due today. `currency` is the organisation's own, that of the minimum."""
    today = today_of(organisation_id, now)
    shares = queries.due_shares(organisation_id, today, payee_id=payee_id)
    minimum = minimum_of(organisation_id, currency)
    sorted_out: list[tuple[Plan, str]] = [
        (plan, plan.why_waiting(minimum)) for plan in plans(shares, Pricer(organisation_id, today))
    ]
    return Due(
        tuple(plan for plan, reason in sorted_out if not reason),
        tuple((plan, reason) for plan, reason in sorted_out if reason),
    )


def why_not_payable(
    installation: Installation,
    share: InstallationShare | None,
    payee: Payee,
    *,
    today: date,
    claim: queries.ClaimedBy | None,
    problem: str,
) -> str:
    """Why this technician is not paid for this installation now: one sentence that names it; empty when they are."""
    name = installation.reference
    if share is None:
        return f"{name} is not assigned to {payee.name}."
    status = InstallationStatus(installation.status)
    if claim is not None:
        return f"{name} is in payout {claim.reference} already ({PayoutState(claim.state).label.lower()})."
    if status.value not in queries.PAYABLE_STATUSES:
        return f"{name} is {status.label.lower()}; only commissioned or active installations are paid for."
    if installation.commissioned_on is None or installation.commissioned_on > today:
        return f"{name} is commissioned on {installation.commissioned_on}; it is paid for from that day on."
    if share.offer == "blocked":
        return f"{name} waits for a decision: {share.offer_reason}"
    if share.offer == "dismissed":
        return f"{name} was dismissed: {share.offer_reason}"
    if not payee.is_active:
        return f"{payee.name} is not active, so {name} is not paid."
    return f"{name} needs a rate: {problem}" if problem else ""


def preview(
    *, organisation_id: int, payee_reference: str, installation_references: Iterable[str], now: datetime
) -> Plan:
    """The plan of a payout made by hand. Raises NotFound, Invalid, and Conflict that names each one at fault."""
    payee = get_payee(organisation_id, payee_reference)
    wanted = list(dict.fromkeys(reference.strip() for reference in installation_references))
    if not wanted:
        raise Invalid("installations", "Choose at least one installation.")
    if len(wanted) > MAXIMUM_INSTALLATIONS:
        raise Invalid("installations", f"Choose at most {MAXIMUM_INSTALLATIONS} installations at a time.")
    found = db.session.scalars(
        queries.list_installations(organisation_id).where(Installation.reference.in_(wanted))
    ).unique()
    by_reference = {row.reference: row for row in found}
    today = today_of(organisation_id, now)
    pricer = Pricer(organisation_id, today)
    ids = [row.id for row in by_reference.values()]
    pricer.remember_agreed(ids)
    claims = queries.live_claims(organisation_id, ids)
    parts, faults = [], []
    for reference in wanted:
        row = by_reference.get(reference)
        if row is None:
            faults.append(f"There is no installation {reference}.")
            continue
        share = next((s for s in row.shares if s.payee_id == payee.id), None)
        part = pricer.part(share) if share else None
        problem = part.quote.problem if part else ""
        claim = claims.get((row.id, payee.id))
        fault = why_not_payable(row, share, payee, today=today, claim=claim, problem=problem)
        if fault or part is None:
            faults.append(fault)
        else:
            parts.append(part)
    currencies = {part.quote.currency for part in parts}
    if len(currencies) > 1:
        faults.append(f"One payout has one currency; these have {', '.join(sorted(currencies))}.")
    if faults:
        raise Conflict(" ".join(faults))
    return Plan(payee, currencies.pop(), tuple(parts), held=pricer.held_back(parts))


def create_chosen(
    *,
    organisation_id: int,
    payee_reference: str,
    installation_references: Iterable[str],
    actor: Actor,
    now: datetime,
    note: str = "",
    idempotency_key: str | None = None,
) -> Payout:
    """A payout for installations chosen by hand; the same key again gives the payout that it made.

    Raises NotFound, Invalid, Conflict (each installation at fault is named; nothing is made).
    """
    if made := find_by_idempotency_key(organisation_id, idempotency_key):
        return made
    plan = preview(
        organisation_id=organisation_id,
        payee_reference=payee_reference,
        installation_references=installation_references,
        now=now,
    )
    if plan.amount.amount <= 0:
        raise Conflict("The amount of these installations is zero; there is nothing to pay.")
    return _create(
        plan,
        organisation_id=organisation_id,
        actor=actor,
        now=now,
        is_automatic=False,
        note=note,
        idempotency_key=idempotency_key,
    )


def create_due_for(
    *, organisation_id: int, payee_id: int, home_currency: str, actor: Actor, now: datetime,
    run_id: int | None = None,
) -> tuple[list[Payout], str]:  # fmt: skip
    """All that is due to one technician: a payout per currency, and what waits and why.

    Made again it makes nothing: what is in a live payout is not due.
    """
    # The technician's row is the queue: two creators for the same person come one after the other.
    db.session.execute(select(Payee.id).where(Payee.id == payee_id).with_for_update())
    found = due(organisation_id, home_currency, now, payee_id=payee_id)
    made = [
        _create(
            plan,
            organisation_id=organisation_id,
            actor=actor,
            now=now,
            is_automatic=True,
            run_id=run_id,
        )
        for plan in found.ready
    ]
    reasons = " ".join(reason for _, reason in found.waiting)
    return made, reasons or ("" if made else "Nothing is due any more.")


def _create(
    plan: Plan,
    *,
    organisation_id: int,
    actor: Actor,
    now: datetime,
    is_automatic: bool,
    note: str = "",
    run_id: int | None = None,
    idempotency_key: str | None = None,
) -> Payout:
    first, last = plan.period
    held = [(part, one) for part, one in zip(plan.parts, plan.held, strict=True) if one is not None]
    return payouts.create(
        organisation_id=organisation_id,
        program=PROGRAM,
        payee_id=plan.payee.id,
        currency=plan.currency,
        lines=[
            *(line for part in plan.parts for line in line_drafts(part)),
            *(held_lines.line_draft(part, one) for part, one in held),
        ],
        sources=[SourceDraft(SOURCE_TYPE, part.installation.id) for part in plan.parts],
        period_start=first,
        period_end=last,
        cost_account=COST_ACCOUNT,
        exclusions=[*exclusions(plan.parts), *held_lines.exclusions(plan.held)],
        is_automatic=is_automatic,
        actor=actor,
        now=now,
        note=note,
        run_id=run_id,
        idempotency_key=idempotency_key,
        before_approval=lambda payout: retaining.store(
            payout, [(part.installation.id, one) for part, one in held], now
        ),
    )


def line_drafts(part: Part) -> list[LineDraft]:
    """The payout lines of one technician's part; each formula can be checked by hand."""
    installation = part.installation
    return [
        LineDraft(
            kind=line.kind,
            description=f"{installation.reference} {line.description}"[:300],
            amount_minor=amount.amount,
            occurred_on=installation.commissioned_on,
            quantity=line.quantity,
            unit=line.unit,
            rate=line.rate if line.kind == "earning" else None,
            formula=formula_of(part, line, amount)[:300],
            source_type=SOURCE_TYPE,
            source_id=installation.id,
            source_label=installation.reference,
            details={
                **details_of(line, part.quote),
                "share": f"{part.share.weight}/{part.weights_total}",
            },
        )
        for line, amount in part.lines
    ]


def say_share(part: Part) -> str:
    """A technician's share in words: "60 %", or "1 of 3" where a percentage would not be exact."""
    hundredths, rest = divmod(part.share.weight * 10_000, part.weights_total)
    if rest:
        return f"{part.share.weight} of {part.weights_total}"
    whole, after = divmod(hundredths, 100)
    return f"{whole}.{after:02d} %".replace(".00 %", " %")


def formula_of(part: Part, line: Line, amount: Money) -> str:
    """The calculation of a line, with the technician's share where there are several."""
    if part.is_whole:
        return line.formula
    return f"{line.formula}; share {say_share(part)} = {say_money(amount)}"


def exclusions(parts: Iterable[Part]) -> list[ExclusionDraft]:
    """Who may not approve a payout of these parts: who entered or changed the installations, who set the rates."""
    entered: dict[int, list[str]] = defaultdict(list)
    rated: dict[int, list[str]] = defaultdict(list)
    for part in parts:
        row = part.installation
        for user_id in dict.fromkeys((row.created_by_id, row.edited_by_id)):
            if user_id is not None:
                entered[user_id].append(row.reference)
        for rule in part.quote.rules_used:
            if rule.edited_by_id is not None and rule.label not in rated[rule.edited_by_id]:
                rated[rule.edited_by_id].append(rule.label)
    drafts = [
        ExclusionDraft(user_id, f"entered or changed {_several(names, 'installations')}")
        for user_id, names in entered.items()
    ]
    drafts += [
        ExclusionDraft(user_id, f"set the rate {_several(names, 'rates')}")
        for user_id, names in rated.items()
        if names
    ]
    return drafts


def _several(names: Sequence[str], plural: str) -> str:
    shown = ", ".join(names[:3])
    text = shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more {plural}"
    return text if len(text) <= 150 else f"{len(names):,} {plural}"
