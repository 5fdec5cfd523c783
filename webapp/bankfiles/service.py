"""What people do with a bank file: approve, download, mark as uploaded, cancel; and taking a payout back.

Nothing here reaches a bank. Services run in the caller's transaction and never commit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update

from webapp.audit import service as audit
from webapp.bankfiles import bank_words, queries, strays
from webapp.bankfiles.models import BankFile, BankFileItem
from webapp.bankfiles.states import RAIL, FileAction, FileState, Word, next_state
from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.kernel.clock import instant_text
from webapp.kernel.errors import Conflict, Forbidden, Invalid, NotAllowed, NotFound, StaleVersion
from webapp.kernel.money import Money
from webapp.payouts import in_files, policies
from webapp.payouts.models import Payout, Transfer
from webapp.payouts.states import TransferState
from webapp.people.models import Organisation

SUBJECT = "bank_file"
_SHOWN_REASONS = 5


@dataclass(frozen=True)
class Done:
    """What an action led to; `is_repeat`: it had been done before."""

    file: BankFile
    message: str
    is_repeat: bool = False


def _record(
    word: str, file: BankFile, actor: Actor, now: datetime, changes: dict[str, Any], note: str = ""
) -> None:
    audit.record(
        tag=f"bankfiles:file:{word}",
        actor=actor,
        now=now,
        organisation_id=file.organisation_id,
        subject_type=SUBJECT,
        subject_id=file.id,
        subject_label=file.reference,
        note=note,
        changes=changes,
    )


def _move(file: BankFile, state: FileState) -> list[str]:
    before, file.state = file.state, state.value
    file.version += 1
    return [before, file.state]


def _check_version(file: BankFile, expected: int | None) -> None:
    if expected is not None and file.version != expected:
        raise StaleVersion(
            f"{file.reference} changed since you opened this page. Look at it again; nothing was done."
        )


def is_single_operator(organisation_id: int) -> bool:
    """Whether one person runs the organisation: there is nobody else to approve."""
    return policies.current_policy(organisation_id)[0].single_operator.is_on


def why_not_approve(file: BankFile, user_id: int | None) -> list[str]:
    """Why this person may not approve the file, whatever its state; empty when they may."""
    if user_id is None or is_single_operator(file.organisation_id):
        return []
    reasons = []
    if user_id == file.made_by_id:
        reasons.append("You made this file; a different person must approve it.")
    if queries.pays_user(file.id, user_id):
        reasons.append("This file pays you; somebody else must approve it.")
    return reasons


def why_it_may_not_leave(file: BankFile, now: datetime) -> list[str]:
    """The last look before the bytes leave: halts, and payees whose payment details changed since."""
    reasons = [f"Payments are halted: {reason}" for reason in in_files.halts(file.organisation_id, RAIL)]
    found = [
        (transfer.payout.reference, reason)
        for transfer in queries.transfers_of(file)
        if (reason := _why_it_waits(transfer, now))
    ]
    reasons += [f"{reference}: {reason}" for reference, reason in found[:_SHOWN_REASONS]]
    if len(found) > _SHOWN_REASONS:
        reasons.append(f"So do {len(found) - _SHOWN_REASONS} more payouts.")
    if found:
        reasons.append("Cancel this file; its other payouts go into the next one.")
    return reasons + strays.why_not_again(file)


def _why_it_waits(transfer: Transfer, now: datetime) -> str:
    if transfer.state != TransferState.QUEUED:
        return "Its transfer does not wait any more."
    return in_files.why_it_waits(transfer, now)


def approve(
    *, organisation_id: int, reference: str, sha256: str, actor: Actor, now: datetime, expected_version: int
) -> Done:
    """The second person's yes to exactly these bytes.

    Raises NotAllowed with every reason, Conflict for another state or hash, StaleVersion.
    """
    file = queries.lock_file(organisation_id, reference)
    if file.state == FileState.APPROVED and file.approved_by_id == actor.user_id:
        return Done(file, f"You have approved {reference} already; nothing was changed.", True)
    state = next_state(file.state, FileAction.APPROVE, reference)
    _check_version(file, expected_version)
    if actor.user_id is None:
        raise Forbidden("Only people approve a bank file.")
    if sha256 != file.sha256:
        raise Conflict(
            f"The hash on your page is not that of {reference}. Look at it again; nothing was done."
        )
    if reasons := why_not_approve(file, actor.user_id) + why_it_may_not_leave(file, now):
        raise NotAllowed(reasons)
    file.is_single_operator = is_single_operator(organisation_id)
    file.approved_by_id, file.approved_by_label, file.approved_at = actor.user_id, actor.label, now
    note = "single operator" if file.is_single_operator and actor.user_id == file.made_by_id else ""
    changes = {"state": _move(file, state), "sha256": [None, file.sha256]}
    _record("approved", file, actor, now, changes, note)
    return Done(file, f"{reference} is approved. It can be downloaded now.")


def note_download(*, organisation_id: int, reference: str, actor: Actor, now: datetime) -> Done:
    """Count a download; before the first one everything is looked at once more. Raises NotAllowed, Conflict.

    What the bank answers already is not given out again before it is marked as uploaded.
    """
    file = queries.lock_file(organisation_id, reference)
    state = next_state(file.state, FileAction.DOWNLOAD, reference)
    if file.first_downloaded_at is None:
        if reasons := why_it_may_not_leave(file, now):
            raise NotAllowed(reasons)
        file.first_downloaded_at = now
    elif reasons := strays.why_not_again(file):
        raise NotAllowed(reasons)
    file.downloads += 1
    changes: dict[str, Any] = {"sha256": [None, file.sha256], "downloads": [None, file.downloads]}
    if state != file.state:
        changes["state"] = _move(file, state)
    _record("downloaded", file, actor, now, changes)
    return Done(file, f"{reference} is downloaded.")


def mark_sent(
    *,
    organisation_id: int,
    reference: str,
    bank_reference: str,
    actor: Actor,
    now: datetime,
    expected_version: int,
) -> Done:
    """A person's word that the file was uploaded at the bank: its transfers are accepted, all of them at once.

    Raises Conflict for another state, Invalid, StaleVersion.
    """
    file = queries.lock_file(organisation_id, reference)
    if file.sent_at is not None:
        return Done(file, f"{reference} is marked as uploaded already, by {file.sent_by_label}.", True)
    state = next_state(file.state, FileAction.SEND, reference)
    _check_version(file, expected_version)
    bank_reference = " ".join(bank_reference.split())
    if len(bank_reference) > 120:
        raise Invalid("bank_reference", "The bank's reference has up to 120 signs.", "UPL-20261120-0042")
    ids = list(
        db.session.scalars(
            select(BankFileItem.transfer_row_id)
            .where(BankFileItem.file_id == file.id, BankFileItem.is_live.is_(True))
            .order_by(BankFileItem.transfer_row_id)
        )
    )
    # Those that people look at stay with them: they settle whether the bank has paid.
    passed_by = strays.not_handed_over(file)
    ids = [one for one in ids if one not in passed_by]
    in_files.hand_over(ids, reference, actor, now)
    file.sent_at, file.sent_by_label, file.bank_reference = now, actor.label, bank_reference
    # Whoever wanted to cancel it was wrong: it is with the bank.
    file.cancel_asked_by_id, file.cancel_asked_by_label, file.cancel_asked_at = None, "", None
    file.cancel_reason = ""
    changes = {
        "state": _move(file, state),
        "bank_reference": [None, bank_reference],
        "payments": [None, len(ids)],
    }
    _record("sent", file, actor, now, changes)
    return Done(file, f"{reference} is marked as uploaded. Bring in the bank's answer when it comes.")


def cancel(
    *,
    organisation_id: int,
    reference: str,
    reason: str,
    actor: Actor,
    now: datetime,
    expected_version: int,
) -> Done:
    """Give its payouts free for another file. One that was downloaded needs two people who say it was not uploaded.

    Raises Conflict for another state, Invalid without a reason, StaleVersion.
    """
    file = queries.lock_file(organisation_id, reference)
    if file.state == FileState.CANCELLED and file.cancelled_by_id == actor.user_id:
        return Done(file, f"You have cancelled {reference} already; nothing was changed.", True)
    state = next_state(file.state, FileAction.CANCEL, reference)
    _check_version(file, expected_version)
    if actor.user_id is None:
        raise Forbidden("Only people cancel a bank file.")
    reason = reason.strip()
    if not reason or len(reason) > 500:
        raise Invalid(
            "reason", "Say why, in up to 500 signs.", "The bank refused the upload: wrong column order."
        )
    if file.first_downloaded_at is not None and not _is_second_word(file, actor, now):
        return _first_word(file, reason, actor, now)
    file.cancel_reason = f"{file.cancel_reason}\n{reason}".strip()[:2000]
    file.cancelled_by_id, file.cancelled_by_label, file.cancelled_at = actor.user_id, actor.label, now
    file.is_single_operator = file.is_single_operator or is_single_operator(organisation_id)
    db.session.execute(update(BankFileItem).where(BankFileItem.file_id == file.id).values(is_live=False))
    strays.review_early(file, now)
    changes = {"state": _move(file, state), "payments": [None, file.item_count]}
    _record("cancelled", file, actor, now, changes, reason)
    return Done(file, f"{reference} is cancelled. Its payouts wait for another file.")


def _is_second_word(file: BankFile, actor: Actor, now: datetime) -> bool:
    """Whether somebody else said before that it was not uploaded; or one person alone, after the mode's delay."""
    if file.cancel_asked_at is None or file.cancel_asked_by_id is None:
        return False
    if file.cancel_asked_by_id != actor.user_id:
        return True
    alone, zone = alone_from(file), db.session.get_one(Organisation, file.organisation_id).timezone
    if alone is not None and now >= alone:
        return True
    raise Conflict(
        f"You have said already that {file.reference} was not uploaded. A second person must say so too."
        if alone is None
        else f"You can say it alone from {instant_text(alone, zone)}, or a second person says so before."
    )


