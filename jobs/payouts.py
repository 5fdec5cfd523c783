"""What workers do for payouts: send transfers, ask about them, retry, put back what was lost."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from datetime import datetime

from webapp.outbox.service import Later
from webapp.payouts import execution, recovery


def send_transfers(reference_ids: Sequence[int]) -> Mapping[int, Later | Exception]:
    """Send transfers, each once."""
    worker = f"{socket.gethostname()}:{os.getpid()}"
    return execution.send_many(transfer_row_ids=reference_ids, worker=worker)


def check_transfers(reference_ids: Sequence[int]) -> Mapping[int, Later | Exception]:
    """Ask the bank about transfers, as planned."""
    return execution.check_many(transfer_row_ids=reference_ids, is_scheduled=True)


def ask_transfer(reference_id: int) -> Later | None:
    """Ask the bank about transfer `reference_id` because a person wants to know now."""
    return execution.check(transfer_row_id=reference_id, source="operator")


def retry_payout(reference_id: int) -> Later | None:
    """Try payout `reference_id` again, if its time has come and nothing stops it."""
    return execution.retry_due(payout_id=reference_id)


def pay_payout(reference_id: int) -> Later | None:
    """Send payout `reference_id`, if its rules want no person for it and nothing stops it."""
    return execution.pay_due(payout_id=reference_id)


def recover(organisation_id: int, due_at: datetime, now: datetime) -> None:
    """Periodic: what a dead worker left behind."""
    recovery.reap_leases()
    recovery.sweep()
