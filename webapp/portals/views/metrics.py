"""Figures for Prometheus, behind a token of their own."""

from __future__ import annotations

from hmac import compare_digest

from flask import Blueprint, Response, abort, current_app, request
from flask.typing import ResponseReturnValue

from webapp.config import Settings
from webapp.operations import metrics
from webapp.web.guards import public

blueprint = Blueprint("metrics", __name__)


@blueprint.get("/metrics")
@public
def show() -> ResponseReturnValue:
    """404 without METRICS_TOKEN set, 401 without the right `Authorization: Bearer …`."""
    settings: Settings = current_app.config["SETTINGS"]
    if not settings.metrics_token or "paydesk_metrics" not in current_app.extensions:
        abort(404)
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not compare_digest(token.encode(), settings.metrics_token.encode()):
        return Response("The token is missing or wrong.\n", 401, {"WWW-Authenticate": "Bearer"}, "text/plain")
    return Response(metrics.text(current_app), content_type=metrics.CONTENT_TYPE)
