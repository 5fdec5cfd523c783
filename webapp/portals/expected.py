"""When a payee may expect a payout: only where the rules, the rail and what has happened so far say so."""

from __future__ import annotations

from collections.abc import Set
from datetime import date, datetime, timedelta

from webapp.kernel.clock import local_date
from webapp.payouts import policies, queries
from webapp.payouts.models import Payout
from webapp.payouts.policy import Policy, stoppable_until
from webapp.payouts.states import PayoutState, TransferState

#: Rails that credit an account on the day on which they take the money, on every day of the week.
SAME_DAY = frozenset({"cashfree", "sandbox", "wallet"})
#: What should have left so long ago waits for something that nobody can foresee.
OVERDUE = timedelta(hours=1)
_ON_THE_WAY = (TransferState.QUEUED.value, TransferState.SUBMITTING.value, TransferState.ACCEPTED.value)


def expected_on(payout: Payout, now: datetime, timezone: str) -> date | None:
    """The day on which the money of a payout can be expected; None where that cannot be known. Three queries at most.

    Known for what is on its way today, and for what is approved and sent without a person, over a rail that credits
    on the same day and is not halted. Reads the payee's `current_method` and `pending_change`.
    """
    if payout.is_held:
        return None
    if payout.state == PayoutState.PROCESSING.value:
        return _on_the_way(payout, now, timezone)
    if payout.state != PayoutState.APPROVED.value:
        return None
    rules, _ = policies.current_policy(payout.organisation_id)
    halted = {switch.rail for switch in policies.halts(payout.organisation_id)}
    at = leaves_at(payout, rules, halted, timezone)
    return None if at is None or at < now - OVERDUE else local_date(max(at, now), timezone)


def leaves_at(payout: Payout, rules: Policy, halted: Set[str], timezone: str) -> datetime | None:
    """The instant at which an approved payout is sent by itself; None where a person, or something else, decides."""
    method = payout.payee.current_method
    if payout.approved_at is None or method is None or payout.payee.pending_change is not None:
        return None
    if payout.program not in rules.paid_by_itself or rules.single_operator.is_on:
        return None
    rail = queries.default_rail(rules, method.kind)
    if rail not in SAME_DAY or halted & {rail, policies.EVERY_RAIL}:
        return None
    # Approved before the cut-off it leaves then, after it at once; new details are waited for.
    cut_off = stoppable_until(rules, payout.program, payout.approved_at, timezone)
    return max(at for at in (payout.approved_at, cut_off, method.cool_off_until) if at is not None)


def _on_the_way(payout: Payout, now: datetime, timezone: str) -> date | None:
    """Today, while the bank has the money of today and nothing is unclear about it."""
    today = local_date(now, timezone)
    if payout.rail not in SAME_DAY or payout.submitted_at is None:
        return None
    transfer = queries.newest_transfer(payout.id)
    is_clear = transfer is not None and transfer.state in _ON_THE_WAY
    return today if is_clear and local_date(payout.submitted_at, timezone) == today else None
