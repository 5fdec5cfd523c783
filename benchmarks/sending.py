"""Sending transfers: one worker process with everything it does for safety, against a bare loop over the raw client.

Both talk to the provider's simulator, a process of its own on this machine that answers at once. All payouts are queued
at once; the worker sends them, then the bare loop sends as many, in turns. The bare loop keeps nothing, checks nothing
and forgets what it was answered. After each the same with the questions: what the bank says of each transfer, booked,
against a bare loop that asks.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from itertools import count, cycle, islice
from unittest.mock import patch
from urllib.error import URLError
from urllib.request import urlopen

from flask import Flask
from sqlalchemy import event, func, insert, select, update

from benchmarks.frame import Figure, at_least, pair_of, timed
from benchmarks.ground import NOW, Ground
from tests import factories
from webapp.connections import service as connections
from webapp.connections import simulated
from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.ids import new_transfer_id
from webapp.kernel.money import Money
from webapp.ledger import check
from webapp.ledger import service as ledger
from webapp.ledger.posting import AccountKey, EntryDraft, Leg
from webapp.outbox.models import OutboxMessage
from webapp.payouts import policies, settlement
from webapp.payouts.models import Payout, Transfer, TransferEvent
from webapp.payouts.policy import default_rules, fingerprint
from webapp.people import accounts
from webapp.people.models import Payee
from webapp.providers.accounts import Access, find_access
from webapp.providers.cashfree import client
from webapp.providers.models import ProviderBeneficiary

NAME = "sending"
AMOUNT = 905_600
_ids = count(1)


@dataclass
class Place:
    """An organisation with owners, connected to the simulator."""

    app: Flask
    organisation_id: int
    # Payee, its reference and its payment details.
    payees: list[tuple[int, str, int]] = field(default_factory=list)


def run(ground: Ground) -> Iterator[Figure]:
    """Transfers a second of one worker process, and of the bare loop; then what the bank says of them."""
    number = ground.size(60, 1_000, 10_000)
    # No question becomes due by itself while transfers are sent.
    later = patch.object(settlement, "ACCEPTED_DELAYS", (timedelta(hours=1),))
    with _simulator() as url, later:
        app = ground.application("sending")
        with app.app_context():
            place = _prepare(app, url, ground.size(5, 100))
            # Beneficiaries are made, connections are open.
            _queue_up(place, len(place.payees))
            _work(place, "send")
            _make_due()
            _work(place, "status")
            statements = _statements(place)
            ground.analyse()
            sends, questions = [], []
            for _ in range(ground.rounds):
                _queue_up(place, number)
                sends.append((_work(place, "send"), timed(lambda: _post_bare(place, number))))
                _make_due()
                questions.append((_work(place, "status"), timed(lambda: _ask_bare(place, number))))
            _all_is_booked(place)
    name = f"{number:,} transfers"
    yield _figure(ground, f"{name} queued at once, one worker process", number, sends, statements[0])
    yield _figure(ground, f"{name} asked about, and booked as paid", number, questions, statements[1])


def _figure(
    ground: Ground, name: str, number: int, times: list[tuple[float, float]], statements: float
) -> Figure:
    pair = pair_of(times)
    return Figure(
        NAME, name, ground.engine, number / pair.ours, "per s", number / pair.floor,
        1 / pair.ratio, at_least(0.5) if "queued" in name else None,
        f"floor: a bare loop over the raw client; {statements:.1f} statements for each transfer of a batch of 100",
    )  # fmt: skip


@contextmanager
def _simulator() -> Iterator[str]:
    """The provider, on a free port of this machine, without delays and without messages."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [sys.executable, "-m", "webapp.simulator", "--port", str(port), "--fast"], stdout=subprocess.DEVNULL
    )
    try:
        _wait(f"{url}/healthz", process)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        try:
            with urlopen(url, timeout=5):
                return
        except (URLError, OSError):
            if process.poll() is not None:
                break
            time.sleep(0.1)
    raise RuntimeError("the simulator does not answer")


