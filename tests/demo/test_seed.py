"""The demo's data: every state is there, it proves itself, and it is put in once."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from tests.conftest import NOW
from tests.demo.conftest import Seeding
from webapp.database import db
from webapp.demo.seed import seed
from webapp.ledger import check
from webapp.outbox.models import OutboxMessage
from webapp.payouts.models import Payout, Transfer
from webapp.payouts.states import PayoutState
from webapp.people.changes.models import MethodChange
from webapp.people.models import Organisation, Payee, PayoutMethod, User
from webapp.programs.installations.models import RateVersion
from webapp.programs.rentals.models import RentCharge, Unit

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("demo")]


@pytest.fixture(scope="module")
def seeded(app: Flask, put_in: Seeding) -> Flask:
    """A database with the demo data, seeded once for this file."""
    put_in(lambda now: seed(say=lambda text: None, now=now))
    return app


@pytest.mark.parametrize(
    "state",
    [
        PayoutState.PENDING_APPROVAL,
        PayoutState.APPROVED,
        PayoutState.PROCESSING,
        PayoutState.PAID,
        PayoutState.REVERSED,
        PayoutState.REJECTED,
        PayoutState.CANCELLED,
    ],
)
def test_demo_has_payouts_in_state(seeded: Flask, state: PayoutState) -> None:
    assert db.session.scalar(select(func.count()).select_from(Payout).where(Payout.state == state.value))


@pytest.mark.parametrize(
    ("kind", "n"), [("technician", 24), ("owner", 40), ("practitioner", 12), ("driver", 30)]
)
def test_demo_has_so_many_payees(seeded: Flask, kind: str, n: int) -> None:
    assert db.session.scalar(select(func.count()).where(Payee.kind == kind)) == n


def test_demo_begins_with_exactly_the_three_rates(seeded: Flask) -> None:
    rows = db.session.execute(select(RateVersion.name, RateVersion.rate, RateVersion.effective_from)).all()
    assert [(n, str(r), d) for n, r, d in rows] == [
        ("Solar A", "50", None),
        ("Solar B", "45", None),
        ("Starlink", "75", None),
    ]


def test_demo_has_forty_four_payouts_that_the_admin_did_not_make(seeded: Flask) -> None:
    made_by_paydesk = select(func.count()).where(
        Payout.program == "installations",
        Payout.state == "pending_approval",
        Payout.created_by_id.is_(None),
        Payout.payee_id.in_(_with_method()),
    )
    assert db.session.scalar(made_by_paydesk) == 44


def _with_method() -> object:
    from webapp.people.models import PayoutMethod

    return select(PayoutMethod.payee_id)


def test_demo_ledger_proves_itself(seeded: Flask) -> None:
    assert check.run().findings == []


def test_demo_accounts_are_marked(seeded: Flask) -> None:
    assert all(db.session.scalars(select(User.is_demo)))


def test_demo_shows_a_transfer_whose_answer_is_unknown(seeded: Flask) -> None:
    assert "unknown" in set(db.session.scalars(select(Transfer.state)))


def test_seeding_again_changes_nothing(seeded: Flask) -> None:
    before = db.session.scalar(select(func.count()).select_from(Payout))
    assert seed(say=lambda text: None, now=NOW) == "The demo data is there already."
    assert db.session.scalar(select(func.count()).select_from(Payout)) == before


def test_demo_shows_changed_details_that_hold_an_approved_payout_back(seeded: Flask) -> None:
    rows = db.session.execute(
        select(MethodChange.state, Payee.name, Payout.state)
        .join(Payee, Payee.id == MethodChange.payee_id)
        .join(Payout, Payout.payee_id == Payee.id)
        .where(Payout.state == "approved", Payout.program == "installations")
        .order_by(MethodChange.id)
    ).all()
    assert [tuple(row) for row in rows] == [
        ("verified", "Hannah Müller", "approved"),
        ("pending", "Wei Zhang", "approved"),
    ]
    cooling = select(PayoutMethod.cool_off_until).where(PayoutMethod.cool_off_until > NOW)
    assert len(db.session.scalars(cooling).all()) == 1


# ---- griha: rents


def _of_rents(seeded: Flask) -> Any:
    griha = db.session.scalars(select(Organisation).where(Organisation.slug == "griha")).one()
    return select(Payout).where(Payout.organisation_id == griha.id)


def test_rents_have_sixty_units_and_six_months(seeded: Flask) -> None:
    assert db.session.scalar(select(func.count()).select_from(Unit)) == 60
    assert db.session.scalar(select(func.count(RentCharge.period_start.distinct()))) >= 6


def test_one_payout_was_refused_three_times_and_is_tried_again_later(seeded: Flask) -> None:
    payout = db.session.scalars(_of_rents(seeded).where(Payout.state == "retry_scheduled")).one()
    assert [transfer.state for transfer in payout.transfers] == ["failed"] * 3
    assert payout.retry_at > NOW


def test_one_owner_waits_for_their_own_details(seeded: Flask) -> None:
    without = select(PayoutMethod.payee_id)
    waiting = db.session.scalars(_of_rents(seeded).where(Payout.payee_id.not_in(without))).all()
    assert waiting
    assert {payout.state for payout in waiting} <= {"approved", "pending_approval"}


def test_rents_above_a_crore_wait_for_a_person(seeded: Flask) -> None:
    large = db.session.scalars(_of_rents(seeded).where(Payout.amount_minor > 1_00_00_000_00)).all()
    assert large
    assert "pending_approval" in {payout.state for payout in large}


def test_the_newest_shares_are_sent_by_the_workers(seeded: Flask) -> None:
    waiting = db.session.scalar(
        select(func.count()).select_from(OutboxMessage).where(OutboxMessage.kind == "payout.pay")
    )
    assert waiting >= 10
