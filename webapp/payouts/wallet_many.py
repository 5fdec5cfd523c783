"""Many payouts into wallets with a few statements: the same rows that making them one by one leaves.

Only what the policy approves without a person is made here. The caller has locked and checked what it pays for, books
the entries last (`post`), and writes one event for the whole batch into the trail.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from webapp import queue
from webapp.database import db
from webapp.kernel.actor import POLICY, Actor
from webapp.kernel.clock import local_date
from webapp.kernel.money import Money
from webapp.ledger import service as ledger
from webapp.outbox import service as outbox
from webapp.payouts import policies, rows, turns, wallet
from webapp.payouts.drafts import ExclusionDraft, LineDraft, SourceDraft, amount_of, gross_of
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
    found = [
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
    ids = rows.insert_payouts(found)
    _insert_parts(organisation_id, ids, found, drafts, version, actor, now)
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
        for row, draft in zip(found, drafts, strict=True)
    ]


def _insert_parts(
    organisation_id: int,
    ids: dict[str, int],
    found: Sequence[dict[str, Any]],
    drafts: Sequence[WalletDraft],
    policy_version: int,
    actor: Actor,
    now: datetime,
) -> None:
    parts = [
        rows.Parts(ids[row["reference"]], draft.payee.id, draft.lines, draft.sources, draft.exclusions)
        for row, draft in zip(found, drafts, strict=True)
    ]
    rows.insert_parts(organisation_id, parts)
    approvals = [
        {
            "payout_id": ids[row["reference"]],
            "approver_id": None,
            "approver_label": POLICY.label,
            "maker_id": actor.user_id,
            "fingerprint": row["fingerprint"],
            "policy_version": policy_version,
            "at": now,
        }
        for row in found
    ]
    rows.insert_approvals(approvals)


def _tell(payouts: Sequence[wallet.WalletPayout], now: datetime) -> None:
    """Ask for the e-mails of many: the same rows that one by one asks for."""
    for payout in payouts:
        for word in ("created", "approved", "paid"):
            turns.add(word, payout.organisation_id, payout.id, now)
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
