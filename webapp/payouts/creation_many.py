"""Many payouts made at once, with a few statements: the same rows, trail and entries as `creation.create` one by one.

For payouts that programs make by the hundred, each of records that nobody paid for yet. What the policy approves
without a person is approved here; the rest waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import select

from webapp import queue
from webapp.audit import service as audit
from webapp.database import among, ask, db
from webapp.kernel.actor import POLICY, Actor
from webapp.kernel.clock import local_date
from webapp.kernel.errors import Conflict, NotFound
from webapp.kernel.money import Money
from webapp.outbox import service as outbox
from webapp.payouts import creation, entries, policies, records, rows, turns
from webapp.payouts.drafts import ExclusionDraft, LineDraft, SourceDraft
from webapp.payouts.models import SourceClaim
from webapp.payouts.policy import (
    ApprovalFacts,
    PersonFacts,
    Policy,
    approvals_needed,
    fingerprint,
    stoppable_until,
    why_not_approve,
)
from webapp.payouts.states import PayoutAction, PayoutState, next_state
from webapp.people.models import Organisation, Payee, PayoutMethod
from webapp.people.numbers import next_numbers

WAITING = PayoutState.PENDING_APPROVAL
APPROVED = next_state(WAITING.value, PayoutAction.APPROVE)


@dataclass(frozen=True)
class PayoutDraft:
    """One payout to be made: who gets it, how it is worked out, and what it is paid from."""

    payee: Payee
    currency: str
    lines: Sequence[LineDraft]
    sources: Sequence[SourceDraft]
    period_start: date
    period_end: date
    cost_account: str
    # The same key twice makes one payout: the unique key refuses the second, and all that came with it.
    idempotency_key: str
    exclusions: Sequence[ExclusionDraft] = ()
    is_automatic: bool = True


@dataclass(frozen=True)
class _Made:
    """A payout as its row has it, and as the ledger's template takes it."""

    id: int
    reference: str
    payee: Payee
    payee_id: int
    currency: str
    amount_minor: int
    cost_account: str
    approvals_needed: int
    # What the policy's approval is bound to; None: it waits for people.
    fingerprint: str | None


def create_many(
    *, organisation_id: int, program: str, drafts: Sequence[PayoutDraft], actor: Actor, now: datetime
) -> list[int]:
    """Make payouts, all or none; their ids in the order of the drafts.

    The caller has booked what the cost accounts must hold. Raises Invalid, NotFound (payee of another
    organisation), or Conflict that names the source records which are in another live payout.
    """
    if not drafts:
        return []
    organisation = db.session.get_one(Organisation, organisation_id)
    policy, version = policies.current_policy(organisation_id)
    _check(organisation_id, drafts, policy)
    today = local_date(now, organisation.timezone)
    references = next_numbers(organisation_id, f"PO-{today.year}", 6, len(drafts))
    methods = _methods([draft.payee.id for draft in drafts])
    values = [
        _row(reference, draft, methods.get(draft.payee.id), organisation, policy, now)
        for reference, draft in zip(references, drafts, strict=True)
    ]
    common = _common(organisation_id, program, actor, now)
    ids = rows.insert_payouts([{**common, **row} for row in values])
    made = [
        _Made(
            ids[row["reference"]], row["reference"], draft.payee, row["payee_id"], row["currency"],
            row["amount_minor"], row["cost_account"], row["approvals_needed"], row["fingerprint"],
        )
        for row, draft in zip(values, drafts, strict=True)
    ]  # fmt: skip
    rows.insert_parts(
        organisation_id,
        [
            rows.Parts(one.id, one.payee_id, draft.lines, draft.sources, draft.exclusions)
            for one, draft in zip(made, drafts, strict=True)
        ],
    )
    for one in made:
        _record(organisation_id, one, actor, now)
    approved = [one for one in made if one.fingerprint is not None]
    _approve(organisation, program, policy, version, approved, actor, now)
    return [one.id for one in made]


def _check(organisation_id: int, drafts: Sequence[PayoutDraft], policy: Policy) -> None:
    """What `create` refuses, in its words."""
    for draft in drafts:
        if draft.payee.organisation_id != organisation_id:
            raise NotFound("There is no such payee.")
        creation.check_active(draft.payee)
        amount, _ = creation.check_lines(
            list(draft.lines), draft.currency, draft.period_start, draft.period_end
        )
        if draft.is_automatic:
            creation.check_least(draft.payee, amount, policy)
    _refuse_claimed(organisation_id, drafts)


def _refuse_claimed(organisation_id: int, drafts: Sequence[PayoutDraft]) -> None:
    """One look for all; whoever is at fault is then named as `create` names them. Raises Conflict."""
    claimed = set()
    for source_type in sorted({source.source_type for draft in drafts for source in draft.sources}):
        ids = [s.source_id for draft in drafts for s in draft.sources if s.source_type == source_type]
        claimed |= {
            tuple(row)
            for row in ask(
                select(SourceClaim.payee_id, SourceClaim.source_type, SourceClaim.source_id).where(
                    SourceClaim.organisation_id == organisation_id,
                    SourceClaim.source_type == source_type,
                    among(SourceClaim.source_id, ids),
                    SourceClaim.released_at.is_(None),
                )
            )
        }
    for draft in drafts:
        if any((draft.payee.id, s.source_type, s.source_id) in claimed for s in draft.sources):
            creation.refuse_claimed(organisation_id, draft.payee, draft.lines, draft.sources)
            raise Conflict(f"{draft.payee.name} is being paid for this already. Nothing was made.")


