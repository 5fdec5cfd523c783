"""The records behind Zoho Books: contacts, bills, vendor payments, and what an organisation of it starts with.

Ids are numeric strings, amounts minor units of two-decimal currencies. What is unique there is unique here: the display
name of a contact, the number of a bill; a payment is never larger than what its bill still owes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from sqlite3 import Row
from typing import Any

from webapp.simulator.core import Simulator, rupees
from webapp.simulator.zoho.check import Refused, day, minor, missing, objects, words

ORGANISATION_ID, SECOND_ORGANISATION_ID = "60000000001", "60000000002"
ORGANISATIONS = {
    ORGANISATION_ID: ("Simulated books", "INR"),
    SECOND_ORGANISATION_ID: ("Simulated books abroad", "USD"),
}
CURRENCIES = ("INR", "USD", "EUR", "CAD", "GBP")
# (last digits of the id, name, type)
ACCOUNTS = (
    ("01", "Installer payouts", "expense"),
    ("02", "Commissions", "expense"),
    ("03", "Cost of Goods Sold", "cost_of_goods_sold"),
    ("11", "Bank account", "bank"),
    ("12", "Petty Cash", "cash"),
    ("21", "Accounts Payable", "accounts_payable"),
)
_FIRST_ID = 460_000_000_000_000
SCHEMA = """
CREATE TABLE IF NOT EXISTS zoho_contacts (
    id INTEGER PRIMARY KEY, organisation TEXT NOT NULL, name TEXT NOT NULL COLLATE NOCASE, type TEXT NOT NULL,
    currency TEXT NOT NULL, email TEXT NOT NULL, notes TEXT NOT NULL, added_at INTEGER NOT NULL,
    UNIQUE (organisation, name)
) STRICT;
CREATE TABLE IF NOT EXISTS zoho_bills (
    id INTEGER PRIMARY KEY, organisation TEXT NOT NULL, number TEXT NOT NULL, vendor_id INTEGER NOT NULL,
    reference TEXT NOT NULL, day TEXT NOT NULL, due_day TEXT NOT NULL, currency TEXT NOT NULL, lines TEXT NOT NULL,
    total_minor INTEGER NOT NULL, balance_minor INTEGER NOT NULL, is_void INTEGER NOT NULL DEFAULT 0,
    notes TEXT NOT NULL, added_at INTEGER NOT NULL,
    UNIQUE (organisation, number)
) STRICT;
CREATE TABLE IF NOT EXISTS zoho_payments (
    id INTEGER PRIMARY KEY, organisation TEXT NOT NULL, vendor_id INTEGER NOT NULL, reference TEXT NOT NULL,
    day TEXT NOT NULL, mode TEXT NOT NULL, paid_through TEXT NOT NULL, amount_minor INTEGER NOT NULL,
    applied TEXT NOT NULL, is_deleted INTEGER NOT NULL DEFAULT 0, added_at INTEGER NOT NULL
) STRICT;
"""


def shown_id(number: int) -> str:
    """A row's id as Zoho writes it."""
    return str(_FIRST_ID + number)


def row_id(text: Any) -> int:
    """The row of an id; -1 for one that can be none."""
    text = str(text)
    return int(text) - _FIRST_ID if text.isascii() and text.isdigit() and len(text) < 19 else -1


def currency_id(organisation: str, code: str) -> str:
    """The id of a currency in an organisation."""
    return f"{organisation}{CURRENCIES.index(code) + 1:03d}"


def currency_of(organisation: str, given: str) -> str:
    """The code of a currency id; the organisation's own for none. Raises Refused."""
    if not given:
        return ORGANISATIONS[organisation][1]
    known = {currency_id(organisation, code): code for code in CURRENCIES}
    if given not in known:
        raise Refused(2, "Invalid value passed for currency_id")
    return known[given]


def account_id(organisation: str, ending: str) -> str:
    """The id of an account in an organisation."""
    return f"{organisation}0{ending}"


def account(organisation: str, given: str, *types: str) -> str:
    """An account id of the organisation, of one of the types. Raises Refused."""
    known = {account_id(organisation, ending): kind for ending, _, kind in ACCOUNTS}
    if known.get(given) not in types:
        raise Refused(2, "Invalid value passed for account_id")
    return given


def today(sim: Simulator) -> str:
    """The day of the simulator's clock."""
    return datetime.fromtimestamp(sim.clock.now() / 1000, UTC).date().isoformat()


# ---------------------------------------------------------------- contacts


