"""The e-mail log."""

from __future__ import annotations

from flask import Blueprint

blueprint = Blueprint("notices", __name__, url_prefix="/emails")
