"""Very many payouts, written by a few statements: history is long, what is open does not grow with it."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Connection, text

from benchmarks.ground import Ground
from tests import factories
from webapp.database import db
from webapp.people.models import Organisation, Payee, User

# Payouts under way at any time, however long the history is.
OPEN = 5_000
_SERIES = {
    "postgresql": "generate_series(1, :count) AS s(n)",
    "sqlite": "(WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < :count) SELECT n FROM c) s",
}
# Three years of days and instants, the newest row today.
_DAY = {
    "postgresql": "DATE '2026-11-20' - CAST((:count - n) * 1095 / :count AS integer)",
    "sqlite": "date('2026-11-20', '-' || ((:count - n) * 1095 / :count) || ' days')",
}
_INSTANT = {
    "postgresql": "TIMESTAMPTZ '2026-11-20 12:00:00+00' - ((:count - n) * 1095.0 / :count) * INTERVAL '1 day'",
    "sqlite": "strftime('%Y-%m-%d %H:%M:%S.000000', '2026-11-20 12:00:00', "
              "'-' || CAST((:count - n) * 1095.0 * 86400 / :count AS INTEGER) || ' seconds')",
}  # fmt: skip
_PAYEES = (
    "INSERT INTO payees (id, organisation_id, reference, kind, name, email, phone, address, country, is_active, "
    "version, created_at) SELECT :first + n, :organisation, 'TE-' || (10000 + n), 'technician', 'Person ' || n, "
    "'', '', '', 'US', true, 1, '2023-11-20 12:00:00' FROM {series}"
)
_METHODS = (
    "INSERT INTO payout_methods (id, uid, organisation_id, payee_id, version, is_current, kind, scheme, name_at_bank, "
    "bank_name, masked, details_encrypted, blind_index, created_at) SELECT :first + n, 'bench-' || n, :organisation, "
    ":first + n, 1, true, 'bank_account', 'aba', 'Person ' || n, 'First Bank', '••' || (1000 + n % 9000), 'none', "
    "'blind-' || n, '2023-11-20 12:00:00' FROM {series}"
)
_STATE = (
    "CASE WHEN n <= :count - :open THEN 'paid' WHEN n % 10 < 5 THEN 'pending_approval' WHEN n % 10 < 8 THEN "
    "'approved' WHEN n % 10 = 8 THEN 'processing' ELSE 'failed' END"
)
_PAYOUTS = (
    "INSERT INTO payouts (id, organisation_id, reference, program, payee_id, currency, gross_minor, amount_minor, "
    "state, cost_account, period_start, period_end, is_automatic, is_held, hold_reason, note, reason, "
    "approvals_needed, method_id, rail, payment_reference, paid_on, automatic_retries, created_by_id, "
    "created_by_label, created_at, approved_at, paid_at, round, version) SELECT :base + n, :organisation, "
    "'PO-2026-' || (10000000 + n), 'installations', :first + 1 + n % :payees, 'USD', 50000 + n % 9973, "
    "48000 + n % 9973, {state}, 'expense:installations', {day}, {day}, false, n > :count - :open AND n % 50 = 3, '', "
    "'', '', 1, :first + 1 + n % :payees, 'sandbox', CASE WHEN n <= :count - :open THEN 'PAY' || n END, "
    "CASE WHEN n <= :count - :open THEN {day} END, 0, CASE WHEN n % 4 = 0 THEN CAST(:user AS bigint) END, 'bench', "
    "{instant}, CASE WHEN n <= :count - :open THEN {instant} END, CASE WHEN n <= :count - :open THEN {instant} END, "
    "1, 1 FROM {series}"
)
_APPROVALS = (
    "INSERT INTO payout_approvals (payout_id, round, approver_label, is_single_operator, decision, note, "
    "fingerprint, policy_version, at) SELECT id, 1, 'policy', false, 'approved', '', 'none', 1, created_at "
    "FROM payouts WHERE state = 'paid'"
)
_TRANSFERS = (
    "INSERT INTO transfers (organisation_id, payout_id, n, transfer_id, rail, state, currency, amount_minor, "
    "fingerprint, leased_by, sends, checks, not_found_count, provider_reference, utr, error_code, error_message, "
    "created_at) SELECT organisation_id, id, 1, 'bench-' || id, 'sandbox', 'succeeded', currency, amount_minor, "
    "'none', '', 1, 0, 0, '', 'UTR' || id, '', '', created_at FROM payouts WHERE state = 'paid'"
)


@dataclass
class Crowd:
    """An application full of payouts, and the people who look at them."""

    app: Flask
    payouts: int
    organisation: Organisation
    admin: User
    technician: User
    payee: Payee

    def client(self, who: User) -> FlaskClient:
        """A browser in which a person is signed in; inside an application context."""
        client = self.app.test_client()
        factories.sign_in(client, who, self.organisation)
        return client


def gather(ground: Ground, payouts: int) -> Crowd:
    """So many payouts, one payee for every two hundred (twenty at least)."""
    app = ground.application(f"crowd_{payouts}")
    with app.app_context():
        organisation = factories.organisation("bench")
        admin = factories.user("admin@bench.example", organisation=organisation, role="admin")
        technician = factories.user("technician@bench.example")
        payee = factories.payee(organisation, user=technician)
        values = {
            "organisation": organisation.id, "first": payee.id - 1, "user": admin.id, "base": 0,
            "payees": max(20, payouts // 200), "count": payouts, "open": min(OPEN, payouts // 5),
        }  # fmt: skip
        db.session.commit()
        with db.engine.begin() as connection:
            _fill(connection, values)
        ground.analyse()
        for each in (organisation, admin, technician, payee):
            db.session.refresh(each)
        db.session.expunge_all()
    return Crowd(app, payouts, organisation, admin, technician, payee)


def _fill(connection: Connection, values: dict[str, int]) -> None:
    name = connection.dialect.name
    parts = {"series": _SERIES[name], "day": _DAY[name], "instant": _INSTANT[name], "state": _STATE}
    people = {**values, "count": values["payees"], "first": values["first"] + 1}
    # The first payee is there already, made by the service; payout n belongs to payee 1 + n % payees.
    for statement in (_PAYEES, _METHODS):
        connection.execute(text(statement.format(**parts)), people)
    if name == "postgresql":
        connection.execute(text("SELECT setval('payees_id_seq', (SELECT max(id) FROM payees))"))
        connection.execute(
            text("SELECT setval('payout_methods_id_seq', (SELECT max(id) FROM payout_methods))")
        )
    # Payouts point to payees with methods, and the technician has their share of them.
    connection.execute(text(_PAYOUTS.format(**parts)), {**values, "first": people["first"]})
    connection.execute(
        text("UPDATE payouts SET payee_id = :payee WHERE payee_id = :other"),
        {"payee": values["first"] + 1, "other": people["first"] + 1},
    )
    for statement in (_APPROVALS, _TRANSFERS):
        connection.execute(text(statement))
    if name == "postgresql":
        for table in ("payouts",):
            connection.execute(text(f"SELECT setval('{table}_id_seq', (SELECT max(id) FROM {table}))"))
