"""The simulator's own application: one blueprint for each provider, one to control it, one page for people."""

from __future__ import annotations

from flask import Flask, Response, jsonify, request
from jinja2 import StrictUndefined

from webapp.simulator import control, pages
from webapp.simulator.cashfree import Cashfree
from webapp.simulator.core import Provider, Simulator
from webapp.simulator.phonepe import PhonePe
from webapp.simulator.settings import Settings
from webapp.simulator.zoho import Zoho

_SAFE = ("GET", "HEAD", "OPTIONS")
_MINE = ("same-origin", "none", "")


def providers() -> list[Provider]:
    """All providers that are simulated; each is mounted under its name."""
    return [Cashfree(), PhonePe(), Zoho()]


def create(settings: Settings | None = None) -> Flask:
    """Build the application. Its `extensions["simulator"]` is the simulator itself."""
    app = Flask("webapp.simulator", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = 4 * 1024 * 1024
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    sim = Simulator(settings or Settings())
    app.extensions["simulator"] = sim
    for provider in providers():
        sim.providers[provider.name] = provider
        sim.store.define(provider.schema)
        app.register_blueprint(provider.blueprint(), url_prefix=f"/{provider.name}")
    app.register_blueprint(control.blueprint)
    app.register_blueprint(pages.blueprint)
    app.before_request(_refuse_other_sites)
    app.add_url_rule("/healthz", "healthz", lambda: jsonify(status="ok"))
    if sim.settings.has_background:
        sim.start()
    return app


def _refuse_other_sites() -> Response | None:
    """A page of another site must not press the buttons here."""
    if request.method in _SAFE or request.headers.get("sec-fetch-site", "") in _MINE:
        return None
    return Response("This came from another site.", status=403, mimetype="text/plain")
