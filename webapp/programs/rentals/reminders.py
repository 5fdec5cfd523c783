"""Reminding tenants of rents that are due soon or late: by stages that the organisation chose, each of them once."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from sqlalchemy import select

from webapp.database import db, insert_ignoring_conflict
from webapp.kernel.errors import Invalid
from webapp.outbox import service as outbox
from webapp.programs.rentals.models import ChargeState, RentCharge, RentReminder
from webapp.programs.rentals.service import settings_of

MOST_STAGES, EARLIEST, LATEST = 10, -28, 120
EXAMPLE = "-2 3 10"
# A stage whose day is so long ago is left out: a scheduler that was away sends no pile of old reminders.
MISSED = timedelta(days=3)


def read_stages(text: str) -> list[int]:
    """Days from the due day, before it negative, in order, as people type them: "-2, 3, 10". Raises Invalid."""
    words = text.replace(",", " ").replace(";", " ").replace("\N{MINUS SIGN}", "-").split()
    try:
        days = sorted({int(word) for word in words})
    except ValueError:
        raise Invalid("reminder_days", "Enter whole numbers of days.", EXAMPLE) from None
    if len(days) > MOST_STAGES or any(not EARLIEST <= day <= LATEST for day in days):
        words_said = f"Enter at most {MOST_STAGES} days, from {EARLIEST} (before the due day) to {LATEST}."
        raise Invalid("reminder_days", words_said, EXAMPLE)
    return days


def say_stages(text: str) -> str:
    """ "2 days before, 3 and 10 days after the due day"; "Never" for none."""
    days = read_stages(text)
    if not days:
        return "Never"
    before, after = [str(-d) for d in days if d < 0], [str(d) for d in days if d > 0]
    parts = [
        _span(before[::-1], "before the due day"),
        "on the due day" if 0 in days else "",
        _span(after, "after the due day"),
    ]
    return ", ".join(filter(None, parts)).capitalize()


def _span(days: list[str], where: str) -> str:
    if not days:
        return ""
    said = days[0] if len(days) == 1 else f"{', '.join(days[:-1])} and {days[-1]}"
    return f"{said} {'day' if days == ['1'] else 'days'} {where}"


def stage_of(due_on: date, stages: list[int], today: date) -> int | None:
    """The newest stage whose day has come, and not long ago; None when there is none."""
    come = [stage for stage in stages if due_on + timedelta(days=stage) <= today]
    if not come or today - (due_on + timedelta(days=come[-1])) > MISSED:
        return None
    return come[-1]


def remind(*, organisation_id: int, today: date, now: datetime) -> int:
    """Have the tenants of open rents reminded whose stage has come; safe to repeat. Returns how many there are new.

    A rent that was asked for only after a stage's day is not reminded of at once.
    """
    stages = read_stages(settings_of(organisation_id).reminder_days)
    if not stages:
        return 0
    n = 0
    for charge_id, due_on, created_at in db.session.execute(
        select(RentCharge.id, RentCharge.due_on, RentCharge.created_at).where(
            RentCharge.organisation_id == organisation_id,
            RentCharge.state.in_((ChargeState.OPEN.value, ChargeState.PART.value)),
            RentCharge.due_on.between(
                today - timedelta(days=LATEST) - MISSED, today - timedelta(days=EARLIEST)
            ),
        )
    ).all():
        stage = stage_of(due_on, stages, today)
        if stage is not None and created_at.date() < due_on + timedelta(days=stage):
            n += _remind(organisation_id, charge_id, stage, now)
    return n


def _remind(organisation_id: int, charge_id: int, stage: int, now: datetime) -> bool:
    values = {
        "organisation_id": organisation_id,
        "charge_id": charge_id,
        "stage": stage,
        "created_at": now,
    }
    if not insert_ignoring_conflict(db.session(), RentReminder, values):
        return False
    reminder_id = db.session.scalars(
        select(RentReminder.id).where(RentReminder.charge_id == charge_id, RentReminder.stage == stage)
    ).one()
    outbox.ask_mail(
        kind="notice.rent.reminder", reference_id=reminder_id, organisation_id=organisation_id, now=now
    )
    return True
