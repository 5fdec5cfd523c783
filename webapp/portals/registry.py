"""The portals of this installation, and the programs that listen to payouts."""

from __future__ import annotations

from flask import Flask, current_app, url_for

from webapp.accounting import work as accounting
from webapp.bankfiles import rail as bank_file_rail
from webapp.config import Settings
from webapp.database import db
from webapp.inbox import models as inbox_tables
from webapp.ledger.queries import SourceLink, source_links
from webapp.notices import digest
from webapp.operations import upkeep
from webapp.payouts import bulk, check, hooks, panels, policies, proof, stuck
from webapp.payouts.models import Payout, PayoutLine
from webapp.payouts.views import check_step as bulk_pages
from webapp.people import methods
from webapp.people.views import users
from webapp.portals import (
    admin,
    api,
    demo,
    driver,
    owner,
    partner,
    practitioner,
    programs,
    public,
    separation,
    technician,
)
from webapp.portals.views import payee_home
from webapp.programs.clinic import importing as clinic_lists
from webapp.programs.clinic import statement_section as clinic_statement
from webapp.programs.clinic import work as clinic
from webapp.programs.clinic.views import practitioner as practitioner_pages
from webapp.programs.installations import work
from webapp.programs.partners import importing as partner_lists
from webapp.programs.partners import models_events as partner_event_tables
from webapp.programs.partners import statement_section as partners_statement
from webapp.programs.partners import work as partners
from webapp.programs.partners.drafts import SOURCE as COMMISSION
from webapp.programs.partners.models_rates import ExchangeDifference
from webapp.programs.partners.views import own_words as partner_words
from webapp.programs.partners.views import partner_portal
from webapp.programs.rentals import hooks as rent_hooks
from webapp.programs.rentals import importing as rent_lists
from webapp.programs.rentals import statement_section
from webapp.programs.rentals import work as rentals
from webapp.programs.rentals.views import owner as rentals_owner
from webapp.programs.rentals.views import owner_words
from webapp.programs.repairs import importing as repair_lists
from webapp.programs.repairs import statement_section as repairs_statement
from webapp.programs.repairs import work as repairs
from webapp.programs.repairs.views import driver as driver_pages
from webapp.statements import month_runs
from webapp.web.i18n import N_
from webapp.webhooks import messages as webhooks

# Modules that register when they are imported: handlers of runs, checks, periodic tasks, tables.
REGISTERED = (
    bulk,
    check,
    proof,
    work,
    stuck,
    month_runs,
    digest,
    upkeep,
    inbox_tables,
    accounting,
    rentals,
    clinic,
    repairs,
    partners,
    partner_event_tables,
    hooks,
    rent_hooks,
    rent_lists,
    bank_file_rail,
    statement_section,
    clinic_statement,
    clinic_lists,
    repair_lists,
    partner_lists,
    repairs_statement,
    webhooks,
    partners_statement,
)


def _installation_page(portal: str, line: PayoutLine) -> str | None:
    """The page of the installation that a payout line pays for, in the portals that have one."""
    if portal not in ("admin", "technician") or not line.source_label:
        return None
    return url_for(f"{portal}.installations.show", reference=line.source_label)


def _rent_page(portal: str, line: PayoutLine) -> str | None:
    """The page of the rent that a payout line pays for, in the portals that have one."""
    endpoints = {"admin": "admin.rentals.payment", "owner": "owner.rents.show"}
    if portal not in endpoints or not line.source_label:
        return None
    return url_for(endpoints[portal], reference=line.source_label)


def _commission_page(portal: str, line: PayoutLine) -> str | None:
    """The page of the commission that a payout line pays for, in the portals that have one."""
    endpoints = {"admin": "admin.partners.commission", "partner": "partner.commissions.show"}
    if endpoints.get(portal) not in current_app.view_functions or not line.source_label:
        return None
    return url_for(endpoints[portal], reference=line.source_label)


def _payout_page(organisation_id: int, payout_id: int) -> SourceLink | None:
    """The payout that a ledger entry is about."""
    payout = db.session.get(Payout, payout_id)
    if payout is None or payout.organisation_id != organisation_id:
        return None
    return SourceLink(payout.reference, url_for("admin.payouts.show", reference=payout.reference))


def _difference_page(organisation_id: int, difference_id: int) -> SourceLink | None:
    """The payout whose exchange difference a ledger entry books."""
    row = db.session.get(ExchangeDifference, difference_id)
    if row is None or row.organisation_id != organisation_id:
        return None
    return _payout_page(organisation_id, row.payout_id)


def _hours_alone(organisation_id: int) -> int | None:
    """Hours that replace the second person of a one-person company; None where two people are needed."""
    rules = policies.current_policy(organisation_id)[0].single_operator
    return rules.delay_hours if rules.is_on else None


def init_app(app: Flask, settings: Settings) -> None:
    """Mount the portals; the demo portal only in demo mode."""
    bulk_pages.register()
    programs.register()
    if separation.warnings not in users.warnings:
        users.warnings.append(separation.warnings)
    panels.register_source_link("installation", _installation_page)
    panels.register_source_link("rent_payment", _rent_page)
    panels.register_story("rent_payment", owner_words.payout_story)
    panels.register_source_link(COMMISSION, _commission_page)
    panels.register_story(COMMISSION, partner_words.payout_story)
    payee_home.register_section(
        "owner",
        payee_home.HomeSection(
            "rentals/owner/_home.html",
            rentals_owner.home_section,
            N_("When the first rent comes in you see your payout here."),
        ),
    )
    payee_home.register_section(
        "practitioner",
        payee_home.HomeSection(
            "clinic/practitioner/_home.html",
            practitioner_pages.home_section,
            N_("When the first of your invoices is paid you see your payout here."),
        ),
    )
    payee_home.register_section(
        "driver",
        payee_home.HomeSection(
            "repairs/driver_portal/_home.html",
            driver_pages.home_section,
            N_("When a week of yours ends with money for you, you see your payout here."),
        ),
    )
    payee_home.register_section(
        "partner",
        payee_home.HomeSection(
            "partners/partner_portal/_home.html",
            partner_portal.home_section,
            N_("When a deal of yours is won and its commission is due, you see your payout here."),
        ),
    )
    source_links["payout"] = _payout_page
    source_links["partners_exchange"] = _difference_page
    methods.register_cool_off(
        lambda organisation_id: policies.current_policy(organisation_id)[0].cool_off_hours
    )
    methods.register_single_operator(_hours_alone)
    for portal in (public, admin, technician, owner, practitioner, driver, partner, api):
        app.register_blueprint(portal.blueprint)
    if settings.environment in ("demo", "test"):
        app.register_blueprint(demo.blueprint)