def _methods(payee_ids: Sequence[int]) -> dict[int, int]:
    """Payee -> where their money goes now."""
    found = select(PayoutMethod.payee_id, PayoutMethod.id).where(
        among(PayoutMethod.payee_id, payee_ids), PayoutMethod.is_current.is_(True)
    )
    return {row.payee_id: row.id for row in ask(found)}


def _row(
    reference: str,
    draft: PayoutDraft,
    method_id: int | None,
    organisation: Organisation,
    policy: Policy,
    now: datetime,
) -> dict[str, Any]:
    """The columns in which payouts differ; one that the policy approves is stored as approved."""
    amount, gross = creation.check_lines(
        list(draft.lines), draft.currency, draft.period_start, draft.period_end
    )
    needed = approvals_needed(policy, amount, draft.is_automatic)
    facts = ApprovalFacts(
        person=PersonFacts(None),
        state=WAITING.value,
        amount=amount,
        payee_name=draft.payee.name,
        has_method=method_id is not None,
        is_payee_active=draft.payee.is_active,
        now=now,
        timezone=organisation.timezone,
        created_at=now,
        approved_at=None,
        approved_today_minor=0,
    )
    is_approved = (
        draft.is_automatic
        and needed == 0
        and not policy.single_operator.is_on
        and not why_not_approve(policy, facts)
    )
    return {
        "reference": reference,
        "payee_id": draft.payee.id,
        "currency": draft.currency,
        "gross_minor": gross,
        "amount_minor": amount.amount,
        "period_start": draft.period_start,
        "period_end": draft.period_end,
        "cost_account": draft.cost_account,
        "idempotency_key": draft.idempotency_key,
        "is_automatic": draft.is_automatic,
        "approvals_needed": needed,
        "state": (APPROVED if is_approved else WAITING).value,
        "fingerprint": fingerprint(amount, draft.payee.id, method_id) if is_approved else None,
        "method_id": method_id if is_approved else None,
        "approved_at": now if is_approved else None,
        # Made, and approved: as many changes as one by one.
        "version": 2 if is_approved else 1,
    }


def _common(organisation_id: int, program: str, actor: Actor, now: datetime) -> dict[str, Any]:
    return {
        "organisation_id": organisation_id, "program": program, "is_held": False, "hold_reason": "", "note": "",
        "reason": "", "rail": "", "automatic_retries": 0, "round": 1, "created_by_id": actor.user_id,
        "created_by_label": actor.label, "created_at": now,
    }  # fmt: skip


def _record(organisation_id: int, one: _Made, actor: Actor, now: datetime) -> None:
    """The events that a payout's page shows: one that it was made, one that the policy approved it."""
    common: dict[str, Any] = {
        "organisation_id": organisation_id, "subject_type": records.SUBJECT, "subject_id": one.id,
        "subject_label": one.reference, "now": now,
    }  # fmt: skip
    changes = {
        "amount": [None, Money(one.amount_minor, one.currency).plain],
        "currency": [None, one.currency],
        "state": [None, WAITING.value],
        "approvals needed": [None, one.approvals_needed],
    }
    turns.add("created", organisation_id, one.id, now)
    audit.record(tag="payouts:payout:created", actor=actor, changes=changes, **common)
    if one.fingerprint is not None:
        changes = {"fingerprint": [None, one.fingerprint], "state": [WAITING.value, APPROVED.value]}
        turns.add("approved", organisation_id, one.id, now)
        audit.record(tag="payouts:payout:approved", actor=POLICY, changes=changes, **common)


def _approve(
    organisation: Organisation,
    program: str,
    policy: Policy,
    version: int,
    made: Sequence[_Made],
    actor: Actor,
    now: datetime,
) -> None:
    """What the policy's approval leads to: the decision, the entry, the mail, and that it leaves by itself."""
    rows.insert_approvals(
        [
            {
                "payout_id": one.id, "approver_id": None, "approver_label": POLICY.label, "maker_id": actor.user_id,
                "fingerprint": one.fingerprint, "policy_version": version, "at": now,
            }
            for one in made
        ]
    )  # fmt: skip
    on = local_date(now, organisation.timezone)
    entries.post([(organisation.id, entries.approval(one, on)) for one in made], POLICY, now)
    for one in made:
        _add(organisation.id, "notice.payout.approved", one, f"notice:approved:{one.id}:1", queue.MAIL, now)
    if program in policy.paid_by_itself:
        until = stoppable_until(policy, program, now, organisation.timezone)
        when = until if until is not None and until > now else now
        for one in made:
            _add(organisation.id, "payout.pay", one, f"payout.pay:{one.id}:1", queue.MONEY, now, when)


def _add(
    organisation_id: int, kind: str, one: _Made, key: str, to_queue: str, now: datetime, when: datetime | None = None
) -> None:  # fmt: skip
    outbox.add_at_commit(
        kind=kind, reference_id=one.id, dedupe_key=key, to_queue=to_queue, organisation_id=organisation_id, now=now,
        not_before=when,
    )  # fmt: skip
