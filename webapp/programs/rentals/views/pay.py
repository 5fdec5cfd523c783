"""The tenant's pages: what is due, to the gateway and back, where the payment stands. A signed link opens them.

Nobody signs in here, and nothing is shown but the one charge that the link names.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from hashlib import sha256
from typing import Any

from flask import Blueprint, current_app, g, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from webapp.config import Settings
from webapp.database import db, lock_row, transaction
from webapp.kernel.actor import Actor
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, Unavailable
from webapp.people.models import Organisation
from webapp.people.throttle import limiter
from webapp.programs.rentals import collecting, pay_links, payments
from webapp.programs.rentals.models import RentCharge, RentPayment
from webapp.programs.rentals.standing import UNSETTLED, Stand, Standing, standing_of
from webapp.web import headers, i18n
from webapp.web.guards import public
from webapp.web.htmx import is_fragment

blueprint = Blueprint("rent", __name__, url_prefix="/rent")
# For each link, and for all links that one address opens: many tenants share an address of their network.
LOOKING, PAYING, ANY_LINK = "60 per minute", "10 per minute", "300 per minute"
# The gateway's pages; in demo and test mode the simulator on this machine stands in for them.
GATEWAY = ("https://phonepe.com", "https://*.phonepe.com")
SIMULATED = ("http://localhost:*", "http://127.0.0.1:*")
GONE, NOT_OURS, CONFLICT, AWAY = 410, 404, 409, 503
Page = Callable[[str, RentCharge], ResponseReturnValue]
View = Callable[[str], ResponseReturnValue]


def _address() -> str:
    return f"rent:{request.remote_addr}"


def _link() -> str:
    token = (request.view_args or {}).get("token", "")
    return f"{_address()}:{sha256(token.encode()).hexdigest()[:16]}"


def _limited(limit: str) -> Callable[[View], View]:
    """So often for one link, and not endlessly for an address that tries many."""
    of_link = limiter.shared_limit(limit, scope=f"rent {limit}", key_func=_link)
    of_address = limiter.shared_limit(ANY_LINK, scope="rent", key_func=_address)
    return lambda view: of_address(of_link(view))


def _opened(view: Page) -> View:
    """Give a page the charge that its link opens; without one, the page that says what to do."""

    @public
    @wraps(view)
    def open_link(token: str) -> ResponseReturnValue:
        ticket = pay_links.read(token)
        charge = pay_links.find(ticket, utc_now()) if ticket else None
        if charge is None:
            return render_template("rentals/pay/gone.html"), GONE if ticket else NOT_OURS
        _speak_for(charge)
        return view(token, charge)

    return open_link


def _speak_for(charge: RentCharge) -> None:
    """Amounts, days and hours as the organisation writes them, in the language that the browser asks for."""
    if not current_user.is_authenticated:
        g.locale = i18n.locale_name() if i18n.language() != i18n.ENGLISH else None
    g.organisation = db.session.get_one(Organisation, charge.organisation_id)


def _who() -> Actor:
    return Actor(None, "the tenant's pay link", request.remote_addr or "", str(request.user_agent)[:300])


def _page(template: str, token: str, charge: RentCharge, standing: Standing, **more: Any) -> str:
    return render_template(
        f"rentals/pay/{template}.html",
        token=token,
        charge=charge,
        standing=standing,
        unit=charge.lease.unit,
        **more,
    )


@blueprint.get("/<token>")
@_limited(LOOKING)
@_opened
def show(token: str, charge: RentCharge) -> ResponseReturnValue:
    """What is due, to whom, what the gateway takes on top, and the button that leads there."""
    standing = standing_of(charge, utc_now())
    settings: Settings = current_app.config["SETTINGS"]
    headers.let_forms_lead_to(*GATEWAY, *(() if settings.environment == "production" else SIMULATED))
    code = GONE if standing.stand in (Stand.WAIVED, Stand.ENDED) else 200
    return _page("show", token, charge, standing, problem=""), code


@blueprint.post("/<token>")
@_limited(PAYING)
@_opened
def pay(token: str, charge: RentCharge) -> ResponseReturnValue:
    """To the gateway's page, with an order for what is due; an order that is open already is gone on with."""
    standing = standing_of(charge, utc_now())
    if not standing.can_pay:
        return _refused(token, charge)
    settings: Settings = current_app.config["SETTINGS"]
    back = settings.public_url + url_for(".back", token=token)
    charge_id = charge.id
    # No transaction waits for the gateway.
    db.session.rollback()
    try:
        address = collecting.open_order(charge_id=charge_id, return_url=back, actor=_who())
    except (Conflict, Unavailable) as error:
        db.session.rollback()
        again = db.session.get_one(RentCharge, charge_id)
        _speak_for(again)
        if isinstance(error, Conflict):
            return _refused(token, again)
        return _page("show", token, again, standing_of(again, utc_now()), problem="away"), AWAY
    return redirect(address, 303)


def _refused(token: str, charge: RentCharge) -> ResponseReturnValue:
    """The page as it stands now, which says why nothing is to be paid."""
    return _page("show", token, charge, standing_of(charge, utc_now()), problem="refused"), CONFLICT


@blueprint.get("/<token>/back")
@_limited(LOOKING)
@_opened
def back(token: str, charge: RentCharge) -> ResponseReturnValue:
    """Where the gateway sends the tenant back to. It proves nothing: the gateway is asked what became of it."""
    now = utc_now()
    standing = standing_of(charge, now)
    if standing.payment is not None and standing.stand in UNSETTLED:
        payment_id = standing.payment.id
        with transaction():
            payments.ask_now(lock_row(RentPayment, RentPayment.id == payment_id), now)
    return redirect(url_for(".status", token=token), 303)


@blueprint.get("/<token>/status")
@_limited(LOOKING)
@_opened
def status(token: str, charge: RentCharge) -> ResponseReturnValue:
    """Where the payment stands; asks again by itself until it has ended."""
    standing = standing_of(charge, utc_now())
    is_open = standing.stand in UNSETTLED
    template = "_state" if is_fragment() else "status"
    page = make_response(_page(template, token, charge, standing))
    if is_fragment() and not is_open:
        page.status_code = 286  # htmx stops asking
    return page
