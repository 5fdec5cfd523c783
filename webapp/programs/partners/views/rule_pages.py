"""Commission rules: the list in the order in which they count, versions that a second admin accepts, the replay."""

from __future__ import annotations

from typing import Any

from flask import flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, Invalid
from webapp.payouts.views.program_pages import form_of, today
from webapp.people.forms import attach
from webapp.people.rule_book import RuleState
from webapp.people.views.fresh import needs_fresh_sign_in
from webapp.people.views.session import actor, may_change, require_change
from webapp.programs.partners import commission_rules, record_lists, rehearsing, rule_order
from webapp.programs.partners.drafts import RuleDraft
from webapp.programs.partners.models import PartnerRule, PartnerRuleVersion
from webapp.programs.partners.rehearsing import Rehearsal
from webapp.programs.partners.rule_forms import RuleForm, SpanForm, read_span
from webapp.programs.partners.views.area import AREA
from webapp.programs.partners.views.rule_words import gives, is_for
from webapp.web.fields import options
from webapp.web.htmx import see_other

#: Partners whose difference is shown beside the form, and on the page of a replay.
SHOWN, SHOWN_ALONE = 10, 200
#: A form names a field otherwise than a draft where a form has one of that name itself.
_FIELDS = {"currency": "in_currency"}


def _programs() -> dict[int, str]:
    return {program.id: program.name for program in record_lists.programs(g.organisation.id)}


def _row(version: PartnerRuleVersion, programs: dict[int, str]) -> dict[str, Any]:
    return {
        "version": version,
        "state": RuleState(version.state),
        "gives": gives(version),
        "for": is_for(version, programs),
        "is_mine": version.created_by_id == current_user.id,
    }


def index() -> ResponseReturnValue:
    """The rules in the order in which they are asked, with what is odd about them, and what waits."""
    here, programs = g.organisation.id, _programs()
    odd = rule_order.warnings(commission_rules.load_rules(here), today())
    rules: list[dict[str, Any]] = []
    for rule in commission_rules.list_rules(here):
        now, waits = commission_rules.current(rule), commission_rules.proposed(rule)
        if shown := now or waits:
            row = _row(shown, programs)
            is_ended = not shown.is_active and (shown.valid_from is None or shown.valid_from <= today())
            rules.append({
                "rule": rule, "row": row, "has_change": bool(now and waits), "warning": odd.get(rule.id, ""),
                "is_ended": is_ended, "at": (is_ended, shown.priority, rule.id),
            })  # fmt: skip
    rules.sort(key=lambda each: each["at"])
    return render_template(
        "partners/rules.html", area=AREA, tab="rules", rules=rules, may_change=may_change(), now=utc_now()
    )


def show(rule_id: int) -> ResponseReturnValue:
    """One rule with every version; what waits is shown with its effect on the last months."""
    here, programs = g.organisation.id, _programs()
    rule = commission_rules.get_rule(here, rule_id)
    waits, now = commission_rules.proposed(rule), commission_rules.current(rule)
    odd = rule_order.warnings(commission_rules.load_rules(here), today())
    return render_template(
        "partners/rule.html",
        area=AREA,
        tab="rules",
        rule=rule,
        rows=[_row(version, programs) for version in rule.versions],
        waits=_row(waits, programs) if waits else None,
        now=_row(now, programs) if now else None,
        warning=odd.get(rule.id, ""),
        found=_effect(waits) if waits else None,
        shown=SHOWN,
        may_change=may_change(),
    )


def _effect(version: PartnerRuleVersion) -> Rehearsal | None:
    """What a version would have changed in the last three months; None where that is too much for a page."""
    first, last = rehearsing.last_months(today())
    try:
        return rehearsing.rehearse(
            g.organisation.id, commission_rules.draft_of(version), first=first, last=last, rule_id=version.rule_id
        )  # fmt: skip
    except Invalid:
        return None


