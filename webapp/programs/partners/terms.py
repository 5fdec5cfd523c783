"""On what terms partners take part in deals: recorded with their shares when a deal is won, so that they stay.

A partner's type, tier and own rate as they were on that day, and who set the rate.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import select

from webapp.database import among, ask
from webapp.programs.partners.models import Attribution, PartnerProfile

#: The terms of a share of a deal that is not won.
UNKNOWN: dict[str, Any] = {"partner_type": None, "tier": None, "rate_bp": None, "rate_by_id": None}
#: The terms of a partner of whom nobody has said anything.
NOTHING: dict[str, Any] = {"partner_type": "", "tier": "", "rate_bp": 0, "rate_by_id": None}


def recorded(deal_ids: Collection[int]) -> dict[int, tuple[str, dict[int, dict[str, Any]]]]:
    """By deal that was won: the model that its shares were recorded by, and the terms of each partner."""
    found: dict[int, tuple[str, dict[int, dict[str, Any]]]] = {}
    columns = [getattr(Attribution, name) for name in UNKNOWN]
    query = select(Attribution.deal_id, Attribution.model, Attribution.payee_id, *columns)
    for deal_id, model, payee_id, *values in ask(
        query.where(among(Attribution.deal_id, deal_ids), Attribution.rate_bp.is_not(None))
    ):
        _, by_partner = found.setdefault(deal_id, (model, {}))
        by_partner[payee_id] = dict(zip(UNKNOWN, values, strict=True))
    return found


def of_partners(payee_ids: Collection[int]) -> dict[int, dict[str, Any]]:
    """The terms of partners as they are now."""
    columns = (
        PartnerProfile.payee_id, PartnerProfile.type, PartnerProfile.tier, PartnerProfile.rate_bp,
        PartnerProfile.changed_by_id,
    )  # fmt: skip
    rows = ask(select(*columns).where(among(PartnerProfile.payee_id, sorted(payee_ids))))
    return {payee_id: dict(zip(UNKNOWN, values, strict=True)) for payee_id, *values in rows}
