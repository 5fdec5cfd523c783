"""Reads of bank files, always inside one organisation."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, exists, func, select
from sqlalchemy.orm import joinedload
from sqlalchemy.orm.attributes import set_committed_value

from webapp.bankfiles.models import BankFile, BankFileItem, BankReturn
from webapp.bankfiles.states import RAIL
from webapp.database import db, lock_row
from webapp.kernel.errors import NotFound
from webapp.payouts.models import Payout, Transfer, TransferEvent
from webapp.payouts.states import TransferState
from webapp.people.models import Payee


def is_in_no_file() -> ColumnElement[bool]:
    """Transfers that are in no live file."""
    return ~exists().where(BankFileItem.transfer_row_id == Transfer.id, BankFileItem.is_live.is_(True))


def described() -> Select[Transfer]:
    """Transfers with all that decides about them, read afresh; the tries of their payouts by `with_tries`.

    Within one query that reads afresh, the tries would undo what is loaded of each other.
    """
    payout = joinedload(Transfer.payout)
    return (
        select(Transfer)
        .options(
            payout.joinedload(Payout.method),
            payout.joinedload(Payout.organisation),
            payout.joinedload(Payout.payee).selectinload(Payee.pending_change),
        )
        .execution_options(populate_existing=True)
    )


def with_tries(query: Select[Transfer]) -> list[Transfer]:
    """The transfers of a question that began with `described`, and all tries of their payouts, by few statements."""
    found = list(db.session.scalars(query).unique())
    tries: dict[int, list[Transfer]] = {transfer.payout_id: [] for transfer in found}
    ids = sorted(tries)
    for start in range(0, len(ids), 500):
        part = select(Transfer).where(Transfer.payout_id.in_(ids[start : start + 500])).order_by(Transfer.n)
        for one in db.session.scalars(part):
            tries[one.payout_id].append(one)
    for transfer in found:
        set_committed_value(transfer.payout, "transfers", tries[transfer.payout_id])
    return found


def waiting(organisation_id: int) -> list[Transfer]:
    """Transfers that wait for a file, oldest first, with all that decides about them."""
    query = described().where(
        Transfer.organisation_id == organisation_id,
        Transfer.rail == RAIL,
        Transfer.state == TransferState.QUEUED.value,
        is_in_no_file(),
    )
    return with_tries(query.order_by(Transfer.id))


def waiting_counts(organisation_id: int) -> Sequence[tuple[str, int, int]]:
    """(currency, how many, sum in minor units) of what waits for a file."""
    rows = db.session.execute(
        select(Transfer.currency, func.count(), func.sum(Transfer.amount_minor))
        .where(
            Transfer.organisation_id == organisation_id,
            Transfer.rail == RAIL,
            Transfer.state == "queued",
            is_in_no_file(),
        )
        .group_by(Transfer.currency)
        .order_by(Transfer.currency)
    )
    return [(row[0], int(row[1]), int(row[2])) for row in rows]


def files(organisation_id: int) -> Select[BankFile]:
    """All files of an organisation."""
    return select(BankFile).where(BankFile.organisation_id == organisation_id)


def get_file(organisation_id: int, reference: str) -> BankFile:
    """A file by its reference. Raises NotFound, also for another organisation's."""
    row = db.session.scalar(files(organisation_id).where(BankFile.reference == reference))
    if row is None:
        raise NotFound
    return row


def find_by_uid(organisation_id: int, uid: str) -> BankFile | None:
    """The file that was made from a check page, if it was."""
    return db.session.scalar(files(organisation_id).where(BankFile.uid == uid))


def lock_file(organisation_id: int, reference: str) -> BankFile:
    """The same, locked until the transaction ends. Raises NotFound."""
    return lock_row(BankFile, BankFile.organisation_id == organisation_id, BankFile.reference == reference)


def items(file: BankFile) -> Select[BankFileItem]:
    """The items of a file as pages show them, in the file's order."""
    return (
        select(BankFileItem)
        .where(BankFileItem.file_id == file.id)
        .options(joinedload(BankFileItem.payout).joinedload(Payout.payee))
        .order_by(BankFileItem.position)
    )


def word_counts(file_id: int) -> dict[str, tuple[int, int]]:
    """word -> (how many items, sum in minor units)."""
    rows = db.session.execute(
        select(BankFileItem.word, func.count(), func.sum(BankFileItem.amount_minor))
        .where(BankFileItem.file_id == file_id)
        .group_by(BankFileItem.word)
    )
    return {row[0]: (int(row[1]), int(row[2])) for row in rows}


def transfers_of(file: BankFile) -> list[Transfer]:
    """The transfers of a file with all that decides whether they may leave, by few statements."""
    query = described().join(BankFileItem, BankFileItem.transfer_row_id == Transfer.id)
    query = query.where(BankFileItem.file_id == file.id).order_by(BankFileItem.position)
    return with_tries(query)


def pays_user(file_id: int, user_id: int | None) -> bool:
    """Whether a person is one of the payees of a file."""
    if user_id is None:
        return False
    query = (
        select(BankFileItem.id)
        .join(Payout, Payout.id == BankFileItem.payout_id)
        .join(Payee, Payee.id == Payout.payee_id)
        .where(BankFileItem.file_id == file_id, Payee.user_id == user_id)
        .limit(1)
    )
    return db.session.scalar(query) is not None


def live_item_of(organisation_id: int, transfer_id: str) -> tuple[BankFileItem, BankFile, Transfer] | None:
    """The live item of a transfer (by Paydesk's own id), its file, and the transfer."""
    row: Any = db.session.execute(
        select(BankFileItem, BankFile, Transfer)
        .join(BankFile, BankFile.id == BankFileItem.file_id)
        .join(Transfer, Transfer.id == BankFileItem.transfer_row_id)
        .where(
            Transfer.transfer_id == transfer_id,
            BankFileItem.organisation_id == organisation_id,
            BankFileItem.is_live.is_(True),
        )
    ).one_or_none()
    return None if row is None else (row[0], row[1], row[2])


def settled_at(transfer_row_id: int) -> datetime | None:
    """When two people last settled what a transfer had been under review for; None when they never did."""
    return db.session.scalar(
        select(func.max(TransferEvent.at)).where(
            TransferEvent.transfer_id == transfer_row_id,
            TransferEvent.source == "operator",
            TransferEvent.from_state == TransferState.REVIEW.value,
            TransferEvent.to_state != TransferState.REVIEW.value,
        )
    )


def item_of_payout(payout: Payout) -> BankFileItem | None:
    """The newest item of a payout, with its file."""
    return db.session.scalar(
        select(BankFileItem)
        .where(BankFileItem.payout_id == payout.id, BankFileItem.is_live.is_(True))
        .options(joinedload(BankFileItem.file))
        .order_by(BankFileItem.id.desc())
        .limit(1)
    )


def returns(organisation_id: int) -> Select[BankReturn]:
    """All return files of an organisation."""
    return select(BankReturn).where(BankReturn.organisation_id == organisation_id)


def get_return(organisation_id: int, reference: str) -> BankReturn:
    """A return file by its reference. Raises NotFound, also for another organisation's."""
    row = db.session.scalar(returns(organisation_id).where(BankReturn.reference == reference))
    if row is None:
        raise NotFound
    return row
