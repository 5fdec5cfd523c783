"""Payees and their payout methods."""

from __future__ import annotations

from flask import Blueprint

blueprint = Blueprint("payees", __name__, url_prefix="/payees")
