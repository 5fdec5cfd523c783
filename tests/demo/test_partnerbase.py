"""The demo's partners: every story is there, it proves itself, and the same moment gives the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import func, select

from tests.conftest import NOW
from tests.demo.conftest import Seeding
from webapp.database import db
from webapp.demo import partnerbase, partnerbase_people
from webapp.demo.times import RECENT
from webapp.ledger import check
from webapp.outbox.models import OutboxMessage
from webapp.payouts.models import Payout
from webapp.people.models import Payee
from webapp.programs.partners.models import (
    Commission,
    CommissionDispute,
    Deal,
    PartnerRuleVersion,
    Registration,
)
from webapp.programs.partners.states import CommissionState

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("demo")]
#: What tells one seeding from another.
TOLD = select(
    Commission.reference, Commission.state, Commission.amount_minor, Commission.due_on, Commission.payout_id
).order_by(Commission.id)


@dataclass(frozen=True)
class Company:
    """What an earlier seeding of the same moment told."""

    before: list[Any]


@pytest.fixture(scope="module")
def company(put_in: Seeding) -> Company:
    """A database with the company's data, put in for the second time."""
    put_in(partnerbase.seed)
    before = db.session.execute(TOLD).all()
    put_in(partnerbase.seed)
    return Company(list(before))


def _partner(position: int) -> Payee:
    name = partnerbase_people.PARTNERS[position].name
    return db.session.scalars(select(Payee).where(Payee.name == name)).one()


def test_fifteen_partners_are_paid_in_three_currencies(company: Company) -> None:
    assert db.session.scalar(select(func.count()).where(Payee.kind == "partner")) == 15
    assert set(db.session.scalars(select(Payout.currency))) == {"USD", "EUR", "INR"}


def test_the_ledger_proves_itself(company: Company) -> None:
    assert check.run().findings == []


@pytest.mark.parametrize(
    "state", ["pending_approval", "approved", "processing", "paid", "failed", "rejected"]
)
def test_there_are_payouts_in_state(company: Company, state: str) -> None:
    assert db.session.scalar(select(Payout.id).where(Payout.state == state).limit(1))


@pytest.mark.parametrize("state", ["open", "won", "lost"])
def test_there_are_deals_in_state(company: Company, state: str) -> None:
    assert db.session.scalar(select(Deal.id).where(Deal.state == state).limit(1))


@pytest.mark.parametrize("kind", ["sale", "clawback"])
def test_there_are_commissions_of_kind(company: Company, kind: str) -> None:
    assert db.session.scalar(select(Commission.id).where(Commission.kind == kind).limit(1))


def test_what_waits_for_somebody(company: Company) -> None:
    assert sorted(db.session.scalars(select(Registration.state))) == ["pending", "pending", "rejected"]
    assert db.session.scalars(select(CommissionDispute.state)).all() == ["open"]
    assert db.session.scalars(
        select(PartnerRuleVersion.name).where(PartnerRuleVersion.state == "proposed")
    ).all() == ["Platinum partners"]


def test_payouts_of_single_partners_tell_their_stories(company: Company) -> None:
    newest = {
        position: db.session.scalars(
            select(Payout.state)
            .where(Payout.payee_id == _partner(position).id)
            .order_by(Payout.id.desc())
            .limit(1)
        ).one()
        for position in (partnerbase_people.FAILED, partnerbase_people.SENDING, partnerbase_people.APPROVED)
    }
    assert list(newest.values()) == ["failed", "processing", "approved"]
    without = _partner(partnerbase_people.WITHOUT_ACCOUNT)
    assert set(db.session.scalars(select(Payout.state).where(Payout.payee_id == without.id))) == {
        "pending_approval"
    }


def test_a_lost_deal_leaves_a_partner_below_zero(company: Company) -> None:
    owed = db.session.scalar(
        select(func.sum(Commission.amount_minor)).where(
            Commission.payee_id == _partner(partnerbase_people.BELOW_ZERO).id,
            Commission.state == CommissionState.OPEN.value,
        )
    )
    assert owed is not None
    assert owed < 0


def test_history_asks_for_no_mails(company: Company) -> None:
    assert db.session.scalars(select(func.min(OutboxMessage.created_at))).one() >= NOW - RECENT


def test_the_same_moment_gives_the_same_data(company: Company) -> None:
    assert len(company.before) > 50
    assert list(db.session.execute(TOLD).all()) == company.before
