"""What workers do for payouts in other currencies: their exchange differences are booked."""

from __future__ import annotations

from webapp.kernel.clock import utc_now
from webapp.programs.partners import exchange


def book_difference(reference_id: int) -> None:
    """Book exchange difference `reference_id`, or take it back."""
    exchange.work(difference_id=reference_id, now=utc_now())


def book_differences(reference_id: int) -> None:
    """Book what waited for a rate in organisation `reference_id`."""
    exchange.work_all(organisation_id=reference_id, now=utc_now())
