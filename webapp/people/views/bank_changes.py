"""Changes of payment details that wait for a second person: the queue, one change side by side, yes and no."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from flask import Blueprint, flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from flask_wtf import FlaskForm

from webapp.audit.views import files
from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, Invalid
from webapp.people import methods
from webapp.people.changes import checks, service
from webapp.people.changes import queries as changes
from webapp.people.changes import reveal as showing
from webapp.people.changes.forms import ChangeFilterForm, RefuseForm, RevealForm, VerifyForm
from webapp.people.changes.models import MethodChange
from webapp.people.changes.rules import ChangeState, Source, why_not_decide
from webapp.people.forms import attach
from webapp.people.models import MethodKind, Role
from webapp.people.views import details
from webapp.people.views.fresh import needs_fresh_sign_in
from webapp.people.views.session import actor, may_change
from webapp.web.htmx import is_fragment, see_other
from webapp.web.pagination import Page, capped_count, keyset

blueprint = Blueprint("bank_changes", __name__, url_prefix="/bank-changes")


@blueprint.get("")
def index() -> ResponseReturnValue:
    """What waits for a second person, the oldest first; or what was decided, the newest first."""
    form = ChangeFilterForm(request.args)
    state = _state(form)
    form.state.data = state or "all"
    query = changes.changes(g.organisation.id, state=state)
    rows = keyset(query, MethodChange.id, newest_first=state != ChangeState.PENDING.value)
    count = capped_count(query, MethodChange.id)
    page = Page(
        rows.items, rows.previous_href, rows.next_href, f"{count} change{'' if count == '1' else 's'}"
    )
    return render_template(
        "bank_changes/_results.html" if is_fragment() else "bank_changes/index.html",
        form=form,
        page=page,
        state=state,
        csv_href=url_for(".export", state=state or "all"),
        ChangeState=ChangeState,
        Source=Source,
    )


def _state(form: ChangeFilterForm) -> str:
    """The state that is looked at: those that wait, unless the address says another, or all ("")."""
    if not request.args.get("state"):
        return ChangeState.PENDING.value
    return form.state.data if form.state.data in list(ChangeState) else ""


EXPORT_HEADERS = (
    "Reference", "Payee", "Payee reference", "On file", "Asked for", "Name on the account", "Same account elsewhere",
    "Name", "Asked by", "Asked at", "From", "Status", "Decided by", "Decided at", "Note",
)  # fmt: skip


@blueprint.get("/export.csv")
def export() -> ResponseReturnValue:
    """The changes of exactly this filter as a file; accounts stay masked."""
    query = changes.changes(g.organisation.id, state=_state(ChangeFilterForm(request.args)))
    rows = (_cells(row[0]) for row in files.in_batches(query, MethodChange.id, lambda row: row[0].id))
    return files.list_file(
        "people:method_changes:exported", "method_change", "bank-changes", EXPORT_HEADERS, rows
    )


def _cells(change: MethodChange) -> tuple[object, ...]:
    name = change.findings.get("name")
    return (
        change.reference, change.payee.name, change.payee.reference,
        change.old_method.masked if change.old_method else None, change.masked, change.name_at_bank,
        bool(change.findings.get("same_account")), name["verdict"] if name else None, change.requested_by_label,
        change.requested_at, Source(change.source).label, ChangeState(change.state).label, change.decided_by_label,
        change.decided_at, change.note,
    )  # fmt: skip


@blueprint.get("/<reference>")
def show(reference: str) -> ResponseReturnValue:
    """Old and new side by side, what was found, who asked from where, and what this person can do."""
    return _page(changes.get_change(g.organisation.id, reference), VerifyForm(), RefuseForm(), 200)


def _page(
    change: MethodChange,
    verify_form: FlaskForm,
    refuse_form: FlaskForm,
    code: int,
    conflict: str | None = None,
) -> ResponseReturnValue:
    now = utc_now()
    is_pending = change.state == ChangeState.PENDING.value
    since = change.requested_at - timedelta(days=changes.CONTACT_DAYS)
    page = render_template(
        "bank_changes/show.html",
        change=change,
        payee=change.payee,
        state=ChangeState(change.state),
        source=Source(change.source),
        rows=_side_by_side(change),
        findings=changes.present_findings(change),
        bank_words=checks.bank_words(change),
        name_questions=checks.name_questions(change) if is_pending and may_change() else [],
        event=changes.asked_event(change),
        contact_changes=changes.contact_changes(change.organisation_id, change.payee_id, since),
        reasons=why_not_decide(changes.verifier_facts(change, current_user.id, now)) if is_pending else [],
        cool_off_hours=methods.cool_off_hours(change.organisation_id),
        can_withdraw=current_user.id in (change.requested_by_id, change.payee.user_id),
        verify_form=verify_form,
        refuse_form=refuse_form,
        reveal_form=RevealForm(formdata=None),
        conflict=conflict,
        may_change=may_change(),
        has_errors=code == 422,
        Role=Role,
        now=now,
    )
    return page, code


def _side_by_side(change: MethodChange) -> list[tuple[str, str, str, bool]]:
    """(term, on file, asked for, whether they differ)."""
    old = change.old_method

    def kind(of: Any) -> str:
        return f"{MethodKind(of.kind).label}{f' ({of.scheme.upper()})' if of.scheme else ''}"

    rows = [
        ("Way", kind(old) if old else "–", kind(change)),
        ("Account", (old.masked if old else "") or "–", change.masked),
        ("Name on the account", (old.name_at_bank if old else "") or "–", change.name_at_bank or "–"),
        ("Bank", (old.bank_name if old else "") or "–", change.bank_name or "–"),
    ]
    is_other = old is None or old.blind_index != change.blind_index
    return [(term, a, b, a != b or (term == "Account" and is_other)) for term, a, b in rows]


def _decide(
    reference: str, form: FlaskForm, call: Callable[..., service.Decision], field: str
) -> ResponseReturnValue:
    """One decision: 422 and 409 keep what was written."""
    change = changes.get_change(g.organisation.id, reference)
    is_yes = field == "note"
    forms = (form if is_yes else VerifyForm(formdata=None), RefuseForm(formdata=None) if is_yes else form)
    if not form.validate():
        return _page(change, *forms, code=422)
    try:
        with transaction():
            done = call(
                organisation_id=g.organisation.id,
                reference=reference,
                actor=actor(),
                now=utc_now(),
                **{field: form[field].data or ""},
            )
            words, tone = done.message, "info" if done.is_repeat else "success"
    except Invalid as error:
        attach(form, error)
        return _page(changes.get_change(g.organisation.id, reference), *forms, code=422)
    except Conflict as error:
        fresh = changes.get_change(g.organisation.id, reference)
        return _page(fresh, *forms, code=409, conflict=error.message)
    flash(words, tone)
    return see_other(url_for(".show", reference=reference))


@blueprint.post("/<reference>/verify")
@needs_fresh_sign_in
def verify(reference: str) -> ResponseReturnValue:
    """The second person's yes, with the record of the call."""
    return _decide(reference, VerifyForm(), service.verify, "note")


