"""A return file brought in: each line finds its payment, and takes effect once, through the transfer's own state.

The bank's word is kept on the item; a worker then asks the transfer about it, as it does with any other provider.
Repeated and late lines change nothing.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, Select, and_, select
from sqlalchemy.orm import selectinload

from webapp.audit import service as audit
from webapp.bankfiles import bank_words, setups, strays
from webapp.bankfiles.answers import Answers, Spoken
from webapp.bankfiles.models import BankFile, BankFileItem, BankReturn
from webapp.bankfiles.states import FileState, Format, Word
from webapp.bankfiles.vault import Sealed
from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.kernel.labels import Label
from webapp.people.numbers import next_number


class Effect(Label):
    """What a line of a return file led to."""

    APPLIED = "applied", "Taken", "done"
    CONTRADICTS = "contradicts", "Says the opposite of before: two people must settle it", "failed"
    WAS_CANCELLED = "was_cancelled", "Its file was cancelled here: two people must settle it", "failed"
    OTHER_AMOUNT = "other_amount", "Another amount than ours: two people must settle it", "failed"
    NOT_SENT = "not_sent", "Its file is not marked as uploaded yet", "todo"
    NOT_OURS = "not_ours", "No payment of ours has this reference", "returned"
    UNREADABLE = "unreadable", "Not understood; nothing was changed", "todo"
    INFORMATION = "information", "For your information", "progress"
    REPEATED = "repeated", "Known already", "cancelled"


# In which order a page shows them: what a person must look at comes first.
ORDER = tuple(Effect)


def answer_columns(organisation_id: int) -> dict[str, str] | None:
    """How the organisation's bank calls the columns of its CSV; None without settings."""
    row = setups.find(organisation_id, Format.COLUMNS)
    return dict(row.values.get("answers") or {}) if row else None


def find_same(organisation_id: int, data: bytes) -> BankReturn | None:
    """The return file with the same bytes that was brought in before."""
    sha256 = hashlib.sha256(data).hexdigest()
    return db.session.scalar(
        select(BankReturn).where(BankReturn.organisation_id == organisation_id, BankReturn.sha256 == sha256)
    )


def bring_in(
    *,
    organisation_id: int,
    answers: Answers,
    data: bytes,
    file_name: str,
    uid: str,
    stored: tuple[str, Sealed] | None,
    actor: Actor,
    now: datetime,
) -> BankReturn:
    """Keep a return file and let its lines take effect. The same file again takes up only what could not be before.

    `stored` is where its sealed bytes lie (None: the same file is kept already).
    """
    sha256 = hashlib.sha256(data).hexdigest()
    # Two people with the same file: the number's row keeps them apart, and the second finds the first one's.
    reference = next_number(organisation_id, f"BR-{now.year}", 4) if stored else ""
    row = find_same(organisation_id, data)
    if row is None:
        assert stored is not None  # noqa: S101 - whoever brings a new file has stored it
        key, sealed = stored
        row = BankReturn(
            uid=uid, organisation_id=organisation_id, reference=reference, kind=answers.kind,
            file_name=file_name[:200], sha256=sha256, size_bytes=len(data), storage_key=key,
            data_key_encrypted=sealed.data_key_encrypted, counts={}, lines=[],
            brought_by_label=actor.label, brought_at=now,
        )  # fmt: skip
        db.session.add(row)
        db.session.flush()
    row.lines = _apply(row, answers.spoken, now)
    row.counts = dict(Counter(line["effect"] for line in row.lines))
    db.session.flush()
    audit.record(
        tag="bankfiles:return:brought_in", actor=actor, now=now, organisation_id=organisation_id,
        subject_type="bank_return", subject_id=row.id, subject_label=row.reference,
        changes={"sha256": [None, sha256], **{name: [None, n] for name, n in row.counts.items()}},
    )  # fmt: skip
    return row


@dataclass
class _Work:
    """One return file while its words are taken: the files that they are about, and what people must look at."""

    row: BankReturn
    now: datetime
    files: dict[int, BankFile]
    reviews: list[tuple[BankFileItem, str]] = field(default_factory=list)
    halts: list[str] = field(default_factory=list)


