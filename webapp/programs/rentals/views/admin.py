"""Rentals: the addresses of the admins' pages."""

from __future__ import annotations

from flask import Blueprint

from webapp.programs.rentals import work  # noqa: F401 - registers the program with the engine
from webapp.programs.rentals.views import (
    charges,
    leases,
    overview,
    owners,
    payments,
    payouts,
    properties,
    returning,
    settings,
    tenants,
)

blueprint = Blueprint("rentals", __name__, url_prefix="/rentals")
READ, FORM, ACT = ["GET"], ["GET", "POST"], ["POST"]
FILE = "export.<any(csv,xlsx):format>"
for rule, endpoint, view, methods in (
    ("", "index", overview.index, READ),
    ("/figures", "figures", overview.plots, READ),
    ("/payouts", "payouts", payouts.index, READ),
    (f"/payouts/{FILE}", "payouts_export", payouts.export, READ),
    ("/payments", "payments", payments.index, READ),
    (f"/payments/{FILE}", "payments_export", payments.export, READ),
    ("/payments/<reference>", "payment", payments.show, READ),
    ("/payments/<reference>/proof", "proof", payments.proof, READ),
    ("/payments/<reference>/verify", "verify", payments.verify, FORM),
    ("/payments/<reference>/cancel", "cancel_payment", payments.cancel, FORM),
    ("/payments/<reference>/check", "check_payment", payments.check, ACT),
    ("/payments/<reference>/refund", "refund", payments.refund, FORM),
    ("/payments/<reference>/chargeback", "chargeback", payments.chargeback, FORM),
    ("/rents", "charges", charges.index, READ),
    (f"/rents/{FILE}", "charges_export", charges.export, READ),
    ("/rents/ask", "make_charges", charges.make, ACT),
    ("/rents/<reference>", "charge", charges.show, READ),
    ("/rents/<reference>/waive", "waive", charges.waive, FORM),
    ("/rents/<reference>/payment", "enter_payment", payments.enter, FORM),
    ("/rents/<reference>/pay-link", "revoke_link", charges.revoke_link, FORM),
    ("/arrears", "arrears", charges.arrears, READ),
    (f"/arrears/{FILE}", "arrears_export", charges.arrears_export, READ),
    ("/returns", "returns", returning.index, READ),
    ("/waiting", "waiting", returning.waiting, READ),
    ("/waiting/<int:share_id>", "decide", returning.decide, FORM),
    ("/leases", "leases", leases.index, READ),
    (f"/leases/{FILE}", "leases_export", leases.export, READ),
    ("/leases/new", "create_lease", leases.create, FORM),
    ("/leases/<reference>", "lease", leases.show, READ),
    ("/leases/<reference>/end", "end_lease", leases.end, FORM),
    ("/leases/<reference>/rent", "change_rent", leases.change_rent, FORM),
    ("/tenants", "tenants", tenants.index, READ),
    ("/tenants/new", "create_tenant", tenants.create, FORM),
    ("/tenants/<reference>", "tenant", tenants.show, READ),
    ("/tenants/<reference>/edit", "edit_tenant", tenants.edit, FORM),
    ("/properties", "properties", properties.index, READ),
    (f"/properties/{FILE}", "properties_export", properties.export, READ),
    ("/properties/new", "create_property", properties.create, FORM),
    ("/properties/<reference>", "property", properties.show, READ),
    ("/properties/<reference>/edit", "edit_property", properties.edit, FORM),
    ("/properties/<reference>/units", "add_unit", properties.add_unit, FORM),
    ("/properties/<reference>/bills", "add_bill", properties.add_bill, FORM),
    ("/properties/<reference>/terms", "set_property_terms", properties.set_terms, FORM),
    ("/bills/<reference>/cancel", "cancel_bill", properties.cancel_bill, FORM),
    ("/owners", "owners", owners.index, READ),
    ("/owners/<reference>/ask", "ask_owner", owners.ask, ACT),
    ("/terms", "terms", settings.show, READ),
    ("/terms/fee", "set_fee", settings.set_fee, FORM),
    ("/terms/withheld-tax", "set_withholding", settings.set_withholding, FORM),
    ("/terms/gateway-charge", "set_bands", settings.set_bands, FORM),
    ("/terms/asking", "settings", settings.change, FORM),
):
    blueprint.add_url_rule(rule, endpoint, view, methods=methods)
