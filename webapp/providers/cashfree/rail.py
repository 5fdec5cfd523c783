"""The rail "cashfree": a transfer through Cashfree Payouts, and what its answers mean.

A POST is answered by what Cashfree has taken in, never by what has been paid; whatever is not a clean word about this
transfer is unknown, and is asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, select

from webapp.database import db, insert_ignoring_conflict, transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.money import Money
from webapp.providers import accounts, http
from webapp.providers.accounts import Access
from webapp.providers.cashfree import client, codes, modes
from webapp.providers.http import Reply
from webapp.providers.models import ProviderBeneficiary
from webapp.providers.ports import (
    CREDENTIALS,
    CREDITED,
    DUPLICATE,
    UNREADABLE,
    Answer,
    Outcome,
    TransferOrder,
    mask,
)

_NO_KEYS = Answer(
    Outcome.NOT_SENT, code=CREDENTIALS, message="There are no keys for Cashfree. An admin must enter them."
)
_BALANCE = "balance"
# What the ids of beneficiaries that Paydesk makes begin with; the key of the payment details follows.
_OURS = "PDB"
_MARGIN = timedelta(seconds=60)
_REFUSALS = frozenset({"401", "403"})


class Cashfree:
    """Sends and asks; keeps nothing but which payment details Cashfree knows."""

    name = "cashfree"
    needs_details = True
    # Its client is one pool of connections that threads may share.
    at_once = 4

    def expect(self, organisation_id: int, beneficiary_keys: Collection[str]) -> None:
        """Read at once which of these payment details Cashfree knows."""
        access = accounts.find_access(organisation_id, client.PROVIDER)
        if access is not None:
            _read_known(access, beneficiary_keys)

    def send(self, order: TransferOrder) -> Answer:
        """Ask for the transfer, once; the beneficiary is made first where Cashfree does not know it."""
        access = accounts.find_access(order.organisation_id, client.PROVIDER)
        if access is None:
            return _NO_KEYS
        if order.currency != "INR":
            return _refused("CURRENCY", f"Cashfree pays in INR, not in {order.currency}.")
        try:
            mode = modes.mode_for(order.details, order.amount_minor)
        except modes.NoMode as reason:
            return _refused("NO_MODE", str(reason))
        beneficiary = _beneficiary(access, order)
        if isinstance(beneficiary, Answer):
            return beneficiary
        body = client.transfer_body(
            transfer_id=order.transfer_id,
            amount=Money(order.amount_minor, "INR").decimal,
            mode=mode,
            beneficiary_id=beneficiary,
            remarks=modes.plain_remarks(order.remarks),
            fund_source=access.get("fund_source"),
        )
        reply = client.post_transfer(access, body)
        if reply.is_ok:
            return _transfer(access, reply, order.transfer_id)
        if reply.status == 404 and reply.body.get("code") in codes.BENEFICIARY_GONE:
            return _gone(access, order, reply)
        return _not_taken(reply)

    def status(self, organisation_id: int, transfer_id: str) -> Answer:
        """What became of a transfer."""
        access = accounts.find_access(organisation_id, client.PROVIDER)
        if access is None:
            return Answer(Outcome.UNKNOWN, message=_NO_KEYS.message)
        reply = client.get_transfer(access, transfer_id)
        if reply.is_ok:
            return _transfer(access, reply, transfer_id)
        if reply.status == 404 and reply.body.get("code") in codes.NOT_FOUND:
            return Answer(Outcome.NOT_FOUND, raw=_raw(reply))
        return Answer(Outcome.UNKNOWN, message=_problem(reply), raw=_raw(reply))

    def balance(self, organisation_id: int, currency: str) -> int | None:
        """Paise that can be spent; None when Cashfree does not say."""
        access = accounts.find_access(organisation_id, client.PROVIDER)
        if access is None or currency != "INR":
            return None
        for _ in range(2):
            token = accounts.shared_token(
                access, _BALANCE, lambda: client.fetch_balance_token(access), now=utc_now(), margin=_MARGIN
            )
            if token is None:
                return None
            reply, available = client.get_balance(access, token)
            # V1 names a refusal in the body, now and then with HTTP 200. Such a token is replaced, once.
            if available is not None or {str(reply.status), str(reply.body.get("subCode"))}.isdisjoint(
                _REFUSALS
            ):
                return available
            accounts.forget_token(access.account_id, _BALANCE)
        return None


def _refused(code: str, message: str) -> Answer:
    """A definite no of our own: nothing was sent, and sending it again would not help."""
    return Answer(Outcome.FAILED, code=code, message=message, raw={"refused_by": "paydesk"})


def _transfer(access: Access, reply: Reply, transfer_id: str) -> Answer:
    """A transfer as Cashfree describes it. One with another id than ours says nothing about ours."""
    body = reply.body
    status, code = str(body.get("status", "")), str(body.get("status_code") or "")
    if body.get("transfer_id") != transfer_id or not status:
        return Answer(
            Outcome.UNKNOWN, code=UNREADABLE, message="The answer is about another transfer.", raw=_raw(reply)
        )
    amount = http.minor_of(body.get("transfer_amount"))
    if amount is None and body.get("transfer_amount") is not None:
        return Answer(
            Outcome.UNKNOWN, code=UNREADABLE, message="The answer has no exact amount.", raw=_raw(reply)
        )
    outcome = codes.outcome_of(status)
    message = codes.sentence(code, str(body.get("status_description") or ""))
    if outcome is Outcome.UNKNOWN:
        message, our = f"Cashfree says {status[:40]!r}, which Paydesk does not know.", UNREADABLE
    elif outcome is Outcome.SUCCEEDED:
        message, our = "", CREDITED if code == codes.COMPLETED else ""
    elif outcome is Outcome.ACCEPTED:
        our = ""
    else:
        our = codes.our_code(code) or status
    return Answer(
        outcome,
        provider_reference=str(body.get("cf_transfer_id") or ""),
        utr=str(body.get("transfer_utr") or ""),
        code=our,
        message=message,
        amount_minor=amount,
        currency=str(body["currency"]) if body.get("currency") else None,
        booked_to=_booked_to(access, body.get("beneficiary_details")),
        raw=_raw(reply),
    )


def _booked_to(access: Access, details: Any) -> tuple[str, ...] | None:
    """The payment details that a transfer went to by Cashfree's own word; several versions may be one account."""
    said = str(details.get("beneficiary_id") or "") if isinstance(details, Mapping) else ""
    if not said:
        return None
    keys = accounts.notes().get(_named(access, said))
    if keys is None:
        keys = db.session.scalars(
            select(ProviderBeneficiary.beneficiary_key).where(
                ProviderBeneficiary.account_id == access.account_id,
                ProviderBeneficiary.beneficiary_id == said,
            )
        ).all()
        db.session.rollback()
    # Made by us, it carries the key in its name; any other that is not remembered is nobody's key.
    return (*keys, said.removeprefix(_OURS))


