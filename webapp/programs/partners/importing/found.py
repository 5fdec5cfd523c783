"""What a list of deals names, found among what is stored; and days as the instants that deals are kept with."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import or_, select

from webapp.database import db
from webapp.imports import naming, values
from webapp.imports.naming import Names, by_name
from webapp.kernel.clock import local_date, start_of_day
from webapp.kernel.errors import Invalid
from webapp.kernel.labels import Label
from webapp.people.models import Role
from webapp.programs.partners.models import Deal, PartnerProgram

EARLIEST = date(1970, 1, 1)
_CLOCKS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M")


def partners(organisation_id: int) -> Names:
    """The partners of an organisation by their reference and all else they are called."""
    return naming.payees(organisation_id, Role.PARTNER)


def partner(names: Names, said: str) -> int:
    """The partner who is meant. Raises Invalid when there is none, or several."""
    return naming.one(names, "partner", said, "partner", "P-100")


def programs(organisation_id: int) -> Names:
    """The programs that are in use, by reference and name."""
    query = select(
        PartnerProgram.id, PartnerProgram.reference, PartnerProgram.external_ref, PartnerProgram.name
    )
    return by_name(query.where(PartnerProgram.organisation_id == organisation_id, PartnerProgram.is_active))


def program(names: Names, said: str) -> int:
    """The program that is meant; the only one where a list names none. Raises Invalid."""
    ids = {ident for each in names.values() for ident in each}
    if said:
        return naming.one(names, "program", said, "program", "PP-0001")
    if len(ids) == 1:
        return next(iter(ids))
    reason = "There are several programs; say which one." if ids else "There is no program; make one first."
    raise Invalid("program", reason, "PP-0001")


def deals(organisation_id: int, said: Collection[str]) -> dict[str, Deal]:
    """Deals by what a list calls them: their reference in the other system, else ours."""
    wanted = set(said) - {""}
    query = select(Deal).where(
        Deal.organisation_id == organisation_id,
        or_(Deal.external_ref.in_(wanted), Deal.reference.in_(wanted)),
    )
    rows = list(db.session.scalars(query))
    return {row.reference: row for row in rows} | {row.external_ref: row for row in rows if row.external_ref}


def day(field: str, text: str, now: datetime, timezone: str) -> date | None:
    """A day that has come; None for an empty cell. Raises Invalid."""
    found = values.parse_day(field, text)
    if found is None:
        return None
    today = local_date(now, timezone)
    if found > today:
        raise Invalid(field, "This day has not come yet.", today.isoformat())
    if found < EARLIEST:
        raise Invalid(field, f"Days begin on {EARLIEST.isoformat()}.", today.isoformat())
    return found


def moment(field: str, text: str, now: datetime, timezone: str) -> datetime:
    """An instant from a day, or from a day and time on the organisation's clock. Raises Invalid."""
    for form in _CLOCKS:
        try:
            clock = datetime.strptime(text, form)
        except ValueError:
            continue
        day(field, clock.date().isoformat(), now, timezone)
        found = clock.replace(tzinfo=ZoneInfo(timezone)).astimezone(UTC)
        if found > now:
            raise Invalid(field, "This time has not come yet.", f"{clock.date().isoformat()} 09:00")
        return found
    found_day = day(field, text, now, timezone)
    if found_day is None:
        raise Invalid(field, "There is no day.", "2026-01-31")
    return start_of_day(found_day, timezone)


def word(field: str, text: str, label: type[Label], default: Label) -> str:
    """One of the words of a label, by value or as people read it; the default for an empty cell. Raises Invalid."""
    said = " ".join(text.casefold().replace("_", " ").split())
    if not said:
        return default.value
    for each in label:
        if said in (each.value.replace("_", " "), each.label.casefold()):
            return each.value
    known = ", ".join(each.value for each in label)
    raise Invalid(field, f"{text[:40]!r} is none of {known}.", default.value)