def alone_from(file: BankFile) -> datetime | None:
    """When the person who wants to cancel a downloaded file may confirm it alone; None where two are needed."""
    solo = policies.current_policy(file.organisation_id)[0].single_operator
    if not solo.is_on or file.cancel_asked_at is None:
        return None
    return file.cancel_asked_at + timedelta(hours=solo.delay_hours)


def _first_word(file: BankFile, reason: str, actor: Actor, now: datetime) -> Done:
    file.cancel_asked_by_id, file.cancel_asked_by_label = actor.user_id, actor.label
    file.cancel_asked_at, file.cancel_reason = now, reason
    file.version += 1
    _record("cancellation_asked", file, actor, now, {}, reason)
    return Done(
        file, f"Your word on {file.reference} is kept. It is cancelled once a second person says the same."
    )


def take_back(*, organisation_id: int, transfer_row_id: int, actor: Actor, now: datetime) -> Payout:
    """A payout that waits for a file and cannot, or should not, go into one: it is failed, and can be paid otherwise.

    Raises NotFound, Conflict when it is in a file.
    """
    transfer = db.session.scalar(
        select(Transfer).where(
            Transfer.id == transfer_row_id,
            Transfer.organisation_id == organisation_id,
            Transfer.rail == RAIL,
        )
    )
    if transfer is None:
        raise NotFound
    # The payout is locked first, as whoever puts it into a file does: then nobody can do so any more.
    db.session.execute(select(Payout.id).where(Payout.id == transfer.payout_id).with_for_update())
    in_file = db.session.scalar(
        select(BankFile.reference)
        .join(BankFileItem, BankFileItem.file_id == BankFile.id)
        .where(BankFileItem.transfer_row_id == transfer_row_id, BankFileItem.is_live.is_(True))
    )
    if in_file:
        raise Conflict(f"This payout is in {in_file} by now. Cancel that file first.")
    if in_files.has_other_details(transfer):
        payout = in_files.end_changed(transfer_row_id, now)
    else:
        message = f"{actor.label} took it back before it went into a bank file."
        payout = in_files.take_back(transfer_row_id, "TAKEN_BACK", message, "operator", now)
    audit.record(
        tag="bankfiles:transfer:taken_back", actor=actor, now=now, organisation_id=organisation_id,
        subject_type="payout", subject_id=payout.id, subject_label=payout.reference,
        changes={"transfer": [None, transfer.transfer_id]},
    )  # fmt: skip
    return payout