def contact_json(row: Row) -> dict[str, Any]:
    """A contact as it is answered."""
    return {
        "contact_id": shown_id(row["id"]), "contact_name": row["name"], "contact_type": row["type"],
        "currency_id": currency_id(row["organisation"], row["currency"]), "currency_code": row["currency"],
        "email": row["email"], "notes": row["notes"], "status": "active",
    }  # fmt: skip


def find_contact(sim: Simulator, organisation: str, number: int) -> Row:
    """A contact. Raises Refused."""
    row = sim.store.one(
        "SELECT * FROM zoho_contacts WHERE organisation = ? AND id = ?", (organisation, number)
    )
    if row is None:
        raise missing("Contact")
    return row


def add_contact(sim: Simulator, organisation: str, given: Mapping[str, Any]) -> Row:
    """A new contact, whose name nobody else has. Raises Refused."""
    name = words(given, "contact_name", 200, is_required=True)
    kind = words(given, "contact_type", 20) or "customer"
    if kind not in ("customer", "vendor"):
        raise Refused(2, "Invalid value passed for contact_type")
    people = objects(given, "contact_persons", 50) if given.get("contact_persons") else []
    email = words(people[0], "email", 100) if people else ""
    currency = currency_of(organisation, words(given, "currency_id", 40))
    notes = words(given, "notes", 500)
    with sim.store.writing():
        taken = sim.store.one(
            "SELECT id FROM zoho_contacts WHERE organisation = ? AND name = ?", (organisation, name)
        )
        if taken is not None:
            raise Refused(3062, f'The vendor "{name}" already exists. Please specify a different name.')
        number = sim.store.insert(
            "zoho_contacts", organisation=organisation, name=name, type=kind, currency=currency, email=email,
            notes=notes, added_at=sim.clock.now(),
        )  # fmt: skip
    return find_contact(sim, organisation, number)


# ---------------------------------------------------------------- bills


def bill_json(row: Row) -> dict[str, Any]:
    """A bill as it is answered."""
    if row["is_void"]:
        status = "void"
    elif row["balance_minor"] == 0:
        status = "paid"
    else:
        status = "open" if row["balance_minor"] == row["total_minor"] else "partially_paid"
    return {
        "bill_id": shown_id(row["id"]), "bill_number": row["number"], "vendor_id": shown_id(row["vendor_id"]),
        "reference_number": row["reference"], "date": row["day"], "due_date": row["due_day"], "status": status,
        "currency_id": currency_id(row["organisation"], row["currency"]), "currency_code": row["currency"],
        "total": rupees(row["total_minor"]), "balance": rupees(row["balance_minor"]), "notes": row["notes"],
        "line_items": [
            {**line, "rate": rupees(line["rate"]), "item_total": rupees(line["rate"])}
            for line in json.loads(row["lines"])
        ],
    }  # fmt: skip


def find_bill(sim: Simulator, organisation: str, number: int) -> Row:
    """A bill. Raises Refused."""
    row = sim.store.one("SELECT * FROM zoho_bills WHERE organisation = ? AND id = ?", (organisation, number))
    if row is None:
        raise missing("Bill")
    return row


def add_bill(sim: Simulator, organisation: str, given: Mapping[str, Any]) -> Row:
    """A new bill; its number is unique in the organisation. Raises Refused."""
    vendor = find_contact(sim, organisation, row_id(words(given, "vendor_id", 40, is_required=True)))
    number = words(given, "bill_number", 50, is_required=True)
    if vendor["type"] != "vendor":
        raise Refused(2, "Invalid value passed for vendor_id")
    currency = currency_of(organisation, words(given, "currency_id", 40)) if given.get("currency_id") else (
        vendor["currency"]
    )  # fmt: skip
    if currency != vendor["currency"]:
        raise Refused(2, "The currency of the bill is not that of its vendor.")
    lines = [_line(organisation, line) for line in objects(given, "line_items", 500)]
    total = sum(line["rate"] for line in lines)
    if not lines or total <= 0:
        raise Refused(13010, "The total of the bill must be greater than zero.")
    on = day(given, "date", today(sim))
    due, reference, notes = (
        day(given, "due_date", on),
        words(given, "reference_number", 100),
        words(given, "notes", 500),
    )
    with sim.store.writing():
        taken = sim.store.one(
            "SELECT id FROM zoho_bills WHERE organisation = ? AND number = ?", (organisation, number)
        )
        if taken is not None:
            raise Refused(
                13011,
                f"A bill with the bill number {number} has already been created. Please check and try again.",
            )
        made = sim.store.insert(
            "zoho_bills", organisation=organisation, number=number, vendor_id=vendor["id"], reference=reference,
            day=on, due_day=due, currency=currency, lines=json.dumps(lines), total_minor=total, balance_minor=total,
            notes=notes, added_at=sim.clock.now(),
        )  # fmt: skip
    return find_bill(sim, organisation, made)


