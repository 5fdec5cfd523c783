"""What came into the approvals queue since a page of it was made; asked every half minute, so it reads little."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, func, select

from webapp.database import db
from webapp.payouts.models import Payout

#: Counted up to here: more are "99+".
MOST = 99


def newest_id(organisation_id: int) -> int:
    """The newest payout that there is, waiting or not; 0 without any. The end of an index."""
    query = select(func.max(Payout.id)).where(Payout.organisation_id == organisation_id)
    return db.session.scalar(query) or 0


def count_newer(query: Select[Any], since: int) -> int:
    """How many payouts of a query of the queue are newer than this one, up to MOST + 1."""
    newer = query.order_by(None).with_only_columns(Payout.id).where(Payout.id > since).limit(MOST + 1)
    return db.session.scalar(select(func.count()).select_from(newer.subquery())) or 0
