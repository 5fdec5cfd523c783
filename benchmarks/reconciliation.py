"""A bank's statement of as many lines as there are transfers: stored, matched, and what differs written down.

The floor is the bare storing of the same lines, by one statement: what any comparison begins with.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from itertools import count

from sqlalchemy import delete, insert

from benchmarks.frame import Figure, at_most
from benchmarks.ground import Ground
from tests import factories
from webapp.database import db, insert_many, transaction
from webapp.kernel.actor import Actor
from webapp.ledger import service as ledger
from webapp.ledger.posting import AccountKey, EntryDraft, Leg
from webapp.payouts.models import Payout, Transfer
from webapp.reconciliation import service, storing
from webapp.reconciliation.lines import Keyed, Line, Parsed, StatementPart
from webapp.reconciliation.models import StatementFile, StatementLine
from webapp.reconciliation.states import FileFormat, Source

NAME = "reconciliation"
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
DAY = date(2026, 11, 20)
ACTOR = Actor(None, "benchmark")
_files = count(1)


def run(ground: Ground) -> Iterator[Figure]:
    """One comparison from the first line to the last finding, beside the bare storing of its lines."""
    n = ground.size(200, 100_000)
    app = ground.application("reconciliation")
    with app.app_context():
        organisation_id = _books(n)
        parsed = _statement(n)
        ground.analyse()
        floor = _stored_alone(organisation_id, parsed)
        started = time.perf_counter()
        with transaction():
            file = _file(organisation_id, parsed)
            made = service.compare(file=file, parsed=parsed, switch=False, actor=ACTOR, now=NOW)
            counts = dict(made.counts)
        ours = time.perf_counter() - started
        started = time.perf_counter()
        with transaction():
            again = _file(organisation_id, parsed)
            repeated = dict(
                service.compare(file=again, parsed=parsed, switch=False, actor=ACTOR, now=NOW).counts
            )
        overlap = time.perf_counter() - started
    assert counts["matched"] >= n * 9 // 10, counts
    assert repeated["new"] == 0, repeated
    found = sum(counts[name] for name in ("theirs_only", "ours_only", "amount_differs", "state_differs"))
    yield Figure(NAME, f"{n:,} lines with {n:,} transfers", ground.engine, n / ours, "lines per s", n / floor,
                 ours / floor, at_most(10), f"floor: the lines alone; {found:,} findings, {ours:.1f} s")  # fmt: skip
    yield Figure(NAME, "the same lines once more", ground.engine, n / overlap, "lines per s", n / floor,
                 overlap / floor, at_most(10), "floor: the lines alone; nothing is repeated")  # fmt: skip


def _books(n: int) -> int:
    """An organisation with n transfers that succeeded, each booked as paid."""
    organisation = factories.organisation(slug="reconciled")
    payee = factories.payee(organisation)
    organisation_id, payee_id = organisation.id, payee.id
    with transaction():
        session = db.session()
        session.execute(insert(Payout), [_payout(organisation_id, payee_id, i) for i in range(1, n + 1)])
        session.execute(insert(Transfer), [_transfer(organisation_id, i) for i in range(1, n + 1)])
        ledger.post_many(
            organisation_id=organisation_id,
            entries=[_entry(i) for i in range(1, n + 1)],
            actor=ACTOR,
            now=NOW,
        )
    return organisation_id


def _amount(i: int) -> int:
    return 10_000 + i * 7919 % 1_000_003


def _our_id(i: int) -> str:
    letters = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
    digits = []
    while i:
        i, rest = divmod(i, 32)
        digits.append(letters[rest])
    return "PD" + "".join(reversed(digits)).rjust(24, "2")


def _payout(organisation_id: int, payee_id: int, i: int) -> dict[str, object]:
    return {
        "id": i, "organisation_id": organisation_id, "reference": f"PO-2026-{i:06d}", "program": "installations",
        "payee_id": payee_id, "currency": "USD", "gross_minor": _amount(i), "amount_minor": _amount(i),
        "state": "paid", "cost_account": "expense:installations", "period_start": DAY, "period_end": DAY,
        "rail": "cashfree", "payment_reference": f"UTR{i:019d}", "paid_on": DAY, "created_by_label": "benchmark",
        "created_at": NOW,
    }  # fmt: skip


def _transfer(organisation_id: int, i: int) -> dict[str, object]:
    return {
        "id": i, "organisation_id": organisation_id, "payout_id": i, "n": 1, "transfer_id": _our_id(i),
        "rail": "cashfree", "state": "succeeded", "currency": "USD", "amount_minor": _amount(i),
        "fingerprint": "f" * 64, "utr": f"UTR{i:019d}", "created_at": NOW, "finished_at": NOW, "sends": 1,
    }  # fmt: skip


def _entry(i: int) -> EntryDraft:
    amount = _amount(i)
    return EntryDraft(
        kind="payout.paid", currency="USD", effective_on=DAY, description=f"PO-2026-{i:06d} paid",
        source_type="payout", source_id=i, idempotency_key=f"transfer:{i}:succeeded",
        legs=(Leg(AccountKey("in_transit"), amount), Leg(AccountKey("bank"), -amount)), reverses_id=None,
    )  # fmt: skip


def _statement(n: int) -> Parsed:
    """A line for nearly every transfer: half by our id, half by the bank's number; some differ, some are unknown."""
    keys, lines = Keyed(), []
    for i in range(1, n + 1):
        amount = -_amount(i)
        if i % 1000 == 1:
            line = Line(DAY, amount - 1, "USD", text=f"nobody knows {i}")
        elif i % 1000 == 2:
            line = Line(DAY, amount - 5, "USD", end_to_end=_our_id(i), bank_reference=f"B{i}")
        elif i % 2:
            line = Line(DAY, amount, "USD", end_to_end=_our_id(i), bank_reference=f"B{i}", text="NEFT out")
        else:
            line = Line(DAY, amount, "USD", utr=f"UTR{i:019d}", bank_reference=f"B{i}", text="NEFT out")
        lines.append(keys.line("12345678", line))
    total = sum(line.amount_minor for line in lines)
    part = StatementPart("12345678", "USD", tuple(lines), "1", 0, DAY, total, DAY)
    return Parsed(Source.BANK, FileFormat.MT940, (part,))


def _file(organisation_id: int, parsed: Parsed) -> StatementFile:
    n = next(_files)
    return service.add_file(
        organisation_id=organisation_id, file_name="benchmark.sta", data=f"{n}".encode(),
        storage_key=f"reconciliation/benchmark-{n}", source=parsed.source, file_format=parsed.format, provider="",
        lines=parsed.line_count, actor=ACTOR, now=NOW,
    )  # fmt: skip


def _stored_alone(organisation_id: int, parsed: Parsed) -> float:
    """Seconds that only storing the lines takes, by one statement; they are taken out again."""
    with transaction() as session:
        file = _file(organisation_id, parsed)
        rows = [row for part in parsed.statements for row in storing.rows_of(file, part, None)]
        started = time.perf_counter()
        insert_many(session, StatementLine, rows)
        took = time.perf_counter() - started
    with transaction():
        db.session.execute(delete(StatementLine))
    return took
