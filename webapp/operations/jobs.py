"""What an admin sees of the work behind the pages: their own organisation's messages, and how the machinery does.

What is of the whole installation is shown as counts only; texts of errors only where the row is the organisation's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from redis import RedisError
from sqlalchemy import Select, func, or_, select

from webapp import queue
from webapp.audit import service as audit
from webapp.database import db
from webapp.imports.models import ImportFile
from webapp.inbox.models import WebhookMessage
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict, NotFound
from webapp.logs import scrub_text
from webapp.notices.models import Email
from webapp.operations import facts
from webapp.outbox import service as outbox
from webapp.outbox.models import OutboxMessage
from webapp.payouts.models import Payout, Transfer
from webapp.runs.models import DueTask, Run
from webapp.statements.models import Document

GAVE_UP, WAITING = "gave_up", "waiting"
# Periodic work that is later than this has no scheduler, or one that hangs.
LATE = timedelta(minutes=5)
SILENT = timedelta(minutes=3)

WORK = {
    queue.MONEY: "Sends transfers and asks the bank about them",
    queue.MAIL: "Writes and sends e-mails",
    queue.OUTSIDE: "Talks to others' systems: webhooks, books",
    queue.BULK: "Bulk approvals and payments, imports",
    queue.DOCUMENTS: "Draws statements",
}
KINDS = {
    "transfer.send": "Send a transfer",
    "transfer.check": "Ask the bank about a transfer",
    "transfer.ask": "Ask the bank now",
    "payout.retry": "Try a payout again",
    "payout.pay": "Pay a payout that needs no person",
    "webhook.process": "Look at a message of a provider",
    "webhook.deliver": "Tell another system of a payout",
    "rent.check": "Ask the gateway about a rent",
    "rent.share": "Share a rent out to the owners",
    "rent.return": "Give a rent back",
    "run.step": "Work on a run",
    "import.step": "Work on an import",
    "repairs.week": "Work on the weekly run of repairs",
    "accounting.sync": "Bring the books in line with a payout",
    "partners.exchange": "Book a payout's exchange difference",
    "partners.exchange.all": "Book exchange differences that waited for a rate",
    "email.send": "Send an e-mail",
    "document.remittance": "Ask for a statement",
    "document.render": "Draw a statement",
    "receipt.documents": "Write down the weekly receipts of a run",
    "receipt.document": "Write down a weekly receipt",
}
TASKS = {
    "partners.exchange": "Books exchange differences of payouts that waited for a rate",
    "payouts.recover": "Finds transfers that a stopped worker left behind",
    "payouts.unanswered": "Tells the admins of transfers that have had no answer for a day",
    "runs.recover": "Finds runs that nobody works on",
    "webhooks.recover": "Finds messages of providers that nobody looked at",
    "webhooks.forget": "Forgets webhooks that were settled long ago",
    "imports.recover": "Finds imports that nobody works on",
    "accounting.sweep": "Finds payouts that the books do not know yet",
    "api.forget_old": "Forgets old answers of the API",
    "database.upkeep": "Lets the embedded database look at its tables, to choose indexes well",
}


def kind_words(kind: str) -> str:
    """What a kind of message does, in words."""
    if kind in KINDS:
        return KINDS[kind]
    if kind.startswith("notice."):
        return f"Write the e-mail “{kind.removeprefix('notice.').replace('.', ' ').replace('_', ' ')}”"
    return kind.replace(".", ": ").replace("_", " ").capitalize()


def messages(organisation_id: int, state: str) -> Select[Any]:
    """The organisation's messages that gave up, or that wait; read by `OutboxMessage.id`."""
    query = select(OutboxMessage).where(OutboxMessage.organisation_id == organisation_id)
    if state == GAVE_UP:
        return query.where(OutboxMessage.gave_up_at.is_not(None))
    return query.where(outbox.is_open())


@dataclass(frozen=True)
class Subject:
    """The record that a message is about, and its page."""

    label: str
    endpoint: str
    arguments: dict[str, Any]


def subjects(organisation_id: int, rows: Sequence[OutboxMessage]) -> dict[int, Subject]:
    """What each message is about, by its id; at most one query for each kind of record."""
    found: dict[int, Subject] = {}
    groups = (
        (("transfer.",), select(Transfer.id, Payout.reference).join(Payout, Payout.id == Transfer.payout_id)
         .where(Transfer.organisation_id == organisation_id), "admin.payouts.show", "reference"),
        (("payout.", "notice.payout.", "document.remittance", "accounting.sync"), select(Payout.id, Payout.reference)
         .where(Payout.organisation_id == organisation_id), "admin.payouts.show", "reference"),
        (("run.", "notice.bulk_result"), select(Run.id, Run.reference)
         .where(Run.organisation_id == organisation_id), "admin.runs.show", "reference"),
        (("document.render", "notice.statement"), select(Document.id, Document.number)
         .where(Document.organisation_id == organisation_id), "admin.statements.show", "number"),
        (("import.", "notice.import_result"), select(ImportFile.id, ImportFile.reference)
         .where(ImportFile.organisation_id == organisation_id), "admin.imports.show", "reference"),
        (("webhook.process",), select(WebhookMessage.id, WebhookMessage.event, WebhookMessage.id)
         .where(WebhookMessage.organisation_id == organisation_id), "admin.inbox.show", "message_id"),
        (("email.send",), select(Email.id, Email.subject, Email.id)
         .where(Email.organisation_id == organisation_id), "admin.notices.show", "email_id"),
    )  # fmt: skip
    for beginnings, query, endpoint, name in groups:
        chosen = [row for row in rows if row.kind.startswith(beginnings)]
        if not chosen:
            continue
        wanted = {row.reference_id for row in chosen}
        known = {r[0]: r for r in db.session.execute(query.where(query.selected_columns[0].in_(wanted)))}
        for row in chosen:
            if (hit := known.get(row.reference_id)) is not None:
                found[row.id] = Subject(hit[1], endpoint, {name: hit[-1]})
    return found


