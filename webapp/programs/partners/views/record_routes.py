"""Addresses of the admins' pages: (rule, endpoint, view, methods)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

READ, FORM, ACT = ["GET"], ["GET", "POST"], ["POST"]
ROUTES: tuple[tuple[str, str, Callable[..., Any], Sequence[str]], ...] = ()
