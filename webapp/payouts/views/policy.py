"""The approval policy in force, the rails, and the switch that halts payments."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, Invalid
from webapp.kernel.money import Money
from webapp.payouts import policies, service
from webapp.payouts.forms import HaltForm
from webapp.payouts.policy import RAILS, Policy, Tier
from webapp.payouts.views.actions import RAIL_WORDS
from webapp.people.views.session import actor
from webapp.web import filters
from webapp.web.htmx import see_other

blueprint = Blueprint("policy", __name__, url_prefix="/settings")


def _tier(rules: Policy, tier: Tier) -> dict[str, str]:
    currency = tier.currency or rules.currency
    people = {0: "Nobody: the policy approves it", 1: "One person", 2: "Two different people"}
    return {
        "up_to": filters.money(Money(tier.up_to_minor, currency))
        if tier.up_to_minor is not None
        else "Any amount",
        "applies": "Payouts that a program makes by itself" if tier.automatic_only else "All payouts",
        "approvals": people.get(tier.approvals, f"{tier.approvals} different people"),
    }


def _rules(rules: Policy) -> list[tuple[str, str]]:
    """The rest of the policy in sentences."""
    said: list[tuple[str, str]] = [
        ("Changed payment details", f"Nothing is paid to them for {rules.cool_off_hours} hours."
         if rules.cool_off_hours else "They are paid to at once."),
        ("Who entered payment details", f"Does not approve payouts to them for {rules.method_editor_days} days."
         if rules.method_editor_days else "May approve payouts to them."),
        ("Retries after a passing failure", ", ".join(f"{m} min" for m in rules.retry_minutes) + " later"
         if rules.retry_minutes else "None: a person tries again."),
    ]  # fmt: skip
    if rules.separate_payer_above_minor is not None:
        limit = filters.money(Money(rules.separate_payer_above_minor, rules.currency))
        said.append(("Who pays", f"Above {limit}, somebody other than the last approver."))
    if rules.minimum_minor:
        limit = filters.money(Money(rules.minimum_minor, rules.currency))
        said.append(("Smallest automatic payout", f"{limit}; what is below waits until it is reached."))
    said += [
        (f"Cut-off of {program}", f"Payouts can be stopped until {at}.")
        for program, at in rules.cut_off.items()
    ]
    return said


def _prefix(rail: str) -> str:
    """Several of these forms stand on one page, so their fields carry the rail's name."""
    return f"{'every' if rail == policies.EVERY_RAIL else rail}-"


def _page(
    code: int = 200, form: HaltForm | None = None, conflict: str | None = None, refused: str = ""
) -> ResponseReturnValue:
    rules, version = policies.current_policy(g.organisation.id)
    stored = policies.stored_policy(g.organisation.id)
    halted = {switch.rail: switch for switch in policies.halts(g.organisation.id)}
    places = [(policies.EVERY_RAIL, "All payments"), *((r, RAIL_WORDS.get(r, r.capitalize())) for r in RAILS)]
    rails: list[dict[str, Any]] = [
        {
            "rail": rail,
            "label": label,
            "switch": halted.get(rail),
            "is_on": rail == policies.EVERY_RAIL or rail in rules.rails,
            "form": form if form is not None and rail == refused else HaltForm(None, prefix=_prefix(rail)),
        }
        for rail, label in places
    ]
    return render_template(
        "policy/show.html",
        rules=rules,
        version=version,
        changed_at=stored.created_at if stored else None,
        tiers=[_tier(rules, tier) for tier in rules.tiers],
        said=_rules(rules),
        rails=rails,
        form=form,
        conflict=conflict,
        solo=rules.single_operator,
        solo_cap=Money(rules.single_operator.daily_cap_minor, rules.currency)
        if rules.single_operator.daily_cap_minor is not None
        else None,
        can_change="admin" in g.roles,
        has_errors=code == 422,
    ), code


@blueprint.get("")
def show() -> ResponseReturnValue:
    """The rules in force."""
    return _page()


def _switch(change: Any, done: str) -> ResponseReturnValue:
    rail = request.form.get("rail", "")
    form = HaltForm(prefix=_prefix(rail))
    if not form.validate():
        return _page(422, form, refused=rail)
    try:
        with transaction():
            change(
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
    flash(done, "success")
    return see_other(url_for("admin.policy.show"))


@blueprint.post("/halt")
def halt() -> ResponseReturnValue:
    """Stop sending over a rail, or all payments; what is approved waits."""
    return _switch(service.halt, "Payments are halted. Approved payouts wait until somebody resumes them.")


@blueprint.post("/resume")
def resume() -> ResponseReturnValue:
    """Let payments flow again."""
    return _switch(service.lift_halt, "Payments flow again.")
