"""Three bugs that such systems really have, put in on purpose: the proof must notice each of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select

from webapp.database import db, transaction
from webapp.kernel.ids import new_transfer_id
from webapp.payouts import execution, settlement
from webapp.payouts.models import Payout, Transfer
from webapp.payouts.sending import claims
from webapp.payouts.sending.gate import Gate
from webapp.payouts.states import TransferState
from webapp.providers.ports import Answer, Outcome


@contextmanager
def naive_claim() -> Iterator[None]:
    """Read the state, and write the new one later: two workers read the same."""

    def claim(row_ids: Sequence[int], worker: str, clock: Callable[[], datetime]) -> claims.Claimed:
        found = claims.Claimed()
        for row_id in row_ids:
            if (made := take(row_id, clock())) is not None:
                found.claims.append(made)
                found.gates[made.lane] = Gate()
        return found

    def take(row_id: int, now: datetime) -> claims.Claim | None:
        with transaction():
            transfer = db.session.scalars(select(Transfer).where(Transfer.id == row_id)).one()
            if transfer.state != TransferState.QUEUED:
                return None
            payout = db.session.get_one(Payout, transfer.payout_id)
            order = claims.order_of(payout, transfer)
            made = claims.Claim(
                row_id, transfer.rail, order, transfer.sends + 1, now + timedelta(seconds=120)
            )
        with transaction():
            transfer = db.session.get_one(Transfer, row_id)
            transfer.state, transfer.sends = TransferState.SUBMITTING.value, made.sends
            transfer.lease_until = made.lease_until
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(execution, "_claim", claim)
        yield


@contextmanager
def new_id_on_time_out() -> Iterator[None]:
    """No answer? Then send it again, with an id that the bank does not know yet."""
    real = settlement.apply_send

    def apply_send(payout: Payout, transfer: Transfer, sends: int, answer: Answer, *rest: Any) -> None:
        if answer.outcome is Outcome.UNKNOWN and sends == 1 and transfer.state == TransferState.SUBMITTING:
            transfer.transfer_id = new_transfer_id()
            settlement.requeue(transfer, rest[0])
            return
        real(payout, transfer, sends, answer, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settlement, "apply_send", apply_send)
        yield


@contextmanager
def no_inbox_key() -> Iterator[None]:
    """Every message that arrives is a new one, also when it came before."""
    from webapp.inbox import service

    def sha256(body: bytes) -> Any:
        # The key of the table is made unlike every other, as if there were none.
        return hashlib.sha256(body + new_transfer_id().encode())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service, "hashlib", SimpleNamespace(sha256=sha256))
        yield
