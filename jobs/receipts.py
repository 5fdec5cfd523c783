"""What workers do for drivers' weekly receipts: write them down for drawing."""

from __future__ import annotations

from webapp.kernel.clock import utc_now
from webapp.programs.repairs import receipt_document


def freeze_receipts(reference_id: int) -> None:
    """Write down what the receipts of weekly run `reference_id` say; each is then drawn for itself."""
    receipt_document.make_of_run(run_id=reference_id, now=utc_now())


def freeze_receipt(reference_id: int) -> None:
    """Write down what receipt `reference_id` says, unless that is done."""
    receipt_document.make_one(receipt_id=reference_id, now=utc_now())
