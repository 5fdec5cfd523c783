"""PhonePe's books: orders, tries to pay them, refunds, settlements; what time does to them, and who is told."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from sqlite3 import Row
from typing import Any

from webapp.simulator import webhooks
from webapp.simulator.core import CannotAct, ClientRow, Simulator, dumps
from webapp.simulator.faults import Hits, Kind
from webapp.simulator.phonepe.check import Order, Refund, refuse
from webapp.simulator.phonepe.words import describe, describe_refund, describe_settlement

NAME = "phonepe"
SCHEMA = """
CREATE TABLE IF NOT EXISTS phonepe_tokens (
    token TEXT PRIMARY KEY, client_id TEXT NOT NULL, expires_at INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS phonepe_orders (
    id INTEGER PRIMARY KEY, client_id TEXT NOT NULL, order_id TEXT NOT NULL, reference TEXT NOT NULL,
    page TEXT NOT NULL UNIQUE, amount_minor INTEGER NOT NULL, message TEXT NOT NULL, redirect_url TEXT NOT NULL,
    modes TEXT NOT NULL, meta TEXT NOT NULL, may_retry INTEGER NOT NULL, state TEXT NOT NULL DEFAULT 'PENDING',
    tries TEXT NOT NULL DEFAULT '[]', error_code TEXT NOT NULL DEFAULT '', detail TEXT NOT NULL DEFAULT '',
    next_state TEXT NOT NULL DEFAULT '', next_at INTEGER, revive_after INTEGER NOT NULL DEFAULT 0,
    expires_at INTEGER NOT NULL, hidden_until INTEGER NOT NULL DEFAULT 0, settlement_id TEXT NOT NULL DEFAULT '',
    added_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, UNIQUE (client_id, order_id)
) STRICT;
CREATE INDEX IF NOT EXISTS phonepe_orders_next ON phonepe_orders (next_at) WHERE next_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS phonepe_refunds (
    id INTEGER PRIMARY KEY, client_id TEXT NOT NULL, refund_id TEXT NOT NULL, order_id TEXT NOT NULL,
    reference TEXT NOT NULL, amount_minor INTEGER NOT NULL, state TEXT NOT NULL DEFAULT 'PENDING',
    error_code TEXT NOT NULL DEFAULT '', utr TEXT NOT NULL DEFAULT '', next_at INTEGER,
    hidden_until INTEGER NOT NULL DEFAULT 0, added_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
    UNIQUE (client_id, refund_id)
) STRICT;
CREATE INDEX IF NOT EXISTS phonepe_refunds_next ON phonepe_refunds (next_at) WHERE next_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS phonepe_settlements (
    id INTEGER PRIMARY KEY, client_id TEXT NOT NULL, settlement_id TEXT NOT NULL UNIQUE,
    amount_minor INTEGER NOT NULL, utr TEXT NOT NULL, at INTEGER NOT NULL
) STRICT;
"""
_AT_ONCE = 500
# The codes of a payment that the payer's bank declined, and of an order that ran out.
DECLINED = ("AUTHORIZATION_ERROR", "ZM", "The bank declined the payment.")
RAN_OUT = ("TXN_AUTO_FAILED", "ORDER_EXPIRED", "The payment was not finished in time.")
DESCRIPTIONS = {DECLINED[0]: DECLINED[2], RAN_OUT[0]: RAN_OUT[2]}


def find(sim: Simulator, client_id: str, order_id: str) -> Row | None:
    """A client's order by the client's id."""
    return sim.store.one(
        "SELECT * FROM phonepe_orders WHERE client_id = ? AND order_id = ?", (client_id, order_id)
    )


def by_page(sim: Simulator, page: str) -> Row | None:
    """The order of a payment page."""
    return sim.store.one("SELECT * FROM phonepe_orders WHERE page = ?", (page,))


def find_try(sim: Simulator, client_id: str, transaction_id: str) -> Row | None:
    """The order that somebody tried to pay by this transaction."""
    return sim.store.one(
        "SELECT * FROM phonepe_orders WHERE client_id = ? AND EXISTS "
        "(SELECT 1 FROM json_each(tries) WHERE json_extract(value, '$.transactionId') = ?)",
        (client_id, transaction_id),
    )


def find_refund(sim: Simulator, client_id: str, refund_id: str) -> Row | None:
    """A client's refund by the client's id."""
    return sim.store.one(
        "SELECT * FROM phonepe_refunds WHERE client_id = ? AND refund_id = ?", (client_id, refund_id)
    )


def _by_number(sim: Simulator, table: str, number: int) -> Row:
    row = sim.store.one(f"SELECT * FROM {table} WHERE id = ?", (number,))  # noqa: S608 - a name of our own
    assert row is not None  # noqa: S101 - it was just written
    return row


# ---------------------------------------------------------------- orders


def accept(sim: Simulator, client: ClientRow, wanted: Order, hits: Hits) -> Row:
    """Take an order in. Raises Refused when its id was used before."""
    with sim.store.writing():
        if find(sim, client.client_id, wanted.order_id) is not None:
            raise refuse("Order already exists for this merchantOrderId", "ORDER_ALREADY_EXISTS")
        now = sim.clock.now()
        hidden, revived = hits.find("hidden"), hits.find("revived")
        expires_at = now + wanted.seconds * 1000
        number = sim.store.insert(
            "phonepe_orders", client_id=client.client_id, order_id=wanted.order_id,
            reference=f"OMO{sim.random_digits(19)}", page=secrets.token_urlsafe(24),
            amount_minor=wanted.amount_minor, message=wanted.message, redirect_url=wanted.redirect_url,
            modes=json.dumps(wanted.modes), meta=json.dumps(wanted.meta), may_retry=int(wanted.may_retry),
            next_state="EXPIRED", next_at=expires_at, expires_at=expires_at,
            revive_after=round(revived.parameters["seconds"] * 1000) if revived else 0,
            hidden_until=now + round(hidden.parameters["seconds"] * 1000) if hidden else 0,
            added_at=now, updated_at=now,
        )  # fmt: skip
        return _by_number(sim, "phonepe_orders", number)


def pay(sim: Simulator, row: Row, mode: str) -> Row:
    """The payer pays, and the bank agrees. Raises CannotAct when the order is over."""
    return _end(sim, row, "COMPLETED", mode, "")


def decline(sim: Simulator, row: Row, mode: str) -> Row:
    """The payer's bank declines; the order is over. Raises CannotAct when it was over before."""
    return _end(sim, row, "FAILED", mode, DECLINED[0])


def delay(sim: Simulator, row: Row, mode: str) -> Row:
    """The payer's bank takes its time and then agrees. Raises CannotAct when the order is over."""
    with sim.store.writing():
        row = _open(sim, row)
        at = sim.clock.now() + round(sim.options.pending_seconds * 1000)
        tries = [*json.loads(row["tries"]), _try(sim, row, mode, "PENDING", "")]
        return _change(sim, row, tries=json.dumps(tries), next_state="COMPLETED", next_at=at)


def _open(sim: Simulator, row: Row) -> Row:
    row = _by_number(sim, "phonepe_orders", row["id"])
    if row["state"] != "PENDING" or row["expires_at"] <= sim.clock.now():
        raise CannotAct(f"The order is {row['state']}.")
    return row


def _end(sim: Simulator, row: Row, state: str, mode: str, code: str) -> Row:
    with sim.store.writing():
        row = _open(sim, row)
        return finish(sim, row, state, mode, code)


def finish(sim: Simulator, row: Row, state: str, mode: str, code: str) -> Row:
    """The end of an order, whatever it was before; the merchant is told."""
    with sim.store.writing():
        now = sim.clock.now()
        tries = [each for each in json.loads(row["tries"]) if each["state"] != "PENDING"]
        if mode:
            made, waiting = _try(sim, row, mode, state, code), _waiting(row)
            # What was waiting has ended, and is still the same transaction.
            if waiting is not None and waiting["paymentMode"] == mode:
                made["transactionId"] = waiting["transactionId"]
            tries.append(made)
        is_revived = state == "FAILED" and row["revive_after"] > 0
        row = _change(
            sim, row, state=state, tries=json.dumps(tries), error_code=code,
            detail={DECLINED[0]: DECLINED[1], RAN_OUT[0]: RAN_OUT[1]}.get(code, ""),
            next_state="COMPLETED" if is_revived else "", revive_after=0,
            next_at=now + row["revive_after"] if is_revived else None,
        )  # fmt: skip
        if state == "COMPLETED":
            _move(sim, row["client_id"], row["order_id"], row["reference"], tries[-1], row["amount_minor"])
        event = "checkout.order.completed" if state == "COMPLETED" else "checkout.order.failed"
        _tell(sim, row, event, describe(row, with_ids=True))
    return row


def _waiting(row: Row) -> dict[str, Any] | None:
    """The try whose bank takes its time."""
    return next((each for each in json.loads(row["tries"]) if each["state"] == "PENDING"), None)


def _try(sim: Simulator, row: Row, mode: str, state: str, code: str) -> dict[str, Any]:
    is_upi = mode.startswith("UPI")
    rail: dict[str, Any] = {"type": "UPI" if is_upi else "PG"}
    if state == "COMPLETED":
        rail |= {"utr": sim.random_digits(12)} if is_upi else {"transactionId": sim.random_digits(14)}
        if is_upi:
            rail |= {"upiTransactionId": f"AXL{sim.random_digits(20)}", "vpa": "tenant@ybl"}
    instrument = (
        {"type": "ACCOUNT", "maskedAccountNumber": "XXXXXX4821", "accountType": "SAVINGS"}
        if is_upi
        else {"type": mode if mode == "NET_BANKING" else "CREDIT_CARD"}
    )
    made = {
        "paymentMode": mode, "transactionId": f"OM{sim.random_digits(16)}", "timestamp": sim.clock.now(),
        "amount": row["amount_minor"], "state": state, "rail": rail, "instrument": instrument,
        "splitInstruments": [{"amount": row["amount_minor"], "rail": rail, "instrument": instrument}],
    }  # fmt: skip
    return {**made, "errorCode": code, "detailedErrorCode": DECLINED[1]} if code else made


def _change(sim: Simulator, row: Row, **values: Any) -> Row:
    names = ", ".join(f"{name} = :{name}" for name in values)
    sim.store.write(
        f"UPDATE phonepe_orders SET {names}, updated_at = :now WHERE id = :number",  # noqa: S608
        {**values, "now": sim.clock.now(), "number": row["id"]},
    )
    return _by_number(sim, "phonepe_orders", row["id"])


def _move(
    sim: Simulator, client_id: str, subject: str, reference: str, attempt: Mapping[str, Any], by_minor: int
) -> None:
    """Collected money, or what is given back of it, in the gateway's account; it reaches the bank by settlement."""
    sim.store.write(
        "UPDATE clients SET balance_minor = balance_minor + ? WHERE provider = ? AND client_id = ?",
        (by_minor, NAME, client_id),
    )
    client = sim.client(NAME, client_id)
    rail = attempt.get("rail", {})
    sim.store.insert(
        "movements", at=sim.clock.now(), provider=NAME, client_id=client_id, subject=subject, reference=reference,
        utr=rail.get("utr", rail.get("transactionId", "")), text=f"{'PAYMENT' if by_minor > 0 else 'REFUND'} {subject}",
        amount_minor=by_minor, balance_minor=client.balance_minor if client else 0,
    )  # fmt: skip


# ---------------------------------------------------------------- refunds


def accept_refund(sim: Simulator, client: ClientRow, wanted: Refund, hits: Hits) -> Row:
    """Take a refund in. Raises Refused when the order cannot give so much back."""
    with sim.store.writing():
        order = find(sim, client.client_id, wanted.order_id)
        if order is None:
            raise refuse("No order with this originalMerchantOrderId", "INVALID_MERCHANT_ORDER_ID")
        if find_refund(sim, client.client_id, wanted.refund_id) is not None:
            raise refuse("Refund already exists for this merchantRefundId", "DUPLICATE_REFUND")
        if order["state"] != "COMPLETED":
            raise refuse("The order is not completed", "INVALID_TRANSACTION_ID")
        given = sim.store.one(
            "SELECT coalesce(sum(amount_minor), 0) AS minor FROM phonepe_refunds WHERE client_id = ? "
            "AND order_id = ? AND state <> 'FAILED'",
            (client.client_id, wanted.order_id),
        )
        if (given["minor"] if given else 0) + wanted.amount_minor > order["amount_minor"]:
            raise refuse("Refunds are more than the order", "REFUND_AMOUNT_EXCEEDS_ORIGINAL")
        now, hidden = sim.clock.now(), hits.find("hidden")
        number = sim.store.insert(
            "phonepe_refunds", client_id=client.client_id, refund_id=wanted.refund_id, order_id=wanted.order_id,
            reference=f"OMR{sim.random_digits(19)}", amount_minor=wanted.amount_minor,
            next_at=now + round(sim.options.settle_seconds * 1000), added_at=now, updated_at=now,
            hidden_until=now + round(hidden.parameters["seconds"] * 1000) if hidden else 0,
        )  # fmt: skip
        return _by_number(sim, "phonepe_refunds", number)


def end_refund(sim: Simulator, row: Row, state: str) -> Row:
    """The refund went through, or did not; the merchant is told. Raises CannotAct when it had ended."""
    with sim.store.writing():
        row = _by_number(sim, "phonepe_refunds", row["id"])
        if row["state"] != "PENDING":
            raise CannotAct(f"The refund is {row['state']}.")
        code = "" if state == "COMPLETED" else "REFUND_FAILED"
        utr = sim.random_digits(12) if state == "COMPLETED" else ""
        sim.store.write(
            "UPDATE phonepe_refunds SET state = ?, error_code = ?, utr = ?, next_at = NULL, updated_at = ? "
            "WHERE id = ?",
            (state, code, utr, sim.clock.now(), row["id"]),
        )
        row = _by_number(sim, "phonepe_refunds", row["id"])
        if state == "COMPLETED":
            paid = {"rail": {"utr": utr}}
            _move(sim, row["client_id"], row["refund_id"], row["reference"], paid, -row["amount_minor"])
        event = "pg.refund.completed" if state == "COMPLETED" else "pg.refund.failed"
        _tell(sim, row, event, describe_refund(row))
    return row


# ---------------------------------------------------------------- time


def advance(sim: Simulator, now: int) -> int:
    """Everything that is due: slow banks answer, orders run out, refunds go through. Returns how many did."""
    orders = sim.store.read(
        "SELECT * FROM phonepe_orders WHERE next_at <= ? ORDER BY next_at LIMIT ?", (now, _AT_ONCE)
    )
    for row in orders:
        _go_on(sim, row)
    refunds = sim.store.read(
        "SELECT * FROM phonepe_refunds WHERE next_at <= ? ORDER BY next_at LIMIT ?", (now, _AT_ONCE)
    )
    for row in refunds:
        end_refund(sim, row, "COMPLETED")
    return len(orders) + len(refunds)


def _go_on(sim: Simulator, row: Row) -> Row:
    if row["next_state"] == "COMPLETED":
        waiting = _waiting(row)
        return finish(sim, row, "COMPLETED", waiting["paymentMode"] if waiting else "UPI_COLLECT", "")
    if row["state"] == "PENDING":
        return finish(sim, row, "FAILED", "", RAN_OUT[0])
    return _change(sim, row, next_at=None)


def up_to_date(sim: Simulator, row: Row) -> Row:
    """The order as it is now, even where the background has not come round yet."""
    if row["next_at"] is not None and row["next_at"] <= sim.clock.now():
        return _go_on(sim, row)
    return row


def settle(sim: Simulator, client_id: str) -> str:
    """Bring what was collected and is not settled to the merchant's bank: one line on its statement.

    Returns the settlement's id. Raises CannotAct when there is nothing.
    """
    with sim.store.writing():
        found = sim.store.one(
            "SELECT balance_minor AS minor FROM clients WHERE provider = ? AND client_id = ?",
            (NAME, client_id),
        )
        minor = found["minor"] if found else 0
        if minor <= 0:
            raise CannotAct("There is nothing to settle.")
        settlement_id, utr, now = (
            f"SET{sim.random_digits(12)}",
            f"SETN{sim.random_digits(12)}",
            sim.clock.now(),
        )
        sim.store.insert(
            "phonepe_settlements",
            client_id=client_id,
            settlement_id=settlement_id,
            amount_minor=minor,
            utr=utr,
            at=now,
        )
        sim.store.write(
            "UPDATE phonepe_orders SET settlement_id = ? WHERE client_id = ? AND state = 'COMPLETED' "
            "AND settlement_id = ''",
            (settlement_id, client_id),
        )
        sim.store.write(
            "UPDATE clients SET balance_minor = 0 WHERE provider = ? AND client_id = ?", (NAME, client_id)
        )
        _bank_line(sim, client_id, settlement_id, utr, minor)
        row = _by_number(sim, "phonepe_settlements", _number_of(sim, settlement_id))
        _tell(sim, row, "settlement.processed", describe_settlement(row))
    return settlement_id


def _number_of(sim: Simulator, settlement_id: str) -> int:
    row = sim.store.one("SELECT id FROM phonepe_settlements WHERE settlement_id = ?", (settlement_id,))
    return int(row["id"]) if row else 0


def _bank_line(sim: Simulator, client_id: str, subject: str, utr: str, minor: int) -> None:
    hits = sim.ask(NAME, "statement", Kind.SETTLE, subject)
    line = {"at": sim.clock.now(), "provider": NAME, "client_id": client_id}
    if hits.find("missing_line") is None:
        sim.store.insert(
            "statement",
            **line,
            subject=subject,
            utr=utr,
            text=f"PHONEPE SETTLEMENT {subject}",
            amount_minor=minor,
        )
    if hits.find("ghost_line") is not None:
        sim.store.insert(
            "statement",
            **line,
            subject="",
            utr=f"SIM{sim.random_digits(13)}",
            text="NEFT CR UNKNOWN",
            amount_minor=777,
        )


# ---------------------------------------------------------------- who is told


def _tell(sim: Simulator, row: Row, event: str, payload: Mapping[str, Any]) -> None:
    ours = {"pg": "merchantRefundId", "settlement": "settlementId"}.get(
        event.partition(".")[0], "merchantOrderId"
    )
    # What a forger writes: a success of another amount. The header is the same for every message.
    forger = {**payload, "state": "COMPLETED", "amount": 100}
    # The old name of the event: PhonePe tells merchants to ignore it, and its Node kit knows no other.
    old = {} if ours == "settlementId" else {"type": event.upper().replace(".", "_")}
    bodies = [dumps({"event": event, **old, "payload": body}) for body in (payload, forger)]
    webhooks.enqueue(sim, NAME, row["client_id"], event, payload[ours], bodies[0], forged=bodies[1])
