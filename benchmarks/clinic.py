"""Payouts into practitioners' wallets: 200 invoices of one clinic's wallet by 16 workers, and a run of 2,000."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import timedelta
from itertools import count
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Connection, select, text, update

from benchmarks import books
from benchmarks.frame import Figure, at_least, at_most, in_turns
from benchmarks.ground import ACTOR, DAY, NOW, Ground
from tests import factories
from tests.factories import clinic
from webapp.database import db, transaction
from webapp.kernel.actor import Actor
from webapp.kernel.clock import utc_now
from webapp.ledger import check
from webapp.ledger import service as ledger
from webapp.ledger.models import Account
from webapp.people.models import Organisation, User, UserSession
from webapp.programs.clinic import bulk, paying, wallets
from webapp.runs import service as runs
from webapp.runs.models import Run

NAME = "clinic"
WORKERS, PRACTITIONERS = 16, 12
INCOME = "income:commission"
_rounds = count(1)
_SERIES = {
    "postgresql": "generate_series(1, :count) AS s(n)",
    "sqlite": "(WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < :count) SELECT n FROM c) s",
}
# Paid invoices of 99.99, each of an appointment with its primary practitioner; `first` numbers them on.
_APPOINTMENTS = (
    "INSERT INTO clinic_appointments (id, organisation_id, reference, customer_id, category, starts_at, held_on, "
    "is_cancelled, created_by_label, created_at, version) SELECT :first + n, :org, 'AP-' || (:first + n), :customer, "
    "'', '2026-11-10 15:00:00', '2026-11-10', false, 'bench', '2026-11-10 15:00:00', 1 FROM {series}"
)
_PEOPLE = (
    "INSERT INTO clinic_appointment_practitioners (appointment_id, payee_id, is_primary, weight) "
    "SELECT :first + n, :payee + n % :payees, true, 1 FROM {series}"
)
_INVOICES = (
    "INSERT INTO clinic_invoices (id, organisation_id, number, customer_id, about, appointment_id, order_reference, "
    "currency, issued_on, due_on, subtotal_minor, discount_minor, tax_minor, total_minor, received_minor, "
    "refunded_minor, written_off_minor, write_off_reason, gateway_fee_minor, is_by_hand, state, offer, offer_reason, "
    "note, created_by_label, created_at, version) SELECT :first + n, :org, 'INV-' || (:first + n), :customer, "
    "'appointment', :first + n, '', 'CAD', '2026-11-10', '2026-11-24', 9999, 0, 0, 9999, 9999, 0, 0, '', 0, false, "
    "'paid', 'open', '', '', 'bench', '2026-11-10 15:00:00', 1 FROM {series}"
)


class Place:
    """A clinic with a full wallet; `more` gives it paid invoices that nobody was paid for."""

    def __init__(self, ground: Ground, name: str, *, is_bare: bool = False) -> None:
        self.app, self.made, self.used = ground.application(name), 0, 0
        self.app.add_url_rule("/admin/bench", "admin.bench", lambda: "", methods=["POST"])
        with self.app.app_context():
            care = clinic.carepoint(slug="care")
            payees = [clinic.practitioner(care, name=f"Dr {n}") for n in range(PRACTITIONERS)]
            user = factories.user("boss@example.com", organisation=care, role="admin")
            self.organisation, self.customer, self.payee = care.id, clinic.customer(care).id, payees[0].id
            self.actor, self.codes = Actor(user.id, user.email), [wallets.code_of(payee) for payee in payees]
            clinic.pay(clinic.invoice(care, None, 10**12))
            for payee in payees:
                row = clinic.paid(care, [payee])
                with transaction():
                    paying.create_payout(organisation_id=care.id, number=row.number, actor=ACTOR, now=NOW)
            self.made = self.used = PRACTITIONERS + 1
            found = db.session.execute(select(Account.code, Account.id)).all()
            self.accounts = dict(found)
            self.clients = [self._client(user.id) for _ in range(WORKERS)]
            if is_bare:
                with db.engine.begin() as connection:
                    books.drop_triggers(connection)

    def _client(self, user_id: int) -> FlaskClient:
        client = self.app.test_client()
        user = db.session.get_one(User, user_id)
        factories.sign_in(client, user, db.session.get_one(Organisation, self.organisation))
        return client

    def more(self, invoices: int) -> range:
        """So many more paid invoices; their ids."""
        first, self.made = self.made, self.made + invoices
        values = {
            "first": first, "count": invoices, "org": self.organisation, "customer": self.customer,
            "payee": self.payee, "payees": PRACTITIONERS,
        }  # fmt: skip
        with self.app.app_context(), db.engine.begin() as connection:
            for statement in (_APPOINTMENTS, _PEOPLE, _INVOICES):
                execute(connection, statement, values)
        return range(first + 1, first + invoices + 1)


def execute(connection: Connection, statement: str, values: dict[str, Any]) -> Any:
    """A statement of this module with those of the values that it names."""
    found = text(statement.format(series=_SERIES[connection.dialect.name]))
    return connection.execute(found, {name: values[name] for name in found.compile().params})


def run(ground: Ground) -> Iterator[Figure]:
    """The posting alone, the whole request, and the run; the goals are PostgreSQL's."""
    is_server = ground.engine == "postgresql"
    ours, bare = Place(ground, "clinic"), Place(ground, "clinic_bare", is_bare=True)
    yield _posting(ground, ours, bare, is_server=is_server)
    yield _requests(ground, ours, bare, is_server=is_server)
    yield _many(ground, ours, bare, is_server=is_server)
    with ours.app.app_context():
        if found := check.run(ours.organisation).findings:
            raise RuntimeError(f"the ledger is not in order: {found[0]}")


