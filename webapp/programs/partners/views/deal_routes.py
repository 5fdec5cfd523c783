"""Addresses of the admins' pages of deals: (rule, endpoint, view, methods)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from webapp.programs.partners.views import (
    deal_acts,
    deal_file,
    deal_pages,
    disputes,
    registrations,
    touch_pages,
)

READ, FORM, ACT = ["GET"], ["GET", "POST"], ["POST"]
_FORMAT = "<any(csv,xlsx,json,pdf):format>"
ROUTES: tuple[tuple[str, str, Callable[..., Any], Sequence[str]], ...] = (
    ("/deals", "deals", deal_pages.index, READ),
    ("/deals/totals", "deals_totals", deal_pages.totals, READ),
    (f"/deals/export.{_FORMAT}", "deals_file", deal_file.deals_file, READ),
    ("/deals/new", "create_deal", deal_pages.create, FORM),
    ("/deals/<reference>", "deal", deal_pages.show, READ),
    ("/deals/<reference>/edit", "edit_deal", deal_pages.edit, FORM),
    ("/deals/<reference>/win", "win_deal", deal_acts.win, FORM),
    ("/deals/<reference>/lose", "lose_deal", deal_acts.lose, FORM),
    ("/deals/<reference>/reopen", "reopen_deal", deal_acts.reopen, FORM),
    ("/deals/<reference>/touches/new", "add_touch", deal_acts.add_touch, FORM),
    ("/deals/<reference>/touches/<int:touch_id>/remove", "remove_touch", deal_acts.remove_touch, FORM),
    ("/touches", "touches", touch_pages.touches, READ),
    ("/touches/totals", "touches_totals", touch_pages.touches_totals, READ),
    (f"/touches/export.{_FORMAT}", "touches_file", deal_file.touches_file, READ),
    ("/shares", "shares", touch_pages.shares, READ),
    ("/shares/totals", "shares_totals", touch_pages.shares_totals, READ),
    (f"/shares/export.{_FORMAT}", "shares_file", deal_file.shares_file, READ),
    ("/registrations", "registrations", registrations.index, READ),
    ("/registrations/totals", "registrations_totals", registrations.totals, READ),
    (f"/registrations/export.{_FORMAT}", "registrations_file", deal_file.registrations_file, READ),
    ("/registrations/<reference>", "registration", registrations.show, READ),
    ("/registrations/<reference>/accept", "accept_registration", registrations.accept, FORM),
    ("/registrations/<reference>/refuse", "refuse_registration", registrations.refuse, FORM),
    ("/disputes", "disputes", disputes.index, READ),
    ("/disputes/<int:dispute_id>", "decide_dispute", disputes.decide, FORM),
)
