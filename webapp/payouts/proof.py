"""The nightly proof: the ledger is checked, the result is kept in the trail, and a finding stops payments."""

from __future__ import annotations

from datetime import datetime

import structlog

from webapp.audit import service as audit
from webapp.database import transaction
from webapp.kernel.actor import SCHEDULER
from webapp.ledger import check
from webapp.payouts import policies
from webapp.runs import tasks

TASK = "ledger.check"
# Local time; the day's work is over and the night's payouts (01:00) are made.
NIGHTLY = "30 2 * * *"
log = structlog.get_logger()


def prove(organisation_id: int, due_at: datetime, now: datetime) -> None:
    """Check one organisation's ledger; with a finding, halt its payments until a person has looked."""
    report = check.run(organisation_id)
    named = [f"{finding.subject}: {finding.message}" for finding in report.findings[:20]]
    if named:
        log.error("ledger.findings", organisation_id=organisation_id, findings=len(report.findings))
    with transaction():
        audit.record(
            tag="ledger:check:failed" if named else "ledger:check:passed",
            actor=SCHEDULER,
            now=now,
            organisation_id=organisation_id,
            subject_type="organisation",
            subject_id=organisation_id,
            subject_label="Ledger check",
            changes={"findings": [None, named]} if named else {},
        )
        if named:
            policies.halt(
                organisation_id=organisation_id,
                rail=policies.EVERY_RAIL,
                reason=f"The nightly ledger check found {len(report.findings)} problem(s): {named[0][:300]}",
                actor=SCHEDULER,
                now=now,
            )


tasks.register_task(TASK, prove, cron=NIGHTLY, per_organisation=True)
