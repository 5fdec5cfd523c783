"""Documents of an organisation."""

from __future__ import annotations

from flask import Blueprint

blueprint = Blueprint("statements", __name__, url_prefix="/documents")
