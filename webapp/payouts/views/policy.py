"""The organisation's approval policy and halt switch."""

from __future__ import annotations

from flask import Blueprint

blueprint = Blueprint("policy", __name__, url_prefix="/settings")
