"""A payee's own payout method, masked."""

from __future__ import annotations

from flask import Blueprint

blueprint = Blueprint("details", __name__, url_prefix="/payment-details")
