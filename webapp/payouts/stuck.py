"""What would wait for ever without anybody noticing: payouts that nobody may approve, transfers without an answer."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from sqlalchemy import select

from webapp.audit import service as audit
from webapp.database import db, transaction
from webapp.kernel.actor import SCHEDULER
from webapp.payouts import approvers
from webapp.payouts.brakes import alerts
from webapp.payouts.brakes.alerts import EVERY_RAIL, AlertKind
from webapp.payouts.brakes.models import Alert
from webapp.people.models import Organisation
from webapp.runs import tasks

TASK = "payouts.stuck"
# After the night's payouts (01:00) are made, before people come.
NIGHTLY = "0 3 * * *"
UNANSWERED = "payouts.unanswered"
# Seconds between two looks, and how often people are reminded of what they know.
EVERY, AGAIN = 900, timedelta(days=1)
log = structlog.get_logger()


def look(organisation_id: int, due_at: datetime, now: datetime) -> int:
    """Count them; what was found is in the audit trail and on the admins' home. Returns how many."""
    with transaction():
        organisation = db.session.get_one(Organisation, organisation_id)
        n = approvers.stuck_count(organisation, now)
        if n:
            log.warning("payouts.stuck", organisation_id=organisation_id, payouts=n)
            audit.record(
                tag="payouts:approval:impossible",
                actor=SCHEDULER,
                now=now,
                organisation_id=organisation_id,
                subject_type="organisation",
                subject_id=organisation_id,
                subject_label="Payouts that nobody may approve",
                changes={"payouts": [None, n]},
                note="Too few admins may approve them. Invite another admin, or change the rules.",
            )
    return n


def look_for_unanswered(organisation_id: int, due_at: datetime, now: datetime) -> int:
    """Tell the admins of transfers that have had no answer for more than a day; again when there are others.

    Returns how many there are.
    """
    with transaction():
        found = alerts.overdue(organisation_id, now)
        n = sum(part.count for part in found)
        if not n:
            alerts.end_alerts(
                organisation_id=organisation_id, kinds=[AlertKind.UNKNOWN], rail=EVERY_RAIL, now=now
            )
            return 0
        if _is_news(organisation_id, now):
            many = "1 transfer has" if n == 1 else f"{n:,} transfers have"
            alerts.raise_alert(
                organisation_id=organisation_id, kind=AlertKind.UNKNOWN, rail=EVERY_RAIL, now=now,
                reason=f"{many} had no answer for more than 24 hours. The bank is still asked again and again.",
            )  # fmt: skip
            log.error("transfers.unanswered", organisation_id=organisation_id, transfers=n)
    return n


def _is_news(organisation_id: int, now: datetime) -> bool:
    """Whether people do not know yet, or a transfer has joined those they know of, or a day has gone by."""
    told = db.session.scalar(
        select(Alert.told_at).where(
            Alert.organisation_id == organisation_id,
            Alert.kind == AlertKind.UNKNOWN.value,
            Alert.rail == EVERY_RAIL,
            Alert.ended_at.is_(None),
        )
    )
    if told is None or now - told >= AGAIN:
        return True
    newest = alerts.newest_overdue(organisation_id, now)
    return newest is not None and newest + alerts.OVERDUE > told


tasks.register_task(TASK, look, cron=NIGHTLY, per_organisation=True)
tasks.register_task(UNANSWERED, look_for_unanswered, every=EVERY, per_organisation=True)
