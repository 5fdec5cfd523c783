"""What can be told of commission rules beside each other: one that never counts, two that count for the same. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from webapp.programs.partners.rules import Rule, in_force


def in_order(rules: Sequence[Rule], on: date) -> list[Rule]:
    """The rules in force on a day, in the order in which they are asked: the lowest number first, then the older."""
    return sorted(in_force(rules, on), key=lambda rule: (rule.priority, rule.rule_id))


def warnings(rules: Sequence[Rule], on: date) -> dict[int, str]:
    """Rule → what is odd about it on a day: an earlier one takes all that it is for, or has the same number.

    Rules that only count together cannot be told this way: nothing is said of them.
    """
    found: dict[int, str] = {}
    ordered = in_order(rules, on)
    for n, rule in enumerate(ordered):
        if wider := next((each for each in ordered[:n] if covers(each, rule)), None):
            found[rule.rule_id] = (
                f"It counts for no deal: “{wider.label}” comes first, and is for all that it is for."
            )
        elif equal := next(
            (r for r in ordered[:n] if r.priority == rule.priority and overlap(r, rule)), None
        ):
            found[rule.rule_id] = (
                f"“{equal.label}” has the same number and is older: it counts where both fit."
            )
    return found


def covers(wide: Rule, narrow: Rule) -> bool:
    """Whether a rule is for every deal that another is for."""
    same = (
        wide.program_id in (None, narrow.program_id)
        and wide.partner_type in ("", narrow.partner_type)
        and wide.tier in ("", narrow.tier)
        and wide.product.casefold() in ("", narrow.product.casefold())
        and wide.currency in ("", narrow.currency)
    )
    longer = wide.months is None or (narrow.months is not None and narrow.months <= wide.months)
    return same and longer and wide.least_deal_minor <= narrow.least_deal_minor


def overlap(one: Rule, other: Rule) -> bool:
    """Whether there can be a deal that two rules are for."""
    pairs = (
        (one.program_id or "", other.program_id or ""),
        (one.partner_type, other.partner_type),
        (one.tier, other.tier),
        (one.product.casefold(), other.product.casefold()),
        (one.currency, other.currency),
    )
    return all(not mine or not theirs or mine == theirs for mine, theirs in pairs)
