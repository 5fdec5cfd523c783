"""Addresses of the admins' pages: (rule, endpoint, view, methods)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from webapp.programs.partners.views import programs

READ, FORM, ACT = ["GET"], ["GET", "POST"], ["POST"]
ROUTES: tuple[tuple[str, str, Callable[..., Any], Sequence[str]], ...] = (
    ("/programs", "programs", programs.index, READ),
    ("/programs/new", "create_program", programs.create, FORM),
    ("/programs/<reference>", "program", programs.show, READ),
    ("/programs/<reference>/edit", "edit_program", programs.edit, FORM),
)
