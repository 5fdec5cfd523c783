"""What a run does with each of its payouts: approve, reject, pay, ask the bank, hold, release."""

from __future__ import annotations

from datetime import datetime

from webapp.kernel.actor import Actor
from webapp.payouts import queries, service
from webapp.payouts.records import Result
from webapp.payouts.states import PayoutState
from webapp.runs.models import RowOutcome, Run, RunRow
from webapp.runs.service import RowResult, register_handler

APPROVE, REJECT, PAY = "payouts.approve", "payouts.reject", "payouts.pay"
ASK = "payouts.ask"
HOLD, RELEASE = "payouts.hold", "payouts.release"


def _row_result(result: Result) -> RowResult:
    return RowResult(RowOutcome.SKIPPED if result.is_repeat else RowOutcome.DONE, result.message)


def _reference(run: Run, row: RunRow) -> str:
    return queries.get_payout_by_id(run.organisation_id, row.subject_id or 0).reference


def approve_row(run: Run, row: RunRow, actor: Actor, now: datetime) -> RowResult:
    """Approve one payout as the person who confirmed the run, if it is still what they saw."""
    return _row_result(
        service.approve(
            organisation_id=run.organisation_id,
            reference=_reference(run, row),
            note=str(run.parameters.get("note", "")),
            expected_version=row.subject_version,
            actor=actor,
            now=now,
        )
    )


def reject_row(run: Run, row: RunRow, actor: Actor, now: datetime) -> RowResult:
    """Reject one payout with the run's one reason."""
    return _row_result(
        service.reject(
            organisation_id=run.organisation_id,
            reference=_reference(run, row),
            reason=str(run.parameters.get("reason", "")),
            expected_version=row.subject_version,
            actor=actor,
            now=now,
        )
    )


def pay_row(run: Run, row: RunRow, actor: Actor, now: datetime) -> RowResult:
    """Send one payout over the run's rail, or retry it when it had failed."""
    payout = queries.get_payout_by_id(run.organisation_id, row.subject_id or 0)
    failed = payout.state in (PayoutState.FAILED, PayoutState.RETRY_SCHEDULED)
    return _row_result(
        (service.retry if failed else service.submit)(
            organisation_id=run.organisation_id,
            reference=payout.reference,
            rail=str(run.parameters.get("rail", "")),
            expected_version=row.subject_version,
            actor=actor,
            now=now,
        )
    )


def ask_row(run: Run, row: RunRow, actor: Actor, now: datetime) -> RowResult:
    """Have the bank asked about one payout; nothing is sent again."""
    result = service.ask_status(
        organisation_id=run.organisation_id, reference=_reference(run, row), actor=actor, now=now
    )
    return _row_result(result)


def hold_row(run: Run, row: RunRow, actor: Actor, now: datetime) -> RowResult:
    """Put one payout on hold with the run's one reason, whatever else changed about it: a hold is safe."""
    return _row_result(
        service.hold(
            organisation_id=run.organisation_id,
            reference=_reference(run, row),
            reason=str(run.parameters.get("reason", "")),
            actor=actor,
            now=now,
        )
    )


def release_row(run: Run, row: RunRow, actor: Actor, now: datetime) -> RowResult:
    """Take one payout off hold, if it is still what the person saw."""
    return _row_result(
        service.release(
            organisation_id=run.organisation_id,
            reference=_reference(run, row),
            expected_version=row.subject_version,
            actor=actor,
            now=now,
        )
    )


register_handler(APPROVE, approve_row)
register_handler(REJECT, reject_row)
register_handler(PAY, pay_row)
register_handler(ASK, ask_row)
register_handler(HOLD, hold_row)
register_handler(RELEASE, release_row)
