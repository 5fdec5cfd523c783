"""Accounts, journal, ledger check, journal export."""

from __future__ import annotations

from flask import Blueprint

blueprint = Blueprint("ledger", __name__, url_prefix="/ledger")
