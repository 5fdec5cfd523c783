"""Bank files for tests: settings, payouts that wait for a file, files in every state; made through the services."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tests.factories import people
from tests.factories.payouts import WHEN, payout_ready
from tests.factories.people import FACTORY, stored
from webapp.bankfiles import columns, making, returns, service, setups, vault
from webapp.bankfiles.answers import Answers, Spoken
from webapp.bankfiles.models import BankFile, BankFileSetup, BankReturn
from webapp.bankfiles.states import Word
from webapp.database import db
from webapp.kernel.ids import new_uid
from webapp.payouts import policies
from webapp.payouts import service as payouts
from webapp.payouts.models import Payout
from webapp.payouts.policy import default_rules
from webapp.people import accounts
from webapp.people.models import Organisation, User

NACHA: dict[str, Any] = {
    "destination_routing": "021000021",
    "destination_name": "First Bank",
    "odfi_routing": "021000021",
    "company_name": "Solaria Inc",
    "company_id": "1123456789",
    "immediate_origin": "",
    "entry_class": "PPD",
    "account_kind": "22",
    "description": "Payout",
    "days_ahead": 1,
}
PAIN001: dict[str, Any] = {
    "version": "pain.001.001.09",
    "initiator": "Solaria Inc",
    "initiator_id": "",
    "debtor": "Solaria Inc",
    "iban": "DE89 3704 0044 0532 0130 00",
    "bic": "COBADEFF",
    "currency": "USD",
    "service": "",
    "is_batch": True,
    "days_ahead": 0,
}
COLUMNS: dict[str, Any] = {
    "name": "ICICI Bank",
    "columns": columns.ICICI,
    "delimiter": ",",
    "has_header": True,
    "dates": "%d-%m-%Y",
    "amounts": "point",
    "own_bank": "ICIC",
    "currency": "INR",
    "account_number": "000405001234",
    "bank_code": "ICIC0000405",
    "days_ahead": 0,
    "answer_key": "Customer Ref No",
    "answer_status": "STATUS",
    "answer_reason": "Rejection Reason",
    "answer_utr": "UTR NO",
    "answer_amount": "AMOUNT",
    "answer_paid": "Paid, Success",
    "answer_refused": "Rejected",
    "answer_returned": "Returned",
    "answer_accepted": "Pending",
}
VALUES = {"nacha": NACHA, "pain001": PAIN001, "columns": COLUMNS}


def switch_on(organisation: Organisation, **rules: Any) -> None:
    """Let the organisation pay with bank files."""
    wanted = {**default_rules(organisation.currency), "rails": ["manual", "bank_file"], **rules}
    with stored():
        policies.change_policy(organisation_id=organisation.id, rules=wanted, actor=FACTORY, now=WHEN)


def setup(organisation: Organisation, file_format: str = "nacha", **values: Any) -> BankFileSetup:
    """Settings of a format, new or in place of those that are there."""
    with stored():
        there = setups.find(organisation.id, file_format)
        return setups.save(
            organisation_id=organisation.id,
            file_format=file_format,
            values={**VALUES[file_format], **values},
            actor=FACTORY,
            now=WHEN,
            expected_version=there.version if there else 0,
        )


def waiting(
    organisation: Organisation,
    amount: int = 49_950,
    *,
    where: accounts.Destination | None = None,
    now: datetime = WHEN,
    **values: Any,
) -> Payout:
    """A payout whose transfer waits for a file."""
    with stored():
        payee = values.pop("payee", None) or people.payee(organisation)
        if where is not None:
            people.method(payee, where)
        made = payout_ready(organisation, payee, amount, now=now, **values)
        payouts.submit(
            organisation_id=organisation.id,
            reference=made.reference,
            actor=FACTORY,
            now=now,
            rail="bank_file",
        )
    return made


def make(
    organisation: Organisation, by: User | None = None, file_format: str = "nacha", now: datetime = WHEN
) -> BankFile:
    """A file of everything that waits."""
    actor = people.actor_of(by) if by else FACTORY
    draft = making.draft(organisation=organisation, file_format=file_format, now=now)
    assert draft.written is not None, [left.reason for left in draft.left]
    if not db.session.info.get("is_writing"):
        db.session.rollback()
    key, sealed = vault.put(vault.FILES, draft.uid, draft.written.data)
    with stored():
        return making.keep(made=draft, storage_key=key, sealed=sealed, actor=actor, now=now)


def bytes_of(file: BankFile) -> bytes:
    """What stands in a file."""
    return vault.get(vault.FILES, file.uid, file.storage_key, file.data_key_encrypted)


def approve(file: BankFile, by: User, now: datetime = WHEN) -> BankFile:
    """The second person's yes."""
    with stored():
        return service.approve(
            organisation_id=file.organisation_id,
            reference=file.reference,
            sha256=file.sha256,
            actor=people.actor_of(by),
            now=now,
            expected_version=file.version,
        ).file


def download(file: BankFile, by: User, now: datetime = WHEN) -> BankFile:
    """Note that its bytes left."""
    with stored():
        return service.note_download(
            organisation_id=file.organisation_id, reference=file.reference, actor=people.actor_of(by), now=now
        ).file


def send(file: BankFile, by: User, now: datetime = WHEN) -> BankFile:
    """The word that it was uploaded."""
    with stored():
        return service.mark_sent(
            organisation_id=file.organisation_id,
            reference=file.reference,
            bank_reference="UPL-1",
            actor=people.actor_of(by),
            now=now,
            expected_version=file.version,
        ).file


def uploaded(
    organisation: Organisation, maker: User, approver: User, file_format: str = "nacha", now: datetime = WHEN
) -> BankFile:
    """A file of everything that waits, all the way to the bank."""
    file = make(organisation, maker, file_format, now)
    return send(download(approve(file, approver, now), maker, now), maker, now)


def returned(organisation: Organisation, data: bytes, *spoken: Spoken, now: datetime = WHEN) -> BankReturn:
    """A return file with the given words; without any, one about a payment that nobody knows."""
    uid, words = new_uid(), spoken or (Spoken(key="UNKNOWN", word=Word.PAID),)
    stored_at = None
    if returns.find_same(organisation.id, data) is None:
        stored_at = vault.put(vault.RETURNS, uid, data)
    if not db.session.info.get("is_writing"):
        db.session.rollback()
    with stored():
        return returns.bring_in(
            organisation_id=organisation.id,
            answers=Answers("CSV", words),
            data=data,
            file_name="answer.csv",
            uid=uid,
            stored=stored_at,
            actor=FACTORY,
            now=now,
        )