def _apply(row: BankReturn, spoken: Iterable[Spoken], now: datetime) -> list[dict[str, str]]:
    words = list(spoken)
    singles, groups = [w for w in words if not w.message_id], [w for w in words if w.message_id]
    files = _locked_files(row.organisation_id, [w.key for w in singles], [w.message_id for w in groups])
    work = _Work(row, now, files)
    items = _items_of(row.organisation_id, [w.key for w in singles])
    lines, spoken_of = [], set()
    # The items are written together at the end of the loop, not one by one.
    with db.session.no_autoflush:
        for one in singles:
            item = _chosen(items.get(one.key, ()), one, files)
            lines.append(_line(one, item, _take(work, one, item)))
            if item is not None:
                spoken_of.add(item.id)
    db.session.flush()
    # The innermost word counts: of the payment, else of its group, else of the whole message.
    for one in reversed(groups):
        group = _group(files, one.message_id)
        if not group:
            lines.append(_line(one, None, Effect.NOT_OURS))
        with db.session.no_autoflush:
            for item in (i for i in group if i.id not in spoken_of):
                spoken_of.add(item.id)
                lines.append(_line(one, item, _take(work, one, item)))
        db.session.flush()
    for file in files.values():
        if file.sent_at is not None:
            bank_words.close_if_answered(file, now)
    db.session.flush()
    strays.review(work.reviews, now)
    strays.halt(row.organisation_id, work.halts, now)
    return lines


def _parts(keys: Iterable[str]) -> Iterator[list[str]]:
    unique = sorted({key for key in keys if key})
    for start in range(0, len(unique), 500):
        yield unique[start : start + 500]


def _prefix(message_id: str) -> str:
    """The beginning of the uid of the file with a message id; empty when the id is none of ours."""
    prefix = message_id[2:].lower()
    return prefix if message_id.startswith("PD") and len(prefix) == 24 and prefix.isalnum() else ""


