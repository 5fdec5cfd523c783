"""The portals of this installation, and the programs that listen to payouts."""

from __future__ import annotations

from flask import Flask

from webapp.config import Settings
from webapp.payouts import bulk, check, policies, proof
from webapp.payouts.views import bulk as bulk_pages
from webapp.people import methods
from webapp.portals import (
    admin,
    demo,
    driver,
    owner,
    partner,
    practitioner,
    public,
    technician,
)
from webapp.programs.installations import work

# Modules that register with lower rooms when they are imported: handlers of runs, checks, periodic tasks.
REGISTERED = (bulk, check, proof, work)


def init_app(app: Flask, settings: Settings) -> None:
    """Mount the portals; the demo portal only in demo mode."""
    bulk_pages.register()
    methods.register_cool_off(
        lambda organisation_id: policies.current_policy(organisation_id)[0].cool_off_hours
    )
    for portal in (public, admin, technician, owner, practitioner, driver, partner):
        app.register_blueprint(portal.blueprint)
    if settings.environment in ("demo", "test"):
        app.register_blueprint(demo.blueprint)
