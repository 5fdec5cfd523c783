"""What happens by itself: every night the provider is asked and compared, every few minutes what agrees is closed.

The nightly question changes nothing: it only writes down where the provider's word is not ours. Importing this module
plans both.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import structlog
from sqlalchemy import func, or_, select

from webapp.database import db, transaction
from webapp.kernel.actor import SCHEDULER
from webapp.kernel.clock import local_date, utc_now
from webapp.payouts.models import Payout, Transfer
from webapp.payouts.states import OPEN_TRANSFER_STATES
from webapp.people.models import Organisation
from webapp.providers import registry
from webapp.providers.ports import Answer, Outcome
from webapp.reconciliation import findings, matching, rules, service
from webapp.reconciliation.matching import Marks
from webapp.reconciliation.models import Finding, ReconciliationRun
from webapp.reconciliation.states import FindingKind, FindingState, Source
from webapp.runs import tasks

log = structlog.get_logger()

NIGHTLY, RECHECK = "reconciliation.nightly", "reconciliation.recheck"
#: At most so many questions a night and organisation, for at most so long: the rate limit is for payments.
LIMIT = 300
SECONDS = 300.0
WATCHED = timedelta(days=7)
#: Rails that nobody can be asked about by a program.
_SILENT = ("manual", "wallet", "bank_file")
_MEANING = {
    Outcome.SUCCEEDED: rules.SUCCEEDED,
    Outcome.FAILED: rules.FAILED,
    Outcome.REVERSED: rules.REVERSED,
    Outcome.ACCEPTED: rules.IN_FLIGHT,
}


@dataclass(frozen=True)
class Asked:
    """One transfer and what its provider said of it."""

    row_id: int
    answer: Answer


def ask_all(
    organisation_id: int,
    *,
    clock: Callable[[], datetime] = utc_now,
    limit: int = LIMIT,
    seconds: float = SECONDS,
) -> ReconciliationRun | None:
    """Ask the providers about open transfers and those of the last week; write down what differs.

    Where there are more than `limit`, the open ones come first and the others by lot. None: nothing to ask about.
    """
    with transaction():
        rows = _to_ask(organisation_id, clock(), limit)
    if not rows:
        return None
    asked: list[Asked] = []
    silent, began = 0, time.monotonic()
    for row_id, rail, transfer_id in rows:
        if time.monotonic() - began > seconds:
            break
        answer = _answer(organisation_id, rail, transfer_id)
        if answer is None or answer.outcome in (Outcome.UNKNOWN, Outcome.NOT_SENT):
            silent += 1
            continue
        asked.append(Asked(row_id, answer))
    now = clock()
    with transaction():
        organisation = service.lock_organisation(organisation_id)
        today = local_date(now, organisation.timezone)
        run = service.start_run(organisation_id, Source.STATUS, SCHEDULER, now)
        marks = Marks(organisation_id, run.id, run.reference, now)
        differing = sum(_compare(each, marks, today) for each in asked)
        counts = {
            "asked": len(asked), "no_answer": silent, "matched": len(asked) - differing, "differing": differing,
            **service.settle(marks),
        }  # fmt: skip
        service.finish_run(run, counts, SCHEDULER, now)
        return run


def _to_ask(organisation_id: int, now: datetime, limit: int) -> list[tuple[int, str, str]]:
    is_open = Transfer.state.in_([state.value for state in OPEN_TRANSFER_STATES])
    rows = db.session.execute(
        select(Transfer.id, Transfer.rail, Transfer.transfer_id)
        .where(
            Transfer.organisation_id == organisation_id,
            Transfer.sends > 0,
            Transfer.rail.not_in(_SILENT),
            Transfer.state != "submitting",
            or_(is_open, Transfer.finished_at > now - WATCHED),
        )
        .order_by(is_open.desc(), func.random())
        .limit(limit)
    ).all()
    return [(row.id, row.rail, row.transfer_id) for row in rows]


def _answer(organisation_id: int, rail: str, transfer_id: str) -> Answer | None:
    """The provider's word, asked outside of any transaction; None where nobody can be asked."""
    db.session.rollback()
    try:
        return registry.rail(rail).status(organisation_id, transfer_id)
    except KeyError:
        return None
    except Exception:
        log.exception("reconciliation.rail_broke", rail=rail, transfer_id=transfer_id)
        return None