def _not_taken(reply: Reply) -> Answer:
    """A POST that was not answered by a transfer: certain refusals are named, the rest is unknown."""
    code, message = str(reply.body.get("code") or ""), _problem(reply)
    if not reply.was_sent:
        return Answer(Outcome.NOT_SENT, message=message)
    if reply.status == 409 or code in codes.DUPLICATES or _says_duplicate(reply):
        return Answer(Outcome.UNKNOWN, code=DUPLICATE, message=message, raw=_raw(reply))
    # A refusal counts only in Cashfree's own words: a page of somebody on the way says nothing about the transfer.
    if reply.status in (401, 403) and code:
        return Answer(Outcome.NOT_SENT, code=CREDENTIALS, message=message, raw=_raw(reply))
    if reply.status in (400, 404, 422) and code:
        return Answer(Outcome.FAILED, code=code, message=message, raw=_raw(reply))
    # 429 too: whether it was counted before or after it was taken in is not said.
    return Answer(Outcome.UNKNOWN, message=message, raw=_raw(reply))


def _says_duplicate(reply: Reply) -> bool:
    """Whether a refusal says in words that the transfer is there: older versions answer 400 with another code."""
    return reply.status == 400 and "already exist" in str(reply.body.get("message") or "").lower()


def _gone(access: Access, order: TransferOrder, reply: Reply) -> Answer:
    """The beneficiary was removed at Cashfree: forgotten here too, so that the next try makes it anew."""
    accounts.notes().pop(_of_key(access, order.beneficiary_key), None)
    with transaction() as session:
        session.execute(
            delete(ProviderBeneficiary).where(
                ProviderBeneficiary.account_id == access.account_id,
                ProviderBeneficiary.beneficiary_key == order.beneficiary_key,
            )
        )
    return Answer(Outcome.NOT_SENT, message=_problem(reply), raw=_raw(reply))


