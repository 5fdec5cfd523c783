"""What each program adds to the admins' portal: where its records are, steps of the set-up, what it is about to pay."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime

from sqlalchemy import exists

from webapp.database import db
from webapp.kernel.clock import local_date
from webapp.people.models import Organisation
from webapp.portals import figures, set_up
from webapp.portals.base import register_records
from webapp.portals.set_up import FIRST_PAYOUT, METHODS, PAYEES, WORK, Step
from webapp.programs.clinic import drafts as clinic
from webapp.programs.clinic.models import Appointment, Invoice
from webapp.programs.installations import creation
from webapp.programs.installations.models import Installation, RateConfiguration
from webapp.programs.partners import drafts as partners
from webapp.programs.partners import figures as partners_figures
from webapp.programs.partners.models import Deal, PartnerProgram
from webapp.programs.rentals import drafts
from webapp.programs.rentals import figures as rentals
from webapp.programs.rentals.models import Lease, Property, RentPayment
from webapp.programs.repairs import drafts as repairs
from webapp.programs.repairs import figures as repairs_figures
from webapp.programs.repairs.models import Repair, Vehicle

INSTALLATIONS = (
    Step(PAYEES - 5, "Set the rates", "What an installation pays, by type and size.", "admin.rates.index",
         lambda organisation_id: exists().where(RateConfiguration.organisation_id == organisation_id)),
    Step(WORK, "Bring in the installations", "From a CSV file, or by hand.", "admin.imports.new",
         lambda organisation_id: exists().where(Installation.organisation_id == organisation_id)),
    Step(FIRST_PAYOUT, "Make the first payout", "See the calculation before it is saved.", "admin.installations.index",
         set_up.has_payout),
)  # fmt: skip
CLINIC = (
    Step(WORK, "Enter the appointments", "For whom, when, with which practitioners; nothing clinical is kept.",
         "admin.clinic.appointments",
         lambda organisation_id: exists().where(Appointment.organisation_id == organisation_id)),
    Step(WORK + 5, "Make the first invoice", "When its customer has paid, one button pays the practitioner.",
         "admin.clinic.invoices",
         lambda organisation_id: exists().where(Invoice.organisation_id == organisation_id)),
    Step(FIRST_PAYOUT, "Make the first payout", "See the commission and the amount before it moves.",
         "admin.clinic.index", set_up.has_payout),
)  # fmt: skip
RENTALS = (
    Step(METHODS + 5, "Enter the properties", "With their owners, the owners' shares, and the units.",
         "admin.rentals.properties",
         lambda organisation_id: exists().where(Property.organisation_id == organisation_id)),
    Step(WORK, "Enter the leases", "Who rents which unit, for how much; rents are asked for from then on.",
         "admin.rentals.leases",
         lambda organisation_id: exists().where(Lease.organisation_id == organisation_id)),
    Step(FIRST_PAYOUT, "Take in the first rent", "By its pay link, or by hand; the owners' part becomes a payout.",
         "admin.rentals.charges",
         lambda organisation_id: exists().where(RentPayment.organisation_id == organisation_id)),
)  # fmt: skip
REPAIRS = (
    Step(METHODS + 5, "Enter the vehicles and leases", "Which driver has which vehicle, for how much a week.",
         "admin.repairs.vehicles",
         lambda organisation_id: exists().where(Vehicle.organisation_id == organisation_id)),
    Step(WORK, "Enter the first repair", "See its weekly instalments before it is saved.",
         "admin.repairs.create_repair",
         lambda organisation_id: exists().where(Repair.organisation_id == organisation_id)),
    Step(FIRST_PAYOUT, "Run the first week", "Each driver gets a receipt; what is left of the week is paid out.",
         "admin.repairs.index", set_up.has_payout),
)  # fmt: skip
PARTNERS = (
    Step(METHODS + 5, "Make a program", "How deals are attributed, how long commissions wait, when they are paid.",
         "admin.partners.programs",
         lambda organisation_id: exists().where(PartnerProgram.organisation_id == organisation_id)),
    Step(WORK, "Bring in the deals", "From a CSV file, from your CRM, or by hand; with who took part in them.",
         "admin.partners.deals",
         lambda organisation_id: exists().where(Deal.organisation_id == organisation_id)),
    Step(FIRST_PAYOUT, "Calculate the first period", "See what each partner gets and who waits before it is made.",
         "admin.partners.calculate", set_up.has_payout),
)  # fmt: skip


def _rents(organisation_id: int, currency: str, timezone: str, now: datetime) -> Mapping[date, int]:
    """The owners' part of rents that fall due, by day."""
    found = rentals.forecast(organisation_id, currency, timezone, now)
    return {day.day: day.expected for day in found.days}


def _drivers(organisation_id: int, currency: str, timezone: str, now: datetime) -> Mapping[date, int]:
    """What drivers get by the next weekly run, as their balances are now."""
    week_start = db.session.get_one(Organisation, organisation_id).week_start
    day, minor = repairs_figures.next_payouts(
        organisation_id, currency, local_date(now, timezone), week_start
    )
    return {day: minor}


def _partners(organisation_id: int, currency: str, timezone: str, now: datetime) -> Mapping[date, int]:
    """What partners get by the next calculation, of what they have earned now."""
    return partners_figures.next_payouts(organisation_id, currency, timezone, now)


def register() -> None:
    """Have the programs' parts shown in the admins' portal."""
    set_up.register_steps(creation.PROGRAM, INSTALLATIONS)
    set_up.register_steps(drafts.PROGRAM, RENTALS)
    set_up.register_steps(clinic.PROGRAM, CLINIC)
    set_up.register_steps(repairs.PROGRAM, REPAIRS)
    set_up.register_steps(partners.PROGRAM, PARTNERS)
    figures.register_expected(partners.PROGRAM, "Partners' commissions at the next calculation", _partners)
    figures.register_expected(repairs.PROGRAM, "Drivers' balances at the weekly run", _drivers)
    figures.register_expected(drafts.PROGRAM, "Owners' part of rents that fall due", _rents)
    register_records(
        creation.PROGRAM,
        lambda organisation_id: exists().where(Installation.organisation_id == organisation_id),
        lambda organisation_id: exists().where(RateConfiguration.organisation_id == organisation_id),
    )
    register_records(
        drafts.PROGRAM, lambda organisation_id: exists().where(Property.organisation_id == organisation_id)
    )
    register_records(
        clinic.PROGRAM, lambda organisation_id: exists().where(Invoice.organisation_id == organisation_id)
    )
    register_records(
        repairs.PROGRAM,
        lambda organisation_id: exists().where(Vehicle.organisation_id == organisation_id),
        lambda organisation_id: exists().where(Repair.organisation_id == organisation_id),
    )
    register_records(
        partners.PROGRAM,
        lambda organisation_id: exists().where(Deal.organisation_id == organisation_id),
        lambda organisation_id: exists().where(PartnerProgram.organisation_id == organisation_id),
    )