def _locked_files(
    organisation_id: int, keys: Iterable[str], message_ids: Iterable[str]
) -> dict[int, BankFile]:
    """The files that the words are about, locked in the order of their ids: whoever writes words takes them first."""
    ids: set[int] = set()
    for part in _parts(keys):
        query = select(BankFileItem.file_id).where(_named(organisation_id, part))
        ids |= set(db.session.scalars(query.distinct()))
    for prefix in {found for message_id in message_ids if (found := _prefix(message_id))}:
        query = select(BankFile.id).where(
            BankFile.organisation_id == organisation_id, BankFile.uid.startswith(prefix, autoescape=True)
        )
        ids |= set(db.session.scalars(query))
    locked = db.session.scalars(
        select(BankFile)
        .where(BankFile.id.in_(ids))
        .order_by(BankFile.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return {file.id: file for file in locked}


def _named(organisation_id: int, keys: list[str]) -> ColumnElement[bool]:
    # Those of cancelled files too: the bank may have one nevertheless.
    return and_(BankFileItem.organisation_id == organisation_id, BankFileItem.key.in_(keys))


def _items_of(organisation_id: int, keys: Iterable[str]) -> dict[str, list[BankFileItem]]:
    """The items by their keys, read afresh: their files are locked by now."""
    found: dict[str, list[BankFileItem]] = {}
    for part in _parts(keys):
        query = select(BankFileItem).where(_named(organisation_id, part))
        for item in db.session.scalars(_with_payouts(query)):
            found.setdefault(item.key, []).append(item)
    return found


def _file_of(files: Mapping[int, BankFile], message_id: str) -> BankFile | None:
    prefix = _prefix(message_id)
    return next((f for f in files.values() if prefix and f.uid.startswith(prefix)), None)


def _chosen(
    candidates: Sequence[BankFileItem], one: Spoken, files: Mapping[int, BankFile]
) -> BankFileItem | None:
    # An item that came since the files were locked is of a file that nobody has given to a bank.
    known = [item for item in candidates if item.file_id in files]
    if not known:
        return None
    about = _file_of(files, one.about)
    return strays.best(known, files, about.id if about else None)


def _group(files: Mapping[int, BankFile], message_id: str) -> list[BankFileItem]:
    """The items of the file with a message id, of a cancelled one too."""
    file = _file_of(files, message_id)
    if file is None:
        return []
    query = select(BankFileItem).where(BankFileItem.file_id == file.id)
    return list(db.session.scalars(_with_payouts(query.order_by(BankFileItem.position))))


def _with_payouts(query: Select[BankFileItem]) -> Select[BankFileItem]:
    both = selectinload(BankFileItem.payout), selectinload(BankFileItem.transfer)
    return query.options(*both).execution_options(populate_existing=True)


def _take(work: _Work, one: Spoken, item: BankFileItem | None) -> Effect:
    """Let one word take effect, and say which."""
    if item is None:
        return Effect.NOT_OURS
    if one.is_information:
        item.message = one.text[:500]
        return Effect.INFORMATION
    file, row = work.files[item.file_id], work.row
    if file.state == FileState.CANCELLED and one.word is not None:
        return _take_cancelled(work, one, one.word, item)
    if file.sent_at is None:
        if one.word is not None and strays.mark_early(item, one.word, row.reference):
            work.halts.append(f"{item.payout.reference} in {file.reference}: {item.message}")
        return Effect.NOT_SENT
    if one.word is None:
        return Effect.UNREADABLE
    try:
        booked = one.minor(item.currency)
    except ValueError:
        return Effect.UNREADABLE
    if one.currency and one.currency != item.currency:
        return Effect.UNREADABLE
    if not bank_words.can_follow(item, one.word):
        return _compare(work, one, item, booked)
    bank_words.take_word(
        item,
        one.word,
        work.now,
        by=row.reference,
        code=one.code,
        message=one.text,
        utr=one.utr,
        booked_minor=booked,
    )
    if booked is not None and booked != item.amount_minor:
        return Effect.OTHER_AMOUNT
    if not bank_words.is_contradicted(item):
        return Effect.APPLIED
    work.halts.append(f"{item.payout.reference}: {item.message} Two people must settle it.")
    return Effect.CONTRADICTS


def _take_cancelled(work: _Work, one: Spoken, word: Word, item: BankFileItem) -> Effect:
    """A word on a payment of a file that was cancelled here: it was uploaded after all."""
    if not bank_words.can_follow(item, word):
        return Effect.REPEATED
    row, file = work.row, work.files[item.file_id]
    bank_words.keep_word(item, word, work.now, by=row.reference, code=one.code, message=one.text, utr=one.utr)
    if not strays.needs_people(item, word):
        return Effect.INFORMATION
    work.reviews.append(
        (
            item,
            f"The bank says {word.label.lower()} ({row.reference}) of {file.reference}, which was cancelled here.",
        )
    )
    return Effect.WAS_CANCELLED


def _compare(work: _Work, one: Spoken, item: BankFileItem, booked: int | None) -> Effect:
    """A word that is known, with an amount that may not be: paid was said without one, or with another."""
    if one.word is not Word.PAID or item.word != Word.PAID or booked is None:
        return Effect.REPEATED
    known = item.amount_minor if item.booked_minor is None else item.booked_minor
    if booked == known:
        item.booked_minor = booked
        return Effect.REPEATED
    if known != item.amount_minor or bank_words.is_contradicted(item):
        return Effect.REPEATED  # people look at it already
    bank_words.take_word(
        item, Word.PAID, work.now, by=work.row.reference, message=f"{item.message} Then another amount.".strip(),
        utr=one.utr, booked_minor=booked,
    )  # fmt: skip
    return Effect.OTHER_AMOUNT


def _line(one: Spoken, item: BankFileItem | None, effect: Effect) -> dict[str, str]:
    return {
        "key": (item.key if item else one.key or one.message_id)[:60],
        "payout": item.payout.reference if item else "",
        "word": one.word.value if one.word else "",
        "code": one.code,
        "text": (_why_unreadable(one, item) if effect is Effect.UNREADABLE else one.text)[:300],
        "effect": effect.value,
    }


def _why_unreadable(one: Spoken, item: BankFileItem | None) -> str:
    """What is wrong with a line, in a sentence; what the bank wrote where it is its status that nobody knows."""
    if one.word is None or item is None:
        return one.text
    if one.currency and one.currency != item.currency:
        return f"It names {one.currency[:10]}, and the payment is in {item.currency}."
    return f"{one.amount[:40]!r} is no amount in {item.currency}. Ask the bank what was booked."
