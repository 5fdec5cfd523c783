"""A taxi fleet for the benchmarks, made by a few statements: drivers with leases, open repairs, earnings."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection, func, select, text

from benchmarks import books
from benchmarks.ground import Ground
from tests.factories import repairs
from webapp.database import db, transaction
from webapp.kernel.actor import SCHEDULER
from webapp.programs.repairs import charging, instalments, weekly
from webapp.programs.repairs.books import Receipt
from webapp.programs.repairs.drafts import ChargeDraft, EarningDraft
from webapp.programs.repairs.models import DriverLease, Instalment

#: Plans of each driver that are due in the same week.
PLANS = 10
AMOUNT, EARNED, LEASE, TAX = 25_00, 900_00, 350_00, 12_50
_SERIES = {
    "postgresql": "generate_series(1, :{count}) AS {name}(n)",
    "sqlite": "(WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < :{count}) "
    "SELECT n FROM c) {name}",
}
_SAID = "'bench', '2025-09-01 12:00:00'"
_PAYEES = (
    "INSERT INTO payees (organisation_id, reference, kind, name, email, phone, address, country, is_active, version, "
    "created_at) SELECT :org, 'PY-B-' || s.n, 'driver', 'Driver ' || s.n, '', '', '', 'US', true, 1, "
    "'2025-09-01 12:00:00' FROM {drivers}"
)
_METHODS = (
    "INSERT INTO payout_methods (uid, organisation_id, payee_id, version, is_current, kind, scheme, name_at_bank, "
    "bank_name, masked, blind_index, created_at) SELECT 'bench-' || y.id, :org, y.id, 1, true, 'manual', '', '', '', "
    "'', '', '2025-09-01 12:00:00' FROM payees y WHERE y.organisation_id = :org"
)
_VEHICLES = (
    "INSERT INTO repairs_vehicles (organisation_id, plate, created_at) SELECT :org, 'T' || s.n, "
    "'2025-09-01 12:00:00' FROM {drivers}"
)
_LEASES = (
    "INSERT INTO repairs_leases (organisation_id, reference, payee_id, shift, currency, weekly_minor, takes_repairs, "
    "starts_on, end_reason, version, created_by_label, created_at) SELECT :org, 'LS-' || y.id, y.id, 'full', 'USD', "
    f":lease, true, '2025-09-28', '', 1, {_SAID} FROM payees y WHERE y.organisation_id = :org"
)
_REPAIRS = (
    "INSERT INTO repairs (organisation_id, reference, payee_id, lease_id, vehicle_id, invoice_number, invoice_date, "
    "workshop, description, currency, amount_minor, starts, weekly_minor, paid_minor, credited_minor, state, reason, "
    "document_name, version, created_by_label, created_at) SELECT :org, 'RPR-2025-' || l.id || '-' || p.n, "
    "l.payee_id, l.id, v.id, 'W-' || l.id || '-' || p.n, '2025-10-01', 'external', '', 'USD', :amount * 1000, "
    f"'CURRENT', :amount, 0, 0, 'open', '', '', 1, {_SAID} FROM repairs_leases l JOIN payees y ON y.id = l.payee_id "
    "JOIN repairs_vehicles v ON v.organisation_id = :org AND v.plate = 'T' || substr(y.reference, 6) "
    "CROSS JOIN {plans} WHERE l.organisation_id = :org"
)
_INSTALMENTS = (
    "INSERT INTO repairs_instalments (organisation_id, reference, repair_id, payee_id, number, week_start, due_on, "
    "currency, amount_minor, interest_minor, balance_after_minor, state) SELECT :org, r.reference || '-' || :week, "
    "r.id, r.payee_id, :week, :start, :due, 'USD', :amount, 0, :amount * (1000 - :week), 'scheduled' FROM repairs r "
    "WHERE r.organisation_id = :org"
)
_HOLD = "UPDATE repairs SET state = 'hold', reason = 'At the insurer' WHERE organisation_id = :org AND id % 50 = 0"
# What posting does at least, by bare statements: no balances, no digests, no trail, and no guards in these tables.
_BARE = (
    "INSERT INTO repairs_charges (organisation_id, payee_id, lease_id, instalment_id, category, description, "
    "currency, amount_minor, paid_minor, credited_minor, charged_on, week_start, idempotency_key, created_by_label, "
    "created_at) SELECT :org, i.payee_id, r.lease_id, i.id, 'repairs', 'Repair ' || i.reference, i.currency, "
    "i.amount_minor, 0, 0, :start, :start, 'instalment:' || i.id, 'bench', '2025-10-01 12:00:00' "
    "FROM repairs_instalments i JOIN repairs r ON r.id = i.repair_id "
    "WHERE i.organisation_id = :org AND i.state = 'scheduled' AND i.week_start = :start",
    "INSERT INTO journal_entries (organisation_id, kind, currency, effective_on, description, source_type, "
    "source_id, idempotency_key, content_digest, created_by_label, created_at, legs, legs_missing, imbalance) "
    "SELECT :org, 'repairs.instalment', 'USD', :start, 'Driver: ' || i.reference, 'repairs_instalment', i.id, "
    f"'repairs:instalment:' || i.id, '{books.DIGEST}', 'bench', '2025-10-01 12:00:00', 2, 0, 0 "
    "FROM repairs_instalments i WHERE i.organisation_id = :org AND i.state = 'scheduled' AND i.week_start = :start",
    "INSERT INTO postings (entry_id, account_id, currency, amount_minor, balance_after_minor) SELECT e.id, "
    "CASE s.side WHEN 1 THEN a.id ELSE :income END, 'USD', s.side * :amount, 0 FROM repairs_instalments i "
    "JOIN journal_entries e ON e.organisation_id = :org AND e.idempotency_key = 'repairs:instalment:' || i.id "
    "JOIN accounts a ON a.payee_id = i.payee_id AND a.code LIKE 'receivable:%' "
    "CROSS JOIN (SELECT 1 AS side UNION ALL SELECT -1) s "
    "WHERE i.organisation_id = :org AND i.state = 'scheduled' AND i.week_start = :start",
    "UPDATE repairs_instalments SET state = 'posted', posted_for = :start, posted_at = '2025-10-01 12:00:00' "
    "WHERE organisation_id = :org AND state = 'scheduled' AND week_start = :start",
)
_ACCOUNTS = (
    "INSERT INTO accounts (organisation_id, code, name, type, currency, payee_id, normal_side, balance_minor, version, "
    "created_at) SELECT :org, 'receivable:' || y.reference, y.name, 'asset', 'USD', y.id, 1, 0, 0, "
    "'2025-09-01 12:00:00' FROM payees y WHERE y.organisation_id = :org",
    "INSERT INTO accounts (organisation_id, code, name, type, currency, normal_side, balance_minor, version, "
    "created_at) VALUES (:org, 'income:repair_recovery', 'Repairs', 'income', 'USD', -1, 0, 0, "
    "'2025-09-01 12:00:00')",
)


class Fleet:
    """Drivers with a lease and open repairs each; weeks of instalments and earnings are added one by one."""

    def __init__(
        self, ground: Ground, name: str, drivers: int, *, is_bare: bool = False, plans: int = PLANS
    ) -> None:
        self.ground, self.app = ground, ground.application(name)
        self.drivers, self.plans, self.week, self.first = drivers, plans, 0, repairs.sunday(0)
        with self.app.app_context():
            self.organisation = repairs.metrocab().id
            db.session.remove()
            with db.engine.begin() as connection:
                for statement in (_PAYEES, _METHODS, _VEHICLES, _LEASES, _REPAIRS, *_ACCOUNTS):
                    self._execute(connection, statement)
                found = text(
                    "SELECT id FROM accounts WHERE organisation_id = :org AND code = 'income:repair_recovery'"
                )
                self.income = connection.execute(found, {"org": self.organisation}).scalar_one()
                if is_bare:
                    books.drop_triggers(connection)
            ground.analyse()
            db.session.remove()

    def _execute(self, connection: Connection, statement: str, **more: Any) -> None:
        series = _SERIES[connection.dialect.name]
        found = text(
            statement.format(
                drivers=series.format(count="drivers", name="s"), plans=series.format(count="plans", name="p")
            )
        )
        values = {
            "org": self.organisation, "drivers": self.drivers, "plans": self.plans, "amount": AMOUNT,
            "lease": LEASE, **more,
        }  # fmt: skip
        connection.execute(found, {name: values[name] for name in found.compile().params})

    def add_week(self) -> date:
        """One more week of each plan, due when it begins; returns its first day."""
        start = repairs.sunday(self.week)
        self.week += 1
        days = {"week": self.week, "start": start, "due": start + timedelta(days=6)}
        with self.app.app_context(), db.engine.begin() as connection:
            self._execute(connection, _INSTALMENTS, **days)
        return start

    def plan(self, weeks: int) -> None:
        """So many more weeks, and a part of the plans on hold; the database has counted its rows since."""
        for _ in range(weeks):
            self.add_week()
        with self.app.app_context():
            with db.engine.begin() as connection:
                self._execute(connection, _HOLD)
            self.ground.analyse()
            db.session.remove()

    def middle(self) -> int:
        """An instalment in the middle of what is planned; inside an application context."""
        found = select(func.min(Instalment.id), func.max(Instalment.id)).where(
            Instalment.organisation_id == self.organisation
        )
        first, last = db.session.execute(found).one()
        return int(first + last) // 2

    def earn(self, start: date) -> None:
        """What each driver earns in a week, and a tax; entered as an import does it."""
        now = repairs.at(start + timedelta(days=5))
        with self.app.app_context():
            payees = db.session.scalars(select(DriverLease.payee_id).order_by(DriverLease.payee_id)).all()
            for first in range(0, len(payees), 500):
                some = payees[first : first + 500]
                earned = [
                    EarningDraft(
                        payee,
                        "Card fares",
                        f"{start}-{day}-{payee}",
                        EARNED // 3,
                        start + timedelta(days=day),
                    )
                    for payee in some
                    for day in range(3)
                ]
                taxes = [ChargeDraft(payee, "taxes", "Surcharge", TAX, start) for payee in some]
                with transaction():
                    common: Any = {"organisation_id": self.organisation, "actor": SCHEDULER, "now": now}
                    charging.record_earnings(drafts=earned, **common)
                    charging.add_charges(drafts=taxes, **common)
            db.session.remove()

    def run_week(self, day: date) -> None:
        """The scheduler's run of the week that begins on a day."""
        with self.app.app_context():
            weekly.run_week(
                organisation_id=self.organisation, day=day, actor=SCHEDULER, now=repairs.at(day, 9)
            )
            db.session.remove()

    def made(self, week: date) -> tuple[int, int]:
        """How many receipts there are of a week, and how many of them are paid out."""
        with self.app.app_context():
            query = select(func.count(), func.count(Receipt.payout_id)).where(Receipt.week_start == week)
            receipts, payouts = db.session.execute(query).one()
            db.session.remove()
        return int(receipts), int(payouts)

    def post(self, day: date) -> int:
        """Charge all that is due on a day, as the weekly run does it; returns how many instalments."""
        after, posted = 0, 0
        with self.app.app_context():
            while True:
                with transaction():
                    ids = instalments.drivers_due(self.organisation, day, after, weekly.POST_BATCH)
                if not ids:
                    break
                after = ids[-1]
                with transaction():
                    posted += instalments.post_due(
                        organisation_id=self.organisation,
                        payee_ids=ids,
                        day=day,
                        actor=SCHEDULER,
                        now=repairs.at(day),
                    )
            db.session.remove()
        return posted

    def post_bare(self, day: date) -> None:
        """The floor: the same rows by bare statements, in one transaction."""
        with self.app.app_context(), db.engine.begin() as connection:
            for statement in _BARE:
                self._execute(connection, statement, start=day, income=self.income)
