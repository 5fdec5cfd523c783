"""Partners: shares of 100,000 deals worked out anew, pending commissions of 5,000 partners made into payouts."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

from sqlalchemy import select, text

from benchmarks import memory
from benchmarks.clinic import execute
from benchmarks.frame import LINEAR, Figure, at_most, growth, timed
from benchmarks.ground import ACTOR, DAY, NOW, Ground
from tests.factories import partners
from webapp.database import db, transaction
from webapp.ledger import check
from webapp.people.models import Payee
from webapp.programs.partners import attributing, calculating
from webapp.programs.partners.models import Attribution, Commission, Deal

NAME = "partners"
SHARES_GOAL, PAYOUTS_GOAL, MEMORY_GOAL = 30, 10, 128
#: Partners of one transaction of the calculation, as the run takes them.
BATCH = 500
#: Commissions of each partner that a calculation finds.
EACH = 4
_PAYEES = (
    "INSERT INTO payees (organisation_id, kind, reference, name, email, phone, address, country, is_active, version, "
    "created_at) "
    "SELECT :org, 'partner', 'PA-B' || n, 'Partner ' || n, '', '', '', '', true, 1, '2026-01-01 12:00:00' FROM {series}"
)
_DEALS = (
    "INSERT INTO partners_deals (organisation_id, reference, program_id, name, customer, product, currency, "
    "amount_minor, state, opened_at, closed_at, reason, created_by_label, created_at, version) "
    "SELECT :org, 'DL-B' || n, :program, 'Deal ' || n, 'Customer ' || (n % 997), '', 'USD', 100000 + n % 99991, 'won', "
    "'2026-08-01 12:00:00', '2026-10-01 12:00:00', '', 'bench', '2026-08-01 12:00:00', 1 FROM {series}"
)
# The first, second and third touch of each deal, by other partners; every batch names its kind and its moment.
_TOUCHES = tuple(
    "INSERT INTO partners_touchpoints (organisation_id, deal_id, payee_id, type, weight, happened_at, "
    f"created_by_label, created_at) SELECT :org, :deal + n, :payee + (n * 7 + {13 * turn}) % :payees, '{kind}', 1, "
    f"'{at}', 'bench', '2026-10-01 12:00:00' FROM {{series}}"
    for turn, (kind, at) in enumerate(
        (
            ("referral", "2026-08-02 12:00:00"),
            ("demo", "2026-09-11 08:30:00"),
            ("closer", "2026-09-29 17:45:00"),
        )
    )
)
_COMMISSIONS = (
    "INSERT INTO partners_commissions (organisation_id, reference, payee_id, program_id, deal_id, kind, sequence, "
    "rule_label, rate_bp, currency, base_minor, amount_minor, earned_on, due_on, state, offer, offer_reason, "
    "is_disputed, reason, created_at, version) SELECT :org, 'CM-B' || (:first + n), :payee + n % :payees, :program, "
    ":deal + n, 'sale', 0, '', 500, 'USD', 100000, 5000, '2026-10-01', '2026-10-31', 'open', 'open', '', false, '', "
    "'2026-10-01 12:00:00', 1 FROM {series}"
)


class Place:
    """A company with partners and won deals of three touches each, by their age."""

    def __init__(self, ground: Ground, name: str, deals: int, payees: int) -> None:
        self.app, self.deals, self.payees = ground.application(name), deals, payees
        with self.app.app_context():
            company = partners.partnerbase(slug="bench")
            program = partners.program(company, model="time_decay")
            first = partners.partner(company)
            self.organisation, self.program = company.id, program.id
            payee = first.id
            db.session.rollback()
            values: dict[str, Any] = {
                "org": self.organisation,
                "program": self.program,
                "payee": payee,
                "payees": payees,
            }
            with db.engine.begin() as connection:
                execute(connection, _PAYEES, {**values, "count": payees})
                execute(connection, _DEALS, {**values, "count": deals})
                deal = connection.scalar(text("SELECT min(id) - 1 FROM partners_deals"))
                for statement in _TOUCHES:
                    execute(connection, statement, {**values, "count": deals, "deal": deal})
            self.values = {**values, "deal": deal}
            db.session.rollback()
            query = select(Deal.id).where(Deal.organisation_id == self.organisation).order_by(Deal.id)
            self.ids = list(db.session.scalars(query))

    def attribute(self) -> int:
        """The shares of all deals, worked out anew in batches that are committed one by one; how many there are."""
        with self.app.app_context():
            for start in range(0, self.deals, attributing.BATCH):
                with transaction():
                    attributing.recompute(self.organisation, self.ids[start : start + attributing.BATCH], NOW)
            return db.session.query(Attribution).count()

    def earn(self) -> None:
        """Commissions that are due: some of each partner."""
        with self.app.app_context(), db.engine.begin() as connection:
            count = EACH * self.payees
            execute(connection, _COMMISSIONS, {**self.values, "count": count, "first": 0})

    def calculate(self) -> int:
        """Everything that is due made into payouts, as the run does it; how many were made."""
        made, after = 0, 0
        with self.app.app_context():
            until = f"{DAY.year}-{DAY.month:02}"
            while ids := calculating.partners_due(self.organisation, until, NOW, after, BATCH):
                with transaction():
                    found = calculating.calculate(
                        organisation_id=self.organisation, payee_ids=ids, until=until, actor=ACTOR, now=NOW
                    )
                made, after = made + len(found.payout_ids), ids[-1]
        return made


def run(ground: Ground) -> Iterator[Figure]:
    """Shares and payouts; the goals of time are PostgreSQL's."""
    is_server = ground.engine == "postgresql"
    yield from _shares(ground, ground.size(40, 100_000), is_server=is_server)
    yield from _payouts(ground, ground.size(6, 5_000), is_server=is_server)


