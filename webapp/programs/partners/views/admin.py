"""Partners: the addresses of the admins' pages."""

from __future__ import annotations

from flask import Blueprint

from webapp.programs.partners import work  # noqa: F401 - registers the program with the engine
from webapp.programs.partners.views import deal_routes, money_routes, rate_routes, record_routes

blueprint = Blueprint("partners", __name__, url_prefix="/partners")
for routes in (money_routes.ROUTES, deal_routes.ROUTES, record_routes.ROUTES, rate_routes.ROUTES):
    for rule, endpoint, view, methods in routes:
        blueprint.add_url_rule(rule, endpoint, view, methods=methods)
