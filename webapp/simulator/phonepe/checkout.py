"""The page where a person pays, fails, waits or goes away; it works without scripts."""

from __future__ import annotations

import json
from sqlite3 import Row
from urllib.parse import urlsplit

from flask import Blueprint, Response, make_response, redirect, render_template, request

from webapp.simulator.core import CannotAct, the_simulator
from webapp.simulator.phonepe import books

blueprint = Blueprint("checkout", __name__, url_prefix="/checkout/page")
LABELS = {
    "UPI_INTENT": "UPI app", "UPI_COLLECT": "UPI address", "UPI_QR": "UPI QR code", "NET_BANKING": "Net banking",
    "CARD": "Card",
}  # fmt: skip


@blueprint.get("/<page>")
def show(page: str) -> Response:
    """What is to be paid, and the ways to do it or not."""
    row = books.by_page(the_simulator(), page)
    if row is None:
        return make_response(render_template("simulator/phonepe.html", row=None, problem="", modes=()), 404)
    return _page(books.up_to_date(the_simulator(), row))


@blueprint.post("/<page>")
def act(page: str) -> Response:
    """A button: pay, decline, later, leave. All of them lead back to the merchant."""
    sim = the_simulator()
    row = books.by_page(sim, page)
    if row is None:
        return make_response(render_template("simulator/phonepe.html", row=None, problem="", modes=()), 404)
    action, mode = request.form.get("action", ""), request.form.get("mode", "")
    does = {"pay": books.pay, "decline": books.decline, "later": books.delay}.get(action)
    try:
        if does is not None and mode not in json.loads(row["modes"]):
            raise CannotAct("Choose how to pay.")
        if does is not None:
            does(sim, row, mode)
        elif action != "leave":
            raise CannotAct("There is no such button.")
    except CannotAct as problem:
        return _page(books.by_page(sim, page) or row, str(problem), 409)
    return make_response(redirect(row["redirect_url"], 303))


def _page(row: Row, problem: str = "", code: int = 200) -> Response:
    modes = [(mode, LABELS[mode]) for mode in json.loads(row["modes"])]
    response = make_response(
        render_template("simulator/phonepe.html", row=row, problem=problem, modes=modes), code
    )
    home = urlsplit(row["redirect_url"])
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; style-src 'self'; form-action 'self' {home.scheme}://{home.netloc}; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "no-store"
    return response