def _beneficiary(access: Access, order: TransferOrder) -> str | Answer:
    """The id under which Cashfree knows these payment details, made there if it does not; or why not.

    Nothing has moved yet here, so whatever goes wrong means that the transfer was not sent.
    """
    known = _known(access, order.beneficiary_key)
    if known:
        return known
    wanted = f"{_OURS}{order.beneficiary_key}"
    name = modes.plain_name(order.beneficiary)
    if not name:
        return _refused("NAME", "Cashfree needs the name at the bank in Latin letters.")
    reply = client.post_beneficiary(access, _beneficiary_body(wanted, name, order.details))
    code = str(reply.body.get("code") or "")
    if reply.is_ok:
        return _remember(access, order.beneficiary_key, str(reply.body.get("beneficiary_id") or wanted))
    if reply.status == 409 and code in codes.BENEFICIARY_THERE:
        return _existing(access, order, wanted)
    if reply.status in (401, 403):
        return Answer(Outcome.NOT_SENT, code=CREDENTIALS, message=_problem(reply), raw=_raw(reply))
    if reply.status in (400, 422) and code:
        return Answer(Outcome.FAILED, code=code, message=_problem(reply), raw=_raw(reply))
    return Answer(Outcome.NOT_SENT, message=_problem(reply), raw=_raw(reply))


def _beneficiary_body(beneficiary_id: str, name: str, details: Mapping[str, str]) -> dict[str, Any]:
    instrument = (
        {"vpa": details["vpa"]}
        if "vpa" in details
        else {"bank_account_number": details["account_number"], "bank_ifsc": details["ifsc"]}
    )
    return {
        "beneficiary_id": beneficiary_id,
        "beneficiary_name": name,
        "beneficiary_instrument_details": instrument,
    }


def _existing(access: Access, order: TransferOrder, wanted: str) -> str | Answer:
    """Cashfree has this id, or this account under another id: take it only if the account is really the same."""
    details = order.details
    queries = [{"beneficiary_id": wanted}]
    if "ifsc" in details:
        queries.append({"bank_account_number": details["account_number"], "bank_ifsc": details["ifsc"]})
    for query in queries:
        reply = client.get_beneficiary(access, **query)
        instrument = reply.body.get("beneficiary_instrument_details")
        if not reply.is_ok or not isinstance(instrument, Mapping):
            continue
        ifsc = instrument.get("bank_ifsc", instrument.get("ifsc"))
        same = (
            instrument.get("vpa") == details["vpa"]
            if "vpa" in details
            else (instrument.get("bank_account_number"), ifsc) == (details["account_number"], details["ifsc"])
        )
        if same:
            return _remember(access, order.beneficiary_key, str(reply.body["beneficiary_id"]))
    return Answer(
        Outcome.NOT_SENT,
        code="BENEFICIARY_DIFFERS",
        message="Cashfree knows a beneficiary of this id with another account. Nothing was sent.",
    )


def _of_key(access: Access, key: str) -> tuple[str, int, str]:
    return "beneficiary of", access.account_id, key


def _named(access: Access, beneficiary_id: str) -> tuple[str, int, str]:
    return "keys of", access.account_id, beneficiary_id


def _read_known(access: Access, keys: Collection[str]) -> None:
    """Note the beneficiaries of these payment details, and what else each of them stands for."""
    account = ProviderBeneficiary.account_id == access.account_id
    wanted = select(ProviderBeneficiary.beneficiary_id).where(
        account, ProviderBeneficiary.beneficiary_key.in_(keys)
    )
    rows = db.session.execute(
        select(ProviderBeneficiary.beneficiary_key, ProviderBeneficiary.beneficiary_id).where(
            account, ProviderBeneficiary.beneficiary_id.in_(wanted)
        )
    ).all()
    db.session.rollback()
    notes = accounts.notes()
    for key, beneficiary_id in rows:
        notes[_of_key(access, key)] = beneficiary_id
        notes[_named(access, beneficiary_id)] = (*notes.get(_named(access, beneficiary_id), ()), key)


def _known(access: Access, key: str) -> str | None:
    if noted := accounts.notes().get(_of_key(access, key)):
        return str(noted)
    db.session.rollback()
    found = (
        db.session.query(ProviderBeneficiary.beneficiary_id)
        .filter_by(account_id=access.account_id, beneficiary_key=key)
        .scalar()
    )
    db.session.rollback()
    return str(found) if found else None


def _remember(access: Access, key: str, beneficiary_id: str) -> str:
    with transaction() as session:
        insert_ignoring_conflict(
            session,
            ProviderBeneficiary,
            {
                "account_id": access.account_id,
                "beneficiary_key": key,
                "beneficiary_id": beneficiary_id[:50],
                "created_at": utc_now(),
            },
        )
    # Read again by whoever asks next: it may stand for several versions of payment details.
    accounts.notes().pop(_named(access, beneficiary_id[:50]), None)
    return beneficiary_id


def _problem(reply: Reply) -> str:
    code, said = str(reply.body.get("code") or ""), str(reply.body.get("message") or "")
    text = codes.sentence(code, said) or reply.problem or f"HTTP {reply.status}."
    return str(mask(text))[:300]


def _raw(reply: Reply) -> dict[str, Any]:
    kept: dict[str, Any] = mask(http.plain(reply.body))
    return {"http": reply.status, "request_id": reply.request_id, **kept}
