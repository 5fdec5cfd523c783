"""The API's blueprint: its resources, its document, its own way to let people in and to say what went wrong."""

from __future__ import annotations

import json

from flask import Blueprint, Flask, Response, render_template
from flask.typing import ResponseReturnValue

from webapp.api import bearer, docs, limits, openapi, problems
from webapp.api.operations import Resource
from webapp.api.problems import Problem
from webapp.api.resources import (
    appointments,
    bank_changes,
    bank_files,
    commission_rules,
    commissions,
    connections,
    customers,
    deal_events,
    deals,
    driver_adjustments,
    driver_charges,
    driver_earnings,
    driver_leases,
    driver_loans,
    drivers,
    exchange_rates,
    findings,
    installations,
    instalments,
    invoice_money,
    invoice_payouts,
    invoices,
    leases,
    me,
    medallions,
    messages,
    partner_disputes,
    partner_payouts,
    partner_programs,
    partner_registrations,
    partner_rules,
    partners,
    payees,
    payout_actions,
    payout_runs,
    payouts,
    properties,
    rates,
    rent_payments,
    rents,
    repair_actions,
    repair_figures,
    repairs,
    retentions,
    runs,
    statements,
    touchpoints,
    transactions,
    vehicles,
    wallets,
    weekly_receipts,
    weekly_runs,
    withdrawals,
)  # fmt: skip
from webapp.database import db
from webapp.web import errors, guards
from webapp.web.guards import public

NAME = "api"
RESOURCES: tuple[Resource, ...] = tuple(
    module.resource
    for module in (
        me,
        payouts,
        payout_actions,
        rates,
        installations,
        retentions,
        properties,
        leases,
        rents,
        rent_payments,
        customers,
        appointments,
        invoices,
        invoice_money,
        invoice_payouts,
        payout_runs,
        transactions,
        wallets,
        withdrawals,
        commission_rules,
        repairs,
        repair_figures,
        repair_actions,
        instalments,
        weekly_receipts,
        weekly_runs,
        drivers,
        driver_charges,
        driver_earnings,
        driver_adjustments,
        driver_loans,
        driver_leases,
        vehicles,
        medallions,
        partners,
        partner_programs,
        deals,
        touchpoints,
        partner_registrations,
        deal_events,
        commissions,
        partner_disputes,
        partner_payouts,
        partner_rules,
        exchange_rates,
        payees,
        bank_changes,
        findings,
        bank_files,
        connections,
        messages,
        statements,
        runs,
    )
)
blueprint = Blueprint(NAME, __name__, url_prefix=openapi.PREFIX)
for _resource in RESOURCES:
    blueprint.register_blueprint(_resource.blueprint)
blueprint.after_request(bearer.touch)
blueprint.after_request(limits.write_headers)
# The page of the document stands in no portal's navigation.
blueprint.portal_navigation = ()  # type: ignore[attr-defined]


@blueprint.errorhandler(Problem)
def _problem(problem: Problem) -> Response:
    db.session.rollback()
    return problems.response_of(problem)


@blueprint.get("/openapi.json")
@public
def document() -> ResponseReturnValue:
    """The OpenAPI document; it says nothing about anybody's data."""
    text = json.dumps(openapi.document(), ensure_ascii=False)
    return Response(text, mimetype="application/json")


@blueprint.get("/docs")
@public
def page() -> ResponseReturnValue:
    """The same for people: made here, without anybody else's script."""
    return render_template("api/docs.html", **docs.context())


def blueprints() -> list[Blueprint]:
    """All blueprints of the API, for the exemption from form tokens: no cookie counts here, so none is needed."""
    return [blueprint, *(resource.blueprint for resource in RESOURCES)]


def init_app(app: Flask) -> None:
    """Hand the house's guard and error handlers what they need to serve the API; before the portals."""
    guards.gates[NAME] = bearer.gate
    errors.renderers["/api/"] = problems.render
