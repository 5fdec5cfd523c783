"""The one writer of the inbox: a message is stored once, however often and by however many it is brought at once."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import exists, select, update

from webapp import queue, secrets
from webapp.audit import service as audit
from webapp.connections.queries import Receiver
from webapp.database import db, lock_row, upsert
from webapp.inbox import proving
from webapp.inbox.models import MessageState, WebhookMessage
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict, Invalid
from webapp.kernel.ids import new_uid
from webapp.outbox import service as outbox
from webapp.outbox.models import OutboxMessage

KIND = "webhook.process"
BODY_OF = "webhook_messages.body"
# A message that nobody has looked at for so long is put back into the outbox.
FORGOTTEN = timedelta(minutes=1)


def receive(account: Receiver, body: bytes, headers: Mapping[str, str], now: datetime) -> bool:
    """Keep a message whose signature is right. True: it is new and a worker will look at it; False: it came before.

    `headers` have names in lower case. One statement decides, so the same message brought by many at once is one row.
    """
    uid, digest = new_uid(), hashlib.sha256(body).hexdigest()
    event, subject = proving.subject_of(account.provider, body, headers)
    sealed = secrets.key_ring().encrypt(
        {"body": base64.b64encode(body).decode()}, secrets.binding(BODY_OF, uid)
    )
    values = {
        "uid": uid,
        "organisation_id": account.organisation_id,
        "account_id": account.account_id,
        "provider": account.provider,
        "body_sha256": digest,
        "body_encrypted": sealed,
        "headers": proving.kept_headers(headers),
        "event": event,
        "subject": subject,
        "state": MessageState.NEW.value,
        "note": "",
        "times_received": 1,
        "received_at": now,
        "last_received_at": now,
    }
    statement = _upsert(db.session().get_bind().dialect.name)
    message_id, times = db.session.execute(statement, values).one()
    if times > 1:
        return False
    _ask(message_id, account.organisation_id, "1", now)
    return True


@cache
def _upsert(dialect: str) -> Any:
    """Written once: putting the statement together takes longer than executing it."""
    table = WebhookMessage.__table__
    statement = upsert(table, dialect)
    return statement.on_conflict_do_update(
        index_elements=["account_id", "body_sha256"],
        set_={
            "times_received": table.c.times_received + 1,
            "last_received_at": statement.excluded.last_received_at,
        },
    ).returning(table.c.id, table.c.times_received)


def count_repeat(account: Receiver, body: bytes, now: datetime) -> bool:
    """Count a message that was stored before once more; False when it never was."""
    done: Any = db.session.execute(
        update(WebhookMessage)
        .where(
            WebhookMessage.account_id == account.account_id,
            WebhookMessage.body_sha256 == hashlib.sha256(body).hexdigest(),
        )
        .values(times_received=WebhookMessage.times_received + 1, last_received_at=now)
        .execution_options(synchronize_session=False)
    )
    return bool(done.rowcount == 1)


def _ask(message_id: int, organisation_id: int, part: str, now: datetime) -> bool:
    return outbox.add(
        kind=KIND,
        reference_id=message_id,
        dedupe_key=f"{KIND}:{message_id}:{part}",
        to_queue=queue.MONEY,
        organisation_id=organisation_id,
        now=now,
    )


def settle(*, message_id: int, state: MessageState, note: str, now: datetime) -> None:
    """Write down what became of a message; one that was settled meanwhile keeps its word."""
    db.session.execute(
        update(WebhookMessage)
        .where(WebhookMessage.id == message_id, WebhookMessage.state == MessageState.NEW.value)
        .values(state=state.value, note=proving.plain(note, 500), processed_at=now)
        .execution_options(synchronize_session=False)
    )


def replay(
    *, organisation_id: int, message_id: int, note: str, actor: Actor, now: datetime
) -> WebhookMessage:
    """Have a message looked at again. Raises NotFound, Invalid without a note, Conflict while it waits already."""
    reason = " ".join(note.split())
    if not reason or len(reason) > 500:
        raise Invalid("note", "Say why it is looked at again.", "The transfer was entered by hand.")
    row = lock_row(
        WebhookMessage, WebhookMessage.id == message_id, WebhookMessage.organisation_id == organisation_id
    )
    if row.state == MessageState.NEW:
        raise Conflict("This message waits for a worker already. Look again in a minute.")
    before, row.state, row.note, row.processed_at = row.state, MessageState.NEW.value, "", None
    db.session.flush()
    _ask(row.id, organisation_id, f"replay:{now.timestamp():.6f}", now)
    audit.record(
        tag="inbox:message:replayed",
        actor=actor,
        now=now,
        organisation_id=organisation_id,
        subject_type="webhook_message",
        subject_id=row.id,
        subject_label=f"{row.event or 'Message'} {row.subject}".strip(),
        changes={"state": [before, row.state]},
        note=reason,
    )
    return row


def recover(*, now: datetime, limit: int = 500) -> int:
    """Put messages back into the outbox that are new for longer than a minute and that nothing waits to look at."""
    waiting = exists().where(
        OutboxMessage.kind == KIND, OutboxMessage.reference_id == WebhookMessage.id, outbox.is_open()
    )
    rows = db.session.execute(
        select(WebhookMessage.id, WebhookMessage.organisation_id)
        .where(
            WebhookMessage.state == MessageState.NEW.value,
            WebhookMessage.last_received_at < now - FORGOTTEN,
            ~waiting,
        )
        .order_by(WebhookMessage.id)
        .limit(limit)
    ).all()
    return sum(_ask(row.id, row.organisation_id, f"sweep:{now:%Y%m%d%H%M}", now) for row in rows)
