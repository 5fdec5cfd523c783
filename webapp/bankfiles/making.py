"""Making a file: what waits is read and written in memory, shown, and kept only if it is still what was shown.

The same message id and the same instant give the same bytes, so the hash on the check page is the file's own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, insert, select
from sqlalchemy.exc import IntegrityError

from webapp import secrets
from webapp.audit import service as audit
from webapp.bankfiles import queries, setups, strays
from webapp.bankfiles.models import BankFile, BankFileItem
from webapp.bankfiles.states import RAIL, FileState, Format
from webapp.bankfiles.vault import Sealed
from webapp.bankfiles.writing import Entry, Line, Making, Setup, Written, next_business_day, total_of
from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.kernel.clock import local_date
from webapp.kernel.errors import Conflict, Invalid
from webapp.kernel.ids import new_uid
from webapp.kernel.money import Money
from webapp.payouts import in_files
from webapp.payouts.models import Payout, Transfer
from webapp.payouts.states import TransferState
from webapp.people.models import Organisation
from webapp.people.numbers import next_number
from webapp.people.queries import details_of

# More go into the next file: an answer about so many is taken in within seconds, while a person waits.
MOST_ITEMS = 2_000
# How long a check page stands for the file that it shows.
SEEN_FOR = timedelta(hours=1)
_GONE = "What waits for a file has changed since this page was shown. Look at it again; nothing was made."
_HELD = (
    "An earlier transfer of it is under review: two people must settle first whether the bank has paid it."
)


@dataclass(frozen=True)
class Left:
    """A transfer that does not go into the file, and why."""

    transfer_row_id: int
    reference: str
    payee: str
    amount: Money
    reason: str


@dataclass(frozen=True)
class Draft:
    """A file as it would be, with what is left out of it. `written` is None when nothing can go."""

    organisation_id: int
    format: str
    uid: str
    making: Making
    written: Written | None = field(repr=False)
    left: tuple[Left, ...] = ()
    # Entries that are for the next file.
    later: int = 0
    debit_masked: str = ""

    @property
    def lines(self) -> tuple[Line, ...]:
        """What stands in it."""
        return self.written.lines if self.written else ()

    @property
    def total(self) -> Money:
        """The sum of its payments."""
        return total_of([line.entry for line in self.lines], self.making.currency)

    @property
    def sha256(self) -> str:
        """The hash of its bytes."""
        return hashlib.sha256(self.written.data if self.written else b"").hexdigest()


def draft(*, organisation: Organisation, file_format: str, now: datetime, uid: str = "") -> Draft:
    """What a file of a format would be. With the uid and the instant of an earlier draft, the same bytes.

    Raises Invalid when the format has no settings yet; Unwritable when the file would be wrong; Conflict while
    payments are halted.
    """
    row = setups.find(organisation.id, file_format)
    if row is None:
        label = Format(file_format).label if file_format in list(Format) else file_format
        raise Invalid("format", f"There are no settings for {label} yet. Enter them first.")
    if reasons := in_files.halts(organisation.id, RAIL):
        raise Conflict(f"Payments are halted: {' '.join(reasons)} No file is made meanwhile.")
    setup = setups.opened(row)
    writer = setups.WRITERS[file_format]
    entries, left = [], []
    held = strays.in_review(organisation.id)
    for transfer in queries.waiting(organisation.id):
        entry = _entry(transfer)
        reason = _HELD if transfer.payout_id in held else ""
        reason = reason or in_files.why_it_waits(transfer, now) or writer.why_not(setup, entry)
        if reason:
            left.append(Left(transfer.id, entry.reference, transfer.payout.payee.name, entry.amount, reason))
        else:
            entries.append(entry)
    uid = uid or new_uid()
    making = _making(organisation, setup, uid, now)
    written = writer.write(setup, entries[:MOST_ITEMS], making) if entries else None
    return Draft(
        organisation.id, file_format, uid, making, written, tuple(left),
        max(0, len(entries) - MOST_ITEMS), setup.masked,
    )  # fmt: skip


def _making(organisation: Organisation, setup: Setup, uid: str, now: datetime) -> Making:
    today = local_date(now, organisation.timezone)
    used = db.session.scalar(
        select(func.coalesce(func.max(BankFile.day_number), 0)).where(
            BankFile.organisation_id == organisation.id,
            BankFile.format == setup.format,
            BankFile.made_on == today,
        )
    )
    return Making(
        message_id=f"PD{uid[:24].upper()}",
        made_at=now.astimezone(ZoneInfo(organisation.timezone)).replace(microsecond=0),
        day_number=int(used or 0) + 1,
        execute_on=next_business_day(today, int(setup.values.get("days_ahead") or 0)),
        currency=setup.get("currency"),
    )


def _entry(transfer: Transfer) -> Entry:
    payout, method = transfer.payout, transfer.payout.method
    return Entry(
        transfer_row_id=transfer.id,
        transfer_id=transfer.transfer_id,
        payout_id=payout.id,
        reference=payout.reference,
        amount_minor=transfer.amount_minor,
        currency=transfer.currency,
        name=(method.name_at_bank if method else "") or payout.payee.name,
        scheme=method.scheme if method else "",
        masked=method.masked if method else "",
        kind=method.kind if method else "",
        details=details_of(method).reveal() if method and method.details_encrypted else {},
        n=transfer.n,
    )


@dataclass(frozen=True)
class Seen:
    """What the check page showed; carried through the form where nobody can change it."""

    uid: str
    at: datetime
    sha256: str


def _binding(organisation_id: int, user_id: int | None, file_format: str) -> str:
    return f"bank_file_draft.{organisation_id}.{user_id}.{file_format}"


def seal_seen(shown: Draft, now: datetime, user_id: int | None) -> str:
    """The check page's own record of what it shows."""
    values = {"uid": shown.uid, "at": now.isoformat(), "sha256": shown.sha256}
    return secrets.key_ring().encrypt(values, _binding(shown.organisation_id, user_id, shown.format))


