"""Weekly receipts as their papers say them, for the tests of drawing."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from webapp.programs.repairs.receipt_facts import (
    PaperGross,
    PaperInstalment,
    PaperLine,
    PaperPayment,
    PaperTrip,
    ReceiptFacts,
)

WEEK = date(2025, 10, 5)
CHARGES = (
    ("taxes", "MTA tax of 20 trips", -60_00),
    ("tolls", "Toll, RFK Bridge", -40_00),
    ("lease", "Lease, week of 5 Oct", -500_00),
    ("tickets", "Parking ticket 8771", -25_00),
    ("repairs", "RPR-2025-001 instalment 1 of 6", -100_00),
    ("loans", "LN-2025-001 instalment 2 of 5", -105_50),
    ("miscellaneous", "Key that was lost", -10_00),
)


def line(kind: str, category: str, words: str, amount: int, day: int = 0) -> PaperLine:
    """A line of a day of the week."""
    return PaperLine(kind, category, words, WEEK + timedelta(days=day), amount)


def trip(n: int) -> PaperTrip:
    """One trip of the log: 12.50 by card or in cash."""
    return PaperTrip(
        day=WEEK + timedelta(days=n % 7),
        picked_up=f"{6 + n % 16:02d}:{n % 60:02d}",
        dropped_off=f"{6 + n % 16:02d}:{(n + 14) % 60:02d}",
        distance="2.31",
        fare_minor=9_50,
        extras_minor=50,
        tax_minor=50,
        tip_minor=2_00,
        tolls_minor=0,
        total_minor=12_50,
        paid_by="Card" if n % 2 else "Cash",
    )


def paper(earned: int = 1_000_00, opening: int = 0, **values: Any) -> ReceiptFacts:
    """The week of the documentation: 840.50 of charges; 159.50 to the driver of 1,000.00, −240.50 of 600.00."""
    net = opening + earned - 840_50
    defaults: dict[str, Any] = {
        "number": "DTR-2025-000042",
        "code": "7KQ2-M9XA-P4TV-0HJN-R8WE",
        "issued_at": datetime(2025, 10, 12, 9, 5, tzinfo=UTC),
        "payer_name": "Metro Cab Fleet LLC",
        "payer_address": "31-10 Northern Boulevard\nLong Island City, NY 11101",
        "payer_tax_id": "13-7654321",
        "payer_email": "drivers@metrocab.example",
        "driver_name": "Amadou Diallo",
        "driver_reference": "DR-0007",
        "driver_address": "1180 Grand Concourse\nBronx, NY 10456",
        "licence": "5098712",
        "country": "US",
        "locale": "en_US",
        "timezone": "America/New_York",
        "home_currency": "USD",
        "currency": "USD",
        "lease": "LE-2025-007",
        "shift": "Day and night",
        "vehicle": "T100007C",
        "medallion": "7H42",
        "period_start": WEEK,
        "period_end": WEEK + timedelta(days=6),
        "opening_minor": opening,
        "earnings_minor": earned,
        "charges_minor": 840_50,
        "adjustments_minor": 0,
        "net_minor": net,
        "paid_minor": max(net, 0),
        "kept_minor": 0,
        "owed_minor": max(-net, 0),
        "difference_minor": 0,
        "lines": (
            line("earning", "Card fares", "Card fares", earned, 6),
            *(
                line("charge", category, words, amount, n)
                for n, (category, words, amount) in enumerate(CHARGES)
            ),
        ),
        "gross": PaperGross(trips=80, card_minor=earned, cash_minor=212_50, other_minor=0, tips_minor=160_00),
        "payment": PaperPayment("PO-2025-000107", "bank account ••4821", "It is sent once it is approved.")
        if net > 0
        else None,
        "instalments": (
            PaperInstalment("Repair RPR-2025-001", "Invoice W-881", 1, 6, 100_00, 500_00, date(2025, 11, 15)),
            PaperInstalment("Loan LN-2025-001", "", 2, 5, 105_50, 300_00, date(2025, 11, 8)),
        ),
        "trips": tuple(trip(n) for n in range(80)),
    }
    return ReceiptFacts(**{**defaults, **values})


def corrected() -> ReceiptFacts:
    """A toll was another driver's: 40.00 more than the first issue said, settled later."""
    first = paper()
    return paper(
        number="DTR-2025-000061",
        code="3B7C-M9XA-P4TV-0HJN-R8WE",
        replaces_number=first.number,
        reason="The toll was another driver's.",
        adjustments_minor=40_00,
        net_minor=first.net_minor + 40_00,
        difference_minor=40_00,
        lines=(*first.lines, line("adjustment", "tolls", "Correction: Toll, RFK Bridge", 40_00, 6)),
    )


def final() -> ReceiptFacts:
    """The lease ends and the driver owes; nothing was driven."""
    return paper(
        600_00,
        opening=-120_00,
        is_final=True,
        gross=None,
        trips=(),
        lines=(
            *paper(600_00).lines,
            line("carried", "tickets", "Parking ticket 8650", -120_00),
        ),
        alerts=("You dispute “Parking ticket 8771”, $25.00: nothing is taken for it until it is decided.",),
        others=("Rosa Jiménez (night)",),
    )