def _posting(ground: Ground, ours: Place, bare: Place, *, is_server: bool) -> Figure:
    """The ledger's own function against the conditional UPDATE last, for the same three legs."""
    times = ground.size(2, 25) * WORKERS
    pair = in_turns(
        lambda n: _by_workers(ours.app, times, lambda _, key: _post(ours, key)),
        lambda n: _by_workers(bare.app, times, lambda _, key: _last(bare, key)),
        ground.rounds,
    )
    return Figure(NAME, f"{WORKERS} writers, posting", ground.engine, times / pair.ours, "per s", times / pair.floor,
                  1 / pair.ratio, at_least(0.8) if is_server else None, "floor: conditional UPDATE last")  # fmt: skip


def _post(place: Place, key: int) -> None:
    n = key % PRACTITIONERS
    legs = [
        ledger.Leg(ledger.AccountKey(wallets.CLINIC), 100),
        ledger.Leg(ledger.AccountKey(place.codes[n], place.payee + n), -90),
        ledger.Leg(ledger.AccountKey(INCOME), -10),
    ]
    with transaction():
        ledger.post(
            organisation_id=place.organisation, kind="bench", currency="CAD", effective_on=DAY, description="bench",
            source_type="bench", source_id=key, idempotency_key=f"bench:{key}", legs=legs, actor=ACTOR, now=NOW,
        )  # fmt: skip


def _last(place: Place, key: int) -> None:
    with db.engine.begin() as connection:
        _entry(connection, place, key, f"bench:{key}", "bench", key)


def _entry(connection: Connection, place: Place, n: int, key: str, source_type: str, source_id: int) -> None:
    """An entry with its three legs, then the three balances, the one that all want last."""
    values: dict[str, Any] = {
        "org": place.organisation, "key": key, "digest": books.DIGEST, "type": source_type, "source": source_id,
        "clinic": place.accounts[wallets.CLINIC], "mine": place.accounts[place.codes[n % PRACTITIONERS]],
        "income": place.accounts[INCOME],
    }  # fmt: skip
    values["e"] = execute(connection, _HEAD, values).scalar_one()
    execute(connection, _LEGS, values)
    for name, change in (("mine", 90), ("income", 10), ("clinic", -100)):
        execute(connection, _TAKE, {"id": values[name], "change": change})


def _requests(ground: Ground, ours: Place, bare: Place, *, is_server: bool) -> Figure:
    """*Create payout* through HTTP against a request that does nothing, and the same rows in bare SQL."""
    times = ground.size(WORKERS, 200)
    todo = {n: ours.more(times) for n in range(ground.rounds)}
    rows = {n: bare.more(times) for n in range(ground.rounds)}
    pair = in_turns(
        lambda n: _counted(ours, times, lambda worker, i: _click(ours.clients[worker], f"INV-{todo[n][i]}")),
        lambda n: _counted(bare, times, lambda worker, i: _bare_click(bare, worker, rows[n][i])),
        ground.rounds,
    )
    return Figure(NAME, f"{times} payouts by {WORKERS} workers", ground.engine, pair.ours / times * 1000, "ms",
                  pair.floor / times * 1000, pair.ratio, at_most(3) if is_server else None,
                  "floor: an empty request and the bare SQL")  # fmt: skip


