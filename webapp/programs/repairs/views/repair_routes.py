"""The addresses of repairs and their instalments: (rule, endpoint, view, methods)."""

from __future__ import annotations

from webapp.programs.repairs.views import overview

READ, FORM, ACT = ["GET"], ["GET", "POST"], ["POST"]
ROUTES = (("", "index", overview.index, READ),)
