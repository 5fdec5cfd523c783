"""The portals of this installation, and the programs that listen to payouts."""

from __future__ import annotations

from flask import Flask

from webapp.config import Settings
from webapp.payouts import bulk, check
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

# Modules that register with lower rooms when they are imported: handlers of runs, checks of the ledger.
REGISTERED = (bulk, check)


def init_app(app: Flask, settings: Settings) -> None:
    """Mount the portals; the demo portal only in demo mode."""
    for portal in (public, admin, technician, owner, practitioner, driver, partner):
        app.register_blueprint(portal.blueprint)
    if settings.environment in ("demo", "test"):
        app.register_blueprint(demo.blueprint)
