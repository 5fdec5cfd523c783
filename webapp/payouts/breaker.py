"""The breaker of a rail: after failures in a row nothing is sent for a while, then one transfer tries.

A provider that is away is not asked a thousand times; transfers wait and are not failed by it. What counts is whether
a call that sends was answered at all: a clear no is an answer. Questions about transfers go on meanwhile.

Everything here runs inside the caller's transaction, after the payout's and the transfer's rows are locked.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from sqlalchemy import select

from webapp.audit import service as audit
from webapp.database import db, insert_ignoring_conflict
from webapp.kernel.actor import WORKER
from webapp.kernel.clock import instant_text
from webapp.outbox import service as outbox
from webapp.payouts.brakes import alerts
from webapp.payouts.brakes.alerts import AlertKind
from webapp.payouts.models import RailHealth
from webapp.providers.ports import Answer, Outcome

log = structlog.get_logger()

FAILURES = 5
FIRST, LONGEST = timedelta(seconds=30), timedelta(minutes=10)
# How long the one that tries may take before another tries; as long as a worker's claim.
TRIAL = timedelta(seconds=120)


def is_problem(answer: Answer) -> bool:
    """Whether nothing was heard of the provider: no connection, a time-out, a server error.

    An answer with a code of its own was heard; keys that are not taken halt the rail by themselves.
    """
    return answer.outcome in (Outcome.UNKNOWN, Outcome.NOT_SENT) and not answer.code


def wait_until(organisation_id: int, rail: str, now: datetime) -> datetime | None:
    """None: send. Otherwise when to look again. Whoever is let through an open breaker is the one that tries."""
    if _open_until(organisation_id, rail) is None:
        return None
    health = _locked(organisation_id, rail)
    if health is None or health.open_until is None:
        return None
    if health.open_until > now:
        return health.open_until
    health.open_until, health.changed_at = now + TRIAL, now
    db.session.flush()
    return None


def record(organisation_id: int, rail: str, answer: Answer, now: datetime) -> None:
    """Count what became of a call that sent: an answer closes the breaker, the fifth failure in a row opens it."""
    if not is_problem(answer):
        _close(organisation_id, rail, now)
        return
    insert_ignoring_conflict(
        db.session(),
        RailHealth,
        {
            "organisation_id": organisation_id, "rail": rail, "failures_in_row": 0, "times_opened": 0,
            "last_problem": "", "changed_at": now,
        },
    )  # fmt: skip
    health = _locked(organisation_id, rail)
    if health is None:
        raise RuntimeError("the row was there a moment ago")
    health.failures_in_row += 1
    health.last_problem = (answer.message or "No answer.")[:300]
    health.changed_at = now
    if health.failures_in_row >= FAILURES:
        _open(health, now)
    db.session.flush()


def _open(health: RailHealth, now: datetime) -> None:
    """Each time in a row twice as long."""
    health.times_opened += 1
    health.open_until = now + min(LONGEST, FIRST * 2 ** min(health.times_opened - 1, 10))
    log.error(
        "rail.paused", organisation_id=health.organisation_id, rail=health.rail, until=health.open_until
    )
    if health.times_opened == 1:
        said = f"{health.failures_in_row} calls in a row got no answer: {health.last_problem}"
        _record("paused", health, said, now)
        alerts.raise_alert(
            organisation_id=health.organisation_id,
            kind=AlertKind.BREAKER,
            rail=health.rail,
            reason=said,
            now=now,
        )


def _close(organisation_id: int, rail: str, now: datetime) -> None:
    # Nearly always there is nothing to close; then no row is locked.
    if not failures_in_row(organisation_id, rail):
        return
    health = _locked(organisation_id, rail)
    if health is None:
        return
    was_open = health.open_until is not None
    health.failures_in_row, health.times_opened, health.open_until = 0, 0, None
    health.last_problem, health.changed_at = "", now
    db.session.flush()
    if was_open:
        _record("resumed", health, "It answers again.", now)
        alerts.end_alerts(organisation_id=organisation_id, kinds=[AlertKind.BREAKER], rail=rail, now=now)
        outbox.hasten(kind="transfer.send", organisation_id=organisation_id, now=now)


def failures_in_row(organisation_id: int, rail: str) -> int:
    """Calls that did not get an answer, one after the other, up to now."""
    query = select(RailHealth.failures_in_row).where(
        RailHealth.organisation_id == organisation_id, RailHealth.rail == rail
    )
    return db.session.scalar(query) or 0


def paused(organisation_id: int) -> list[RailHealth]:
    """The rails that nothing is sent over because they do not answer, for pages and alerts."""
    return list(
        db.session.scalars(
            select(RailHealth)
            .where(RailHealth.organisation_id == organisation_id, RailHealth.open_until.is_not(None))
            .order_by(RailHealth.rail)
        )
    )


def sentence(health: RailHealth, timezone: str) -> str:
    """What people are told: "cashfree does not answer (…). Paydesk tries again on …; nothing is lost."."""
    when = instant_text(health.open_until, timezone) if health.open_until else ""
    return (
        f"{health.rail} does not answer ({health.last_problem.rstrip('.')}). Paydesk tries again by itself from "
        f"{when}; what is queued waits until then."
    )


def _open_until(organisation_id: int, rail: str) -> datetime | None:
    return db.session.scalar(
        select(RailHealth.open_until).where(
            RailHealth.organisation_id == organisation_id, RailHealth.rail == rail
        )
    )


def _locked(organisation_id: int, rail: str) -> RailHealth | None:
    return db.session.scalar(
        select(RailHealth)
        .where(RailHealth.organisation_id == organisation_id, RailHealth.rail == rail)
        .with_for_update()
        .execution_options(populate_existing=True)
    )


def _record(word: str, health: RailHealth, note: str, now: datetime) -> None:
    audit.record(
        tag=f"payouts:rail:{word}", actor=WORKER, now=now, organisation_id=health.organisation_id,
        subject_type="rail", subject_label=health.rail, note=note,
    )  # fmt: skip
