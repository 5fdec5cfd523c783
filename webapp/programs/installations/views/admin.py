"""Installations: list, detail, forms, payout creation."""

from __future__ import annotations

from flask import Blueprint

blueprint = Blueprint("installations", __name__, url_prefix="/installations")