def rehearsal(rule_id: int) -> ResponseReturnValue:
    """The past under a version that waits, against the rules as they are; or under one that counts, against without.

    By partner and currency.
    """
    here = g.organisation.id
    rule = commission_rules.get_rule(here, rule_id)
    waits = commission_rules.proposed(rule)
    version = waits or commission_rules.current(rule) or rule.versions[0]
    first, last = rehearsing.last_months(today())
    form = SpanForm(request.args)
    found = None
    form.since.data, form.until.data = form.since.data or first.text, form.until.data or last.text
    is_valid = form.validate()
    if is_valid:
        try:
            first, last = read_span(form.since.data, form.until.data)
            found = rehearsing.rehearse(
                here,
                commission_rules.draft_of(version),
                first=first,
                last=last,
                rule_id=rule_id,
                is_without=waits is None,
            )
        except Invalid as error:
            form[error.field].errors = [error.message]
            is_valid = False
    return (
        render_template(
            "partners/rehearsal.html",
            area=AREA,
            tab="rules",
            form=form,
            rule=rule,
            row=_row(version, _programs()),
            found=found,
            shown=SHOWN_ALONE,
            has_errors=not is_valid,
        ),
        200 if is_valid else 422,
    )


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


def _page(
    form: RuleForm, rule: PartnerRule | None, code: int, *, conflict: str = "", found: Rehearsal | None = None
) -> ResponseReturnValue:
    return (
        render_template(
            "partners/rule_form.html", area=AREA, form=form, rule=rule, conflict=conflict, found=found, shown=SHOWN,
            has_errors=code == 422,
        ),
        code,
    )  # fmt: skip


def _edit(rule: PartnerRule | None) -> ResponseReturnValue:
    """GET and POST of the form. Nothing is saved before exactly that was replayed over the past and shown."""
    form: RuleForm = form_of(RuleForm)
    form.program.choices = options(((str(key), name) for key, name in _programs().items()), "Every program")
    if request.method == "GET":
        _fill(form, rule)
        return _page(form, rule, 200)
    if not form.validate():
        return _page(form, rule, 422)
    try:
        draft = form.draft()
        draft.check()
        first, last = form.span()
        has_seen = form.has_seen([rule.id if rule else 0, draft])
        if request.form.get("act") != "save" or not has_seen:
            found = rehearsing.rehearse(
                g.organisation.id, draft, first=first, last=last, rule_id=rule.id if rule else None
            )
            return _page(form, rule, 200, found=found)
        with transaction():
            made = _save(draft, rule, form.seen_version)
            rule_id, waits = made.rule_id, made.state == RuleState.PROPOSED
    except Invalid as error:
        name = _FIELDS.get(error.field, error.field)
        attach(form, Invalid(name, error.reason, error.example))
        return _page(form, rule, 422)
    except Conflict as error:
        return _page(form, rule, 409, conflict=error.message)
    flash(
        "Another admin accepts it; until then it does not count." if waits else "The rule counts.", "success"
    )
    return see_other(url_for(".rule", rule_id=rule_id))


def _save(draft: RuleDraft, rule: PartnerRule | None, seen: int | None) -> PartnerRuleVersion:
    values: dict[str, Any] = {
        "organisation_id": g.organisation.id, "draft": draft, "actor": actor(), "now": utc_now(),
    }  # fmt: skip
    if rule is None:
        return commission_rules.create_rule(**values)
    return commission_rules.revise_rule(
        rule_id=rule.id, expected_version=seen or rule.current_version, **values
    )


def _fill(form: RuleForm, rule: PartnerRule | None) -> None:
    first, last = rehearsing.last_months(today())
    form.since.data, form.until.data, form.valid_from.data = first.text, last.text, today()
    form.priority.data = 100
    version = commission_rules.current(rule) if rule else None
    if rule is not None:
        form.version.data = str(rule.current_version)
    if version is not None:
        form.fill(version)
