"""Repairs: the addresses of the admins' pages."""

from __future__ import annotations

from flask import Blueprint

from webapp.programs.repairs import work  # noqa: F401 - registers the program with the engine
from webapp.programs.repairs.views import document_routes, driver_routes, file_routes, repair_routes

blueprint = Blueprint("repairs", __name__, url_prefix="/repairs")
for routes in (repair_routes.ROUTES, document_routes.ROUTES, driver_routes.ROUTES, file_routes.ROUTES):
    for rule, endpoint, view, methods in routes:
        blueprint.add_url_rule(rule, endpoint, view, methods=methods)
