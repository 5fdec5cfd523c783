"""Many payouts into wallets with a few statements: the same rows that making them one by one leaves.

Only what the policy approves without a person is made here. The caller has locked and checked what it pays for, books
the entries last (`post`), and writes one event for the whole batch into the trail.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from webapp import queue
from webapp.database import db
from webapp.kernel.actor import POLICY, Actor
from webapp.kernel.clock import local_date
from webapp.kernel.errors import Conflict
from webapp.kernel.money import Money
from webapp.ledger import service as ledger
from webapp.outbox import service as outbox
from webapp.payouts import policies, wallet
from webapp.payouts.drafts import ExclusionDraft, LineDraft, SourceDraft, amount_of, gross_of
from webapp.payouts.models import Approval, ApprovalExclusion, Payout, PayoutLine, SourceClaim
from webapp.payouts.policy import WALLET, Policy, approvals_needed, fingerprint
from webapp.payouts.states import PayoutState
from webapp.people.models import Organisation, Payee
from webapp.people.numbers import next_numbers


@dataclass(frozen=True)
class WalletDraft:
    """One payout to be made: who gets it, and how it is worked out."""

    payee: Payee
    currency: str
    lines: Sequence[LineDraft]
    sources: Sequence[SourceDraft]
    on: date
    exclusions: Sequence[ExclusionDraft] = ()

    @property
    def amount_minor(self) -> int:
        """What the payee gets."""
        return amount_of(list(self.lines))


def goes_alone(policy: Policy, amount: Money) -> bool:
    """Whether the policy lets an amount go without a person, so that it can be made here."""
    return not policy.single_operator.is_on and approvals_needed(policy, amount, True) == 0


def insert_paid(
    *,
    organisation_id: int,
    program: str,
    cost_account: str,
    drafts: Sequence[WalletDraft],
    actor: Actor,
    now: datetime,
    run_id: int | None = None,
) -> list[wallet.WalletPayout]:
    """Write the payouts as paid, with lines, claims, exclusions and the policy's approvals; in the drafts' order.

    Raises NotAllowed while payments are halted, Conflict when a source record is in another live payout.
    """
    wallet.refuse_halted(organisation_id)
    _, version = policies.current_policy(organisation_id)
    organisation = db.session.get_one(Organisation, organisation_id)
    today = local_date(now, organisation.timezone)
    references = next_numbers(organisation_id, f"PO-{today.year}", 6, len(drafts))
    common: dict[str, Any] = {
        "organisation_id": organisation_id, "program": program, "cost_account": cost_account, "rail": WALLET,
        "state": PayoutState.PAID.value, "is_automatic": True, "is_held": False, "hold_reason": "", "note": "",
        "reason": "", "approvals_needed": 0, "automatic_retries": 0, "round": 1, "run_id": run_id,
        "paid_on": today, "created_by_id": actor.user_id, "created_by_label": actor.label, "created_at": now,
        "approved_at": now, "submitted_at": now, "paid_at": now,
        # Made, approved and paid: as many changes as one by one.
        "version": 3,
    }  # fmt: skip
    rows = [
        {
            **common,
            "reference": reference,
            "payee_id": draft.payee.id,
            "currency": draft.currency,
            "gross_minor": gross_of(list(draft.lines)),
            "amount_minor": draft.amount_minor,
            "period_start": draft.on,
            "period_end": draft.on,
            "fingerprint": fingerprint(Money(draft.amount_minor, draft.currency), draft.payee.id, None),
        }
        for reference, draft in zip(references, drafts, strict=True)
    ]
    ids = _insert_payouts(rows)
    _insert_parts(organisation_id, ids, rows, drafts, version, actor, now)
    return [
        wallet.WalletPayout(
            id=ids[row["reference"]],
            organisation_id=organisation_id,
            program=program,
            reference=row["reference"],
            payee=draft.payee,
            currency=draft.currency,
            gross_minor=row["gross_minor"],
            amount_minor=row["amount_minor"],
            cost_account=cost_account,
        )
        for row, draft in zip(rows, drafts, strict=True)
    ]


def _insert_payouts(rows: list[dict[str, Any]]) -> dict[str, int]:
    """Reference -> id."""
    statement = insert(Payout).returning(Payout.reference, Payout.id)
    return dict(db.session.connection().execute(statement, rows).all())


def _insert_parts(
    organisation_id: int,
    ids: dict[str, int],
    rows: Sequence[dict[str, Any]],
    drafts: Sequence[WalletDraft],
    policy_version: int,
    actor: Actor,
    now: datetime,
) -> None:
    lines, claims, exclusions, approvals = [], [], [], []
    for row, draft in zip(rows, drafts, strict=True):
        payout_id = ids[row["reference"]]
        lines += [
            {
                "payout_id": payout_id,
                "position": position,
                "kind": line.kind,
                "description": line.description[:300],
                "occurred_on": line.occurred_on,
                "quantity": line.quantity,
                "unit": line.unit,
                "rate": line.rate,
                "formula": line.formula[:300],
                "amount_minor": line.amount_minor,
                "source_type": line.source_type,
                "source_id": line.source_id,
                "source_label": line.source_label[:120],
                "details": dict(line.details),
            }
            for position, line in enumerate(draft.lines, start=1)
        ]
        claims += [
            {
                "organisation_id": organisation_id,
                "payout_id": payout_id,
                "payee_id": draft.payee.id,
                "source_type": source.source_type,
                "source_id": source.source_id,
            }
            for source in dict.fromkeys(draft.sources)
        ]
        exclusions += [
            {"payout_id": payout_id, "user_id": user_id, "reason": reason[:200]}
            for user_id, reason in dict.fromkeys((e.user_id, e.reason) for e in draft.exclusions)
        ]
        approvals.append(
            {
                "payout_id": payout_id,
                "round": 1,
                "approver_id": None,
                "approver_label": POLICY.label,
                "maker_id": actor.user_id,
                "is_single_operator": False,
                "decision": "approved",
                "note": "",
                "fingerprint": row["fingerprint"],
                "policy_version": policy_version,
                "at": now,
            }
        )
    connection = db.session.connection()
    connection.execute(insert(PayoutLine), lines)
    try:
        connection.execute(insert(SourceClaim), claims)
    except IntegrityError as error:
        raise Conflict(
            "One of these records has just been paid by another payout. Nothing was made."
        ) from error
    if exclusions:
        connection.execute(insert(ApprovalExclusion), exclusions)
    connection.execute(insert(Approval), approvals)


def _tell(payouts: Sequence[wallet.WalletPayout], now: datetime) -> None:
    """Ask for the e-mails of many: the same rows that one by one asks for."""
    for payout in payouts:
        outbox.add_at_commit(
            kind="notice.payout.paid",
            reference_id=payout.id,
            dedupe_key=f"notice:paid:{payout.id}:1",
            to_queue=queue.MAIL,
            organisation_id=payout.organisation_id,
            now=now,
        )


def post(payouts: Sequence[wallet.WalletPayout], on: date, actor: Actor, now: datetime) -> None:
    """Book all of them, and what their program sets off, in one call, and have the payees told.

    Raises Conflict when the money is not there.
    """
    _tell(payouts, now)
    entries = [wallet.entry_of(payout, on) for payout in payouts]
    entries += wallet.set_offs(payouts, on, actor, now)
    ledger.post_many(organisation_id=payouts[0].organisation_id, entries=entries, actor=actor, now=now)
