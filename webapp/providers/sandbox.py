"""The sandbox bank: behaves like a provider, keeps its own books, moves no money.

Its books live in tables of their own, written over a connection of its own and committed at once, as a bank
would: what Paydesk rolls back stays known here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import current_app
from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from webapp.database import db, read_only
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, Invalid, NotFound
from webapp.kernel.ids import digest
from webapp.providers.models import SandboxCall, SandboxOrder, SandboxTransfer
from webapp.providers.ports import CREDITED, DUPLICATE, Answer, Outcome, TransferOrder, mask

RETURNED_AFTER = timedelta(days=1)


@dataclass(frozen=True)
class Behaviour:
    """What the bank does with a transfer, and how a person reads it."""

    name: str
    label: str


# The one table of rules: an account number that ends so is treated so. Anything else settles.
RULES: dict[str, Behaviour] = {
    "0001": Behaviour("fail:ACCOUNT_CLOSED", "Fails: the account is closed"),
    "0002": Behaviour("time_out", "Accepts the transfer, but the answer never arrives; it settles"),
    "0003": Behaviour("reverse", "Settles, and sends the money back a day later"),
    "0004": Behaviour(
        "fail_once:BANK_UNAVAILABLE", "Fails the first time: the bank is away; the retry settles"
    ),
    "0005": Behaviour("hang", "Stays pending until somebody settles it here"),
    "0006": Behaviour("lost", "The request is lost on the way; the bank never hears of it"),
}
# What can be ordered for the next transfer, whatever its account.
ORDERS: dict[str, str] = {
    "settle": "Settle it",
    "fail:ACCOUNT_CLOSED": "Fail it: the account is closed",
    "fail:BANK_UNAVAILABLE": "Fail it: the bank is away (retried)",
    "fail:INSUFFICIENT_BALANCE": "Fail it: not enough money (retried)",
    "time_out": "Accept it and time out",
    "lost": "Lose it on the way",
    "reverse": "Settle it and return it a day later",
    "hang": "Keep it pending",
}
MESSAGES = {
    "ACCOUNT_CLOSED": "The account is closed.",
    "BANK_UNAVAILABLE": "The payee's bank does not answer at the moment.",
    "INSUFFICIENT_BALANCE": "There is not enough money in the account.",
    "RETURNED_BY_BANK": "The payee's bank sent the money back.",
}


@contextmanager
def _books() -> Iterator[Connection]:
    """The bank's own connection, committed at the end of the block.

    Ends a reading transaction that is still open here; inside a writing one nobody may call a bank.
    """
    session = db.session()
    if session.info.get("is_writing"):
        raise RuntimeError("a transaction is open; a bank is called outside of one")
    session.rollback()
    marker = read_only.set(False)
    try:
        with db.engine.begin() as connection:
            yield connection
    finally:
        read_only.reset(marker)


class SandboxBank:
    """The rail "sandbox"."""

    name = "sandbox"
    needs_details = False

    def send(self, order: TransferOrder) -> Answer:
        """Take a transfer in. The same id again is answered as a duplicate, whatever else it says."""
        now = utc_now()
        try:
            with _books() as connection:
                behaviour = _behaviour(connection, order)
                if behaviour == "lost":
                    return Answer(Outcome.UNKNOWN, message="No answer within the time limit.")
                _log(connection, order.transfer_id, "POST", "accepted", now)
                _take_in(connection, order, behaviour, now)
        except IntegrityError:
            with _books() as connection:
                _log(connection, order.transfer_id, "POST", "duplicate", now)
            message = "This transfer id is known already."
            return Answer(Outcome.UNKNOWN, code=DUPLICATE, message=message, raw={"status": 409})
        if behaviour == "time_out":
            return Answer(Outcome.UNKNOWN, message="No answer within the time limit.")
        return Answer(
            Outcome.ACCEPTED,
            provider_reference=_reference(order.transfer_id),
            amount_minor=order.amount_minor,
            currency=order.currency,
            raw={"status": 202, "state": "pending"},
        )

    def status(self, organisation_id: int, transfer_id: str) -> Answer:
        """What the bank knows of a transfer."""
        now = utc_now()
        with _books() as connection:
            settle_due(connection, now, transfer_id)
            row: Any = connection.execute(
                select(SandboxTransfer.__table__).where(SandboxTransfer.transfer_id == transfer_id)
            ).one_or_none()
            _log(connection, transfer_id, "GET", row.state if row else "not found", now)
        if row is None:
            return Answer(Outcome.NOT_FOUND, raw={"status": 404})
        return _answer(row)

    def balance(self, organisation_id: int, currency: str) -> int | None:
        """The sandbox bank has no limit of its own."""
        return None


def _answer(row: Any) -> Answer:
    outcome = {
        "pending": Outcome.ACCEPTED,
        "success": Outcome.SUCCEEDED,
        "failed": Outcome.FAILED,
        "reversed": Outcome.REVERSED,
    }[row.state]
    raw = {"status": 200, "state": row.state, "account": row.account_masked, "code": row.code, "utr": row.utr}
    return Answer(
        outcome,
        provider_reference=_reference(row.transfer_id),
        utr=row.utr,
        code=CREDITED if outcome is Outcome.SUCCEEDED else row.code,
        message=row.message,
        amount_minor=row.amount_minor,
        currency=row.currency,
        booked_to=(row.account_masked,) if row.account_masked else None,
        raw=mask(raw),
    )


def _reference(transfer_id: str) -> str:
    return f"SB-{digest(transfer_id)[:10].upper()}"


def _utr(transfer_id: str) -> str:
    return f"SBX{int(digest(transfer_id)[:12], 16) % 10**12:012d}"


def _behaviour(connection: Connection, order: TransferOrder) -> str:
    """An order for the next transfer wins over the rule of the account; it is used up by it."""
    ordered = connection.scalar(
        select(SandboxOrder.behaviour).where(SandboxOrder.organisation_id == order.organisation_id)
    )
    known = connection.scalar(
        select(SandboxTransfer.id).where(SandboxTransfer.transfer_id == order.transfer_id)
    )
    if ordered is not None and known is None:
        connection.execute(delete(SandboxOrder).where(SandboxOrder.organisation_id == order.organisation_id))
        return ordered
    rule = RULES.get(order.account_masked[-4:])
    if rule is None:
        return "settle"
    if rule.name.startswith("fail_once:"):
        earlier = connection.scalar(
            select(func.count())
            .select_from(SandboxTransfer)
            .where(
                SandboxTransfer.organisation_id == order.organisation_id,
                SandboxTransfer.account_masked == order.account_masked,
                SandboxTransfer.beneficiary == order.beneficiary,
            )
        )
        return "settle" if earlier else rule.name.replace("fail_once", "fail")
    return rule.name


def _take_in(connection: Connection, order: TransferOrder, behaviour: str, now: datetime) -> None:
    delay = timedelta(seconds=current_app.config["SETTINGS"].sandbox_delay)
    connection.execute(
        insert(SandboxTransfer).values(
            organisation_id=order.organisation_id,
            transfer_id=order.transfer_id,
            currency=order.currency,
            amount_minor=order.amount_minor,
            beneficiary=order.beneficiary[:200],
            account_masked=order.account_masked,
            remarks=order.remarks[:200],
            state="pending",
            behaviour=behaviour,
            received_at=now,
            settle_at=None if behaviour == "hang" else now + delay,
            changed_at=now,
        )
    )


def _log(connection: Connection, transfer_id: str, method: str, answer: str, now: datetime) -> None:
    connection.execute(
        insert(SandboxCall).values(transfer_id=transfer_id, method=method, answer=answer[:200], at=now)
    )


def settle_due(connection: Connection, now: datetime, transfer_id: str | None = None) -> None:
    """Let time pass: pending transfers settle or fail, and some settled ones come back."""
    query = select(
        SandboxTransfer.transfer_id,
        SandboxTransfer.behaviour,
        SandboxTransfer.state,
        SandboxTransfer.settle_at,
    ).where(SandboxTransfer.settle_at <= now)
    if transfer_id is not None:
        query = query.where(SandboxTransfer.transfer_id == transfer_id)
    for row in connection.execute(query).all():
        if row.state == "pending":
            verb, _, code = row.behaviour.partition(":")
            state = "failed" if verb == "fail" else "success"
            # A transfer that is to come back has a second date.
            following = row.settle_at + RETURNED_AFTER if verb == "reverse" else None
            _set(connection, row.transfer_id, state, code, now, following)
            if following is not None and following <= now:
                _set(connection, row.transfer_id, "reversed", "RETURNED_BY_BANK", now, None)
        elif row.state == "success":
            _set(connection, row.transfer_id, "reversed", "RETURNED_BY_BANK", now, None)


def _set(
    connection: Connection, transfer_id: str, state: str, code: str, now: datetime, settle_at: datetime | None
) -> None:
    values: dict[str, Any] = {
        "state": state,
        "code": code,
        "message": MESSAGES.get(code, ""),
        "settle_at": settle_at,
        "changed_at": now,
    }
    if state == "success":
        values["utr"] = _utr(transfer_id)
    connection.execute(
        update(SandboxTransfer).where(SandboxTransfer.transfer_id == transfer_id).values(**values)
    )


def transfers(organisation_id: int, limit: int = 100) -> list[Any]:
    """The newest transfers of an organisation in the bank's books."""
    with _books() as connection:
        settle_due(connection, utc_now())
        query = select(SandboxTransfer.__table__).where(SandboxTransfer.organisation_id == organisation_id)
        return list(connection.execute(query.order_by(SandboxTransfer.id.desc()).limit(limit)))


