"""What the pages of bank files have in common: the check of a new file, one file, and the actions on it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from webapp.bankfiles import making, queries, service
from webapp.bankfiles.forms import (
    ActForm,
    ApproveForm,
    CancelDownloadedForm,
    CancelForm,
    SentForm,
    SettleForm,
)
from webapp.bankfiles.models import BankFile
from webapp.bankfiles.states import FileAction, FileState, Format, can
from webapp.bankfiles.writing import Unwritable
from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, Invalid
from webapp.people.forms import attach
from webapp.people.views.fresh import needs_fresh_sign_in
from webapp.people.views.session import actor, may_change, require_change
from webapp.web import filters
from webapp.web.htmx import see_other

# The check page shows so many lines; the rest is counted and stands on the file's own page.
SHOWN = 200


@dataclass(frozen=True)
class Action:
    """One thing that a person can do with a file."""

    label: str
    act: str
    step: FileAction
    form: type[ActForm]
    call: Callable[..., service.Done]
    tone: str = "primary"
    busy: str = "Saving…"
    hint: str = ""


ACTIONS = {
    "approve": Action(
        "Approve", "Approve {amount}", FileAction.APPROVE, ApproveForm, service.approve, busy="Approving…",
        hint="Nothing is paid by this: the file can be downloaded then. Compare it with the payouts that are due.",
    ),
    "sent": Action(
        "Mark as uploaded", "Mark {amount} as uploaded", FileAction.SEND, SentForm, service.mark_sent,
        hint="Its payouts count as sent from now on, and can be in no other file.",
    ),
    "cancel": Action(
        "Cancel the file", "Cancel the file", FileAction.CANCEL, CancelForm, service.cancel, tone="danger",
        hint="Its payouts wait for another file.",
    ),
    "settled": Action(
        "The bank has debited it", "Mark the rest as paid", FileAction.ANSWER, SettleForm, service.settle,
        hint="For banks that answer only what they refuse. Every payment without an answer becomes paid.",
    ),
}  # fmt: skip


def hash_of(data: bytes) -> str:
    """SHA-256, hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def check_page(file_format: str, kept: list[str], conflict: str = "") -> ResponseReturnValue:
    """What would go into a file of a format; 409 with what went wrong, where something did."""
    now, problem, draft = utc_now(), "", None
    if file_format in kept:
        try:
            draft = making.draft(organisation=g.organisation, file_format=file_format, now=now)
        except (Conflict, Invalid, Unwritable) as error:
            problem = str(error)
    page = render_template(
        "bankfiles/new.html",
        formats=[Format(code) for code in kept],
        chosen=Format(file_format) if file_format else None,
        is_kept=file_format in kept,
        draft=draft,
        lines=draft.lines[:SHOWN] if draft else (),
        problem=problem,
        conflict=conflict,
        seen=making.seal_seen(draft, now, current_user.id) if draft and draft.lines else "",
        now=now,
    )
    return page, 409 if conflict else 200


def figures(file: BankFile) -> list[tuple[str, Any]]:
    """What two people compare, and what the bank's own page shows."""
    rows = [
        ("Payments", filters.number(file.item_count)),
        ("Total", filters.money(file.total)),
        ("From account", file.debit_masked or "As agreed with the bank"),
        ("To be paid on", filters.day(file.execute_on)),
        ("Format", file.variant),
        *file.controls.items(),
        ("Size", f"{filters.number(file.size_bytes)} bytes"),
    ]
    return rows


def file_context(file: BankFile) -> dict[str, Any]:
    """What the page of a file says besides its list."""
    state = FileState(file.state)
    return {
        "file": file,
        "state": state,
        "format": Format(file.format),
        "total": file.total,
        "figures": figures(file),
        "reasons": service.why_not_approve(file, current_user.id) if state is FileState.MADE else [],
        "can": {action.value: can(file.state, action) for action in FileAction},
        "may_change": may_change(),
        "history": _history(file),
    }