def _line(organisation: str, given: Mapping[str, Any]) -> dict[str, Any]:
    if given.get("quantity", 1) != 1:
        raise Refused(2, "Here a line has the quantity 1.")
    where = account(
        organisation, words(given, "account_id", 40, is_required=True), "expense", "cost_of_goods_sold"
    )
    return {
        "account_id": where, "name": words(given, "name", 100), "description": words(given, "description", 2000),
        "rate": minor(given, "rate"), "quantity": 1,
    }  # fmt: skip


def void_bill(sim: Simulator, organisation: str, number: int) -> None:
    """Make a bill count no more; not while a payment of it stands. Raises Refused."""
    with sim.store.writing():
        row = find_bill(sim, organisation, number)
        if not row["is_void"] and row["balance_minor"] != row["total_minor"]:
            raise Refused(13014, "Bills that have been paid cannot be marked as void.")
        sim.store.write("UPDATE zoho_bills SET is_void = 1 WHERE id = ?", (row["id"],))


# ---------------------------------------------------------------- payments


def payment_json(row: Row) -> dict[str, Any]:
    """A payment as it is answered."""
    applied = [
        {"bill_id": shown_id(each["bill"]), "amount_applied": rupees(each["minor"])}
        for each in json.loads(row["applied"])
    ]
    return {
        "payment_id": shown_id(row["id"]), "vendor_id": shown_id(row["vendor_id"]), "date": row["day"],
        "reference_number": row["reference"], "payment_mode": row["mode"], "amount": rupees(row["amount_minor"]),
        "paid_through_account_id": row["paid_through"], "bills": applied,
    }  # fmt: skip


def find_payment(sim: Simulator, organisation: str, number: int) -> Row:
    """A payment that was not deleted. Raises Refused."""
    row = sim.store.one(
        "SELECT * FROM zoho_payments WHERE organisation = ? AND id = ? AND is_deleted = 0",
        (organisation, number),
    )
    if row is None:
        raise missing("Payment")
    return row


def add_payment(sim: Simulator, organisation: str, given: Mapping[str, Any]) -> Row:
    """A payment of bills, never more than they still owe. Raises Refused."""
    vendor = find_contact(sim, organisation, row_id(words(given, "vendor_id", 40, is_required=True)))
    amount = minor(given, "amount")
    applied = [
        {"bill": row_id(words(each, "bill_id", 40, is_required=True)), "minor": minor(each, "amount_applied")}
        for each in objects(given, "bills", 100)
    ]
    through = account(
        organisation, words(given, "paid_through_account_id", 40, is_required=True), "bank", "cash"
    )
    if amount <= 0 or sum(each["minor"] for each in applied) > amount:
        raise Refused(2, "Invalid value passed for amount")
    reference, mode = words(given, "reference_number", 100), words(given, "payment_mode", 50) or "Cash"
    on = day(given, "date", today(sim))
    with sim.store.writing():
        for each in applied:
            bill = find_bill(sim, organisation, each["bill"])
            if bill["vendor_id"] != vendor["id"] or bill["is_void"]:
                raise Refused(28010, "The bill cannot be paid.")
            if not 0 < each["minor"] <= bill["balance_minor"]:
                raise Refused(28011, "The amount applied is more than the balance of the bill.")
            sim.store.write(
                "UPDATE zoho_bills SET balance_minor = balance_minor - ? WHERE id = ?",
                (each["minor"], bill["id"]),
            )
        made = sim.store.insert(
            "zoho_payments", organisation=organisation, vendor_id=vendor["id"], reference=reference, day=on, mode=mode,
            paid_through=through, amount_minor=amount, applied=json.dumps(applied), added_at=sim.clock.now(),
        )  # fmt: skip
    return find_payment(sim, organisation, made)


def delete_payment(sim: Simulator, organisation: str, number: int) -> None:
    """Take a payment back: its bills owe again. Raises Refused."""
    with sim.store.writing():
        row = find_payment(sim, organisation, number)
        for each in json.loads(row["applied"]):
            sim.store.write(
                "UPDATE zoho_bills SET balance_minor = balance_minor + ? WHERE id = ?",
                (each["minor"], each["bill"]),
            )
        sim.store.write("UPDATE zoho_payments SET is_deleted = 1 WHERE id = ?", (row["id"],))
