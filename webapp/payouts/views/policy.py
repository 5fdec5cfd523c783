"""The approval policy in force, the rails, and the switch that halts payments."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, Invalid
from webapp.kernel.money import Money
from webapp.payouts import breaker, policies, policy_changes, queries, service
from webapp.payouts.brakes import lifting
from webapp.payouts.forms import RAIL_WORDS, HaltForm
from webapp.payouts.policy import RAILS
from webapp.payouts.views import policy_editor, policy_words
from webapp.people.views.fresh import needs_fresh_sign_in
from webapp.people.views.session import actor
from webapp.web.htmx import see_other

blueprint = Blueprint("policy", __name__, url_prefix="/settings")
policy_editor.register(blueprint)


def _prefix(rail: str) -> str:
    """Several of these forms stand on one page, so their fields carry the rail's name."""
    return f"{'every' if rail == policies.EVERY_RAIL else rail}-"


def _page(
    code: int = 200, form: HaltForm | None = None, conflict: str | None = None, refused: str = ""
) -> ResponseReturnValue:
    rules, version = policies.current_policy(g.organisation.id)
    stored = policies.stored_policy(g.organisation.id)
    halted = {switch.rail: switch for switch in policies.halts(g.organisation.id)}
    zone = g.organisation.timezone
    paused = {health.rail: breaker.sentence(health, zone) for health in breaker.paused(g.organisation.id)}
    lifts, now = lifting.pending(g.organisation.id), utc_now()
    places = [(policies.EVERY_RAIL, "All payments"), *((r, RAIL_WORDS.get(r, r.capitalize())) for r in RAILS)]
    rails: list[dict[str, Any]] = [
        {
            "rail": rail,
            "label": label,
            "switch": halted.get(rail),
            "paused": paused.get(rail),
            "lift": lifts.get(rail),
            "not_mine": lifting.why_not_confirm(lifts[rail], rules, current_user.id, now)
            if rail in lifts
            else "",
            "is_on": rail == policies.EVERY_RAIL or rail in rules.rails,
            "problem": queries.rail_problem(g.organisation.id, rail) if rail in rules.rails else "",
            "form": form if form is not None and rail == refused else HaltForm(None, prefix=_prefix(rail)),
        }
        for rail, label in places
    ]
    return render_template(
        "policy/show.html",
        rules=rules,
        version=version,
        changed_at=stored.created_at if stored else None,
        tiers=[policy_words.tier(rules, tier) for tier in rules.tiers],
        said=policy_words.said(rules),
        waiting=policy_changes.pending(g.organisation.id),
        rails=rails,
        form=form,
        conflict=conflict,
        solo=rules.single_operator,
        solo_cap=Money(rules.single_operator.daily_cap_minor, rules.currency)
        if rules.single_operator.daily_cap_minor is not None
        else None,
        can_change="admin" in g.roles,
        me=current_user.id,
        has_errors=code == 422,
    ), code


@blueprint.get("")
def show() -> ResponseReturnValue:
    """The rules in force."""
    return _page()


def _switch(change: Any, done: str, asked: str = "") -> ResponseReturnValue:
    rail = request.form.get("rail", "")
    form = HaltForm(prefix=_prefix(rail))
    if not form.validate():
        return _page(422, form, refused=rail)
    try:
        with transaction():
            wish = change(
                organisation_id=g.organisation.id,
                rail=rail,
                reason=form.reason.data or "",
                actor=actor(),
                now=utc_now(),
            )
    except Invalid as error:
        form.reason.errors = [error.message]
        return _page(422, form, refused=rail)
    except Conflict as error:
        return _page(409, form, error.message, rail)
    flash(asked if asked and wish is not None else done, "success")
    return see_other(url_for("admin.policy.show"))


@blueprint.post("/halt")
@needs_fresh_sign_in
def halt() -> ResponseReturnValue:
    """Stop sending over a rail, or all payments; what is approved waits."""
    return _switch(service.halt, "Payments are halted. Approved payouts wait until somebody resumes them.")


@blueprint.post("/resume")
@needs_fresh_sign_in
def resume() -> ResponseReturnValue:
    """Let payments flow again, or ask for it where that takes two."""
    return _switch(
        lifting.resume,
        "Payments flow again.",
        "Payments stay halted until another admin confirms that they flow.",
    )


@blueprint.post("/lifts/<int:lift_id>")
@needs_fresh_sign_in
def decide_lift(lift_id: int) -> ResponseReturnValue:
    """Another person's yes to letting payments flow again; or the wish is taken back."""
    values: dict[str, Any] = {
        "organisation_id": g.organisation.id, "lift_id": lift_id, "actor": actor(), "now": utc_now(),
    }  # fmt: skip
    is_yes = request.form.get("decision") == "confirm"
    try:
        with transaction():
            (lifting.confirm if is_yes else lifting.withdraw)(**values)
    except Conflict as error:
        return _page(409, conflict=error.message)
    flash("Payments flow again." if is_yes else "Payments stay halted.", "success")
    return see_other(url_for("admin.policy.show"))
