"""What workers do for rents: ask the gateway, share out, give back."""

from __future__ import annotations

from webapp.programs.rentals import collecting, returns


def check_payment(reference_id: int) -> None:
    """Ask the gateway what became of payment `reference_id`, as planned."""
    collecting.check(payment_id=reference_id, is_scheduled=True)


def share(reference_id: int) -> None:
    """Share the rent of payment `reference_id` out and pay the owners."""
    collecting.share(payment_id=reference_id)


def work_return(reference_id: int) -> None:
    """Order return `reference_id` at the gateway, or ask what became of it."""
    returns.work(return_id=reference_id)
