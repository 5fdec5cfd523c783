"""The page for people: transfers and orders with buttons, messages, addresses. No scripts."""

from __future__ import annotations

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for

from webapp.simulator import clock, webhooks
from webapp.simulator.core import CannotAct, the_simulator
from webapp.simulator.faults import FAULTS, NoSuchFault
from webapp.simulator.store import as_dict

blueprint = Blueprint("pages", __name__, template_folder="templates")
ROWS = 50
_POLICY = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"


@blueprint.after_request
def _protect(response: Response) -> Response:
    # Pages of a provider that leave for another site set a policy of their own.
    response.headers.setdefault("Content-Security-Policy", _POLICY)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.app_template_filter("money")
def money(minor: int) -> str:
    """Minor units for people: 12,345.67."""
    sign = "-" if minor < 0 else ""
    return f"{sign}{abs(minor) // 100:,}.{abs(minor) % 100:02d}"


@blueprint.app_template_filter("instant")
def instant(at: int) -> str:
    """An instant for people."""
    return clock.text(at).replace("T", " ").removesuffix("Z")


@blueprint.get("/")
def index() -> Response:
    """All there is to see, on one page."""
    return make_response(_page())


def _page(problem: str = "") -> str:
    sim = the_simulator()
    rows = [
        {"provider": name, **row}
        for name, provider in sim.providers.items()
        for row in provider.rows(sim, ROWS)
    ]
    messages = sim.store.read("SELECT * FROM webhooks ORDER BY id DESC LIMIT ?", (ROWS,))
    return render_template(
        "simulator/index.html",
        problem=problem,
        rows=sorted(rows, key=lambda row: -row["at"]),
        messages=[as_dict(row) for row in messages],
        clients=[
            as_dict(row) for row in sim.store.read("SELECT * FROM clients ORDER BY provider, client_id")
        ],
        targets=[as_dict(row) for row in sim.store.read("SELECT * FROM targets")],
        faults=FAULTS,
        rules=sim.plan.rules(),
        now=sim.clock.now(),
    )


def _back() -> Response:
    return make_response(redirect(url_for("pages.index"), code=303))


@blueprint.post("/act")
def act() -> Response:
    """A button of a row."""
    sim, form = the_simulator(), request.form
    provider = sim.providers.get(form.get("provider", ""))
    try:
        if provider is None:
            raise CannotAct("There is no such provider.")
        provider.act(
            sim, form.get("action", ""), form.get("subject", ""), {"client_id": form.get("client_id", "")}
        )
    except CannotAct as problem:
        return make_response(_page(str(problem)), 409)
    return _back()


@blueprint.post("/resend")
def resend() -> Response:
    """Send the messages about a transfer or an order again."""
    webhooks.resend(the_simulator(), request.form.get("provider", ""), request.form.get("subject", ""))
    return _back()


@blueprint.post("/fault")
def add_fault() -> Response:
    """The next call that fits goes wrong."""
    try:
        the_simulator().plan.add(
            request.form.get("fault", ""), subject=request.form.get("subject", "").strip()
        )
    except NoSuchFault as problem:
        return make_response(_page(str(problem)), 422)
    return _back()


@blueprint.post("/faults/clear")
def clear_faults() -> Response:
    """From now on everything goes well."""
    the_simulator().plan.clear()
    return _back()


@blueprint.get("/simulator.css")
def stylesheet() -> Response:
    """The look of these pages."""
    return Response(render_template("simulator/simulator.css"), mimetype="text/css")
