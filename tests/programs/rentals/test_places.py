"""Units and properties that are renamed and switched off; tenants who are reminded; mails about what went back."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from jobs import rentals as jobs
from tests.factories import rentals, rents
from tests.factories.people import FACTORY
from tests.factories.rentals import WHEN
from webapp.database import db, transaction
from webapp.kernel.errors import Conflict, Invalid, NotFound
from webapp.notices.models import Email
from webapp.outbox.models import OutboxMessage
from webapp.payouts.models import Payout
from webapp.people.models import Organisation
from webapp.programs.rentals import letting, reminders, returns, service, switching, work
from webapp.programs.rentals.drafts import LeaseDraft
from webapp.programs.rentals.models import Lease, Property, RentCharge, Unit

pytestmark = pytest.mark.usefixtures("database")
TODAY = date(2026, 11, 20)


class Home:
    """A house of one owner with a let flat and its month's rent, due on 5 November."""

    def __init__(self) -> None:
        self.organisation: Organisation = rentals.griha()
        owner = rentals.owner(self.organisation, email="owner@example.com")
        self.place: Property = rentals.property_of(self.organisation, [(owner, 1)])
        self.charge: RentCharge = rentals.charge(self.place)
        self.lease: Lease = self.charge.lease
        self.unit: Unit = self.lease.unit
        self.common: dict[str, Any] = {"organisation_id": self.organisation.id, "actor": FACTORY, "now": WHEN}
        self.references = (self.place.reference, self.unit.reference, self.lease.reference)
        db.session.rollback()

    def switch(self, what: str, *, is_active: bool, today: date = TODAY) -> None:
        """Switch the unit or the property."""
        act: Any = getattr(switching, f"switch_{what}")
        reference = self.references[0 if what == "property" else 1]
        with transaction():
            act(reference=reference, is_active=is_active, today=today, **self.common)

    def end(self, on: date) -> None:
        """End the lease."""
        with transaction():
            letting.end_lease(reference=self.references[2], end_on=on, **self.common)


@pytest.fixture
def home(database: object) -> Home:
    """The house."""
    work.register()
    return Home()


@pytest.mark.parametrize("what", ["unit", "property"])
def test_what_is_let_is_not_switched_off(home: Home, what: str) -> None:
    lease = home.references[2]
    with pytest.raises(Conflict, match=f"is let under {lease}. End that lease first"):
        home.switch(what, is_active=False)
    home.end(TODAY)
    with pytest.raises(Conflict, match=lease):
        home.switch(what, is_active=False)
    home.switch(what, is_active=False, today=TODAY + timedelta(days=1))
    with pytest.raises(Conflict, match="switched off already"):
        home.switch(what, is_active=False)
    draft = LeaseDraft(home.unit.id, "INR", 1_000_00, TODAY, tenant_ids=(home.lease.tenants[0].tenant_id,))
    db.session.rollback()
    with pytest.raises(Conflict, match="Switch it on before"), transaction():
        letting.create_lease(draft=draft, **home.common)
    home.switch(what, is_active=True)
    with transaction():
        assert letting.create_lease(draft=draft, **home.common).state == "active"


def test_a_unit_gets_another_name(home: Home) -> None:
    unit = home.references[1]
    with transaction():
        switching.rename_unit(reference=unit, name="  Shop   1 ", **home.common)
        service.create_unit(property_reference=home.references[0], name="Shop 2", **home.common)
    for name, words in (("Shop 2", "has a unit 'Shop 2' already"), (" ", "Enter the name")):
        with pytest.raises(Invalid, match=words), transaction():
            switching.rename_unit(reference=unit, name=name, **home.common)
    db.session.rollback()
    assert db.session.scalar(select(Unit.name).where(Unit.reference == unit)) == "Shop 1"


def test_another_organisations_unit_is_not_found(home: Home) -> None:
    common = {**home.common, "organisation_id": rentals.griha().id}
    with pytest.raises(NotFound):
        switching.rename_unit(reference=home.references[1], name="X", **common)
    with pytest.raises(NotFound):
        switching.switch_unit(reference=home.references[1], is_active=False, today=TODAY, **common)
    with pytest.raises(NotFound):
        switching.switch_property(reference=home.references[0], is_active=False, today=TODAY, **common)


# ---------------------------------------------------------------- reminders