def _shares(ground: Ground, deals: int, *, is_server: bool) -> Iterator[Figure]:
    points = []
    for count in (max(1, deals // 10), deals):
        place = Place(ground, f"deals_{count}", count, max(3, count // 100))
        place.attribute()
        points.append(
            (count, statistics.median(timed(place.attribute) for _ in range(min(3, ground.rounds))))
        )
    if place.attribute() < deals:
        raise RuntimeError("there are deals without a share")
    touches = len(_TOUCHES) * deals
    yield Figure(NAME, f"shares of {deals:,} deals, {touches:,} touches", ground.engine, points[-1][1], "s",
                 goal=at_most(SHARES_GOAL, "ours") if is_server else None, note="batches of 1,000")  # fmt: skip
    yield growth(NAME, "working out shares", ground.engine, points, LINEAR)
    yield Figure(NAME, f"shares of {deals:,} deals: memory", ground.engine,
                 memory.megabytes(place.app, place.attribute), "MB", goal=at_most(MEMORY_GOAL, "ours"))  # fmt: skip


def _payouts(ground: Ground, payees: int, *, is_server: bool) -> Iterator[Figure]:
    points = []
    for count in (max(1, payees // 10), payees):
        place = Place(ground, f"partners_{count}", EACH * count, count)
        place.earn()
        seconds = timed(place.calculate)
        with place.app.app_context():
            made = db.session.scalar(
                select(Payee.id).where(Payee.organisation_id == place.organisation).limit(1)
            )
            left = db.session.query(Commission).filter_by(state="open").count()
            if made is None or left:
                raise RuntimeError(f"{left} commissions are in no payout")
            if found := check.run(place.organisation).findings:
                raise RuntimeError(f"the ledger is not in order: {found[0]}")
        if place.calculate():
            raise RuntimeError("a second calculation made payouts")
        points.append((count, seconds))
    yield Figure(NAME, f"pending commissions of {payees:,} partners", ground.engine, points[-1][1], "s",
                 goal=at_most(PAYOUTS_GOAL, "ours") if is_server else None,
                 note=f"{EACH} commissions each, one payout each")  # fmt: skip
    yield growth(NAME, "the calculation", ground.engine, points, LINEAR)
