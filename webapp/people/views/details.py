"""What the pages about a payee's payment details have in common: the facts, and the account in full for 30 seconds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from flask import Response, render_template
from flask.typing import ResponseReturnValue
from flask_login import current_user

from webapp.database import transaction
from webapp.kernel.errors import Invalid
from webapp.people import methods, queries
from webapp.people.changes import queries as changes
from webapp.people.changes import rules
from webapp.people.changes.forms import ReleaseForm, RevealForm
from webapp.people.forms import attach
from webapp.people.models import Payee, PayoutMethod
from webapp.people.throttle import limiter
from webapp.web.htmx import is_fragment

REVEALS_PER_HOUR = 10
# How long an account stays on the screen.
SECONDS = 30


def _person() -> str:
    return f"reveal:{current_user.id}"


def _was_shown(response: Response) -> bool:
    return response.status_code == 200


# One count per person over every page that shows an account.
limited = limiter.shared_limit(
    f"{REVEALS_PER_HOUR} per hour", scope="reveal", key_func=_person, deduct_when=_was_shown
)


def facts(payee: Payee, now: datetime) -> dict[str, Any]:
    """Present details, earlier ones, what is asked for, and what waits until when."""
    history = queries.method_history(payee.organisation_id, payee.id)
    current = next((method for method in history if method.is_current), None)
    is_cooling = current is not None and current.cool_off_until is not None and current.cool_off_until > now
    return {
        "payee": payee,
        "history": history,
        "current": current,
        "pending": changes.pending_for(payee.id),
        "is_cooling": is_cooling,
        "now": now,
    }


def release_facts(method: PayoutMethod, now: datetime, form: ReleaseForm | None = None) -> dict[str, Any]:
    """Who has agreed to end a cool-off early, and why the signed-in admin cannot."""
    given = changes.releases_of(method.id)
    is_given = any(release.user_id == current_user.id for release in given)
    reasons = rules.why_not_decide(changes.release_facts(method, current_user.id, now))
    return {
        "given": given,
        "is_given": is_given,
        "reasons": reasons,
        "needed": 1 if methods.single_operator_hours(method.organisation_id) is not None else 2,
        "form": form or ReleaseForm(formdata=None, data={"method_id": str(method.id)}),
    }


def reveal(
    read: Callable[[str], Sequence[tuple[str, str]]], *, box: str, heading: str, action: str, back_href: str
) -> ResponseReturnValue:
    """Ask why the account is needed, then show what `read` answers to the reason; 422 without a good one."""
    form = RevealForm()
    if form.validate():
        try:
            with transaction():
                values = read(form.reason.data or "")
        except Invalid as error:
            attach(form, error)
        else:
            return shown(values, box=box, hide_href=back_href, heading=heading)
    template = "people/details/_ask.html" if is_fragment() else "people/details/ask.html"
    page = render_template(
        template, form=form, box=box, action=action, back_href=back_href, heading=heading, has_errors=True
    )
    return page, 422


def shown(
    values: Sequence[tuple[str, str]], *, box: str, hide_href: str, heading: str
) -> ResponseReturnValue:
    """The clear values: in their place for htmx, else on a page that leads back by itself."""
    template = "people/details/_revealed.html" if is_fragment() else "people/details/revealed.html"
    return render_template(
        template, values=values, box=box, hide_href=hide_href, heading=heading, seconds=SECONDS
    )
