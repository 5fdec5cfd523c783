"""How e-mails are shown: one in words, the filter of the log, the section on a payout's page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import request, url_for
from wtforms import Form, SelectField, StringField
from wtforms.validators import Length, Optional

from webapp.notices import queries
from webapp.notices.models import Email
from webapp.notices.queries import NOTICES, EmailFilter, EmailState
from webapp.payouts import panels
from webapp.payouts.models import Payout
from webapp.web.fields import options


class FilterForm(Form):
    """The filter of the log, read from the address."""

    q = StringField("Recipient or subject", validators=[Optional(), Length(max=120)])
    notice = SelectField("About", choices=options(NOTICES.items(), "Everything"), validators=[Optional()])
    payout = StringField("Payout", validators=[Optional(), Length(max=40)])
    state = SelectField(
        "State", choices=options(EmailState.choices(), "Every state"), validators=[Optional()]
    )

    def chosen(self) -> EmailFilter:
        """The filter; a value that is not on offer narrows nothing."""
        return EmailFilter(
            text=self.q.data or "",
            state=self.state.data if self.state.data in list(EmailState) else "",
            notice=self.notice.data if self.notice.data in NOTICES else "",
            payout=self.payout.data or "",
        )


@dataclass(frozen=True)
class Shown:
    """A mail in a list."""

    email: Email
    state: EmailState
    about: str
    href: str
    html_href: str


def shown(email: Email, endpoint: str = "admin.notices.show") -> Shown:
    """A mail with its state in words and the address of its page."""
    return Shown(
        email=email,
        state=EmailState(email.state),
        about=NOTICES.get(email.notice, email.notice.replace("_", " ").capitalize()),
        href=url_for(endpoint, email_id=email.id),
        html_href=url_for(endpoint.replace(".show", ".html"), email_id=email.id),
    )


def filter_values(values: Mapping[str, str]) -> dict[str, Any]:
    """The filter in an address or a form, without the rest of it."""
    return {name: values[name] for name in ("q", "notice", "payout", "state") if values.get(name)}


def chips(form: FilterForm, endpoint: str) -> list[dict[str, str]]:
    """The filters in use, each with the address of the list without it."""
    values = filter_values(request.args)
    chosen = form.chosen()
    labels = {
        "q": f"Contains “{chosen.text}”" if chosen.text else "",
        "notice": NOTICES.get(chosen.notice, ""),
        "payout": f"About {chosen.payout}" if chosen.payout else "",
        "state": EmailState(chosen.state).label if chosen.state else "",
    }

    def without(name: str) -> str:
        kept: dict[str, Any] = {k: v for k, v in values.items() if k != name}
        return url_for(endpoint, **kept)

    return [
        {
            "label": label,
            "remove_href": without(name),
        }
        for name, label in labels.items()
        if label
    ]


def panel(payout: Payout, now: datetime) -> Mapping[str, Any] | None:
    """The section “E-mails” of a payout's page, for admins; None while there is none."""
    mails = queries.emails_about(payout.id)
    return {"emails": [shown(email) for email in mails]} if mails else None


panels.register_panel("emails", panel, "notices/_panel.html")
