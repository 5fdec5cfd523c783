"""The demo's e-mail outbox."""

from __future__ import annotations

from flask import Blueprint

blueprint = Blueprint("outbox", __name__, url_prefix="/outbox")
