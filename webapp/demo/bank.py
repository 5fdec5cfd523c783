"""The sandbox bank in the demo: what is handed to it, and what it answers."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select

from webapp.database import db, transaction
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict
from webapp.payouts import execution
from webapp.payouts import service as payouts
from webapp.payouts.models import Payout, Transfer
from webapp.payouts.sending import asking
from webapp.payouts.states import PayoutState
from webapp.providers import sandbox


def hand_over(organisation_id: int, payees: Collection[int], actor: Actor, now: datetime) -> None:
    """The approved payouts of these payees are to leave over the sandbox bank. Opens its own transaction."""
    query = select(Payout).where(
        Payout.organisation_id == organisation_id, Payout.state == PayoutState.APPROVED.value
    )
    with transaction():
        for payout in db.session.scalars(query.order_by(Payout.id)).all():
            if payout.payee_id in payees:
                payouts.submit(
                    organisation_id=organisation_id, reference=payout.reference, actor=actor, rail="sandbox", now=now
                )  # fmt: skip


def decide(organisation_id: int, now: datetime, *, closed: int, silent: int | None = None) -> None:
    """The bank gets every transfer and pays it at once: not into a closed account, and of one payee it says nothing."""
    rows = db.session.execute(
        select(Transfer.id, Transfer.transfer_id, Payout.payee_id)
        .join(Payout, Payout.id == Transfer.payout_id)
        .where(Transfer.organisation_id == organisation_id, Transfer.rail == "sandbox")
        .order_by(Transfer.id)
    ).all()
    db.session.rollback()
    for row_id, transfer_id, payee_id in rows:
        execution.send(transfer_row_id=row_id, clock=lambda: now)
        if payee_id == silent:
            continue
        action, code = ("fail", "ACCOUNT_CLOSED") if payee_id == closed else ("settle", "")
        # Without a delay it has decided by itself.
        with contextlib.suppress(Conflict):
            sandbox.act(
                organisation_id=organisation_id, transfer_id=transfer_id, action=action, code=code, now=now
            )
        asking.check(transfer_row_id=row_id, clock=lambda: now)