def _history(file: BankFile) -> list[dict[str, Any]]:
    steps: list[tuple[datetime | None, str, str, str, str]] = [
        (file.made_at, "Made", file.made_by_label, "todo", ""),
        (file.approved_at, "Approved", file.approved_by_label, "ok", "Alone, as a one-person company." if
         file.is_single_operator and file.approved_by_id == file.made_by_id else ""),
        (file.first_downloaded_at, "First downloaded", "", "progress", f"Downloads: {file.downloads}"),
        (file.cancel_asked_at, "Said not to be uploaded", file.cancel_asked_by_label, "waiting", file.cancel_reason),
        (file.sent_at, "Uploaded at the bank", file.sent_by_label, "progress", file.bank_reference),
        (file.cancelled_at, "Cancelled", file.cancelled_by_label, "cancelled", file.cancel_reason),
        (file.closed_at, "Closed", "", "done", ""),
    ]  # fmt: skip
    return sorted(
        (
            {"at": at, "title": title, "who": who or None, "tone": tone, "text": text or None}
            for at, title, who, tone, text in steps
            if at is not None
        ),
        key=lambda event: event["at"],
    )


def action_view(slug: str) -> Callable[..., ResponseReturnValue]:
    """The view of an action: GET shows the check page, POST does it."""

    @needs_fresh_sign_in
    def view(reference: str) -> ResponseReturnValue:
        require_change()
        return _act(slug, reference)

    view.__name__ = slug
    view.__doc__ = ACTIONS[slug].label
    return view


def _form(action: Action, file: BankFile) -> ActForm:
    if action.form is CancelForm and file.first_downloaded_at is not None:
        return CancelDownloadedForm()
    return action.form()


def _act(slug: str, reference: str) -> ResponseReturnValue:
    action, file = ACTIONS[slug], queries.get_file(g.organisation.id, reference)
    form = _form(action, file)
    if request.method != "POST":
        return _action_page(slug, file, form, 200)
    if not form.validate():
        return _action_page(slug, file, form, 422)
    try:
        with transaction():
            done = action.call(
                organisation_id=g.organisation.id, reference=reference, actor=actor(), now=utc_now(),
                expected_version=form.seen_version, **form.arguments(),
            )  # fmt: skip
            words, tone = done.message, "info" if done.is_repeat else "success"
    except Invalid as error:
        attach(form, error)
        return _action_page(slug, queries.get_file(g.organisation.id, reference), form, 422)
    except Conflict as error:
        return _action_page(slug, queries.get_file(g.organisation.id, reference), form, 409, error.message)
    flash(words, tone)
    return see_other(url_for("admin.bankfiles.show", reference=reference))


def _why_not(slug: str, file: BankFile) -> list[str]:
    """Why it would be refused now; shown instead of the button."""
    action = ACTIONS[slug]
    if not can(file.state, action.step):
        state = FileState(file.state)
        return [f"{file.reference} is {state.label.lower()}. {state.sentence}"]
    if slug == "approve":
        now = utc_now()
        return service.why_not_approve(file, current_user.id) + service.why_it_may_not_leave(file, now)
    return []


def _action_page(
    slug: str, file: BankFile, form: ActForm, code: int, conflict: str = ""
) -> ResponseReturnValue:
    action = ACTIONS[slug]
    fields = {"version": str(file.version)}
    if slug == "approve":
        fields["sha256"] = file.sha256
    page = render_template(
        "bankfiles/action.html",
        action=action,
        slug=slug,
        file=file,
        form=form,
        fields=fields,
        act=action.act.format(amount=filters.money(file.total)),
        figures=figures(file),
        reasons=_why_not(slug, file) if not form.errors else [],
        conflict=conflict,
        items=_first_items(file) if slug == "approve" else [],
        is_second_word=slug == "cancel" and file.cancel_asked_at is not None,
        in_dialog=request.headers.get("HX-Target") in ("dialog", "drawer"),
        act_href=url_for(f"admin.bankfiles.{slug}", reference=file.reference),
        show_href=url_for("admin.bankfiles.show", reference=file.reference),
    )
    return page, code


def _first_items(file: BankFile) -> list[Any]:
    return list(db.session.scalars(queries.items(file).limit(SHOWN)))
