"""The approvals queue and its check step."""

from __future__ import annotations

from flask import Blueprint

blueprint = Blueprint("approvals", __name__, url_prefix="/approvals")
