"""A new organisation: its place in the world is checked, its programs are switched on."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel.core import Locale, UnknownLocaleError

from webapp.audit import service as audit
from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.kernel.clock import local_date
from webapp.kernel.errors import Invalid
from webapp.kernel.money import exponent
from webapp.people.models import Organisation, OrganisationProgram
from webapp.people.values import check_email, check_name, store


def create_organisation(
    *,
    slug: str,
    name: str,
    currency: str,
    timezone: str,
    actor: Actor,
    now: datetime,
    legal_name: str = "",
    locale: str = "en_US",
    country: str = "US",
    week_start: int = 0,
    programs: Iterable[str] = (),
    address: str = "",
    tax_id: str = "",
    contact_email: str = "",
    is_demo: bool = False,
) -> Organisation:
    """A new tenant with its programs switched on. Raises Invalid."""
    _check_place(slug, currency, timezone, locale, week_start)
    organisation = Organisation(
        slug=slug,
        name=check_name(name),
        legal_name=legal_name or name,
        currency=currency,
        timezone=timezone,
        locale=locale,
        country=country,
        week_start=week_start,
        address=address,
        tax_id=tax_id,
        contact_email=check_email(contact_email, "contact_email") if contact_email else "",
        is_demo=is_demo,
        created_at=now,
        programs=[OrganisationProgram(program=program) for program in sorted(set(programs))],
    )
    store(organisation, Invalid("slug", f"There is an organisation {slug!r} already.", "solaria"))
    audit.record(
        tag="people:organisation:created",
        actor=actor,
        now=now,
        organisation_id=organisation.id,
        subject_type="organisation",
        subject_id=organisation.id,
        subject_label=name,
        changes={"currency": [None, currency], "programs": [[], sorted(set(programs))]},
    )
    return organisation


def _check_place(slug: str, currency: str, timezone: str, locale: str, week_start: int) -> None:
    if not slug or len(slug) > 60 or not slug.replace("-", "").isalnum() or slug != slug.lower():
        raise Invalid("slug", "A short name has small letters, digits and hyphens.", "solaria")
    try:
        exponent(currency)
    except ValueError:
        raise Invalid("currency", f"{currency!r} is not a currency code.", "USD") from None
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError):
        raise Invalid("timezone", f"{timezone!r} is not a time zone.", "America/New_York") from None
    try:
        Locale.parse(locale)
    except (UnknownLocaleError, ValueError):
        raise Invalid("locale", f"{locale!r} is not a locale.", "en_IN") from None
    if not 0 <= week_start <= 6:
        raise Invalid("week_start", "A week starts on day 0 (Monday) to 6 (Sunday).", "0")


def timezone_of(organisation_id: int) -> str:
    """The time zone in which an organisation reads times."""
    return db.session.get_one(Organisation, organisation_id).timezone


def today(organisation_id: int, now: datetime) -> date:
    """The organisation's calendar day."""
    return local_date(now, timezone_of(organisation_id))