def _prepare(app: Flask, url: str, payees: int) -> Place:
    organisation = factories.organisation(currency="INR", timezone="Asia/Kolkata")
    with transaction():
        connections.save(
            organisation_id=organisation.id, provider="cashfree", environment="sandbox",
            credentials=simulated.cashfree(url), is_trial=True, actor=factories.FACTORY, now=NOW,
        )  # fmt: skip
        policies.change_policy(
            organisation_id=organisation.id, actor=factories.FACTORY, now=NOW,
            rules={**default_rules("INR"), "rails": ["manual", "cashfree"]},
        )  # fmt: skip
        made = [_payee(organisation, n) for n in range(payees)]
        place = Place(app, organisation.id, [(p.id, p.reference, m) for p, m in made])
    return place


def _payee(organisation: object, n: int) -> tuple[Payee, int]:
    payee = factories.payee(organisation, name="Asha Rao")  # type: ignore[arg-type]
    account = accounts.ifsc_account(
        account_number=f"50100{n:09d}", ifsc="HDFC0000001", name_at_bank="Asha Rao"
    )
    return payee, factories.method(payee, account).id


# ------------------------------------------------------------------ the queue


def _queue_up(place: Place, number: int) -> None:
    """Approved and submitted payouts, written together: their transfers wait."""
    now = utc_now()
    ids = list(islice(_ids, number))
    owners = dict(zip(ids, cycle(place.payees), strict=False))
    with transaction() as session:
        session.execute(insert(Payout), [_payout(place, i, *owners[i], now) for i in ids])
        session.execute(insert(Transfer), [_transfer(place, i, *owners[i], now) for i in ids])
        session.execute(insert(OutboxMessage), [_message(place, i, now) for i in ids])
        for debit, credit, word in (
            ("expense:rent", "", "payout:{}:approved"),
            ("", "in_transit", "transfer:{}:submitted"),
        ):
            entries = [_entry(i, *owners[i], debit, credit, word.format(i)) for i in ids]
            ledger.post_many(
                organisation_id=place.organisation_id, entries=entries, actor=factories.FACTORY, now=now
            )
    db.session.remove()


def _payout(
    place: Place, i: int, payee_id: int, reference: str, method_id: int, now: object
) -> dict[str, object]:
    return {
        "id": i, "organisation_id": place.organisation_id, "reference": f"PO-2026-{i:06d}", "program": "rentals",
        "payee_id": payee_id, "currency": "INR", "gross_minor": AMOUNT, "amount_minor": AMOUNT,
        "state": "processing", "cost_account": "expense:rent", "period_start": NOW.date(), "period_end": NOW.date(),
        "fingerprint": fingerprint(Money(AMOUNT, "INR"), payee_id, method_id), "method_id": method_id,
        "rail": "cashfree", "created_by_label": "benchmark", "created_at": now, "approved_at": now,
        "submitted_at": now,
    }  # fmt: skip


def _transfer(
    place: Place, i: int, payee_id: int, reference: str, method_id: int, now: object
) -> dict[str, object]:
    return {
        "id": i, "organisation_id": place.organisation_id, "payout_id": i, "n": 1, "transfer_id": new_transfer_id(),
        "rail": "cashfree", "state": "queued", "currency": "INR", "amount_minor": AMOUNT, "method_id": method_id,
        "fingerprint": fingerprint(Money(AMOUNT, "INR"), payee_id, method_id), "created_at": now,
    }  # fmt: skip


def _message(place: Place, i: int, now: object) -> dict[str, object]:
    return {
        "organisation_id": place.organisation_id, "kind": "transfer.send", "reference_id": i,
        "dedupe_key": f"transfer.send:{i}:0", "queue": "money", "not_before": now, "created_at": now,
    }  # fmt: skip


def _entry(
    i: int, payee_id: int, reference: str, method_id: int, debit: str, credit: str, key: str
) -> EntryDraft:
    payable = AccountKey(f"payable:{reference}", payee_id)
    return EntryDraft(
        kind=f"payout.{key.rpartition(':')[2]}", currency="INR", effective_on=NOW.date(),
        description=f"PO-2026-{i:06d}", source_type="payout", source_id=i, idempotency_key=key,
        legs=(
            Leg(AccountKey(debit) if debit else payable, AMOUNT),
            Leg(AccountKey(credit) if credit else payable, -AMOUNT),
        ),
    )  # fmt: skip