@dataclass(frozen=True)
class QueueRow:
    """One queue: what waits in it over the whole installation, and who works on it (None: the store is away)."""

    name: str
    work: str
    waiting: int
    oldest_due: datetime | None
    workers: int | None

    def trouble(self, now: datetime) -> str:
        """What is wrong and who must act; empty when all is well."""
        if self.workers == 0:
            return f"No worker is alive. Start one: paydesk worker {self.name}."
        if self.oldest_due and now - self.oldest_due > LATE:
            return "Work waits longer than it should. Start more workers, or look into the log."
        return ""


def queue_rows() -> list[QueueRow]:
    """Every queue with its depth and its live workers."""
    redis, states = queue.connection(), None
    if redis is not None:
        try:
            states = facts.queues(redis)
        except RedisError:
            states = None
    depths = facts.outbox_depths()
    rows = []
    for name in queue.QUEUES:
        own = [d for d in depths if d.queue == name]
        due = [d.oldest_due for d in own if d.oldest_due is not None]
        workers = states[name].workers if states is not None else None
        rows.append(QueueRow(name, WORK[name], sum(d.waiting for d in own), min(due, default=None), workers))
    return rows


@dataclass(frozen=True)
class TaskRow:
    """Periodic work as the page shows it."""

    name: str
    words: str
    last_run_at: datetime | None
    due_at: datetime
    problem: str
    is_late: bool
    is_own: bool


def task_rows(organisation_id: int, now: datetime) -> list[TaskRow]:
    """Periodic work of the organisation and of the whole installation; of the latter no texts, only that it failed."""
    rows = db.session.scalars(
        select(DueTask)
        .where(or_(DueTask.organisation_id == organisation_id, DueTask.organisation_id == 0))
        .order_by(DueTask.name)
    )
    return [
        TaskRow(
            row.name,
            TASKS.get(row.name, row.name.replace(".", ": ").replace("_", " ").capitalize()),
            row.last_run_at,
            row.due_at,
            _problem(row),
            now - row.due_at > LATE,
            row.organisation_id != 0,
        )
        for row in rows
    ]


def _problem(row: DueTask) -> str:
    if not row.last_error:
        return ""
    if row.organisation_id:
        return scrub_text(row.last_error)
    # It may speak of another organisation's record; whoever runs the installation finds it in the log.
    return f"It failed ({row.last_error.partition(':')[0]}). The log has the details."


def beat(rows: Iterable[TaskRow]) -> datetime | None:
    """When a scheduler last did work of the house; None: it never has."""
    return max((r.last_run_at for r in rows if not r.is_own and r.last_run_at), default=None)


def counts(organisation_id: int, limit: int = 10_000) -> dict[str, int]:
    """How many messages of the organisation gave up and how many wait, each counted up to `limit`."""
    return {
        state: db.session.scalar(
            select(func.count()).select_from(messages(organisation_id, state).limit(limit).subquery())
        )
        or 0
        for state in (GAVE_UP, WAITING)
    }


def retry(*, organisation_id: int, message_id: int | None, actor: Actor, now: datetime) -> int:
    """Try one message that gave up again, or all of the organisation's. Returns how many.

    Raises NotFound for a message that is not theirs, Conflict when there is nothing to try again.
    """
    if message_id is not None:
        theirs = select(OutboxMessage.id).where(
            OutboxMessage.id == message_id, OutboxMessage.organisation_id == organisation_id
        )
        if db.session.scalar(theirs) is None:
            raise NotFound
    kinds = outbox.try_again(organisation_id=organisation_id, message_id=message_id, now=now)
    if not kinds:
        raise Conflict("Nothing is left to try again; somebody else may have done it.")
    audit.record(
        tag="operations:message:retried",
        actor=actor,
        now=now,
        organisation_id=organisation_id,
        subject_type="outbox",
        subject_id=message_id,
        subject_label=kind_words(kinds[0]) if message_id is not None else f"{len(kinds)} messages",
        changes={"kinds": [None, sorted(set(kinds))], "count": [None, len(kinds)]},
    )
    return len(kinds)
