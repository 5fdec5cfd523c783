"""Cashfree's books: beneficiaries and transfers, what becomes of them in time, and who is told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from sqlite3 import Row
from typing import Any
from urllib.parse import urlencode

from webapp.simulator import clock, webhooks
from webapp.simulator.cashfree import check, outcomes
from webapp.simulator.cashfree.check import Wanted, refuse
from webapp.simulator.cashfree.doors import NAME
from webapp.simulator.cashfree.outcomes import NEGATIVE, OPEN
from webapp.simulator.core import ClientRow, Simulator, dumps, rupees
from webapp.simulator.faults import Hits, Kind

SCHEMA = """
CREATE TABLE IF NOT EXISTS cashfree_beneficiaries (
    client_id TEXT NOT NULL, beneficiary_id TEXT NOT NULL, name TEXT NOT NULL, account TEXT NOT NULL,
    ifsc TEXT NOT NULL, vpa TEXT NOT NULL, contact TEXT NOT NULL, status TEXT NOT NULL, added_at INTEGER NOT NULL,
    PRIMARY KEY (client_id, beneficiary_id)
) STRICT;
CREATE INDEX IF NOT EXISTS cashfree_beneficiaries_account ON cashfree_beneficiaries (client_id, account, ifsc);
CREATE TABLE IF NOT EXISTS cashfree_transfers (
    id INTEGER PRIMARY KEY, client_id TEXT NOT NULL, transfer_id TEXT NOT NULL, batch_id TEXT NOT NULL DEFAULT '',
    amount_minor INTEGER NOT NULL, mode TEXT NOT NULL, beneficiary_id TEXT NOT NULL, account TEXT NOT NULL,
    ifsc TEXT NOT NULL, vpa TEXT NOT NULL, remarks TEXT NOT NULL, fund_source TEXT NOT NULL,
    status TEXT NOT NULL, status_code TEXT NOT NULL, utr TEXT NOT NULL DEFAULT '',
    charge_minor INTEGER NOT NULL DEFAULT 0, behaviour TEXT NOT NULL, steps TEXT NOT NULL, next_at INTEGER,
    hidden_until INTEGER NOT NULL DEFAULT 0, added_at INTEGER NOT NULL, updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS cashfree_transfers_id ON cashfree_transfers (client_id, transfer_id);
CREATE INDEX IF NOT EXISTS cashfree_transfers_next ON cashfree_transfers (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS cashfree_transfers_batch ON cashfree_transfers (client_id, batch_id) WHERE batch_id <> '';
CREATE TABLE IF NOT EXISTS cashfree_orders (
    client_id TEXT NOT NULL, subject TEXT NOT NULL, behaviour TEXT NOT NULL, PRIMARY KEY (client_id, subject)
) STRICT;
CREATE TABLE IF NOT EXISTS cashfree_batches (
    id INTEGER PRIMARY KEY, client_id TEXT NOT NULL, batch_id TEXT NOT NULL, added_at INTEGER NOT NULL,
    UNIQUE (client_id, batch_id)
) STRICT;
CREATE TABLE IF NOT EXISTS cashfree_tokens (
    token TEXT PRIMARY KEY, client_id TEXT NOT NULL, expires_at INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS cashfree_verifications (
    id INTEGER PRIMARY KEY, client_id TEXT NOT NULL, verification_id TEXT NOT NULL, kind TEXT NOT NULL,
    answer TEXT NOT NULL
) STRICT;
"""
# The first number of a transfer; Cashfree's own ids are numbers written as text.
_FIRST = 100_000
_AT_ONCE = 500
_LARGEST = 10**15


# ---------------------------------------------------------------- transfers


def find(sim: Simulator, client_id: str, transfer_id: str) -> Row | None:
    """A client's transfer by the client's id: the first one, should there be several."""
    return sim.store.one(
        "SELECT * FROM cashfree_transfers WHERE client_id = ? AND transfer_id = ? ORDER BY id LIMIT 1",
        (client_id, transfer_id),
    )


def find_own(sim: Simulator, client_id: str, cf_transfer_id: str) -> Row | None:
    """A client's transfer by Cashfree's number."""
    if not cf_transfer_id.isdecimal() or len(cf_transfer_id) > 15:
        return None
    return sim.store.one(
        "SELECT * FROM cashfree_transfers WHERE client_id = ? AND id = ?",
        (client_id, int(cf_transfer_id) - _FIRST),
    )


def accept(sim: Simulator, client: ClientRow, wanted: Wanted, hits: Hits, *, batch_id: str = "") -> Row:
    """Take a transfer in, or raise Refused. Nothing has left yet when this returns."""
    with sim.store.writing():
        if sim.options.deduplicates and find(sim, client.client_id, wanted.transfer_id) is not None:
            raise refuse("transfer_id_already_exists", "Transfer Id already exists.", status=409)
        wanted = _resolved(sim, client.client_id, wanted)
        check.instrument_fits(wanted)
        behaviour = _behaviour(sim, client.client_id, wanted, hits)
        now = sim.clock.now()
        total = wanted.amount_minor + _charge(sim)
        refusal = _refusal(sim, client, wanted, total)
        steps = [] if refusal else outcomes.steps_of(behaviour, sim.options)
        hidden = hits.find("hidden")
        number = sim.store.insert(
            "cashfree_transfers", client_id=client.client_id, transfer_id=wanted.transfer_id, batch_id=batch_id,
            amount_minor=wanted.amount_minor, mode=wanted.mode, beneficiary_id=wanted.beneficiary_id,
            account=wanted.account, ifsc=wanted.ifsc, vpa=wanted.vpa, remarks=wanted.remarks,
            fund_source=wanted.fund_source, status="REJECTED" if refusal else "RECEIVED",
            status_code=refusal or "RECEIVED", charge_minor=_charge(sim), behaviour=behaviour,
            steps=json.dumps([[now + step.after, step.status, step.code] for step in steps]),
            next_at=now + steps[0].after if steps else None,
            hidden_until=now + round(hidden.parameters["seconds"] * 1000) if hidden else 0, added_at=now,
            updated_at=now,
        )  # fmt: skip
        row = _by_number(sim, number)
        if refusal:
            _tell(sim, row)
    return row


def _charge(sim: Simulator) -> int:
    # With the tax of 18 % on it, half up.
    return (sim.options.charge_minor * 118 + 50) // 100


def _by_number(sim: Simulator, number: int) -> Row:
    row = sim.store.one("SELECT * FROM cashfree_transfers WHERE id = ?", (number,))
    assert row is not None  # noqa: S101 - it was just written
    return row


def _resolved(sim: Simulator, client_id: str, wanted: Wanted) -> Wanted:
    """The transfer with its beneficiary's account in it."""
    if not wanted.beneficiary_id:
        return wanted
    known = sim.store.one(
        "SELECT * FROM cashfree_beneficiaries WHERE client_id = ? AND beneficiary_id = ? AND status <> 'DELETED'",
        (client_id, wanted.beneficiary_id),
    )
    if known is None:
        raise refuse("beneficiary_not_found", "Beneficiary does not exist", status=404)
    check.matches(wanted, known["account"], known["ifsc"], known["vpa"])
    phone = wanted.phone or json.loads(known["contact"]).get("beneficiary_phone", "")
    return Wanted(
        **{
            **vars(wanted), "account": known["account"], "ifsc": known["ifsc"], "vpa": known["vpa"],
            "phone": phone,
        }
    )  # fmt: skip


def _behaviour(sim: Simulator, client_id: str, wanted: Wanted, hits: Hits) -> str:
    """What was ordered for this transfer, its account or the next one; a fault; or the table."""
    if (hit := hits.find("returned")) is not None:
        return f"reverse_after:{hit.parameters['seconds']}"
    if (hit := hits.find("revived")) is not None:
        return f"revive:{hit.parameters['seconds']}:{hit.parameters['code']}"
    subjects = (wanted.transfer_id, wanted.account or wanted.vpa, "next")
    ordered = {
        row["subject"]: row["behaviour"]
        for row in sim.store.read(
            "SELECT subject, behaviour FROM cashfree_orders WHERE client_id = ? AND subject IN (?, ?, ?)",
            (client_id, *subjects),
        )
    }
    for subject in subjects if ordered else ():
        if subject not in ordered:
            continue
        # An order for an account holds for all that follow, the others for one transfer.
        if subject in ("next", wanted.transfer_id):
            sim.store.write(
                "DELETE FROM cashfree_orders WHERE client_id = ? AND subject = ?", (client_id, subject)
            )
        return str(ordered[subject])
    return outcomes.behaviour_of(
        mode=wanted.mode, account=wanted.account, ifsc=wanted.ifsc, vpa=wanted.vpa, phone=wanted.phone,
        card=wanted.card, options=sim.options,
    )  # fmt: skip


def _refusal(sim: Simulator, client: ClientRow, wanted: Wanted, total: int) -> str:
    """The code with which Cashfree itself turns a transfer down; empty when it has taken the money aside."""
    if wanted.amount_minor > outcomes.LIMITS.get(wanted.mode, _LARGEST):
        return "INVALID_AMOUNT_FAIL"
    taken = sim.store.write(
        "UPDATE clients SET balance_minor = balance_minor - :total WHERE provider = :name AND client_id = :client "
        "AND balance_minor >= :total",
        {"total": total, "name": NAME, "client": client.client_id},
    )
    return "" if taken else "INSUFFICIENT_BALANCE"


def _change_balance(sim: Simulator, client_id: str, by_minor: int) -> None:
    sim.store.write(
        "UPDATE clients SET balance_minor = balance_minor + ? WHERE provider = ? AND client_id = ?",
        (by_minor, NAME, client_id),
    )


# ---------------------------------------------------------------- what becomes of them


def advance(sim: Simulator, now: int) -> int:
    """Take every step that is due. Returns how many transfers went on."""
    rows = sim.store.read(
        "SELECT id FROM cashfree_transfers WHERE next_at <= ? ORDER BY next_at LIMIT ?", (now, _AT_ONCE)
    )
    for row in rows:
        go_on(sim, row["id"], now)
    return len(rows)


def go_on(sim: Simulator, number: int, now: int) -> Row:
    """Take the steps of one transfer that are due."""
    with sim.store.writing():
        row = _by_number(sim, number)
        while row["next_at"] is not None and row["next_at"] <= now:
            (due, status, code), *rest = json.loads(row["steps"])
            sim.store.write(
                "UPDATE cashfree_transfers SET steps = ?, next_at = ? WHERE id = ?",
                (json.dumps(rest), rest[0][0] if rest else None, number),
            )
            row = change(sim, row, status, code, at=due)
        return row


def change(sim: Simulator, row: Row, status: str, code: str, *, at: int) -> Row:
    """Give a transfer another status, move the money that goes with it, and tell the merchant."""
    before, total = row["status"], row["amount_minor"] + row["charge_minor"]
    if status == "REVERSED" and before in OPEN:
        row = change(sim, row, "SUCCESS", "SENT_TO_BENEFICIARY", at=at)
        before = "SUCCESS"
    utr = row["utr"]
    with sim.store.writing():
        if status == "SUCCESS" and before != "SUCCESS":
            utr = utr or f"SIM{sim.random_digits(13)}"
            if before in NEGATIVE:
                _change_balance(sim, row["client_id"], -total)
            _move(sim, row, -total, utr, at)
        elif status in NEGATIVE and before in OPEN:
            _change_balance(sim, row["client_id"], total)
        elif status == "REVERSED" and before == "SUCCESS":
            _change_balance(sim, row["client_id"], row["amount_minor"])
            _move(sim, row, row["amount_minor"], utr, at)
        sim.store.write(
            "UPDATE cashfree_transfers SET status = ?, status_code = ?, utr = ?, updated_at = ? WHERE id = ?",
            (status, code, utr, at, row["id"]),
        )
        changed = _by_number(sim, row["id"])
        if status not in OPEN:
            _tell(sim, changed)
    return changed


def _move(sim: Simulator, row: Row, amount_minor: int, utr: str, at: int) -> None:
    """Write money that left, or came back, into the books and onto the statement."""
    transfer_id, client_id = row["transfer_id"], row["client_id"]
    client = sim.client(NAME, client_id)
    text = f"{row['mode'].upper()} {transfer_id} {row['remarks']}".strip()
    sim.store.insert(
        "movements", at=at, provider=NAME, client_id=client_id, subject=transfer_id,
        reference=str(_FIRST + row["id"]), utr=utr, text=text, amount_minor=amount_minor,
        balance_minor=client.balance_minor if client else 0,
    )  # fmt: skip
    hits = sim.ask(NAME, "statement", Kind.SETTLE, transfer_id)
    line = {"at": at, "provider": NAME, "client_id": client_id}
    if hits.find("missing_line") is None:
        sim.store.insert(
            "statement", **line, subject=transfer_id, utr=utr, text=text, amount_minor=amount_minor
        )
    if hits.find("ghost_line") is not None:
        sim.store.insert(
            "statement", **line, subject="", utr=f"SIM{sim.random_digits(13)}", text="IMPS CHARGES UNKNOWN",
            amount_minor=-12_345,
        )  # fmt: skip


# ---------------------------------------------------------------- how Cashfree says it


def describe(row: Mapping[str, Any] | Row) -> dict[str, Any]:
    """A transfer as Cashfree's answers and messages show it."""
    body: dict[str, Any] = {
        "transfer_id": row["transfer_id"],
        "cf_transfer_id": str(_FIRST + row["id"]),
        "status": row["status"],
        "status_code": row["status_code"],
        "status_description": outcomes.DESCRIPTIONS.get(
            row["status_code"], f"The transfer is {row['status']}: {row['status_code']}."
        ),
        "beneficiary_details": _beneficiary_of(row),
        "transfer_amount": rupees(row["amount_minor"]),
        "transfer_mode": "BANK" if row["mode"] == "banktransfer" else row["mode"],
        "fundsource_id": row["fund_source"],
        "added_on": clock.text(row["added_at"]),
        "updated_on": clock.text(row["updated_at"]),
    }
    if row["utr"]:
        # The tax is 18/118 of what was taken, half up.
        tax = (row["charge_minor"] * 18 * 2 + 118) // (118 * 2)
        body["transfer_service_charge"] = rupees(row["charge_minor"] - tax)
        body["transfer_service_tax"] = rupees(tax)
        body["transfer_utr"] = row["utr"]
    return body


def _beneficiary_of(row: Mapping[str, Any] | Row) -> dict[str, Any]:
    details: dict[str, Any] = {}
    if row["beneficiary_id"]:
        details["beneficiary_id"] = row["beneficiary_id"]
    if row["status"] != "RECEIVED":
        names = {"bank_account_number": row["account"], "bank_ifsc": row["ifsc"], "vpa": row["vpa"]}
        details["beneficiary_instrument_details"] = {name: value for name, value in names.items() if value}
    return details


def _event(row: Row) -> str:
    if row["status"] == "SUCCESS":
        return "TRANSFER_ACKNOWLEDGED" if row["status_code"] == "COMPLETED" else "TRANSFER_SUCCESS"
    return f"TRANSFER_{'REJECTED' if row['status'] == 'MANUALLY_REJECTED' else row['status']}"


def _tell(sim: Simulator, row: Row) -> None:
    if not sim.options.sends_webhooks:
        return
    event = _event(row)
    forger = {**describe(row), "status": "SUCCESS", "status_code": "COMPLETED", "transfer_amount": rupees(99)}
    bodies = [message(sim, data, event, row["updated_at"]) for data in (describe(row), forger)]
    webhooks.enqueue(sim, NAME, row["client_id"], event, row["transfer_id"], bodies[0], forged=bodies[1])


def message(sim: Simulator, data: Mapping[str, Any], event: str, at: int) -> str:
    """A message of version 2 (JSON) or 1 (a form without its signature, which is made when it leaves)."""
    if sim.options.webhook_version == 2:
        # Without a zone, as Cashfree writes it.
        moment = datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return dumps({"data": data, "event_time": moment, "type": event})
    fields = {"event": event, "transferId": data["transfer_id"], "referenceId": data["cf_transfer_id"]}
    if data["status"] == "SUCCESS":
        fields |= {
            "utr": data.get("transfer_utr", ""),
            "acknowledged": str(int(data["status_code"] == "COMPLETED")),
        }
    else:
        fields["reason"] = data["status_description"]
    return urlencode({**fields, "eventTime": clock.text(at)})


# ---------------------------------------------------------------- beneficiaries


def add_beneficiary(
    sim: Simulator, client_id: str, given: Mapping[str, str], contact: Mapping[str, Any]
) -> Row:
    """Make a beneficiary. Raises Refused when its id, or its account, is there already."""
    with sim.store.writing():
        there = sim.store.one(
            "SELECT status FROM cashfree_beneficiaries WHERE client_id = ? AND beneficiary_id = ?",
            (client_id, given["beneficiary_id"]),
        )
        if there is not None and there["status"] != "DELETED":
            raise refuse(
                "beneficiary_id_already_exists",
                "Beneficiary already exists with the given beneficiary_id",
                status=409,
            )
        if given["account"] and find_beneficiary(sim, client_id, given["account"], given["ifsc"]):
            raise refuse(
                "beneficiary_already_exists",
                "Beneficiary already exists with the given beneficiary_bank_account_number and beneficiary_ifsc",
                status=409,
            )
        sim.store.write(
            "INSERT OR REPLACE INTO cashfree_beneficiaries VALUES (?, ?, ?, ?, ?, ?, ?, 'VERIFIED', ?)",
            (
                client_id, given["beneficiary_id"], given["name"], given["account"], given["ifsc"], given["vpa"],
                json.dumps(dict(contact)), sim.clock.now(),
            ),
        )  # fmt: skip
    row = get_beneficiary(sim, client_id, given["beneficiary_id"])
    assert row is not None  # noqa: S101 - it was just written
    return row


def get_beneficiary(sim: Simulator, client_id: str, beneficiary_id: str) -> Row | None:
    """A beneficiary by its id, or None."""
    return sim.store.one(
        "SELECT * FROM cashfree_beneficiaries WHERE client_id = ? AND beneficiary_id = ? AND status <> 'DELETED'",
        (client_id, beneficiary_id),
    )


def find_beneficiary(sim: Simulator, client_id: str, account: str, ifsc: str = "") -> Row | None:
    """A beneficiary by its account, and by its IFSC unless that is empty; or None."""
    return sim.store.one(
        "SELECT * FROM cashfree_beneficiaries WHERE client_id = ? AND account = ? AND (? = '' OR ifsc = ?) "
        "AND status <> 'DELETED'",
        (client_id, account, ifsc, ifsc),
    )


def describe_beneficiary(row: Row) -> dict[str, Any]:
    """A beneficiary as Cashfree's answers show it."""
    names = {"bank_account_number": row["account"], "bank_ifsc": row["ifsc"], "vpa": row["vpa"]}
    body = {
        "beneficiary_id": row["beneficiary_id"],
        "beneficiary_name": row["name"],
        "beneficiary_instrument_details": {name: value for name, value in names.items() if value},
        "beneficiary_status": row["status"],
        "added_on": clock.text(row["added_at"]),
    }
    if contact := json.loads(row["contact"]):
        body["beneficiary_contact_details"] = contact
    return body
