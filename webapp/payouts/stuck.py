"""The nightly look for payouts that nobody may approve: they would wait for ever without anybody noticing."""

from __future__ import annotations

from datetime import datetime

import structlog

from webapp.audit import service as audit
from webapp.database import db, transaction
from webapp.kernel.actor import SCHEDULER
from webapp.payouts import approvers
from webapp.people.models import Organisation
from webapp.runs import tasks

TASK = "payouts.stuck"
# After the night's payouts (01:00) are made, before people come.
NIGHTLY = "0 3 * * *"
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


tasks.register_task(TASK, look, cron=NIGHTLY, per_organisation=True)
