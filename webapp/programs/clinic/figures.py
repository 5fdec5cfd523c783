"""Sums behind the plot from gross to net: what customers paid, and where it went. Reads only, by one statement."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sqlalchemy import Date, bindparam, text

from webapp.database import db


@dataclass(frozen=True)
class Flow:
    """Where money went from a day on, in minor units of one currency.

    Tax is its part of what came in and stayed. `base` is what payouts were counted from, less what refunds took back
    of it; commission likewise. Charges are rent and fees of practitioners, and what they bore of the gateway's fee.
    """

    received_minor: int
    refunded_minor: int
    tax_minor: int
    base_minor: int
    commission_minor: int
    charged_minor: int
    # What the gateway kept; the clinic bears it.
    gateway_minor: int

    @property
    def not_paid_out_minor(self) -> int:
        """What stayed in the clinic's wallet beside the tax; less than zero where payouts used money of before."""
        return self.received_minor - self.refunded_minor - self.tax_minor - self.base_minor

    @property
    def to_practitioners_minor(self) -> int:
        """What is left for the practitioners."""
        return self.base_minor - self.commission_minor - self.charged_minor


_FLOW = text("""
    SELECT t.kind AS what, sum(t.amount_minor) AS a,
        sum(CAST(t.amount_minor AS NUMERIC) * i.tax_minor / i.total_minor) AS b, sum(t.fee_minor) AS c
    FROM clinic_transactions t JOIN clinic_invoices i ON i.id = t.invoice_id
    WHERE t.organisation_id = :organisation AND t.currency = :currency AND t.state = 'completed'
        AND t.kind IN ('payment', 'refund') AND t.happened_on >= :since
    GROUP BY t.kind
    UNION ALL
    SELECT 'payout', sum(c.base_minor), sum(c.commission_minor), 0
    FROM clinic_payouts c JOIN payouts p ON p.id = c.payout_id
    WHERE c.organisation_id = :organisation AND c.currency = :currency AND p.state = 'paid' AND p.paid_on >= :since
    UNION ALL
    SELECT 'clawback', sum(base_minor), sum(commission_minor), sum(fee_minor)
    FROM clinic_clawbacks
    WHERE organisation_id = :organisation AND currency = :currency AND happened_on >= :since
    UNION ALL
    SELECT 'charge', sum(amount_minor), 0, 0
    FROM clinic_deduction_charges
    WHERE organisation_id = :organisation AND currency = :currency AND period_start >= :since
""").bindparams(bindparam("since", type_=Date))


def flow(organisation_id: int, currency: str, since: date) -> Flow | None:
    """From what customers paid since a day to what practitioners got; None where nothing came in."""
    rows = db.session.execute(_FLOW, {"organisation": organisation_id, "currency": currency, "since": since})
    found = {row.what: (int(row.a or 0), int(row.b or 0), int(row.c or 0)) for row in rows}
    nothing = (0, 0, 0)
    paid, back = found.get("payment", nothing), found.get("refund", nothing)
    payouts, taken = found["payout"], found["clawback"]
    if not paid[0]:
        return None
    return Flow(
        received_minor=paid[0],
        refunded_minor=back[0],
        tax_minor=paid[1] - back[1],
        base_minor=payouts[0] - taken[0],
        commission_minor=payouts[1] - taken[1],
        charged_minor=found["charge"][0] + taken[2],
        gateway_minor=paid[2],
    )
