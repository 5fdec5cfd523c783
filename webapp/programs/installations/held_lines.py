"""How a payout says what it takes off a part: held back, released already, or charged back."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from webapp.payouts.drafts import ExclusionDraft, LineDraft
from webapp.programs.installations.pricing import SOURCE_TYPE, Part
from webapp.programs.installations.retention_rules import HeldBack
from webapp.programs.installations.terms import say_money


def line_draft(part: Part, held: HeldBack) -> LineDraft:
    """The payout line that takes it off; its formula can be checked by hand."""
    installation = part.installation
    return LineDraft(
        kind="deduction",
        description=f"{installation.reference} {words(held)}",
        amount_minor=-held.amount.amount,
        occurred_on=installation.commissioned_on,
        formula=formula(part, held)[:300],
        source_type=SOURCE_TYPE,
        source_id=installation.id,
        source_label=installation.reference,
    )


def words(held: HeldBack) -> str:
    """What it is: "held back until 2027-01-30", "released already with PO-000002", "charged back"."""
    if held.is_waiting or held.earlier is None:
        return f"held back until {held.release_on.isoformat()}"
    with_payout = held.earlier.released_with
    return f"released already with {with_payout}" if with_payout else "charged back"


def formula(part: Part, held: HeldBack) -> str:
    """Where the amount comes from, and what of it was charged with which reason."""
    rate, earlier = Decimal(held.basis_points) / 100, held.earlier
    share = f"{say_money(part.amount)} × {rate.normalize():f} % = {say_money(held.amount)}"
    if earlier is None:
        return share
    before = f"{say_money(earlier.amount)} held back with {earlier.payout}"
    charged = f"{say_money(earlier.charged)} charged back: {earlier.reason}" if earlier.charged.amount else ""
    return "; ".join(filter(None, (share if held.is_waiting else before, charged)))


def exclusions(held: Iterable[HeldBack | None]) -> list[ExclusionDraft]:
    """Who set a charge that the payout bears does not approve it."""
    users = {one.earlier.edited_by_id for one in held if one is not None and one.earlier is not None}
    return [ExclusionDraft(user, "changed what was held back") for user in users if user is not None]
