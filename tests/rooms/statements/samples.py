"""Snapshots for the tests of building and drawing."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from webapp.statements import facts
from webapp.statements.build import LineFacts, Snapshot
from webapp.statements.facts import MonthlyFacts

ISSUED = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def earning(n: int, amount: int = 49_950, **values: Any) -> LineFacts:
    """One installation's line."""
    defaults: dict[str, Any] = {
        "kind": "earning",
        "description": f"ISR-{n:04d} Solar, {n} Elm Street",
        "amount_minor": amount,
        "occurred_on": date(2026, 10, 1) + timedelta(days=n % 28),
        "formula": "9.99 kW × 50.00 USD = 499.50 USD",
        "source_label": f"ISR-{n:04d}",
        "details": {"rate": "Solar national (version 3)"},
    }
    return LineFacts(**{**defaults, **values})


def snapshot(*lines: LineFacts, **values: Any) -> Snapshot:
    """A paid payout of Solaria; the totals are those of the lines unless given."""
    lines = lines or (earning(1), earning(2))
    gross = sum(
        line.amount_minor
        for line in lines
        if line.kind in ("earning", "bonus") or (line.kind == "adjustment" and line.amount_minor > 0)
    )
    defaults: dict[str, Any] = {
        "number": "RA-2026-000042",
        "reference": "PO-2026-000123",
        "state": "paid",
        "issued_at": ISSUED,
        "payer_name": "Solaria Field Services Inc.",
        "payer_address": "1200 Harbor Way\nOakland, CA 94607",
        "payer_tax_id": "12-3456789",
        "payer_email": "payouts@solaria.example",
        "payee_name": "Maya Okafor",
        "payee_reference": "TE-0007",
        "payee_address": "44 Juniper Road\nSacramento, CA 95814",
        "period_start": date(2026, 10, 1),
        "period_end": date(2026, 10, 31),
        "currency": "USD",
        "gross_minor": gross,
        "amount_minor": sum(line.amount_minor for line in lines),
        "lines": lines,
        "country": "US",
        "timezone": "America/Los_Angeles",
        "program": "Installations",
        "method_kind": "bank_account",
        "method_masked": "••4821",
        "payment_reference": "SBX20261103000042",
        "paid_on": date(2026, 11, 3),
    }
    return Snapshot(**{**defaults, **values})


DEDUCTIONS = (
    LineFacts("deduction", "Advance of September", -10_000, date(2026, 10, 3), formula="part 2 of 4"),
    LineFacts("tax", "Withholding", -1_000, formula="2 % × 500.00 USD = 10.00 USD"),
    LineFacts("adjustment", "Rounding of last month", -5),
)


def monthly(n_lines: int = 4, **values: Any) -> MonthlyFacts:
    """A monthly statement of October with a payment after every tenth line, sealed."""
    lines, payments, owed = [], [], 12_300
    for n in range(n_lines):
        day = date(2026, 10, 1) + timedelta(days=n * 30 // max(n_lines, 1))
        if n % 10 == 9:
            told = ("SBX20261003000042", "bank account ••4821")
            lines.append(
                facts.Line(
                    day,
                    facts.PAID,
                    "Payment of PO-2026-000123",
                    -owed,
                    0,
                    payout="PO-2026-000123",
                    calculation=f"To {told[1]} · {told[0]}",
                )
            )
            payments.append(facts.Payment(day, "PO-2026-000123", *told, owed, "Paid"))
            owed = 0
            continue
        kind = (facts.EARNED, facts.EARNED, facts.EARNED, facts.DEDUCTION)[n % 4]
        amount = 49_950 if kind == facts.EARNED else -10_000
        owed += amount
        lines.append(
            facts.Line(
                day,
                kind,
                f"ISR-{n:04d} Solar, {n} Elm Street",
                amount,
                0,
                occurred_on=date(2026, 9, 28),
                payout="PO-2026-000123",
                calculation="9.99 kW × 50.00 USD = 499.50 USD",
            )
        )
    balanced = facts.with_balances(lines, 12_300)
    defaults: dict[str, Any] = {
        "number": "ST-2026-000042",
        "code": "7KQ2-M9XA-BCDE-FGHJ-2345",
        "issued_at": ISSUED,
        "payer_name": "Solaria Field Services Inc.",
        "payer_address": "1200 Harbor Way\nOakland, CA 94607",
        "payer_tax_id": "12-3456789",
        "payer_email": "payouts@solaria.example",
        "payee_name": "Maya Okafor",
        "payee_reference": "TE-0007",
        "payee_address": "44 Juniper Road\nSacramento, CA 95814",
        "country": "US",
        "locale": "en_US",
        "timezone": "America/Los_Angeles",
        "home_currency": "USD",
        "currency": "USD",
        "period_start": date(2026, 10, 1),
        "period_end": date(2026, 10, 31),
        "opening_minor": 12_300,
        "closing_minor": owed,
        "totals": facts.totals_of(balanced),
        "lines": balanced,
        "payments": tuple(payments),
        "basis": ("Solar national (version 3)",),
    }
    return facts.sealed(MonthlyFacts(**{**defaults, **values}))
