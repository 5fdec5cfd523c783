"""Who changed deals or their touches: whoever makes an amount does not approve it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

from sqlalchemy import select

from webapp.database import among, ask, db, insert_many
from webapp.kernel.actor import Actor
from webapp.programs.partners.models import DealEditor


def remember(deal_ids: Collection[int], actor: Actor) -> None:
    """A person changed these deals, which the caller has locked; whatever is no person approves nothing anyway."""
    if actor.user_id is not None:
        rows = [{"deal_id": deal_id, "user_id": actor.user_id} for deal_id in sorted(set(deal_ids))]
        insert_many(db.session(), DealEditor, rows, ignores_conflicts=True)


def of_deals(deal_ids: Collection[int]) -> dict[int, set[int]]:
    """Deal → the users who changed it or its touches."""
    found: dict[int, set[int]] = defaultdict(set)
    query = select(DealEditor.deal_id, DealEditor.user_id)
    for deal_id, user_id in ask(query.where(among(DealEditor.deal_id, sorted(set(deal_ids))))):
        found[deal_id].add(user_id)
    return found