def ordered(organisation_id: int) -> str | None:
    """What is ordered for the organisation's next transfer."""
    with _books() as connection:
        return connection.scalar(
            select(SandboxOrder.behaviour).where(SandboxOrder.organisation_id == organisation_id)
        )


def order_next(*, organisation_id: int, behaviour: str, now: datetime) -> None:
    """Say what happens to the organisation's next transfer; empty takes the order back. Raises Invalid."""
    if behaviour and behaviour not in ORDERS:
        raise Invalid("behaviour", f"The bank does not know {behaviour!r}.", "time_out")
    with _books() as connection:
        connection.execute(delete(SandboxOrder).where(SandboxOrder.organisation_id == organisation_id))
        if behaviour:
            connection.execute(
                insert(SandboxOrder).values(
                    organisation_id=organisation_id, behaviour=behaviour, created_at=now
                )
            )


def act(*, organisation_id: int, transfer_id: str, action: str, code: str = "", now: datetime) -> str:
    """Settle, fail or return a transfer by hand, at the bank's own desk; answers a sentence.

    Raises NotFound, Conflict when the transfer's state does not allow it, Invalid for an unknown action.
    """
    needed = {"settle": "pending", "fail": "pending", "return": "success"}
    if action not in needed:
        raise Invalid("action", f"The bank cannot {action!r} a transfer.", "settle")
    if action == "fail" and code not in MESSAGES:
        raise Invalid("code", "Choose why it fails.", "ACCOUNT_CLOSED")
    with _books() as connection:
        settle_due(connection, now, transfer_id)
        state = connection.scalar(
            select(SandboxTransfer.state).where(
                SandboxTransfer.organisation_id == organisation_id, SandboxTransfer.transfer_id == transfer_id
            )
        )
        if state is None:
            raise NotFound
        if state != needed[action]:
            word = {"success": "settled", "reversed": "returned"}.get(state, state)
            raise Conflict(f"The transfer is {word}; the bank cannot {action} it.")
        if action == "settle":
            _set(connection, transfer_id, "success", "", now, None)
        elif action == "fail":
            _set(connection, transfer_id, "failed", code, now, None)
        else:
            _set(connection, transfer_id, "reversed", "RETURNED_BY_BANK", now, None)
    return {
        "settle": "The bank has settled it. Paydesk hears of it when it asks next.",
        "fail": "The bank has failed it. Paydesk hears of it when it asks next.",
        "return": "The bank has sent the money back. Paydesk hears of it when it asks next.",
    }[action]


def posts(transfer_id: str) -> int:
    """How many times the bank was asked to make a transfer; duplicates included."""
    with _books() as connection:
        return int(
            connection.scalar(
                select(func.count())
                .select_from(SandboxCall)
                .where(SandboxCall.transfer_id == transfer_id, SandboxCall.method == "POST")
            )
            or 0
        )
