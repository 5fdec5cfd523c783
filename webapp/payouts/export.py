"""The file of a list of payouts as columns of text, some thousand rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Integer, Select, type_coerce
from sqlalchemy.orm import aliased

from webapp.database import db
from webapp.payouts.models import Payout
from webapp.payouts.states import PayoutState
from webapp.people.models import Payee
from webapp.web import texts

BATCH = 2_000
_STATES = {state.value: state.label for state in PayoutState}
# The engines give 1 and 0, or true and false; they are the same keys.
_YES = {1: "yes", 0: "no"}
# Under a name of its own: a filter may ask the same table in a query of its own.
_payee = aliased(Payee, name="to")
_COLUMNS: tuple[Any, ...] = (
    Payout.id, Payout.reference, _payee.name, _payee.reference, Payout.program, texts.iso_day(Payout.period_start),
    texts.iso_day(Payout.period_end), Payout.state, type_coerce(Payout.is_held, Integer), Payout.currency,
    Payout.gross_minor,
    Payout.amount_minor - Payout.gross_minor, Payout.amount_minor, Payout.payment_reference,
    texts.iso_instant(Payout.approved_at), texts.iso_day(Payout.paid_on), texts.iso_instant(Payout.created_at),
)  # fmt: skip


def columns(query: Select[Any]) -> Iterator[list[texts.Cells]]:
    """The columns of the admins' file for every payout of a filter, newest first, a batch of rows at a time.

    Plain rows, no records: a long history fits in memory and is read in seconds. The next batch begins below the
    last row, so nothing stays open in the database while a slow reader takes the file.
    """
    ordered = query.with_only_columns(*_COLUMNS).join(_payee, _payee.id == Payout.payee_id)
    ordered = ordered.order_by(None).order_by(Payout.id.desc()).limit(BATCH)
    amounts, last = texts.Amounts(), None
    while True:
        asked = ordered if last is None else ordered.where(Payout.id < last)
        with db.session.connection().execute(asked) as result:
            # As the driver gives them: the columns are texts and whole numbers already.
            rows = result.cursor.fetchall()
        if rows:
            (
                ids, references, payees, payee_references, programs, starts, ends, states, held, currencies, gross,
                deductions, net, payments, approved, paid, created,
            ) = zip(*rows, strict=True)  # fmt: skip
            last = ids[-1]
            yield [
                references, texts.safe(payees), texts.safe(payee_references), texts.safe_words(programs), starts, ends,
                texts.named(states, _STATES), texts.named(held, _YES), currencies,
                amounts.column(gross, currencies), amounts.column(deductions, currencies),
                amounts.column(net, currencies), texts.safe(payments), approved, paid, created,
            ]  # fmt: skip
        if len(rows) < BATCH:
            return
