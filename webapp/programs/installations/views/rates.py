"""Rate configurations: list with the picture of the bands, versions, the check step, rehearsal."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, Invalid, StaleVersion
from webapp.people.forms import attach
from webapp.people.views.session import actor, may_change, require_change
from webapp.programs.installations import queries, rate_service
from webapp.programs.installations.bands import analyse
from webapp.programs.installations.models import RateConfiguration, RateVersion
from webapp.programs.installations.pricing import load_terms, to_rule
from webapp.programs.installations.rate_forms import EndForm, RateForm, RehearseForm
from webapp.programs.installations.rehearsal import Rehearsal
from webapp.programs.installations.rehearsal import rehearse as replay
from webapp.programs.installations.rules import governing
from webapp.programs.installations.terms import Rule, say_range, say_rate
from webapp.programs.installations.views import common, rate_pictures
from webapp.web.htmx import see_other

blueprint = Blueprint("rates", __name__, url_prefix="/rates")


def _row(version: RateVersion, range_mode: str, labels: dict[str, str]) -> dict[str, Any]:
    """What a table shows of a version."""
    rule = to_rule(version)
    return {
        "version": version,
        "type": labels.get(version.installation_type or "", version.installation_type) or "Any type",
        "range": say_range(rule, range_mode),
        "rate": _say(rule),
        "state": _state(version),
    }


def _say(rule: Rule) -> str:
    """ "50.00 USD per kW"."""
    if rule.rate_type == "percentage":
        return f"{say_rate(rule)} % of the order value"
    unit = f" per {rule.capacity_unit}" if rule.rate_type == "per_unit" else " flat"
    return f"{say_rate(rule)} {rule.currency}{unit}"


def _state(version: RateVersion) -> tuple[str, str]:
    """Tone and word of a version."""
    today = common.today()
    if not version.is_active:
        return "cancelled", "Switched off"
    if version.effective_to is not None and version.effective_to < today:
        return "cancelled", "Ended"
    if version.effective_from is not None and version.effective_from > today:
        return "waiting", "Begins later"
    return "ok", "In force"


@blueprint.get("")
def index() -> ResponseReturnValue:
    """Every configuration in its newest version, what the set leaves open, the bands as pictures."""
    terms = load_terms(g.organisation.id)
    counting = [r for r in governing(terms.rules, common.today()) if _counts_today(r)]
    types = queries.types_in_use(g.organisation.id)
    versions = rate_service.list_rates(g.organisation.id)
    labels = common.type_labels()
    used = {version.installation_type for version in versions if version.installation_type}
    return render_template(
        "rates/index.html",
        rows=[_row(version, terms.range_mode, labels) for version in versions],
        findings=analyse(counting, types=used or types, range_mode=terms.range_mode),
        figures=rate_pictures.bands(counting, labels, terms.range_mode),
        is_progressive=terms.is_progressive,
        range_mode=terms.range_mode,
        may_change=may_change(),
    )


def _counts_today(rule: Rule) -> bool:
    today = common.today()
    return (
        rule.is_active
        and (rule.effective_from is None or rule.effective_from <= today)
        and (rule.effective_to is None or rule.effective_to >= today)
    )


@blueprint.get("/<int:configuration_id>")
def show(configuration_id: int) -> ResponseReturnValue:
    """One configuration with all its versions."""
    return _show(configuration_id, EndForm(formdata=None), 200)


def _show(configuration_id: int, end_form: EndForm, code: int) -> ResponseReturnValue:
    configuration = rate_service.get_configuration(g.organisation.id, configuration_id)
    terms = load_terms(g.organisation.id)
    version, labels = rate_service.current(configuration), common.type_labels()
    return (
        render_template(
            "rates/show.html",
            configuration=configuration,
            current=_row(version, terms.range_mode, labels),
            rows=[_row(each, terms.range_mode, labels) for each in configuration.versions],
            figure=rate_pictures.history(configuration.versions, common.today()),
            end_form=end_form,
            may_change=may_change(),
            has_errors=code == 422,
        ),
        code,
    )


def _form(existing: RateVersion | None = None) -> RateForm:
    organisation = g.organisation
    return RateForm(
        types=common.type_choices((existing.installation_type if existing else None) or ""),
        currency=existing.currency if existing else organisation.currency,
        locale=organisation.locale,
    )


def _effect(form: RateForm, configuration_id: int, months: int = 1) -> Rehearsal:
    draft = form.draft()
    terms = load_terms(g.organisation.id)
    versions = [r.version for r in terms.rules if r.configuration_id == configuration_id]
    rule = rate_service.draft_rule(draft, configuration_id, max(versions, default=0) + 1)
    return replay(
        g.organisation.id, rule, terms, currency=draft.currency, months=months, today=common.today()
    )


def _page(
    form: RateForm,
    configuration: RateConfiguration | None,
    code: int,
    *,
    is_check: bool = False,
    conflict: str = "",
) -> ResponseReturnValue:
    """The form; as check step with the warnings and the effect on last month before anything is saved."""
    ident = configuration.id if configuration else rate_service.NEW_CONFIGURATION
    check: dict[str, Any] = {}
    if is_check:
        draft = form.draft()
        check = {
            "findings": rate_service.warnings(
                g.organisation.id, draft, today=common.today(), configuration_id=ident
            ),
            "effect": _effect(form, ident),
            "rate": _say(rate_service.draft_rule(draft, ident)),
        }
    return (
        render_template(
            "rates/check.html" if is_check else "rates/form.html",
            form=form,
            configuration=configuration,
            conflict=conflict,
            has_errors=code == 422,
            **check,
        ),
        code,
    )


def _step(form: RateForm, configuration: RateConfiguration | None) -> ResponseReturnValue | None:
    """Form → check step → save; None when it is time to save."""
    if request.method == "GET":
        return _page(form, configuration, 200)
    if form.validate():
        try:
            form.draft().check(types=set(queries.types_in_use(g.organisation.id)))
        except Invalid as error:
            attach(form, error)
    if form.errors:
        return _page(form, configuration, 422)
    if request.form.get("step") == "back":
        return _page(form, configuration, 200)
    return None if request.form.get("step") == "save" else _page(form, configuration, 200, is_check=True)


@blueprint.route("/new", methods=["GET", "POST"])
def create() -> ResponseReturnValue:
    """Add a configuration: form, check step, saved."""
    require_change()
    form = _form()
    if (answer := _step(form, None)) is not None:
        return answer
    with transaction():
        ident = rate_service.create_rate(
            organisation_id=g.organisation.id, draft=form.draft(), actor=actor(), now=utc_now()
        ).id
    flash(f"{form.name.data} is saved. What waited for a rate is priced from now on.", "success")
    return see_other(url_for(".show", configuration_id=ident))


@blueprint.route("/<int:configuration_id>/revise", methods=["GET", "POST"])
def revise(configuration_id: int) -> ResponseReturnValue:
    """Save the next version: form, check step, saved; 409 keeps the text when somebody else was faster."""
    require_change()
    configuration = rate_service.get_configuration(g.organisation.id, configuration_id)
    version = rate_service.current(configuration)
    form = _form(version)
    if request.method == "GET":
        form.fill(version)
    if (answer := _step(form, configuration)) is not None:
        return answer
    try:
        with transaction():
            saved = rate_service.revise_rate(
                organisation_id=g.organisation.id,
                configuration_id=configuration_id,
                draft=form.draft(),
                expected_version=form.seen_version,
                actor=actor(),
                now=utc_now(),
            )
            number = saved.version
    except StaleVersion as error:
        configuration = rate_service.get_configuration(g.organisation.id, configuration_id)
        form.version.data = str(configuration.current_version)
        return _page(form, configuration, 409, conflict=error.message)
    flash(f"Version {number} is saved. Payouts that exist keep the version they used.", "success")
    return see_other(url_for(".show", configuration_id=configuration_id))


@blueprint.post("/<int:configuration_id>/end")
def end(configuration_id: int) -> ResponseReturnValue:
    """Let a rate end with a day."""
    require_change()
    form, code = EndForm(), 422
    if form.validate_on_submit() and form.last_day.data is not None:
        try:
            with transaction():
                rate_service.end_rate(
                    organisation_id=g.organisation.id,
                    configuration_id=configuration_id,
                    last_day=form.last_day.data,
                    actor=actor(),
                    now=utc_now(),
                )
        except Invalid as error:
            form.last_day.errors = [*form.last_day.errors, error.message]
        except Conflict as error:
            form.last_day.errors, code = [*form.last_day.errors, error.message], 409
        else:
            flash("The end is saved.", "success")
            return see_other(url_for(".show", configuration_id=configuration_id))
    return _show(configuration_id, form, code)


@blueprint.get("/<int:configuration_id>/rehearse")
def rehearse(configuration_id: int) -> ResponseReturnValue:
    """Replay the newest version, or the draft in the address, over past months; nothing is stored."""
    configuration = rate_service.get_configuration(g.organisation.id, configuration_id)
    version = rate_service.current(configuration)
    months_form = RehearseForm(request.args)
    is_draft = "rate" in request.args
    form = RateForm(
        request.args if is_draft else None,
        meta={"csrf": False},
        types=common.type_choices(version.installation_type or ""),
        currency=version.currency,
        locale=g.organisation.locale,
    )
    if not is_draft:
        # Without a draft: as if the newest version had always been in force.
        form.fill(version)
    is_valid = months_form.validate() and (not is_draft or form.validate())
    outcome = _effect(form, configuration_id, months_form.months.data or 1) if is_valid else None
    return (
        render_template(
            "rates/rehearse.html",
            configuration=configuration,
            version=version,
            form=form,
            months_form=months_form,
            outcome=outcome,
            figure=rate_pictures.differences(outcome) if outcome else None,
            is_draft=is_draft,
            has_errors=not is_valid,
        ),
        200 if is_valid else 422,
    )
