"""One action on one payout: GET shows the check page (or dialog), POST does it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from webapp.database import transaction
from webapp.kernel.clock import local_date, utc_now
from webapp.kernel.errors import Conflict, Invalid
from webapp.kernel.money import Money
from webapp.payouts import approval_queue, explain, lists, policies, queries
from webapp.payouts.flags import flags_of
from webapp.payouts.forms import (
    RAIL_WORDS,
    ActionForm,
    ApproveForm,
    ConfirmingForm,
    EditForm,
    MarkPaidForm,
    PayForm,
    ReturnForm,
)
from webapp.payouts.models import Payout
from webapp.payouts.policy import why_not_paid
from webapp.payouts.states import PayoutState
from webapp.payouts.views import detail, plans, review, words
from webapp.people.models import MethodKind
from webapp.people.views.fresh import require_fresh
from webapp.people.views.session import actor, require_change
from webapp.web import filters
from webapp.web.htmx import see_other

# These let money go, or say where it went: whoever does them proves who they are first.
MONEY_ACTIONS = frozenset({"approve", "pay", "retry", "mark-paid", "reissue", "settle-review", "release"})


def _form(plan: plans.Plan, payout: Payout) -> ActionForm:
    today = local_date(utc_now(), g.organisation.timezone)
    confirms = False
    if issubclass(plan.form, ConfirmingForm):
        change = explain.changed_details(payout, current_user.id, utc_now())
        confirms = change is not None and not change.reasons
    if plan.form is MarkPaidForm:
        return MarkPaidForm(today=today, confirms=confirms, data={"paid_on": today})
    if plan.form is ReturnForm:
        return ReturnForm(data={"on": today})
    if plan.form is PayForm:
        rules, _ = policies.current_policy(g.organisation.id)
        rails = [
            (rail, RAIL_WORDS.get(rail, rail.capitalize()))
            for rail in queries.open_rails(g.organisation.id, rules)
        ]
        return PayForm(rails=rails, confirms=confirms)
    if plan.form is EditForm:
        return EditForm(data={"note": payout.note})
    return plan.form()


def _load(reference: str) -> Payout:
    return lists.get_for_page(organisation_id=g.organisation.id, reference=reference)


def act(reference: str, action: str) -> ResponseReturnValue:
    """Check an action on a payout (GET), do it (POST). 422 and 409 keep what was written."""
    require_change()
    plan, payout = plans.plan_for(action), _load(reference)
    if action in MONEY_ACTIONS and (question := require_fresh()) is not None:
        return question
    form = _form(plan, payout)
    if request.method != "POST":
        form.version.data = str(payout.version)
        return _page(plan, payout, form, 200)
    if not form.validate():
        return _page(plan, payout, form, 422)
    try:
        with transaction():
            result = plan.call(
                organisation_id=g.organisation.id,
                reference=reference,
                actor=actor(),
                now=utc_now(),
                expected_version=form.seen_version,
                **form.arguments(),
            )
            message = result.message
    except Invalid as error:
        field = form._fields.get(error.field)
        if field is not None:
            field.errors = [*field.errors, error.message]
        return _page(plan, _load(reference), form, 422, None if field is not None else error.message)
    except Conflict as error:
        return _page(plan, _load(reference), form, 409, error.message)
    flash(message, "info" if result.is_repeat else "success")
    return see_other(url_for("admin.payouts.show", reference=reference))


def _impossible(plan: plans.Plan, payout: Payout) -> str:
    """Why the payout is not in a state for this."""
    if plan.slug == "settle-review":
        return "No transfer of this payout is under review; there is nothing to settle."
    if review.transfer_of(payout) is not None:
        return "A transfer of this payout is under review; two people must settle it first."
    held = " and on hold" if payout.is_held else ""
    return f"This payout is {PayoutState(payout.state).label.lower()}{held}: this is not possible now."


def _not_payable(plan: plans.Plan, payout: Payout) -> list[str]:
    """Why it cannot be paid over any of the ways that the person may choose; empty when one of them is open."""
    rules, _ = policies.current_policy(g.organisation.id)
    rails = ["manual"] if plan.slug == "mark-paid" else [rail for rail in rules.rails if rail != "manual"]
    method = payout.payee.current_method
    found = []
    for rail in rails or [queries.default_rail(rules, method.kind if method else "")]:
        facts = queries.payment_facts(payout, current_user.id, rail, utc_now())
        # The page itself shows the change and asks for the word that is needed.
        found.append(why_not_paid(rules, replace(facts, is_fingerprint_valid=True)))
    change = explain.changed_details(payout, current_user.id, utc_now())
    reasons = found[0] if all(found) else []
    if change is not None and change.reasons:
        reasons.append(
            "The payment details changed after the approval, and you cannot confirm the new ones. "
            "An admin who did not enter them must do that when paying."
        )
    return reasons


def _reasons(plan: plans.Plan, payout: Payout) -> list[str]:
    """Why it would be refused now, each with who must act; shown instead of the button."""
    if not plans.is_possible(plan, payout):
        return [_impossible(plan, payout)]
    if plan.slug == "approve":
        who = approval_queue.approver(organisation=g.organisation, user_id=current_user.id, now=utc_now())
        return list(approval_queue.reasons(who, payout))
    return _not_payable(plan, payout) if plan.slug in ("pay", "retry", "mark-paid") else []


def _change(plan: plans.Plan, payout: Payout) -> dict[str, Any] | None:
    """The approved and the present payment details side by side, where they differ."""
    if not issubclass(plan.form, ConfirmingForm):
        return None
    change = explain.changed_details(payout, current_user.id, utc_now())
    if change is None:
        return None
    sides = [(change.old, change.old_by), (change.new, change.new_by)]
    rows: list[tuple[str, list[Any]]] = [
        ("Kind", [MethodKind(m.kind).label if m else "None" for m, _ in sides]),
        ("Account", [(m.masked or "By hand") if m else "–" for m, _ in sides]),
        ("Name at the bank", [(m.name_at_bank if m else "") or "–" for m, _ in sides]),
        ("Bank", [(m.bank_name if m else "") or "–" for m, _ in sides]),
        ("Entered by", [by if m else "–" for m, by in sides]),
        ("Verified by", ["–", change.verified.decided_by_label if change.verified else "Nobody"]),
        ("Entered on", [filters.instant(m.created_at) if m else "–" for m, _ in sides]),
    ]
    until = change.cool_off_until
    is_cooling = until is not None and utc_now() < until
    return {"change": change, "rows": rows, "cool_off": filters.instant(until) if is_cooling else None}


def _facts(plan: plans.Plan, payout: Payout) -> list[tuple[str, Any]]:
    method = payout.payee.current_method
    facts: list[tuple[str, Any]] = [
        ("Payee", payout.payee.name),
        ("Program and period", f"{payout.program.capitalize()}, {words.period(payout)}"),
        ("Net", filters.money(Money(payout.amount_minor, payout.currency))),
        ("Status", words.page_status(payout).label),
    ]
    if plan.slug in ("approve", "pay", "retry", "reissue", "mark-paid"):
        facts.append(("Pay to", (method.masked or "By hand") if method else "No payment details yet"))
    if plan.slug == "approve":
        rules, _ = policies.current_policy(g.organisation.id)
        flags = flags_of([payout.id])[payout.id]
        facts.append(("Look closer", ", ".join(flag.label for flag in flags) or "Nothing unusual"))
        if cut_off := detail.cut_off_sentence(rules, payout.program, utc_now(), g.organisation.timezone):
            facts.append(("After this", cut_off))
    return facts


def _page(
    plan: plans.Plan, payout: Payout, form: ActionForm, code: int, conflict: str | None = None
) -> ResponseReturnValue:
    amount = filters.money(Money(payout.amount_minor, payout.currency))
    if conflict is not None:
        # What the person decides next is about the payout as this page shows it.
        form.version.data = str(payout.version)
    fields = {"version": form.version.data or payout.version}
    if isinstance(form, ConfirmingForm):
        method = payout.payee.current_method
        form.show_details(method.id if method else None)
        fields["seen_details"] = form.seen_details.data or ""
    elif isinstance(form, ApproveForm):
        method = payout.payee.current_method
        fields["seen_details"] = (form.seen_details.data if not conflict else "") or (
            method.id if method else ""
        )
    return render_template(
        "payouts/action.html",
        plan=plan,
        act=plan.act.format(amount=amount),
        heading=f"{plan.label.rstrip('…')}: {payout.reference}",
        payout=payout,
        form=form,
        fields=fields,
        facts=_facts(plan, payout),
        # What was sent comes back with its text; a page that is only opened says why there is no button.
        reasons=_reasons(plan, payout) if code == 200 else [],
        changed=_change(plan, payout),
        review=review.evidence(payout, current_user.id) if plan.slug == "settle-review" else None,
        conflict=conflict,
        has_text=any(f.data for f in form if f.type in ("TextAreaField", "StringField")),
        has_errors=code == 422,
        in_dialog=request.headers.get("HX-Target") in ("dialog", "drawer"),
        act_href=url_for("admin.payouts.act", reference=payout.reference, action=plan.slug),
        show_href=url_for("admin.payouts.show", reference=payout.reference),
    ), code
