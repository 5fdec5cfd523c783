"""Rate configurations: list, versions, rehearsal."""

from __future__ import annotations

from flask import Blueprint

blueprint = Blueprint("rates", __name__, url_prefix="/rates")
