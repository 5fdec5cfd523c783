"""Programs: the list, one program, entering and changing it. Another model says first how many deals it changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, Invalid
from webapp.kernel.money import Money
from webapp.payouts.views.program_pages import form_of
from webapp.people.forms import attach
from webapp.people.views.fresh import needs_fresh_sign_in
from webapp.people.views.session import actor, may_change, require_change
from webapp.programs.partners import partners, reattributing, record_lists, rules
from webapp.programs.partners.drafts import ProgramDraft
from webapp.programs.partners.models import PartnerProgram
from webapp.programs.partners.record_forms import ProgramForm
from webapp.programs.partners.states import Model, PeriodKind, TouchType
from webapp.programs.partners.views.area import AREA
from webapp.web import filters
from webapp.web.htmx import see_other


def _row(program: PartnerProgram, counts: dict[int, dict[str, int]]) -> dict[str, Any]:
    return {
        "program": program,
        "model": Model(program.model),
        "period": PeriodKind(program.period),
        "deals": counts[program.id],
        "minimums": [Money(int(minor), code) for code, minor in sorted(program.minimums.items())],
    }


def index() -> ResponseReturnValue:
    """Every program, with how its deals stand."""
    here = g.organisation.id
    counts = record_lists.count_deals(here)
    return render_template(
        "partners/programs.html",
        area=AREA,
        tab="programs",
        rows=[_row(program, counts) for program in record_lists.programs(here)],
        may_change=may_change(),
        now=utc_now(),
    )


def show(reference: str) -> ResponseReturnValue:
    """One program: who earns what by which model, when it is paid, and how its deals stand."""
    here = g.organisation.id
    program = record_lists.find_program(here, reference)
    weights = program.role_weights or rules.ROLE_WEIGHTS
    return render_template(
        "partners/program.html",
        area=AREA,
        tab="programs",
        row=_row(program, record_lists.count_deals(here)),
        weights=[(kind.label, weights.get(str(kind), 0)) for kind in TouchType],
        has_own_weights=bool(program.role_weights),
        run=reattributing.run_at_work(here, program.id),
        may_change=may_change(),
    )


@needs_fresh_sign_in
def create() -> ResponseReturnValue:
    """A new program."""
    require_change()
    form: ProgramForm = form_of(ProgramForm)

    def save(draft: ProgramDraft) -> str:
        made = partners.create_program(
            organisation_id=g.organisation.id, draft=draft, actor=actor(), now=utc_now()
        )
        flash(f"{made.reference} is added. Enter its deals next.", "success")
        return made.reference

    return _edit(form, None, save)


@needs_fresh_sign_in
def edit(reference: str) -> ResponseReturnValue:
    """Change a program; shares of open deals follow its model and its weights."""
    require_change()
    here = g.organisation.id
    program = record_lists.find_program(here, reference)
    form: ProgramForm = form_of(ProgramForm)
    del form.external_ref

    def save(draft: ProgramDraft) -> str:
        row = partners.change_program(
            organisation_id=here, reference=reference, draft=draft, expected_version=form.seen_version,
            actor=actor(), now=utc_now(),
        )  # fmt: skip
        run = reattributing.run_at_work(here, row.id)
        told = f" {run.reference} works out the shares of its open deals anew." if run else ""
        flash(f"The changes are saved.{told}", "success")
        return reference

    return _edit(form, program, save)


def _edit(
    form: ProgramForm, program: PartnerProgram | None, save: Callable[[ProgramDraft], str]
) -> ResponseReturnValue:
    """GET and POST of the form; 422 and 409 keep what was typed."""

    def page(code: int, *, asks: str = "", conflict: str = "") -> ResponseReturnValue:
        return (
            render_template(
                "partners/program_form.html",
                area=AREA,
                form=form,
                program=program,
                asks=asks,
                conflict=conflict,
                has_errors=code == 422,
            ),
            code,
        )

    if request.method == "GET":
        form.fill(program)
        return page(200)
    if not form.validate():
        return page(422)
    try:
        draft = form.draft()
        draft.check()
        if asks := _what_changes(form, program, draft):
            return page(200, asks=asks)
        with transaction():
            reference = save(draft)
    except Invalid as error:
        attach(form, error)
        return page(422)
    except Conflict as error:
        if program is not None:
            form.version.data = str(record_lists.find_program(g.organisation.id, program.reference).version)
        return page(409, conflict=error.message)
    return see_other(url_for(".program", reference=reference))


def _what_changes(form: ProgramForm, program: PartnerProgram | None, draft: ProgramDraft) -> str:
    """What another model does to deals that are there; empty where nothing is, or where it was told before."""
    if program is None:
        return ""
    before = (program.model, dict(program.role_weights))
    after = (draft.model, dict(draft.role_weights))
    if before == after:
        return ""
    count = reattributing.count_open(program.organisation_id, program.id)
    if not count or form.has_seen([program.id, after]):
        return ""
    deals = "1 open deal" if count == 1 else f"{filters.number(count)} open deals"
    return f"Saving this works out the shares of {deals} anew. Deals that were won stay as they are recorded."
