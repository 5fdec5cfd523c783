"""What becomes of a message: whoever registered for its provider asks the provider, outside any transaction.

The functions here open their own transactions; jobs call them. A message is a hint to look, never a fact.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from webapp.database import db, transaction
from webapp.inbox import service
from webapp.inbox.models import MessageState, WebhookMessage
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import PaydeskError
from webapp.outbox.service import Later

log = structlog.get_logger()
# A message that had to wait for so long waits for a person.
PATIENCE = timedelta(hours=6)


@dataclass(frozen=True)
class Outcome:
    """What became of a message, and a sentence about it."""

    state: MessageState
    note: str = ""


# Gets the organisation, our own id that the message speaks of, and the event's name; no transaction is open.
Handler = Callable[[int, str, str], "Outcome | Later"]
_handlers: dict[str, Handler] = {}


def register(provider: str, handler: Handler) -> None:
    """Have a provider's messages looked at by `handler`: it asks the provider and lets the answer take effect."""
    _handlers[provider] = handler


def handler_of(provider: str) -> Handler | None:
    """Who looks at a provider's messages."""
    return _handlers.get(provider)


def process(*, message_id: int, clock: Callable[[], datetime] = utc_now) -> Later | None:
    """Look at a message that is new. Later: what it is about cannot be asked for yet. Safe to repeat at any time."""
    with transaction():
        row = db.session.execute(
            select(
                WebhookMessage.organisation_id,
                WebhookMessage.provider,
                WebhookMessage.subject,
                WebhookMessage.event,
                WebhookMessage.state,
                WebhookMessage.last_received_at,
            ).where(WebhookMessage.id == message_id)
        ).one_or_none()
    if row is None or row.state != MessageState.NEW:
        return None
    outcome = _outcome(row.provider, row.organisation_id, row.subject, row.event, message_id)
    now = clock()
    if isinstance(outcome, Later):
        if now - row.last_received_at < PATIENCE:
            return outcome
        outcome = Outcome(
            MessageState.FAILED, f"{outcome.reason} It waited for {PATIENCE.seconds // 3600} hours."
        )
    with transaction():
        service.settle(message_id=message_id, state=outcome.state, note=outcome.note, now=now)
    return None


def _outcome(
    provider: str, organisation_id: int, subject: str, event: str, message_id: int
) -> Outcome | Later:
    handler = handler_of(provider)
    if handler is None:
        return Outcome(MessageState.IGNORED, "Nothing here looks at messages of this provider.")
    try:
        return handler(organisation_id, subject, event)
    except OperationalError:
        raise  # the database is busy or away: the outbox tries again
    except PaydeskError as error:
        db.session.rollback()
        return Outcome(MessageState.FAILED, error.message)
    except Exception as error:
        db.session.rollback()
        log.exception("webhook.broke", provider=provider, message_id=message_id)
        said = f"It could not be applied ({type(error).__name__}). The log has the details."
        return Outcome(MessageState.FAILED, said)


def recover(*, clock: Callable[[], datetime] = utc_now) -> int:
    """Put forgotten messages back; returns how many."""
    with transaction():
        return service.recover(now=clock())