def settle(
    *,
    organisation_id: int,
    reference: str,
    statement: str,
    actor: Actor,
    now: datetime,
    expected_version: int,
) -> Done:
    """A person's word, with the statement's reference, that the bank has debited all that is not answered yet.

    Some banks answer only what they refuse. Raises Conflict for another state, Invalid, StaleVersion.
    """
    file = queries.lock_file(organisation_id, reference)
    next_state(file.state, FileAction.ANSWER, reference)
    _check_version(file, expected_version)
    statement = " ".join(statement.split())
    if not statement or len(statement) > 120:
        raise Invalid(
            "statement", "Enter the reference of the debit on the bank's statement.", "2026-11-20/0042"
        )
    open_items = list(
        db.session.scalars(
            select(BankFileItem)
            .where(
                BankFileItem.file_id == file.id,
                BankFileItem.word.in_([Word.NONE.value, Word.ACCEPTED.value]),
            )
            .order_by(BankFileItem.id)
            .with_for_update()
        )
    )
    if not open_items:
        raise Conflict(f"The bank has answered every payment of {reference} already; nothing was changed.")
    with db.session.no_autoflush:
        for item in open_items:
            bank_words.take_word(
                item, Word.PAID, now, by=actor.label, message=f"Debited by the statement: {statement}"
            )
    db.session.flush()
    bank_words.close_if_answered(file, now)
    total = Money(sum(item.amount_minor for item in open_items), file.currency)
    changes = {"payments": [None, len(open_items)], "total": [None, f"{total.plain} {file.currency}"]}
    _record("settled", file, actor, now, changes, f"Statement: {statement}")
    return Done(
        file, f"{len(open_items)} payments of {reference} are paid. Their payees are told within seconds."
    )
