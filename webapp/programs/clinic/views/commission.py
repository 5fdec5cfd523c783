"""Commission rules: versions that a second admin accepts, with what they would have done last month."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, Invalid, NotAllowed
from webapp.payouts.views.program_pages import act_page, form_of, money, percent_words, today
from webapp.people.forms import attach
from webapp.people.views.fresh import needs_fresh_sign_in
from webapp.people.views.session import actor, may_change, require_change
from webapp.programs.clinic import commission_rules, effect, lists
from webapp.programs.clinic.forms import CheckForm, EndForm, ReasonForm, RuleForm
from webapp.programs.clinic.models import CommissionRule, CommissionRuleVersion, RuleState
from webapp.programs.clinic.views.area import AREA
from webapp.web.fields import options
from webapp.web.htmx import see_other


def _say(minor: int | None) -> str:
    return "" if minor is None else money(minor, g.organisation.currency).plain


def words(version: CommissionRuleVersion) -> str:
    """ "10 % + 5.00, at least 2.00, at most 50.00"."""
    if version.tiers:
        parts = [
            f"{per_cent} %" + (f" below {_say(below)}" if below is not None else " from there on")
            for below, per_cent in version.tiers
        ]
        text = "by the month's volume: " + ", ".join(parts)
    else:
        text = percent_words(version.percent)
    text += f" + {_say(version.flat_minor)}" if version.flat_minor else ""
    text += f", at least {_say(version.floor_minor)}" if version.floor_minor is not None else ""
    return text + (f", at most {_say(version.cap_minor)}" if version.cap_minor is not None else "")


def _row(version: CommissionRuleVersion) -> dict[str, Any]:
    return {
        "version": version,
        "state": RuleState(version.state),
        "words": words(version),
        "for": version.payee.name if version.payee else "Every practitioner",
        "service": version.category or "Every service",
        "is_mine": version.created_by_id == current_user.id,
    }


def index() -> ResponseReturnValue:
    """The rules in the order in which they are asked, and what waits for a second admin."""
    found = commission_rules.list_rules(g.organisation.id)
    rules: list[dict[str, Any]] = []
    for rule in found:
        now, waits = commission_rules.current(rule), commission_rules.proposed(rule)
        if shown := now or waits:
            row = _row(shown)
            rules.append({"rule": rule, "row": row, "has_change": bool(now and waits), "at": shown.priority})
    rules.sort(key=lambda each: -each["at"])
    return render_template("clinic/rules.html", area=AREA, tab="rules", rules=rules, may_change=may_change())


def show(rule_id: int) -> ResponseReturnValue:
    """One rule with every version."""
    rule = commission_rules.get_rule(g.organisation.id, rule_id)
    waits, now = commission_rules.proposed(rule), commission_rules.current(rule)
    return render_template(
        "clinic/rule.html",
        area=AREA,
        tab="rules",
        rule=rule,
        rows=[_row(version) for version in rule.versions],
        waits=_row(waits) if waits else None,
        now=_row(now) if now else None,
        effect=_effect(waits) if waits else None,
        may_change=may_change(),
    )


def _effect(version: CommissionRuleVersion) -> Any:
    """What a version that waits would have changed last month."""
    return effect.of_draft(
        organisation_id=g.organisation.id,
        draft=commission_rules.draft_of(version),
        month=today().replace(day=1) - timedelta(days=1),
        rule_id=version.rule_id,
    )


def _page(
    form: RuleForm, rule: CommissionRule | None, code: int, *, conflict: str = "", found: Any = None
) -> ResponseReturnValue:
    people = [
        (str(payee.id), f"{payee.name} ({payee.reference})")
        for payee in lists.practitioners(g.organisation.id)
    ]
    form.payee.choices = options(people, "Every practitioner")
    return (
        render_template(
            "clinic/rule_form.html", area=AREA, form=form, rule=rule, conflict=conflict, effect=found,
            has_errors=code == 422, month=today().replace(day=1) - timedelta(days=1),
        ),
        code,
    )  # fmt: skip


@needs_fresh_sign_in
def create() -> ResponseReturnValue:
    """A new rule."""
    require_change()
    return _edit(None)


@needs_fresh_sign_in
def revise(rule_id: int) -> ResponseReturnValue:
    """The next version of a rule; those before it stay."""
    require_change()
    return _edit(commission_rules.get_rule(g.organisation.id, rule_id))


def _edit(rule: CommissionRule | None) -> ResponseReturnValue:
    form: RuleForm = form_of(RuleForm)
    if request.method == "GET":
        _fill(form, rule)
        return _page(form, rule, 200)
    if not form.validate():
        return _page(form, rule, 422)
    try:
        draft = form.draft()
        draft.check()
        if request.form.get("act") != "save":
            # The effect on last month first, beside the form; nothing is stored.
            found = effect.of_draft(
                organisation_id=g.organisation.id,
                draft=draft,
                month=today().replace(day=1) - timedelta(days=1),
                rule_id=rule.id if rule else None,
            )
            return _page(form, rule, 200, found=found)
        values = {"organisation_id": g.organisation.id, "draft": draft, "actor": actor(), "now": utc_now()}
        with transaction():
            if rule is None:
                made = commission_rules.create_rule(**values)
            else:
                made = commission_rules.revise_rule(
                    rule_id=rule.id, expected_version=form.seen_version or rule.current_version, **values
                )
            rule_id, waits = made.rule_id, made.state == RuleState.PROPOSED
    except Invalid as error:
        attach(form, error)
        return _page(form, rule, 422)
    except Conflict as error:
        return _page(form, rule, 409, conflict=error.message)
    flash(
        "Another admin accepts it; until then it does not count." if waits else "The rule counts.", "success"
    )
    return see_other(url_for(".rule", rule_id=rule_id))


def _fill(form: RuleForm, rule: CommissionRule | None) -> None:
    form.valid_from.data = today()
    version = commission_rules.current(rule) if rule else None
    if rule is None or version is None:
        form.priority.data, form.percent.data = 0, "10"
        return
    form.version.data = str(rule.current_version)
    form.name.data, form.payee.data = version.name, str(version.payee_id or "")
    form.category.data, form.percent.data = (
        version.category,
        percent_words(version.percent).removesuffix(" %"),
    )
    form.flat.data = _say(version.flat_minor) if version.flat_minor else ""
    form.floor.data, form.cap.data = _say(version.floor_minor), _say(version.cap_minor)
    form.tiers.data = "\n".join(
        f"{_say(below)}; {per_cent}" if below is not None else per_cent for below, per_cent in version.tiers
    )
    form.priority.data = version.priority


def _decision(
    rule_id: int, form: Any, title: str, button: str, said: str, decide: Any, **more: Any
) -> ResponseReturnValue:
    rule = commission_rules.get_rule(g.organisation.id, rule_id)
    version = commission_rules.proposed(rule) or commission_rules.current(rule)

    def call() -> str:
        try:
            decide()
        except NotAllowed as error:
            raise Conflict(" ".join(error.reasons)) from error
        return said

    facts = [("Rule", version.name), ("What it says", words(version))] if version else []
    return act_page(
        AREA, form, title=title, button=button, call=call, facts=facts,
        back=(url_for(".rule", rule_id=rule_id), "the rule"), crumbs=[(url_for(".rules"), "Commission rules")], **more,
    )  # fmt: skip


@needs_fresh_sign_in
def accept(rule_id: int) -> ResponseReturnValue:
    """A second admin's yes."""
    require_change()
    who = {"organisation_id": g.organisation.id, "rule_id": rule_id, "actor": actor(), "now": utc_now()}
    return _decision(
        rule_id, form_of(CheckForm), "Accept this change?", "Accept it", "It counts from its first day.",
        lambda: commission_rules.accept(**who),
    )  # fmt: skip


