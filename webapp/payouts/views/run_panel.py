"""The panel on the page of a bulk approval that is over: what was approved, when it leaves, and how it is stopped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from flask import g, url_for

from webapp.kernel.clock import utc_now
from webapp.kernel.money import Money
from webapp.payouts import approved_runs, policies, policy, queries
from webapp.payouts.approved_runs import Part
from webapp.payouts.forms import RAIL_WORDS
from webapp.payouts.states import PayoutState
from webapp.runs.models import Run
from webapp.web.filters import money

TEMPLATE = "approvals/_after.html"


def after(run: Run) -> tuple[str, dict[str, Any]] | None:
    """The template and its values; None where the run approved nothing."""
    parts = approved_runs.parts(run)
    if not parts:
        return None
    waiting = [part for part in parts if part.state == PayoutState.PENDING_APPROVAL]
    approved = [part for part in parts if part.state != PayoutState.PENDING_APPROVAL]
    rules, _ = policies.current_policy(g.organisation.id)
    stoppable = _count(part for part in parts if part.is_stoppable)
    values = {
        "after_heading": f"{_payouts(_count(approved))} approved",
        "after_facts": [
            ("Approved", f"{_count(approved):,}"),
            ("Sum", _sums(approved)),
            ("Reference of this run", run.reference),
        ],
        "after_sentences": [
            *_leaving(approved, rules, utc_now()),
            *_standing(approved),
            *_unfinished(_count(waiting)),
        ],
        "stoppable": stoppable,
        "list_href": url_for("admin.payouts.index", run=run.reference, status=PayoutState.APPROVED.value)
        if stoppable
        else url_for("admin.payouts.index", run=run.reference),
        "can_hold": "admin" in g.roles and stoppable > 0,
        "check_href": url_for("admin.approvals.check"),
    }
    return TEMPLATE, values


def _count(parts: Iterable[Part]) -> int:
    return sum(part.count for part in parts)


def _payouts(n: int) -> str:
    return "1 payout" if n == 1 else f"{n:,} payouts"


def _sums(parts: Iterable[Part]) -> str:
    sums: dict[str, Money] = {}
    for part in parts:
        code = part.total.currency
        sums[code] = sums[code] + part.total if code in sums else part.total
    return " and ".join(money(sums[code]) for code in sorted(sums)) or money(
        Money(0, g.organisation.currency)
    )


def _unfinished(n: int) -> list[str]:
    return [f"{n:,} more {'needs' if n == 1 else 'need'} another person's approval."] if n else []


def _leaving(parts: Sequence[Part], rules: policy.Policy, now: datetime) -> Iterator[str]:
    """When the payouts that nobody has been asked to pay yet leave, over which rail, and who must act for it."""
    found: Counter[str] = Counter()
    for part in parts:
        if part.is_stoppable:
            found[_when(part, rules, now)] += part.count
    for text, n in found.items():
        yield text.format(n=_payouts(n), leave="leaves" if n == 1 else "leave", wait="waits" if n == 1 else "wait",
                          it="it" if n == 1 else "them", self="itself" if n == 1 else "themselves",
                          are="is" if n == 1 else "are")  # fmt: skip


def _when(part: Part, rules: policy.Policy, now: datetime) -> str:
    if not part.method_kind:
        return "{n} {wait} for the payee's payment details."
    rail = queries.default_rail(rules, part.method_kind)
    if rail == "manual":
        return "{n} {are} paid by hand: pay outside Paydesk, then mark {it} as paid."
    over = RAIL_WORDS.get(rail, rail.capitalize())
    if part.program not in rules.paid_by_itself or rules.single_operator.is_on:
        return f"{{n}} {{leave}} when an admin sends {{it}}. Rail: {over}."
    until = policy.stoppable_until(rules, part.program, now, g.organisation.timezone)
    if until is not None and until > now:
        at = f"{until:%H:%M} {until.tzname()}"
        return f"{{n}} {{leave}} by {{self}} at {at}. You can hold {{it}} until then. Rail: {over}."
    return f"{{n}} {{leave}} by {{self}} within minutes, unless something keeps {{it}} back. Rail: {over}."


def _standing(parts: Sequence[Part]) -> Iterator[str]:
    """What became of the others."""
    held = _count(p for p in parts if p.is_held)
    left = _count(p for p in parts if not p.is_held and p.state in (PayoutState.PROCESSING, PayoutState.PAID))
    rest = _count(parts) - held - left - _count(p for p in parts if p.is_stoppable)
    if held:
        yield f"{_payouts(held)} {'is' if held == 1 else 'are'} on hold."
    if left:
        yield f"{_payouts(left)} {'has' if left == 1 else 'have'} left already."
    if rest:
        yield f"{_payouts(rest)} failed, came back or {'was' if rest == 1 else 'were'} cancelled since."
