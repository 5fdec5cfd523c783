"""The steps that say where a payee's money goes: choose the way, fill it in, check it masked, ask for it.

The same steps stand on the admins' page of a payee and on the payee's own; a `Desk` says which.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from flask import Blueprint, flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, NotFound, StaleVersion
from webapp.people import methods, queries
from webapp.people.accounts import Destination, Scheme
from webapp.people.changes import queries as changes
from webapp.people.changes import service
from webapp.people.changes.models import MethodChange
from webapp.people.changes.rules import Source
from webapp.people.drafts import open_draft, seal_draft
from webapp.people.forms import WAYS, MethodForm
from webapp.people.models import Payee
from webapp.people.views.fresh import needs_fresh_sign_in
from webapp.people.views.numbers import number
from webapp.people.views.session import actor, require_change
from webapp.web.htmx import see_other
from webapp.web.i18n import N_, gettext

# The way that people of a country mostly mean; the others are offered after it.
_FIRST = {"IN": (Scheme.IFSC.value, "upi"), "US": (Scheme.ABA.value,)}
_BY_HAND = "manual"


@dataclass(frozen=True)
class Desk:
    """On whose page the steps are: the payee, the addresses of the steps, and where they lead back to."""

    payee: Payee
    source: Source
    form_href: str
    save_href: str
    back_href: str
    crumbs: tuple[tuple[str, str], ...]

    @property
    def is_own(self) -> bool:
        """Whether the payee is the one who does it."""
        return self.source is Source.PAYEE

    @property
    def ways(self) -> dict[str, tuple[type[MethodForm], str, str]]:
        """The ways to be paid that are offered, the usual one of the country first."""
        country = self.payee.country or g.organisation.country
        first = _FIRST.get(country, (Scheme.IBAN.value,))
        names = [*first, *(name for name in WAYS if name not in first)]
        return {name: WAYS[name] for name in names if not (self.is_own and name == _BY_HAND)}


def add_to(blueprint: Blueprint) -> None:
    """Mount the admins' steps on the payees' blueprint."""
    blueprint.add_url_rule("/<reference>/method", "add_method", add_method, methods=["GET", "POST"])
    blueprint.add_url_rule("/<reference>/method/save", "save_method", save_method, methods=["POST"])


def _admins_desk(reference: str) -> Desk:
    payee = queries.get_payee(g.organisation.id, reference)
    back = url_for(".show", reference=reference)
    return Desk(
        payee,
        Source.ADMIN,
        url_for(".add_method", reference=reference),
        url_for(".save_method", reference=reference),
        back,
        (("Payees", url_for(".index")), (reference, back)),
    )


@needs_fresh_sign_in
def add_method(reference: str) -> ResponseReturnValue:
    """GET: the ways to be paid, then the fields of the chosen one. POST: the check step."""
    require_change()
    return fill_in(_admins_desk(reference))


@needs_fresh_sign_in
def save_method(reference: str) -> ResponseReturnValue:
    """Ask for the checked details; first ones are the payee's at once."""
    return save(_admins_desk(reference))


def fill_in(desk: Desk) -> ResponseReturnValue:
    """The branch, the form of a way, and (POST) the check step."""
    way = request.args.get("way", "")
    if not way and request.method == "GET":
        return render_template("people/methods/choose.html", desk=desk)
    if way not in desk.ways:
        raise NotFound
    form = WAYS[way][0]()
    if request.method == "GET":
        current = queries.current_method(desk.payee.id)
        form.version.data = str(current.version if current else 0)
    elif form.validate_on_submit():
        return _check(desk, form.destination(), number(form.version.data), way)
    return _form_page(desk, form, way)


def _form_page(desk: Desk, form: MethodForm, way: str) -> ResponseReturnValue:
    page = render_template(
        "people/methods/form.html",
        desk=desk,
        form=form,
        way=way,
        label=WAYS[way][1],
        has_errors=bool(form.errors),
    )
    return page, 422 if form.errors else 200


def _check(desk: Desk, destination: Destination, version: int, way: str) -> ResponseReturnValue:
    """Masked, with what was found and what will follow. The clear numbers travel sealed, never as text in the page."""
    now, payee = utc_now(), desk.payee
    current = queries.current_method(payee.id)
    hours = methods.cool_off_hours(g.organisation.id) if current else 0
    findings = changes.findings_about(payee, destination)
    return render_template(
        "people/methods/check.html",
        desk=desk,
        destination=destination,
        current=current,
        label=WAYS[way][1],
        way=way,
        version=version,
        draft=seal_draft(destination, payee_id=payee.id, session_id=current_user.session_id, now=now),
        hours=hours,
        earliest=now + timedelta(hours=hours),
        findings=findings,
        alone_hours=methods.single_operator_hours(g.organisation.id) if current else None,
    )


def save(desk: Desk) -> ResponseReturnValue:
    """Ask for the destination of a draft, in the name of the signed-in person."""
    payee, now = desk.payee, utc_now()
    destination = open_draft(
        request.form.get("draft", ""), payee_id=payee.id, session_id=current_user.session_id, now=now
    )
    if destination is None:
        raise Conflict(N_("These details were checked too long ago, or in another window. Enter them again."))
    is_first = queries.current_method(payee.id) is None
    try:
        with transaction():
            asked = service.ask(
                organisation_id=g.organisation.id,
                payee_id=payee.id,
                destination=destination,
                source=desk.source.value,
                expected_version=number(request.form.get("version")),
                actor=actor(),
                now=now,
            )
            words, tone = _result(asked, desk, is_first)
    except Conflict as error:
        return _conflict(desk, destination, error)
    flash(words, tone)
    return see_other(desk.back_href)


def _result(asked: object, desk: Desk, is_first: bool) -> tuple[str, str]:
    """What happened, and who must act next."""
    if isinstance(asked, MethodChange):
        who = g.organisation.name if desk.is_own else "an admin other than you"
        text = gettext(
            "%(change)s: the new details wait until %(who)s verifies them. Payouts wait until then.",
            change=asked.reference,
            who=who,
        )
        return text, "success"
    if is_first:
        return N_("The payment details are saved."), "success"
    return N_("These are the payment details on file already. Nothing was changed."), "info"


def _conflict(desk: Desk, destination: Destination, error: Conflict) -> ResponseReturnValue:
    """Show both: what was about to be asked, and what there is; nothing typed is lost."""
    current = queries.current_method(desk.payee.id)
    page = render_template(
        "people/methods/conflict.html",
        desk=desk,
        current=current,
        pending=changes.pending_for(desk.payee.id),
        destination=destination,
        message=error.message,
        can_replace=isinstance(error, StaleVersion),
        version=current.version if current else 0,
        draft=request.form["draft"],
        has_errors=True,
    )
    return page, 409