def refuse(rule_id: int) -> ResponseReturnValue:
    """A second admin's no, with a reason."""
    require_change()
    form: ReasonForm = form_of(ReasonForm)
    who = {"organisation_id": g.organisation.id, "rule_id": rule_id, "actor": actor(), "now": utc_now()}
    return _decision(
        rule_id, form, "Refuse this change?", "Refuse it", "It is refused; what counted goes on.",
        lambda: commission_rules.refuse(reason=form.reason.data or "", **who), tone="danger",
    )  # fmt: skip


def withdraw(rule_id: int) -> ResponseReturnValue:
    """Taken back by who asked for it."""
    require_change()
    who = {"organisation_id": g.organisation.id, "rule_id": rule_id, "actor": actor(), "now": utc_now()}
    return _decision(
        rule_id, form_of(CheckForm), "Withdraw this change?", "Withdraw it", "It is withdrawn.",
        lambda: commission_rules.withdraw(**who),
    )  # fmt: skip


@needs_fresh_sign_in
def end(rule_id: int) -> ResponseReturnValue:
    """A last day."""
    require_change()
    form: EndForm = form_of(EndForm)
    who = {"organisation_id": g.organisation.id, "rule_id": rule_id, "actor": actor(), "now": utc_now()}
    return _decision(
        rule_id, form, "End this rule?", "End it", "Its end is saved; with another admin it waits for them.",
        lambda: commission_rules.end_rule(last_day=form.last_day.data or today(), **who), tone="danger",
    )  # fmt: skip