def _counted(place: Place, times: int, move: Callable[[int, int], None]) -> None:
    """Requests by all workers; on a slow machine the last sign-in would be too old for paying meanwhile."""
    now = utc_now()
    with place.app.app_context(), transaction():
        db.session.execute(
            update(UserSession).values(
                reauthenticated_at=now, last_seen_at=now, expires_at=now + timedelta(hours=8)
            )
        )
    _by_workers(place.app, times, move, is_counted=True)


def _click(client: FlaskClient, number: str) -> None:
    answer = client.post(f"/admin/clinic/invoices/{number}/payout")
    if answer.status_code != 303:
        raise RuntimeError(f"the payout of {number} answered {answer.status_code}")


def _bare_click(place: Place, worker: int, invoice_id: int) -> None:
    if place.clients[worker].post("/admin/bench").status_code != 200:
        raise RuntimeError("the empty request was refused")
    values: dict[str, Any] = {
        "org": place.organisation, "invoice": invoice_id, "n": invoice_id, "digest": books.DIGEST,
        "payee": place.payee + invoice_id % PRACTITIONERS,
    }  # fmt: skip
    with place.app.app_context(), db.engine.begin() as connection:
        is_server = connection.dialect.name == "postgresql"
        execute(connection, _LOCK + (" FOR UPDATE" if is_server else ""), values)
        execute(connection, _LIVE, values)
        for series in ("PO-2026", "TX"):
            execute(connection, _NUMBER, {**values, "series": series})
        values["payout"] = execute(connection, _PAYOUT, values).scalar_one()
        for statement in _PARTS:
            execute(connection, statement, values)
        _entry(connection, place, invoice_id, f"payout:{values['payout']}", "payout", values["payout"])
        values["seq"] = execute(connection, _HEAD_OF_TRAIL, values).scalar_one()
        execute(connection, _EVENTS, values)


def _many(ground: Ground, ours: Place, bare: Place, *, is_server: bool) -> Figure:
    """A run of many invoices against INSERT … SELECT into the same tables."""
    invoices = ground.size(40, 2_000)
    made = {n: _drafted(ours, invoices) for n in range(ground.rounds)}
    rows = {n: bare.more(invoices) for n in range(ground.rounds)}
    pair = in_turns(
        lambda n: _work(ours, made[n], invoices), lambda n: _bare_many(bare, rows[n]), ground.rounds
    )
    return Figure(NAME, f"a run of {invoices:,} payouts", ground.engine, pair.ours, "s", pair.floor, pair.ratio,
                  at_most(10) if is_server else None, "floor: INSERT … SELECT")  # fmt: skip


def _drafted(place: Place, invoices: int) -> int:
    ids = list(place.more(invoices))
    with place.app.app_context(), transaction():
        run_ = bulk.draft_run(organisation_id=place.organisation, invoice_ids=ids, actor=place.actor, now=NOW)
        runs.confirm(organisation_id=place.organisation, reference=run_.reference, actor=place.actor, now=NOW)
        return run_.id


def _work(place: Place, run_id: int, invoices: int) -> None:
    with place.app.app_context():
        while not runs.step(run_id=run_id, clock=lambda: NOW):
            pass
        if db.session.get_one(Run, run_id).done != invoices:
            raise RuntimeError("the run left something out")
        db.session.rollback()


def _bare_many(place: Place, rows: range) -> None:
    values = {
        "org": place.organisation, "first": rows.start, "last": rows.stop - 1, "payee": place.payee,
        "payees": PRACTITIONERS, "digest": books.DIGEST, "clinic": place.accounts[wallets.CLINIC],
        "income": place.accounts[INCOME],
    }  # fmt: skip
    with place.app.app_context(), db.engine.begin() as connection:
        for statement in _BULK:
            execute(connection, statement, values)


def _by_workers(
    app: Flask, times: int, move: Callable[[int, int], None], *, is_counted: bool = False
) -> None:
    """`times` moves shared by the workers; each is given its worker and a number. Raises what a worker raised."""
    errors: list[BaseException] = []
    first = 0 if is_counted else next(_rounds) * 1_000_000

    def work(worker: int) -> None:
        try:
            # A request brings its own context, and gives its connection back with it.
            with nullcontext() if is_counted else app.app_context():
                for i in range(worker, times, WORKERS):
                    move(worker, first + i)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


