"""Addresses of the admins' pages: (rule, endpoint, view, methods)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from webapp.programs.partners.views import rate_pages

READ, FORM, ACT = ["GET"], ["GET", "POST"], ["POST"]
ROUTES: tuple[tuple[str, str, Callable[..., Any], Sequence[str]], ...] = (
    ("/exchange-rates", "rates", rate_pages.index, READ),
    ("/exchange-rates/totals", "rates_totals", rate_pages.totals, READ),
    ("/exchange-rates.<format>", "rates_file", rate_pages.rates_file, READ),
    ("/exchange-rates/new", "create_rate", rate_pages.create, FORM),
    ("/exchange-rates/<int:rate_id>/correct", "correct_rate", rate_pages.correct, FORM),
    ("/exchange-rates/<int:rate_id>/withdraw", "withdraw_rate", rate_pages.withdraw, FORM),
    ("/exchange-differences", "differences", rate_pages.differences, READ),
    ("/exchange-differences/totals", "differences_totals", rate_pages.differences_totals, READ),
    ("/exchange-differences.<format>", "differences_file", rate_pages.differences_file, READ),
)