def _make_due() -> None:
    """What would be asked in six seconds is asked now."""
    now = utc_now()
    with transaction() as session:
        session.execute(update(Transfer).where(Transfer.state == "accepted").values(next_check_at=now))
        session.execute(
            update(OutboxMessage)
            .where(OutboxMessage.kind == "transfer.check", OutboxMessage.done_at.is_(None))
            .values(not_before=now)
        )
    db.session.remove()


# ------------------------------------------------------------------ the turns


def _work(place: Place, source: str) -> float:
    """Seconds in which a worker process of the queue for money sends all that is queued, or asks about all that is due.

    Up to its last answer: what else the queue has for it afterwards is not counted.
    """
    from jobs import base

    state = "queued" if source == "send" else "accepted"
    left, began, idle = _count(state), utc_now(), 0
    while left:
        with patch.object(base, "application", lambda: place.app):
            base.drain("money")
        now_left = _count(state)
        idle = idle + 1 if now_left == left else 0
        if idle > 3:
            raise RuntimeError(f"{left} transfers are {state} and stay so")
        left = now_left
    last = db.session.scalar(select(func.max(TransferEvent.at)).where(TransferEvent.source == source))
    db.session.remove()
    return ((last or began) - began).total_seconds()


def _count(state: str) -> int:
    db.session.remove()
    found = db.session.scalar(select(func.count()).select_from(Transfer).where(Transfer.state == state))
    db.session.remove()
    return found or 0


def _post_bare(place: Place, number: int) -> None:
    """The same calls, and nothing else."""
    access = _access(place)
    beneficiaries = cycle(db.session.scalars(select(ProviderBeneficiary.beneficiary_id)).all())
    db.session.rollback()
    for n in range(number):
        body = client.transfer_body(
            transfer_id=new_transfer_id(), amount=Decimal("9056.00"), mode="imps",
            beneficiary_id=next(beneficiaries), remarks=f"Bare {n}", fund_source="",
        )  # fmt: skip
        reply = client.post_transfer(access, body)
        if not reply.is_ok:
            raise RuntimeError(f"the simulator refused it: {reply.status} {reply.problem}")


def _ask_bare(place: Place, number: int) -> None:
    access = _access(place)
    ids = db.session.scalars(select(Transfer.transfer_id).order_by(Transfer.id.desc()).limit(number)).all()
    db.session.rollback()
    for transfer_id in ids:
        if not client.get_transfer(access, transfer_id).is_ok:
            raise RuntimeError("the simulator does not know a transfer")


def _access(place: Place) -> Access:
    access = find_access(place.organisation_id, client.PROVIDER)
    if access is None:
        raise RuntimeError("there is no account")
    return access


def _statements(place: Place) -> tuple[float, float]:
    """How many statements each transfer of a batch costs: to be sent, and to be asked about and booked."""
    from jobs import payouts as work

    seen = 0

    def see(*_: object) -> None:
        nonlocal seen
        seen += 1

    _queue_up(place, 100)
    ids = db.session.scalars(select(Transfer.id).where(Transfer.state == "queued")).all()
    db.session.rollback()
    costs = []
    event.listen(db.engine, "before_cursor_execute", see)
    try:
        for carry_out, is_due in ((work.send_transfers, True), (work.check_transfers, False)):
            if not is_due:
                _make_due()
            seen = 0
            carry_out(ids)
            costs.append(seen / len(ids))
    finally:
        event.remove(db.engine, "before_cursor_execute", see)
    db.session.remove()
    return costs[0], costs[1]


def _all_is_booked(place: Place) -> None:
    """Everything was sent once and is paid, and the ledger agrees."""
    states = dict(db.session.execute(select(Payout.state, func.count()).group_by(Payout.state)).all())
    sends = db.session.scalar(select(func.max(Transfer.sends)))
    findings = check.run(place.organisation_id).findings
    db.session.remove()
    if set(states) != {"paid"} or sends != 1 or findings:
        raise RuntimeError(f"payouts ended as {states}, sent {sends} times at most; {findings[:3]}")
