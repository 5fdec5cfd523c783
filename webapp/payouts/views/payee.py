"""A payee's own payouts."""

from __future__ import annotations

from flask import Blueprint

blueprint = Blueprint("payouts", __name__, url_prefix="/payouts")