@pytest.mark.parametrize(
    ("text", "days", "said"),
    [
        ("-2 3 10", [-2, 3, 10], "2 days before the due day, 3 and 10 days after the due day"),
        ("10, 3;−1", [-1, 3, 10], "1 day before the due day, 3 and 10 days after the due day"),
        ("0 1", [0, 1], "On the due day, 1 day after the due day"),
        ("", [], "Never"),
    ],
)
def test_stages_are_read_and_said(text: str, days: list[int], said: str) -> None:
    assert reminders.read_stages(text) == days
    assert reminders.say_stages(text) == said


@pytest.mark.parametrize("text", ["soon", "1.5", "-29", "121", "1 2 3 4 5 6 7 8 9 10 11"])
def test_stages_that_cannot_be(text: str) -> None:
    with pytest.raises(Invalid, match="days"):
        reminders.read_stages(text)


@pytest.mark.parametrize(
    ("day", "stage"), [(2, None), (3, -2), (6, -2), (7, None), (8, 3), (11, 3), (12, None), (15, 10)]
)
def test_the_stage_of_a_day(day: int, stage: int | None) -> None:
    assert reminders.stage_of(date(2026, 11, 5), [-2, 3, 10], date(2026, 11, day)) == stage


def _remind(home: Home, day: int) -> int:
    now = datetime(2026, 11, day, 4, tzinfo=WHEN.tzinfo)
    with transaction():
        return reminders.remind(organisation_id=home.organisation.id, today=now.date(), now=now)


def _mails(kind: str, job: Any, notice: str) -> list[Email]:
    db.session.rollback()
    ids = db.session.scalars(select(OutboxMessage.reference_id).where(OutboxMessage.kind == kind)).all()
    db.session.rollback()
    for _ in range(2):
        for each in ids:
            job(each)
    return list(db.session.scalars(select(Email).where(Email.notice == notice).order_by(Email.id)))


def _made_on(home: Home, day: int) -> None:
    with transaction():
        row = db.session.get_one(RentCharge, home.charge.id)
        row.created_at = datetime(2026, 11, day, tzinfo=WHEN.tzinfo)


def test_a_tenant_is_reminded_once_at_each_stage(home: Home) -> None:
    _made_on(home, 1)
    assert [_remind(home, day) for day in (1, 2, 3, 3, 4, 8, 9, 15, 16)] == [0, 0, 1, 0, 0, 1, 0, 1, 0]
    found = _mails("notice.rent.reminder", jobs.mail_reminder, "rent_reminder")
    assert len(found) == 3
    assert "late" in found[0].subject
    assert "Still to pay: ₹10,000.00" in found[0].body_text


def test_who_has_paid_is_not_reminded(home: Home) -> None:
    _made_on(home, 1)
    assert _remind(home, 8) == 1
    rents.received(home.charge)
    assert _remind(home, 15) == 0
    assert _mails("notice.rent.reminder", jobs.mail_reminder, "rent_reminder") == []


def test_a_rent_that_was_just_asked_for_is_not_reminded_of(home: Home) -> None:
    _made_on(home, 8)
    assert [_remind(home, day) for day in (8, 9, 15)] == [0, 0, 1]


def test_nobody_is_reminded_where_no_stage_is_set(home: Home) -> None:
    _made_on(home, 1)
    with transaction():
        service.change_settings(charge_days_before=5, is_automatic=True, reminder_days="", **home.common)
    assert _remind(home, 8) == 0


# ---------------------------------------------------------------- mails about what went back


def test_tenant_and_owner_are_told_of_a_refund(home: Home) -> None:
    payment = rents.received(home.charge)
    reference = payment.reference
    db.session.rollback()
    with transaction():
        returns.order_refund(reference=reference, amount_minor=1_000_00, reason="Too much.", **home.common)
    (tenant,) = _mails("notice.rent.refunded", jobs.mail_refunded, "rent_refunded")
    assert "Given back: ₹1,000.00" in tenant.subject
    assert "Still to pay" in tenant.body_text
    (owner,) = _mails("notice.owner.rent_went_back", jobs.mail_went_back, "owner_rent_went_back")
    assert owner.subject.startswith("₹905.60 of your rent went back to the tenant")
    assert "₹905.60 of it had not been paid out yet" in owner.body_text
    assert "taken from your next rents" not in owner.body_text
    assert db.session.scalars(select(Payout.state)).all() == ["cancelled"]
