"""Changing the approval rules: form, check with "who can approve this?", a second admin's yes or no."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from werkzeug.datastructures import MultiDict

from webapp.connections import queries as connections
from webapp.connections.rules import PROVIDERS
from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, Invalid
from webapp.kernel.money import Money, exponent
from webapp.payouts import approvers, policies, policy_changes
from webapp.payouts import policy as rules
from webapp.payouts.forms import ReasonForm
from webapp.payouts.models import ApprovalPolicy, PolicyProposal
from webapp.payouts.policy import Policy, from_rules
from webapp.payouts.policy_form import PolicyForm
from webapp.payouts.views import policy_words
from webapp.people import members
from webapp.people.views.fresh import needs_fresh_sign_in
from webapp.people.views.numbers import number
from webapp.people.views.session import actor, require_change
from webapp.web.htmx import see_other

TEMPLATES = {"default": rules.default_rules, "strict": rules.strict_rules}
# Amounts (major units) that the check step tries when the tiers name none.
SAMPLES = (100, 10_000, 1_000_000)


def _programs() -> list[str]:
    return sorted(row.program for row in g.organisation.programs)


def _new_form(present: Policy, *values: MultiDict[str, str]) -> PolicyForm:
    """The form; a rail through a provider is offered where the connection is on, or where it is in use already."""
    form = PolicyForm(*values)
    away = [rail for rail in rules.RAILS if rail in PROVIDERS and rail not in present.rails]
    form.leave_out([rail for rail in away if not connections.is_usable(g.organisation.id, rail)])
    return form


def _page(form: PolicyForm, code: int = 200, conflict: str | None = None) -> ResponseReturnValue:
    if request.method == "POST":
        form.add_spare_rows(g.organisation.currency)
    return render_template(
        "policy/edit.html", form=form, conflict=conflict, has_errors=code == 422,
        waiting=policy_changes.pending(g.organisation.id),
    ), code  # fmt: skip


@needs_fresh_sign_in
def edit() -> ResponseReturnValue:
    """The rules as a form; a POST checks them and shows what would change and who could approve."""
    require_change()
    present, version = policies.current_policy(g.organisation.id)
    if request.method == "GET":
        form = _new_form(present, MultiDict())
        template = request.args.get("template", "")
        shown = from_rules(TEMPLATES[template](g.organisation.currency)) if template in TEMPLATES else present
        form.fill(shown, version, _programs(), g.organisation.locale)
        return _page(form)
    form = _new_form(present)
    form.validate()
    read = form.read(g.organisation.currency, g.organisation.locale, _programs())
    if read is None:
        return _page(form, 422)
    if "back" in request.form:
        return _page(form)
    if "save" not in request.form:
        return _check(form, present, from_rules(read))
    return _propose(form, read)


def _check(form: PolicyForm, old: Policy, new: Policy) -> ResponseReturnValue:
    people = members.active_admins(g.organisation.id)
    differences = policy_words.differences(old, new)
    if not differences:
        form.form_errors.append(
            "Nothing differs from the rules in force. Change something, or leave this page."
        )
        return _page(form, 422)
    return render_template(
        "policy/check.html",
        form=form,
        typed=_typed(),
        differences=differences,
        preview=preview(new, people),
        is_alone=len(people) < 2,
        new=new,
    )


def _typed() -> list[tuple[str, str]]:
    """What was typed, to be sent again by the check step."""
    return [
        (name, value)
        for name, values in request.form.lists()
        for value in values
        if name not in ("csrf_token", "save", "back", "check")
    ]


def preview(policy: Policy, people: Sequence[Any]) -> list[dict[str, Any]]:
    """Who could approve payouts of typical amounts: one row per amount and maker."""
    unit = 10 ** exponent(policy.currency)
    limits = sorted({t.up_to_minor for t in policy.tiers if t.up_to_minor and not t.currency})
    amounts = [*limits, limits[-1] + unit] if limits else [n * unit for n in SAMPLES]
    makers: list[tuple[str, int | None, bool]] = [("A program, by itself", None, True)]
    makers += [("You", current_user.id, False)]
    rows = []
    for minor in amounts:
        for label, maker, is_automatic in makers:
            amount = Money(minor, policy.currency)
            answer = approvers.who_could_approve(
                policy, people, amount=amount, is_automatic=is_automatic, creator_id=maker
            )
            rows.append({"amount": amount, "maker": label, "answer": answer})
    return rows


def _propose(form: PolicyForm, read: dict[str, Any]) -> ResponseReturnValue:
    try:
        with transaction():
            made = policy_changes.propose(
                organisation_id=g.organisation.id,
                rules=read,
                note=form.note.data or "",
                expected_version=number(form.version.data),
                actor=actor(),
                now=utc_now(),
            )
            is_in_force = isinstance(made, ApprovalPolicy)
    except Invalid as error:
        form.form_errors.append(error.message)
        return _page(form, 422)
    except Conflict as error:
        return _page(form, 409, error.message)
    if is_in_force:
        flash("The new rules are in force.", "success")
    else:
        flash(
            "The change waits for another admin; they are told by e-mail. Until then the old rules hold.",
            "success",
        )
    return see_other(url_for("admin.policy.show"))


def decide_page(
    row: PolicyProposal, code: int = 200, form: ReasonForm | None = None, conflict: str | None = None
) -> ResponseReturnValue:
    """The proposal with what it changes, and the buttons of whoever looks at it."""
    present, version = policies.current_policy(g.organisation.id)
    new = from_rules(row.rules)
    return render_template(
        "policy/proposal.html",
        row=row,
        is_own=row.proposed_by_id == current_user.id,
        is_outdated=row.state == "pending" and row.base_version != version,
        differences=policy_words.differences(present, new) if row.state == "pending" else [],
        preview=preview(new, members.active_admins(g.organisation.id)),
        form=form or ReasonForm(None),
        conflict=conflict,
        can_change="admin" in g.roles,
        has_errors=code == 422,
    ), code


def proposal() -> ResponseReturnValue:
    """The change that waits for a second admin; to the settings when it was decided."""
    row = policy_changes.pending(g.organisation.id)
    if row is None:
        return redirect(url_for("admin.policy.show"), 303)
    return decide_page(row)


@needs_fresh_sign_in
def decide(proposal_id: int) -> ResponseReturnValue:
    """Accept, refuse or withdraw a proposal."""
    word = request.form.get("decision", "")
    form = ReasonForm()
    try:
        with transaction():
            if word == "accept":
                policy_changes.accept(
                    organisation_id=g.organisation.id, proposal_id=proposal_id, actor=actor(), now=utc_now()
                )
            else:
                policy_changes.refuse(
                    organisation_id=g.organisation.id, proposal_id=proposal_id,
                    reason=form.reason.data or "", actor=actor(), now=utc_now(),
                )  # fmt: skip
    except (Invalid, Conflict) as error:
        row = policy_changes.pending(g.organisation.id)
        if row is None or row.id != proposal_id:
            raise
        if isinstance(error, Invalid):
            form.reason.errors = [error.message]
            return decide_page(row, 422, form)
        return decide_page(row, 409, form, error.message)
    flash("The new rules are in force." if word == "accept" else "The rules stay as they were.", "success")
    return see_other(url_for("admin.policy.show"))


def history() -> ResponseReturnValue:
    """Every version that was in force, the newest first."""
    return render_template("policy/history.html", versions=policy_words.history(g.organisation))


def register(blueprint: Any) -> None:
    """Attach the pages to the settings."""
    blueprint.add_url_rule("/rules", view_func=edit, endpoint="edit", methods=["GET", "POST"])
    blueprint.add_url_rule("/rules/proposal", view_func=proposal, endpoint="proposal")
    blueprint.add_url_rule(
        "/rules/proposal/<int:proposal_id>", view_func=decide, endpoint="decide", methods=["POST"]
    )
    blueprint.add_url_rule("/rules/history", view_func=history, endpoint="history")