def open_seen(
    envelope: str, organisation_id: int, user_id: int | None, file_format: str, now: datetime
) -> Seen:
    """What this person's check page showed. Raises Conflict when it is not theirs, damaged or too old."""
    try:
        values = (
            secrets.key_ring().decrypt(envelope, _binding(organisation_id, user_id, file_format)).reveal()
        )
    except secrets.SecretsError:
        raise Conflict(_GONE) from None
    seen = Seen(values["uid"], datetime.fromisoformat(values["at"]), values["sha256"])
    if now - seen.at > SEEN_FOR:
        raise Conflict("This page was shown more than an hour ago. Look at it again; nothing was made.")
    return seen


def make_again(*, organisation: Organisation, file_format: str, seen: Seen) -> Draft:
    """The file that was shown, made anew. Raises Conflict when it would be another one by now."""
    again = draft(organisation=organisation, file_format=file_format, now=seen.at, uid=seen.uid)
    if again.written is None or again.sha256 != seen.sha256:
        raise Conflict(_GONE)
    return again


def keep(*, made: Draft, storage_key: str, sealed: Sealed, actor: Actor, now: datetime) -> BankFile:
    """Keep a file whose bytes are stored: from now on its transfers can be in no other one.

    Raises Conflict when one of them is not as it was, or somebody put it into a file first.
    """
    written = made.written
    if written is None:
        raise Conflict("No payout can go into this file; nothing was made.")
    entries = [line.entry for line in written.lines]
    # Taken first: whoever makes a file of this organisation at the same time waits here.
    reference = next_number(made.organisation_id, f"BF-{made.making.made_at.year}", 4)
    _lock_unchanged(made.organisation_id, entries, now)
    file = BankFile(
        uid=made.uid, organisation_id=made.organisation_id, reference=reference, rail=RAIL,
        format=made.format, variant=written.variant, currency=made.making.currency,
        item_count=len(entries), total_minor=made.total.amount, controls=dict(written.controls),
        sha256=made.sha256, size_bytes=len(written.data), file_name=f"{reference}.{written.extension}",
        storage_key=storage_key, data_key_encrypted=sealed.data_key_encrypted,
        debit_masked=made.debit_masked, made_on=made.making.made_at.date(),
        day_number=made.making.day_number, execute_on=made.making.execute_on,
        state=FileState.MADE.value, made_by_id=actor.user_id, made_by_label=actor.label, made_at=now,
    )  # fmt: skip
    try:
        with db.session.begin_nested():
            db.session.add(file)
            db.session.flush()
            db.session.execute(insert(BankFileItem), _items(file, written))
    except IntegrityError as error:
        raise Conflict(_GONE) from error
    audit.record(
        tag="bankfiles:file:made", actor=actor, now=now, organisation_id=made.organisation_id,
        subject_type="bank_file", subject_id=file.id, subject_label=reference,
        changes={
            "payments": [None, len(entries)], "total": [None, f"{made.total.plain} {file.currency}"],
            "sha256": [None, file.sha256], "format": [None, file.variant],
        },
    )  # fmt: skip
    return file


def _items(file: BankFile, written: Written) -> list[dict[str, Any]]:
    return [
        {
            "organisation_id": file.organisation_id,
            "file_id": file.id,
            "position": position,
            "transfer_row_id": line.entry.transfer_row_id,
            "payout_id": line.entry.payout_id,
            "is_live": True,
            "key": line.key,
            "currency": line.entry.currency,
            "amount_minor": line.entry.amount_minor,
            "written_name": line.name[:200],
            "account_masked": line.entry.masked,
            "changes": [list(change) for change in line.changes],
            "word": "none",
            "code": "",
            "message": "",
            "utr": "",
            "answered_by": "",
        }
        for position, line in enumerate(written.lines, 1)
    ]


def _lock_unchanged(organisation_id: int, entries: Sequence[Entry], now: datetime) -> None:
    """Lock payouts and transfers, in the order that everybody keeps; refuse when one is not as it was written."""
    payouts = sorted(entry.payout_id for entry in entries)
    ids = [entry.transfer_row_id for entry in entries]
    for start in range(0, len(payouts), 500):
        part = payouts[start : start + 500]
        db.session.execute(select(Payout.id).where(Payout.id.in_(part)).order_by(Payout.id).with_for_update())
    found: dict[int, Transfer] = {}
    for start in range(0, len(ids), 500):
        part = ids[start : start + 500]
        db.session.execute(
            select(Transfer.id).where(Transfer.id.in_(part)).order_by(Transfer.id).with_for_update()
        )
        query = queries.described().where(
            Transfer.id.in_(part), Transfer.state == TransferState.QUEUED.value, queries.is_in_no_file()
        )
        found |= {transfer.id: transfer for transfer in queries.with_tries(query)}
    held = strays.in_review(organisation_id)
    for entry in entries:
        transfer = found.get(entry.transfer_row_id)
        if transfer is None or transfer.payout_id in held or in_files.why_it_waits(transfer, now):
            raise Conflict(_GONE)
        if (transfer.amount_minor, transfer.currency) != (entry.amount_minor, entry.currency):
            raise Conflict(_GONE)