def _compare(asked: Asked, marks: Marks, today: date) -> bool:
    """Write down where an answer is not what we have; False when it is."""
    row = db.session.execute(
        select(Transfer, Payout.reference)
        .join(Payout, Payout.id == Transfer.payout_id)
        .where(Transfer.id == asked.row_id)
    ).one()
    transfer, reference = row[0], row[1]
    answer = asked.answer
    kind, words = _difference(transfer, answer)
    if kind is None:
        return False
    key = f"status:{transfer.id}"
    finding = db.session.scalar(
        select(Finding).where(Finding.organisation_id == marks.organisation_id, Finding.subject_key == key)
    )
    values = {
        "kind": kind.value,
        "ours_minor": -transfer.amount_minor,
        "theirs_minor": None if answer.amount_minor is None else -answer.amount_minor,
        "ours_words": transfer.state,
        "theirs_words": words,
    }
    if finding is None:
        finding = Finding(
            organisation_id=marks.organisation_id, subject_key=key, source=Source.STATUS.value,
            transfer_id=transfer.id, label=reference, currency=transfer.currency, happened_on=today,
            run_id=marks.run_id, found_at=marks.now, **values,
        )  # fmt: skip
        db.session.add(finding)
    elif (
        any(getattr(finding, name) != value for name, value in values.items())
        or finding.resolution == "agreed"
    ):
        # Other words than those that somebody explained: it is another finding about the same transfer.
        for name, value in values.items():
            setattr(finding, name, value)
        finding.state, finding.resolution, finding.resolved_at = FindingState.OPEN.value, "", None
        finding.run_id, finding.version = marks.run_id, finding.version + 1
    db.session.flush()
    return True


def _difference(transfer: Transfer, answer: Answer) -> tuple[FindingKind | None, str]:
    """The kind of a difference, and the provider's word in ours; None when both say the same."""
    if answer.outcome is Outcome.NOT_FOUND:
        return FindingKind.OURS_ONLY, "not_found"
    meaning = _MEANING[answer.outcome]
    if answer.amount_minor is not None and (
        answer.amount_minor != transfer.amount_minor
        or (answer.currency or transfer.currency) != transfer.currency
    ):
        return FindingKind.AMOUNT_DIFFERS, meaning
    if not rules.agrees(meaning, transfer.state):
        return FindingKind.STATE_DIFFERS, meaning
    return None, meaning


def recheck(organisation_id: int, due_at: datetime, now: datetime) -> int:
    """Tie what was booked since to its lines, take up unknown webhooks, close what agrees; how many were closed."""
    with transaction():
        if not _has_work(organisation_id):
            return 0
        service.lock_organisation(organisation_id)
        marks = Marks(organisation_id, None, SCHEDULER.label, now)
        matching.attach(marks)
        closed, new = findings.close_agreed(marks), findings.of_webhooks(marks)
        service.record_look(organisation_id, closed, new, SCHEDULER, now)
    return closed


def _has_work(organisation_id: int) -> bool:
    """A cheap look first: most of the time there is nothing."""
    unsettled = select(Finding.id).where(
        Finding.organisation_id == organisation_id, Finding.state != FindingState.RESOLVED.value
    )
    return bool(db.session.scalar(unsettled.limit(1))) or findings.has_unknown_webhooks(organisation_id)


def nightly(organisation_id: int, due_at: datetime, now: datetime) -> int:
    """The night's comparison; how many findings it made or found again."""
    if now - due_at > timedelta(hours=20):
        return 0  # a night that was missed is not made up for: the next one asks the same
    with transaction():
        is_there = db.session.get(Organisation, organisation_id) is not None
    run = ask_all(organisation_id) if is_there else None
    return int(run.counts.get("differing", 0)) if run is not None else 0


# After the night's payouts (01:00) and the look for stuck ones (03:00).
tasks.register_task(NIGHTLY, nightly, cron="30 3 * * *", per_organisation=True)
tasks.register_task(RECHECK, recheck, every=300, per_organisation=True)