_HEAD = (
    "INSERT INTO journal_entries (organisation_id, kind, currency, effective_on, description, source_type, source_id, "
    "idempotency_key, content_digest, created_by_label, created_at, legs, legs_missing, imbalance) VALUES (:org, "
    "'bench', 'CAD', '2026-11-20', 'bench', :type, :source, :key, :digest, 'bench', '2026-11-20 12:00:00', 3, 0, 0) "
    "RETURNING id"
)
_LEGS = (
    "INSERT INTO postings (entry_id, account_id, currency, amount_minor, balance_after_minor) VALUES "
    "(:e, :clinic, 'CAD', 100, 0), (:e, :mine, 'CAD', -90, 0), (:e, :income, 'CAD', -10, 0)"
)
_TAKE = (
    "UPDATE accounts SET balance_minor = balance_minor + :change, version = version + 1 WHERE id = :id "
    "AND (minimum_balance_minor IS NULL OR balance_minor + :change >= minimum_balance_minor)"
)
_LOCK = "SELECT * FROM clinic_invoices WHERE id = :invoice AND organisation_id = :org"
_LIVE = "SELECT * FROM clinic_payouts WHERE invoice_id = :invoice AND released_at IS NULL"
_NUMBER = (
    "UPDATE number_series SET next_number = next_number + 1 WHERE organisation_id = :org AND prefix = :series "
    "RETURNING next_number"
)
_PAYOUT_COLUMNS = (
    "INSERT INTO payouts (organisation_id, reference, program, payee_id, currency, gross_minor, amount_minor, state, "
    "cost_account, period_start, period_end, is_automatic, is_held, hold_reason, note, reason, approvals_needed, "
    "fingerprint, rail, paid_on, automatic_retries, created_by_label, created_at, approved_at, submitted_at, paid_at, "
    "round, version) "
)
_PAYOUT_VALUES = (
    "'CAD', 9999, 8999, 'paid', 'wallet:clinic', '2026-11-10', '2026-11-10', true, false, '', '', '', 0, :digest, "
    "'wallet', '2026-11-20', 0, 'bench', '2026-11-20 12:00:00', '2026-11-20 12:00:00', '2026-11-20 12:00:00', "
    "'2026-11-20 12:00:00', 1, 3"
)
_PAYOUT = (
    f"{_PAYOUT_COLUMNS} VALUES (:org, 'PO-B-' || CAST(:n AS text), 'clinic', :payee, {_PAYOUT_VALUES}) "
    "RETURNING id"
)
_LINES = (
    "INSERT INTO payout_lines (payout_id, position, kind, description, unit, formula, amount_minor, source_type, "
    "source_id, source_label, details) "
)
_CLAIMS = "INSERT INTO payout_source_claims (organisation_id, payout_id, payee_id, source_type, source_id) "
_APPROVALS = (
    "INSERT INTO payout_approvals (payout_id, round, approver_label, is_single_operator, decision, note, fingerprint, "
    "policy_version, at) "
)
_RECORDS = (
    "INSERT INTO clinic_payouts (organisation_id, invoice_id, payee_id, payout_id, part, rule_label, currency, "
    "base_minor, percent, commission_minor, amount_minor, weight, taken_base_minor, taken_commission_minor, held_on, "
    "created_at) "
)
_MOVEMENTS = (
    "INSERT INTO clinic_transactions (organisation_id, reference, kind, method, state, currency, amount_minor, "
    "fee_minor, invoice_id, payee_id, payout_id, from_wallet, to_wallet, provider_reference, proof_name, note, "
    "happened_on, created_by_label, created_at) "
)
_LINE_VALUES = "1, 'earning', 'Appointment', '', '', 9999, 'clinic_invoice', {invoice}, 'INV', '{{}}'"
_FEE_VALUES = "2, 'deduction', 'Commission', '', '', -1000, 'clinic_invoice', {invoice}, 'INV', '{{}}'"
_RECORD_VALUES = (
    "1, 'Default', 'CAD', 9999, 10000000, 1000, 8999, 1, 0, 0, '2026-11-10', '2026-11-20 12:00:00'"
)
_MOVED_VALUES = "'wallet:clinic', 'wallet:x', '', '', '', '2026-11-20', 'bench', '2026-11-20 12:00:00'"
_APPROVAL_VALUES = "1, 'policy', false, 'approved', '', :digest, 0, '2026-11-20 12:00:00'"
_PARTS = (
    _LINES + "VALUES (:payout, " + _LINE_VALUES.replace("{invoice}", ":invoice") + "), (:payout, "
    + _FEE_VALUES.replace("{invoice}", ":invoice") + ")",
    _CLAIMS + "VALUES (:org, :payout, :payee, 'clinic_invoice', :invoice)",
    _APPROVALS + f"VALUES (:payout, {_APPROVAL_VALUES})",
    _RECORDS + f"VALUES (:org, :invoice, :payee, :payout, {_RECORD_VALUES})",
    _MOVEMENTS + "VALUES (:org, 'TX-B-' || CAST(:n AS text), 'payout', 'internal', 'completed', 'CAD', 8999, 0, "
    f":invoice, :payee, :payout, {_MOVED_VALUES})",
)  # fmt: skip
_HEAD_OF_TRAIL = "UPDATE audit_heads SET seq = seq + 3 WHERE chain = :org RETURNING seq"
_EVENTS = (
    "INSERT INTO audit_events (chain, seq, organisation_id, at, actor_label, ip, user_agent, tag, subject_type, "
    "subject_id, subject_label, note, changes, previous_hash, hash) SELECT :org, :seq - s.n, :org, "
    "'2026-11-20 12:00:00', 'bench', '', '', 'payouts:payout:paid', 'payout', :payout, 'PO', '', '{{}}', :digest, "
    ":seq || '-' || s.n || '-' || :payout FROM (SELECT 0 AS n UNION ALL SELECT 1 UNION ALL SELECT 2) s"
)
_THESE = "FROM clinic_invoices i JOIN payouts p ON p.reference = 'PO-B-' || i.id WHERE i.id BETWEEN :first AND :last"
_BULK = (
    f"{_PAYOUT_COLUMNS} SELECT :org, 'PO-B-' || i.id, 'clinic', :payee + i.id % :payees, {_PAYOUT_VALUES} "
    "FROM clinic_invoices i WHERE i.id BETWEEN :first AND :last",
    _LINES + "SELECT p.id, " + _LINE_VALUES.replace("{invoice}", "i.id") + " " + _THESE,
    _LINES + "SELECT p.id, " + _FEE_VALUES.replace("{invoice}", "i.id") + " " + _THESE,
    _CLAIMS + f"SELECT :org, p.id, p.payee_id, 'clinic_invoice', i.id {_THESE}",
    _APPROVALS + f"SELECT p.id, {_APPROVAL_VALUES} {_THESE}",
    _RECORDS + f"SELECT :org, i.id, p.payee_id, p.id, {_RECORD_VALUES} {_THESE}",
    _MOVEMENTS
    + "SELECT :org, 'TX-B-' || i.id, 'payout', 'internal', 'completed', 'CAD', 8999, 0, i.id, p.payee_id, "
    f"p.id, {_MOVED_VALUES} {_THESE}",
    "INSERT INTO journal_entries (organisation_id, kind, currency, effective_on, description, source_type, source_id, "
    "idempotency_key, content_digest, created_by_label, created_at, legs, legs_missing, imbalance) SELECT :org, "
    "'bench', 'CAD', '2026-11-20', 'bench', 'payout', p.id, 'bare:' || p.id, :digest, 'bench', "
    f"'2026-11-20 12:00:00', 3, 0, 0 {_THESE}",
    "INSERT INTO postings (entry_id, account_id, currency, amount_minor, balance_after_minor) SELECT e.id, CASE s.n "
    "WHEN 1 THEN :clinic WHEN 2 THEN :income ELSE a.id END, 'CAD', CASE s.n WHEN 1 THEN 9999 WHEN 2 THEN -1000 ELSE "
    "-8999 END, 0 FROM clinic_invoices i JOIN payouts p ON p.reference = 'PO-B-' || i.id JOIN journal_entries e ON "
    "e.idempotency_key = 'bare:' || p.id JOIN payees y ON y.id = p.payee_id JOIN accounts a ON a.code = 'wallet:' || "
    "y.reference CROSS JOIN (SELECT 1 AS n UNION ALL SELECT 2 UNION ALL SELECT 3) s "
    "WHERE i.id BETWEEN :first AND :last",
)
