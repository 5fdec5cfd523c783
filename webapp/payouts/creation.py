"""Making a payout and editing it while it waits for approval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from webapp.audit import service as audit
from webapp.database import db
from webapp.kernel.actor import POLICY, Actor
from webapp.kernel.clock import local_date
from webapp.kernel.errors import Conflict, Invalid, NotAllowed, NotFound
from webapp.kernel.ids import digest
from webapp.kernel.money import MAXIMUM_MINOR, Money
from webapp.payouts import approval, policies, queries, records, turns
from webapp.payouts.drafts import LINE_KINDS, ExclusionDraft, LineDraft, SourceDraft, amount_of, gross_of
from webapp.payouts.models import ApprovalExclusion, Payout, PayoutLine, SourceClaim
from webapp.payouts.policy import WALLET, Policy, approvals_needed, why_not_approve
from webapp.payouts.records import Result
from webapp.payouts.states import PayoutAction, PayoutState, next_state
from webapp.people.models import Organisation, Payee
from webapp.people.numbers import next_number

EDITED, CHANGED_LINES = "edited this payout last", "changed what this payout is made of"


def create(
    *,
    organisation_id: int,
    program: str,
    payee_id: int,
    currency: str,
    lines: Sequence[LineDraft],
    sources: Sequence[SourceDraft],
    period_start: date,
    period_end: date,
    cost_account: str,
    exclusions: Sequence[ExclusionDraft] = (),
    is_automatic: bool = False,
    actor: Actor,
    now: datetime,
    note: str = "",
    run_id: int | None = None,
    idempotency_key: str | None = None,
    rail: str = "",
    before_approval: Callable[[Payout], None] | None = None,
) -> Payout:
    """Make a payout that waits for approval; the policy may approve it at once when a program made it.

    `rail` is given where nobody chooses one later. `before_approval` is called with the new payout before anybody
    can approve it: there a program writes its own record of it, and books what the cost account must hold.

    The same idempotency key returns the payout that is there. Raises Invalid, NotFound (payee), or Conflict
    that names the source records which are in another live payout.
    """
    if existing := queries.find_by_idempotency_key(organisation_id, idempotency_key):
        return _same(existing, payee_id, currency, amount_of(list(lines)))
    payee = _payee(organisation_id, payee_id)
    policy, _ = policies.current_policy(organisation_id)
    amount, gross = check_lines(list(lines), currency, period_start, period_end)
    if is_automatic and rail != WALLET:
        check_least(payee, amount, policy)
    refuse_claimed(organisation_id, payee, lines, sources)
    organisation = db.session.get_one(Organisation, organisation_id)
    year = local_date(now, organisation.timezone).year
    payout = Payout(
        organisation_id=organisation_id,
        reference=next_number(organisation_id, f"PO-{year}", 6),
        program=program,
        payee_id=payee_id,
        currency=currency,
        gross_minor=gross,
        amount_minor=amount.amount,
        state=PayoutState.PENDING_APPROVAL.value,
        cost_account=cost_account,
        period_start=period_start,
        period_end=period_end,
        is_automatic=is_automatic,
        rail=rail,
        note=note,
        approvals_needed=approvals_needed(policy, amount, is_automatic),
        idempotency_key=idempotency_key,
        run_id=run_id,
        created_by_id=actor.user_id,
        created_by_label=actor.label,
        created_at=now,
        lines=_lines(lines),
        exclusions=[
            ApprovalExclusion(user_id=user_id, reason=reason[:200])
            for user_id, reason in dict.fromkeys((e.user_id, e.reason) for e in exclusions)
        ],
    )
    db.session.add(payout)
    db.session.flush()
    _claim(payout, payee, sources)
    _record_creation(payout, actor, now)
    if before_approval is not None:
        before_approval(payout)
    if payout.approvals_needed == 0:
        approve_by_policy(payout, now)
    return payout


def approve_by_policy(payout: Payout, now: datetime) -> bool:
    """Let the policy approve a payout that needs no person; False (and it waits) while something is missing."""
    policy, version = policies.current_policy(payout.organisation_id)
    if not payout.is_automatic or payout.approvals_needed > 0 or policy.single_operator.is_on:
        return False
    if why_not_approve(policy, queries.approval_facts(payout, None, policy, now)):
        return False
    approval.finish(payout, version, actor=POLICY, now=now, note="")
    return True


def _same(existing: Payout, payee_id: int, currency: str, amount_minor: int) -> Payout:
    if (existing.payee_id, existing.currency, existing.amount_minor) != (payee_id, currency, amount_minor):
        raise Conflict(
            f"{existing.reference} was made with the same key for another payee or amount. Nothing was made."
        )
    return existing


def _payee(organisation_id: int, payee_id: int) -> Payee:
    payee = db.session.scalar(
        select(Payee).where(Payee.organisation_id == organisation_id, Payee.id == payee_id)
    )
    if payee is None:
        raise NotFound("There is no such payee.")
    check_active(payee)
    return payee


def check_active(payee: Payee) -> None:
    """Refuse a payee who is switched off. Raises Invalid."""
    if not payee.is_active:
        raise Invalid("payee", f"{payee.name} is switched off as a payee. Switch them on first.")


def check_least(payee: Payee, amount: Money, policy: Policy) -> None:
    """Refuse less than the smallest payout that programs make by themselves. Raises Invalid."""
    if amount.currency == policy.currency and amount.amount < policy.minimum_minor:
        least = Money(policy.minimum_minor, policy.currency).format()
        raise Invalid("amount", f"{payee.name} has less than the smallest payout, {least}, so far.")


def check_lines(lines: list[LineDraft], currency: str, start: date, end: date) -> tuple[Money, int]:
    """What the lines of a payout come to: (amount, gross minor units). Raises Invalid with the field."""
    if not lines:
        raise Invalid("lines", "A payout needs at least one line.")
    if end < start:
        raise Invalid("period_end", "The period ends before it begins.", start.isoformat())
    for line in lines:
        if line.kind not in LINE_KINDS:
            raise Invalid("lines", f"{line.kind!r} is not a kind of line.", "earning")
    amount = amount_of(lines)
    if amount <= 0:
        raise Invalid(
            "amount", f"The lines add up to {Money(amount, currency).format()}; nothing is to be paid."
        )
    if amount > MAXIMUM_MINOR:
        raise Invalid("amount", "This is larger than Paydesk accepts.")
    return Money(amount, currency), gross_of(lines)


def _lines(drafts: Sequence[LineDraft]) -> list[PayoutLine]:
    return [
        PayoutLine(
            position=position,
            kind=draft.kind,
            description=draft.description[:300],
            occurred_on=draft.occurred_on,
            quantity=draft.quantity,
            unit=draft.unit,
            rate=draft.rate,
            formula=draft.formula[:300],
            amount_minor=draft.amount_minor,
            source_type=draft.source_type,
            source_id=draft.source_id,
            source_label=draft.source_label[:120],
            details=dict(draft.details),
        )
        for position, draft in enumerate(drafts, start=1)
    ]


def refuse_claimed(
    organisation_id: int, payee: Payee, lines: Sequence[LineDraft], sources: Sequence[SourceDraft]
) -> None:
    """A source record is in at most one live payout of a payee. Raises Conflict that names those at fault."""
    labels = {(line.source_type, line.source_id): line.source_label for line in lines if line.source_label}
    faults = []
    for source_type in sorted({s.source_type for s in sources}):
        ids = [s.source_id for s in sources if s.source_type == source_type]
        for source_id, reference in queries.live_claims(organisation_id, payee.id, source_type, ids):
            label = labels.get((source_type, source_id)) or f"{source_type} {source_id}"
            faults.append(f"{label} is in {reference}")
    if faults:
        shown = "; ".join(faults[:20]) + (f"; and {len(faults) - 20} more" if len(faults) > 20 else "")
        raise Conflict(f"{payee.name} is being paid for this already: {shown}. Nothing was made.")


def _claim(payout: Payout, payee: Payee, sources: Sequence[SourceDraft]) -> None:
    name = payee.name  # a failed flush leaves no transaction to read it in
    for source in dict.fromkeys(sources):
        db.session.add(
            SourceClaim(
                organisation_id=payout.organisation_id,
                payout_id=payout.id,
                payee_id=payee.id,
                source_type=source.source_type,
                source_id=source.source_id,
            )
        )
    try:
        db.session.flush()
    except IntegrityError as error:
        # Somebody else claimed one of them between our look and our write: the unique key let one through.
        raise Conflict(
            f"Another payout to {name} for one of these records has just been made. Nothing was made."
        ) from error


def _record_creation(payout: Payout, actor: Actor, now: datetime) -> None:
    turns.add("created", payout.organisation_id, payout.id, now)
    audit.record(
        tag="payouts:payout:created",
        actor=actor,
        now=now,
        organisation_id=payout.organisation_id,
        subject_type=records.SUBJECT,
        subject_id=payout.id,
        subject_label=payout.reference,
        changes={
            "amount": [None, queries.amount_of(payout).plain],
            "currency": [None, payout.currency],
            "state": [None, payout.state],
            "approvals needed": [None, payout.approvals_needed],
        },
    )


def edit(
    *,
    organisation_id: int,
    reference: str,
    actor: Actor,
    now: datetime,
    note: str | None = None,
    lines: Sequence[LineDraft] | None = None,
    period_start: date | None = None,
    period_end: date | None = None,
    expected_version: int | None = None,
) -> Result:
    """Change note, lines or period of a payout that waits for approval. None leaves a part as it is.

    Changed lines or period void the approvals given so far. Raises IllegalTransition, Invalid, StaleVersion.
    """
    payout = records.lock(organisation_id, reference)
    records.check_version(payout, expected_version)
    state = next_state(payout.state, PayoutAction.EDIT)
    if payout.rail == WALLET and lines is not None:
        raise NotAllowed([f"What {reference} pays follows from its records. Cancel it and make a new one."])
    changes: dict[str, object] = {}
    if note is not None and note != payout.note:
        changes["note"] = [payout.note, note]
        payout.note = note
    material = _edit_period(payout, period_start, period_end)
    if lines is not None:
        material |= _edit_lines(payout, list(lines))
    if not changes and not material:
        return Result(payout, True, f"{reference} is as you want it; nothing was changed.")
    if material:
        payout.round += 1
    _exclude(payout, actor, CHANGED_LINES if material else EDITED)
    records.change(payout, PayoutAction.EDIT, state, actor=actor, now=now, changes={**changes, **material})
    return Result(payout, False, f"{reference} was changed. It still waits for approval.")


def _edit_period(payout: Payout, start: date | None, end: date | None) -> dict[str, object]:
    start, end = start or payout.period_start, end or payout.period_end
    if (start, end) == (payout.period_start, payout.period_end):
        return {}
    if end < start:
        raise Invalid("period_end", "The period ends before it begins.", start.isoformat())
    old = [payout.period_start.isoformat(), payout.period_end.isoformat()]
    payout.period_start, payout.period_end = start, end
    return {"period": [old, [start.isoformat(), end.isoformat()]]}


def _edit_lines(payout: Payout, lines: list[LineDraft]) -> dict[str, object]:
    amount, gross = check_lines(lines, payout.currency, payout.period_start, payout.period_end)
    before = [_summary(line) for line in payout.lines]
    after = [_summary(line) for line in _lines(lines)]
    if before == after:
        return {}
    changes: dict[str, object] = {"lines": [digest(before), digest(after)]}
    if amount.amount != payout.amount_minor:
        changes["amount"] = [queries.amount_of(payout).plain, amount.plain]
    # The old lines go first: the new ones take their positions.
    payout.lines.clear()
    db.session.flush()
    payout.lines.extend(_lines(lines))
    payout.gross_minor, payout.amount_minor = gross, amount.amount
    policy, _ = policies.current_policy(payout.organisation_id)
    payout.approvals_needed = approvals_needed(policy, amount, payout.is_automatic)
    return changes


def _summary(line: PayoutLine) -> list[object]:
    return [
        line.kind,
        line.description,
        line.amount_minor,
        line.quantity,
        line.rate,
        line.formula,
        line.source_id,
    ]


def _exclude(payout: Payout, actor: Actor, reason: str) -> None:
    """Who edits does not approve: for a note only the last editor, for what is paid everybody who changed it."""
    db.session.execute(
        delete(ApprovalExclusion).where(
            ApprovalExclusion.payout_id == payout.id, ApprovalExclusion.reason == EDITED
        )
    )
    db.session.expire(payout, ["exclusions"])
    known = {(e.user_id, e.reason) for e in payout.exclusions}
    if actor.user_id is not None and (actor.user_id, reason) not in known:
        payout.exclusions.append(ApprovalExclusion(user_id=actor.user_id, reason=reason))
    db.session.flush()