@blueprint.post("/<reference>/refuse")
@needs_fresh_sign_in
def refuse(reference: str) -> ResponseReturnValue:
    """No; the details on file stay."""
    return _decide(reference, RefuseForm(), service.refuse, "reason")


@blueprint.post("/<reference>/withdraw")
@needs_fresh_sign_in
def withdraw(reference: str) -> ResponseReturnValue:
    """Take one's own ask back."""
    with transaction():
        done = service.withdraw(
            organisation_id=g.organisation.id, reference=reference, actor=actor(), now=utc_now()
        )
        words, tone = done.message, "info" if done.is_repeat else "success"
    flash(words, tone)
    return see_other(url_for(".show", reference=reference))


@blueprint.post("/<reference>/reveal")
@details.limited
@needs_fresh_sign_in
def reveal(reference: str) -> ResponseReturnValue:
    """The account that is asked for, in full for half a minute, so that it can be read out and compared."""
    change = changes.get_change(g.organisation.id, reference)
    if change.kind == MethodKind.MANUAL:
        raise Conflict("There is no account to show.")
    return details.reveal(
        lambda reason: showing.reveal_change(change=change, reason=reason, actor=actor(), now=utc_now()),
        box="reveal-change",
        heading=f"The account of {change.reference} in full",
        action=url_for(".reveal", reference=reference),
        back_href=url_for(".show", reference=reference),
    )
