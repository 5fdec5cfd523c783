"""The inbox of providers' messages: what came, what became of it, and looking again."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from wtforms import Form, SelectField, StringField
from wtforms.validators import DataRequired, Length, Optional

from webapp.connections.rules import PROVIDERS
from webapp.database import transaction
from webapp.inbox import queries, service
from webapp.inbox.models import MessageState, WebhookMessage
from webapp.inbox.queries import MessageFilter
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, Invalid
from webapp.people.forms import attach
from webapp.people.views.session import actor, may_change
from webapp.web.fields import all_optional, options, strip
from webapp.web.htmx import is_fragment, see_other
from webapp.web.pagination import Page, capped_count, keyset

blueprint = Blueprint("inbox", __name__, url_prefix="/inbox")
_STATES = [("findings", "A person must look"), *MessageState.choices()]


class FilterForm(Form):
    """The filter of the list, read from the address."""

    q = StringField("Event or id begins with", filters=[strip], validators=[Optional(), Length(max=120)])
    state = SelectField("State", choices=options(_STATES, "Every state"), validators=[Optional()])
    provider = SelectField(
        "From",
        choices=options([(p.name, p.label) for p in PROVIDERS.values() if p.webhook_hint], "Everybody"),
        validators=[Optional()],
    )

    def chosen(self) -> MessageFilter:
        """The filter; a value that is not on offer narrows nothing."""
        state, provider = self.state.data or "", self.provider.data or ""
        return MessageFilter(
            state=state if state in dict(_STATES) else "",
            provider=provider if provider in PROVIDERS else "",
            text=(self.q.data or "")[:120],
        )


class ReplayForm(FlaskForm):
    """Why a message is looked at again."""

    note = StringField(
        "Why is it looked at again?",
        filters=[strip],
        validators=[
            DataRequired("Write a reason, such as “The keys were wrong and are right now.”"),
            Length(max=500, message="Write at most 500 characters."),
        ],
    )


def _shown(message: WebhookMessage) -> dict[str, Any]:
    return {
        "message": message,
        "state": MessageState(message.state),
        "provider": PROVIDERS[message.provider].label,
    }


def _chips(chosen: MessageFilter) -> list[dict[str, str]]:
    """The filters in use, each with the address of the list without it."""
    values: dict[str, Any] = {"q": chosen.text, "state": chosen.state, "provider": chosen.provider}
    labels = {
        "q": f"Begins with “{chosen.text}”",
        "state": dict(_STATES).get(chosen.state, ""),
        "provider": PROVIDERS[chosen.provider].label if chosen.provider else "",
    }
    return [
        {
            "label": labels[name],
            "remove_href": url_for(".index", **{k: v for k, v in values.items() if v and k != name}),
        }
        for name, value in values.items()
        if value
    ]


@blueprint.get("")
def index() -> ResponseReturnValue:
    """Every message, newest first, with its state."""
    form = FilterForm(request.args)
    form.validate()
    all_optional(form)
    chosen = form.chosen()
    query = queries.messages(g.organisation.id, chosen)
    found, count = keyset(query, WebhookMessage.id), capped_count(query, WebhookMessage.id)
    words = "1 message" if count == "1" else f"{count} messages"
    return render_template(
        "inbox/_results.html" if is_fragment() else "inbox/index.html",
        form=form,
        chips=_chips(chosen),
        page=Page([_shown(m) for m in found.items], found.previous_href, found.next_href, words),
    )


@blueprint.get("/<int:message_id>")
def show(message_id: int) -> ResponseReturnValue:
    """One message: what it says, masked, what it is about, what became of it."""
    return _page(message_id, ReplayForm(formdata=None), 200)


def _page(message_id: int, form: ReplayForm, code: int, conflict: str | None = None) -> ResponseReturnValue:
    message = queries.get_message(g.organisation.id, message_id)
    page = render_template(
        "inbox/show.html",
        **_shown(message),
        body=queries.body_of(message),
        form=form,
        may_change=may_change(),
        conflict=conflict,
        has_errors=code >= 400,
    )
    return page, code


@blueprint.post("/<int:message_id>/replay")
def replay(message_id: int) -> ResponseReturnValue:
    """Look at a message again; 422 without a reason, 409 while it waits already."""
    form = ReplayForm()
    if not form.validate():
        return _page(message_id, form, 422)
    try:
        with transaction():
            service.replay(
                organisation_id=g.organisation.id,
                message_id=message_id,
                note=form.note.data or "",
                actor=actor(),
                now=utc_now(),
            )
    except Invalid as error:
        attach(form, error)
        return _page(message_id, form, 422)
    except Conflict as error:
        return _page(message_id, form, 409, error.message)
    flash("A worker asks the provider now. What becomes of it shows here in seconds.", "success")
    return see_other(url_for(".show", message_id=message_id))
