"""Whether the account that payouts leave covers the next one, without asking the provider before each.

What the provider said is believed for half a minute, less what was sent since. Before anything is stopped for want of
money, the provider is asked again. Several workers may together send a little more than there is: then the provider
refuses the last ones, which are tried again once the account is funded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from flask import g

from webapp.providers import registry

log = structlog.get_logger()

BELIEVED = timedelta(seconds=30)
TOO_LOW = "The account that payouts leave is too low. Fund it, then lift the halt."


@dataclass
class _Known:
    """Minor units (None: the provider does not say) at an instant."""

    available: int | None
    at: datetime


def is_too_low(
    *, organisation_id: int, rail: str, currency: str, amount_minor: int, clock: Callable[[], datetime]
) -> bool:
    """Whether the provider says that there is less than `amount_minor`. Call it outside any transaction.

    The provider may think for long: what it says is believed from its answer on, not from the question.
    """
    now = clock()
    known = _known().get((organisation_id, rail, currency))
    is_fresh = known is not None and timedelta() <= now - known.at < BELIEVED
    if known is not None and is_fresh and (known.available is None or known.available >= amount_minor):
        return False
    known = _ask(organisation_id, rail, currency, clock)
    return known.available is not None and known.available < amount_minor


def take(*, organisation_id: int, rail: str, currency: str, amount_minor: int) -> None:
    """What is being sent is not there any more."""
    known = _known().get((organisation_id, rail, currency))
    if known is not None and known.available is not None:
        known.available -= amount_minor


def _ask(organisation_id: int, rail: str, currency: str, clock: Callable[[], datetime]) -> _Known:
    try:
        available = registry.rail(rail).balance(organisation_id, currency)
    except Exception:
        # Not knowing is no reason to stop: the provider itself refuses what is not covered.
        log.exception("rail.balance_broke", rail=rail)
        available = None
    known = _known()[organisation_id, rail, currency] = _Known(available, clock())
    return known


def _known() -> dict[tuple[int, str, str], _Known]:
    """Lives as long as the application context: a worker's round, a test."""
    found: dict[tuple[int, str, str], _Known] = g.setdefault("payouts_balances", {})
    return found
