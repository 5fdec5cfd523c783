"""The demo's simulated bank."""

from __future__ import annotations

from flask import Blueprint

blueprint = Blueprint("bank", __name__, url_prefix="/bank")
