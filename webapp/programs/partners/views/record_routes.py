"""Addresses of the admins' pages: (rule, endpoint, view, methods)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from webapp.programs.partners.views import partner_pages, programs, record_file, rule_acts, rule_pages
from webapp.web.table_files import FORMATS

READ, FORM, ACT = ["GET"], ["GET", "POST"], ["POST"]
ROUTES: tuple[tuple[str, str, Callable[..., Any], Sequence[str]], ...] = (
    ("/partners", "partners", partner_pages.index, READ),
    ("/partners/totals", "partners_totals", partner_pages.totals, READ),
    (f"/partners/export.<any({','.join(FORMATS)}):format>", "partners_file", record_file.partners_file, READ),
    ("/partners/<reference>", "partner", partner_pages.show, READ),
    ("/partners/<reference>/profile", "edit_partner", partner_pages.edit, FORM),
    ("/rules", "rules", rule_pages.index, READ),
    ("/rules/new", "create_rule", rule_pages.create, FORM),
    ("/rules/<int:rule_id>", "rule", rule_pages.show, READ),
    ("/rules/<int:rule_id>/edit", "revise_rule", rule_pages.revise, FORM),
    ("/rules/<int:rule_id>/rehearsal", "rehearse_rule", rule_pages.rehearsal, READ),
    ("/rules/<int:rule_id>/accept", "accept_rule", rule_acts.accept, FORM),
    ("/rules/<int:rule_id>/refuse", "refuse_rule", rule_acts.refuse, FORM),
    ("/rules/<int:rule_id>/withdraw", "withdraw_rule", rule_acts.withdraw, FORM),
    ("/rules/<int:rule_id>/end", "end_rule", rule_acts.end, FORM),
    ("/programs", "programs", programs.index, READ),
    ("/programs/new", "create_program", programs.create, FORM),
    ("/programs/<reference>", "program", programs.show, READ),
    ("/programs/<reference>/edit", "edit_program", programs.edit, FORM),
)
