"""A payee's home: next payout, earnings by month."""

from __future__ import annotations

from flask import Blueprint

blueprint = Blueprint("home", __name__)
