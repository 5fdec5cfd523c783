"""Sign-in, sign-out, organisation switch, one's own start page."""

from __future__ import annotations

from flask import Blueprint

blueprint = Blueprint("people", __name__)
