"""Bank files: what would go into the next one, making it, and the second person's yes. Bytes leave by the page only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from webapp.api import paging
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.schemas.common import Amount
from webapp.api.schemas.providers import (
    BankFile,
    BankFileApprove,
    BankFileCreate,
    BankFileDetail,
    BankFileDraft,
    BankFilePage,
    BankFileQuery,
    DraftQuery,
    LeftOut,
)
from webapp.bankfiles import making, queries, service, vault
from webapp.bankfiles.making import Draft
from webapp.bankfiles.models import BankFile as Row
from webapp.bankfiles.states import FileState
from webapp.bankfiles.vault import Sealed
from webapp.bankfiles.writing import Unwritable
from webapp.database import db
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict
from webapp.people.access.tokens import Scope
from webapp.people.models import Organisation
from webapp.providers import storage

resource = Resource(
    "bank_files",
    "/bank-files",
    title="Bank files",
    about="Payments that leave in a file. One person makes it, another approves exactly its bytes; it is downloaded "
    "and marked as uploaded on its page.",
)
_read, _write = {"scope": Scope.BANK_FILES_READ}, {"scope": Scope.BANK_FILES_WRITE, "answers": BankFileDetail}
_AS_IT_IS = (
    "reference", "format", "variant", "state", "sha256", "file_name", "made_at", "approved_at", "sent_at",
    "bank_reference", "version",
)  # fmt: skip


def _fields(row: Row) -> dict[str, Any]:
    return {
        **{name: getattr(row, name) for name in _AS_IT_IS},
        "payments": row.item_count,
        "total": Amount.of(row.total_minor, row.currency),
        "controls": dict(row.controls),
        "pays_on": row.execute_on,
        "made_by": row.made_by_label,
        "approved_by": row.approved_by_label,
        "sent_by": row.sent_by_label,
    }


def _detail(who: Caller, row: Row) -> BankFileDetail:
    reasons = service.why_not_approve(row, who.user_id) if row.state == FileState.MADE else []
    return BankFileDetail(**_fields(row), why_not_approve=reasons)


@resource.get("", summary="List bank files", query=BankFileQuery, answers=BankFilePage, **_read)
def index(who: Caller, query: BankFileQuery) -> BankFilePage:
    """All files, the newest first."""
    found = queries.files(who.organisation_id)
    rows, following = paging.page(found, Row.id, limit=query.limit, cursor=query.cursor)
    return BankFilePage(items=[BankFile(**_fields(row)) for row in rows], next_cursor=following)


@resource.get("/draft", summary="See the next bank file", query=DraftQuery, answers=BankFileDraft,
              scope=Scope.BANK_FILES_WRITE)  # fmt: skip
def draft(who: Caller, query: DraftQuery) -> BankFileDraft:
    """What would go into a file now, and what would not and why. Nothing is made."""
    organisation, now = db.session.get_one(Organisation, who.organisation_id), utc_now()
    shown = _drawn(organisation, query.format, now)
    return BankFileDraft(
        format=query.format,
        payments=len(shown.lines),
        total=Amount.of(shown.total.amount, shown.total.currency),
        controls=dict(shown.written.controls) if shown.written else {},
        sha256=shown.sha256 if shown.written else "",
        payouts=[line.entry.reference for line in shown.lines],
        left_out=[
            LeftOut(
                payout=one.reference, payee=one.payee, amount=Amount.of(one.amount.amount, one.amount.currency),
                reason=one.reason,
            )
            for one in shown.left
        ],
        waits_for_next=shown.later,
        seen=making.seal_seen(shown, now, who.user_id) if shown.written else "",
    )  # fmt: skip


def _drawn(organisation: Organisation, file_format: str, now: Any) -> Draft:
    try:
        return making.draft(organisation=organisation, file_format=file_format, now=now)
    except Unwritable as error:
        raise Conflict(str(error)) from error


@resource.get("/<reference>", summary="Get a bank file", answers=BankFileDetail, **_read)
def show(who: Caller, reference: str) -> BankFileDetail:
    """One file: figures to compare, and who did what."""
    return _detail(who, queries.get_file(who.organisation_id, reference))


@dataclass(frozen=True)
class _Stored:
    """A file that is written and sealed, before it is kept; or the one that was made of the same draft."""

    there: str = ""
    draft: Draft | None = None
    storage_key: str = ""
    sealed: Sealed | None = None


def _store(who: Caller, body: BankFileCreate) -> _Stored:
    """Write the bytes again and store them: no transaction waits for the storage."""
    seen = making.open_seen(body.seen, who.organisation_id, who.user_id, body.format, utc_now())
    if (there := queries.find_by_uid(who.organisation_id, seen.uid)) is not None:
        return _Stored(there=there.reference)
    organisation = db.session.get_one(Organisation, who.organisation_id)
    try:
        again = making.make_again(organisation=organisation, file_format=body.format, seen=seen)
    except Unwritable as error:
        raise Conflict(str(error)) from error
    if again.written is None:
        raise Conflict("No payout can go into this file; nothing was made.")
    db.session.rollback()
    key, sealed = vault.put(vault.FILES, again.uid, again.written.data)
    return _Stored(draft=again, storage_key=key, sealed=sealed)


@resource.post("", summary="Make a bank file", body=BankFileCreate, status=201, before=_store,
               location="/bank-files/{reference}", **_write)  # fmt: skip
def create(who: Caller, body: BankFileCreate, prepared: _Stored) -> BankFileDetail:
    """Make the file of a draft, and no other one: where something changed since, 409 and nothing is made."""
    if prepared.draft is None or prepared.sealed is None:
        return _detail(who, queries.get_file(who.organisation_id, prepared.there))
    try:
        row = making.keep(
            made=prepared.draft, storage_key=prepared.storage_key, sealed=prepared.sealed, actor=who.actor,
            now=utc_now(),
        )  # fmt: skip
    except BaseException:
        storage.delete(prepared.storage_key)
        raise
    return _detail(who, row)


@resource.post("/<reference>/approve", summary="Approve a bank file", body=BankFileApprove, **_write)
def approve(who: Caller, reference: str, body: BankFileApprove) -> BankFileDetail:
    """The second person's yes to exactly these bytes. Who made it, or is paid by it, cannot give it."""
    done = service.approve(
        organisation_id=who.organisation_id,
        reference=reference,
        sha256=body.sha256,
        actor=who.actor,
        now=utc_now(),
        expected_version=body.version,
    )
    return _detail(who, done.file)
