"""Installations: the addresses of the admins' pages."""

from __future__ import annotations

from flask import Blueprint

from webapp.programs.installations import work  # noqa: F401 - registers the program with the engine
from webapp.programs.installations.views import editing, listing, paying, retention, setup

blueprint = Blueprint("installations", __name__, url_prefix="/installations")
READ, FORM, ACT = ["GET"], ["GET", "POST"], ["POST"]
for rule, endpoint, view, methods in (
    ("", "index", listing.index, READ),
    ("/export.<any(csv,xlsx):format>", "export", listing.export, READ),
    ("/new", "create", editing.create, FORM),
    ("/needs-a-rate", "needs_rate", paying.needs_rate, READ),
    ("/rejected", "rejected", paying.rejected, READ),
    ("/rejected/<int:share_id>", "settle", paying.settle, ACT),
    ("/pay", "pay", paying.pay, READ),
    ("/pay/all", "pay_all", paying.pay_all, ACT),
    ("/pay/<payee_reference>", "pay_one", paying.pay_one, FORM),
    ("/held-back", "retention", retention.index, READ),
    ("/held-back/totals", "retention_totals", retention.totals, READ),
    ("/held-back.<any(csv,xlsx,json,pdf):format>", "retention_file", retention.file, READ),
    ("/held-back/release", "release_retentions", retention.release, ACT),
    ("/held-back/<int:retention_id>/charge", "charge_retention", retention.charge, FORM),
    ("/held-back/<int:retention_id>/day", "set_retention_day", retention.set_day, FORM),
    ("/totals", "totals", paying.totals, READ),
    ("/totals.<any(csv,xlsx):format>", "totals_export", paying.totals_export, READ),
    ("/import", "import_", setup.import_, READ),
    ("/settings", "settings", setup.settings, FORM),
    ("/settings/types", "add_type", setup.add_type, ACT),
    ("/<reference>", "show", listing.show, READ),
    ("/<reference>/edit", "edit", editing.edit, FORM),
    ("/<reference>/status", "change_status", editing.change_status, ACT),
    ("/<reference>/files", "add_file", editing.add_file, ACT),
    ("/<reference>/files/<int:file_id>", "file", listing.file, READ),
):
    blueprint.add_url_rule(rule, endpoint, view, methods=methods)
