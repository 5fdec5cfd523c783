"""Addresses of the admins' pages: (rule, endpoint, view, methods)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from webapp.programs.partners.views import (
    activity,
    calculation,
    commissions,
    money_file,
    overview,
    payout_pages,
    reconciliation_pages,
)

READ, FORM, ACT = ["GET"], ["GET", "POST"], ["POST"]
FILE = "file.<any(csv,xlsx,json,pdf):format>"
ROUTES: tuple[tuple[str, str, Callable[..., Any], Sequence[str]], ...] = (
    ("", "index", overview.index, READ),
    ("/payouts", "payouts", payout_pages.index, READ),
    ("/payouts/totals", "payouts_totals", payout_pages.totals, READ),
    (f"/payouts/{FILE}", "payouts_file", money_file.payouts_file, READ),
    ("/payouts/new", "choose_partner", payout_pages.create, FORM),
    ("/payouts/new/<payee_reference>", "create_payout", payout_pages.create_for, FORM),
    ("/calculate", "calculate", calculation.calculate, FORM),
    ("/commissions", "commissions", commissions.index, READ),
    ("/commissions/totals", "commissions_totals", commissions.totals, READ),
    (f"/commissions/{FILE}", "commissions_file", money_file.commissions_file, READ),
    ("/commissions/<reference>", "commission", commissions.show, READ),
    ("/commissions/<reference>/offer", "offer_commission", commissions.offer, FORM),
    ("/commissions/<reference>/dismiss", "dismiss_commission", commissions.dismiss, FORM),
    ("/reconciliation", "reconciliation", reconciliation_pages.index, READ),
    ("/reconciliation/totals", "reconciliation_totals", reconciliation_pages.totals, READ),
    (f"/reconciliation/{FILE}", "reconciliation_file", money_file.reconciliation_file, READ),
    ("/activity", "activity", activity.index, READ),
)
