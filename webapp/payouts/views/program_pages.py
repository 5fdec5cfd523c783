"""What the admins' pages of every program have in common: lists with their filter, pages of one small act."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from flask import flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import Select
from wtforms import Form

from webapp.database import transaction
from webapp.kernel.clock import local_date, utc_now
from webapp.kernel.errors import Conflict, Invalid
from webapp.kernel.money import Money
from webapp.payouts.models import Payout
from webapp.payouts.views import listing
from webapp.people.forms import attach
from webapp.people.views.session import actor, may_change
from webapp.web.form_fields import ActForm
from webapp.web.htmx import is_fragment, see_other
from webapp.web.pagination import Page, capped_count, keyset

NO_PAGE: Page[Any] = Page([], None, None)


@dataclass(frozen=True)
class Area:
    """A program's part of the portal. `prefix` is that of its endpoints; tabs are (endpoint, label)."""

    prefix: str
    label: str
    tabs: tuple[tuple[str, str], ...]

    @property
    def href(self) -> str:
        """Its first page."""
        return url_for(f"{self.prefix}.{self.tabs[0][0]}")

    def links(self, tab: str) -> list[tuple[str, str, bool]]:
        """(address, label, whether it is open) of each tab."""
        return [
            (url_for(f"{self.prefix}.{endpoint}"), label, endpoint == tab) for endpoint, label in self.tabs
        ]


def today() -> date:
    """The organisation's own day."""
    return local_date(utc_now(), g.organisation.timezone)


def money(minor: int, currency: str) -> Money:
    """An amount of minor units."""
    return Money(minor, currency)


def form_of(kind: Callable[..., Any], currency: str = "", **values: Any) -> Any:
    """A form that reads amounts in `currency`, by default the organisation's."""
    here = g.organisation
    return kind(currency=currency or here.currency, locale=here.locale, **values)


def page_of(query: Select[Any], key: Any, noun: str, many: str = "", **how: Any) -> Page[Any]:
    """The page of a list that the address names, with the words of its count: "1 invoice", "10,000+ invoices"."""
    found = keyset(query, key, **how)
    count = capped_count(query, key)
    words = f"{count} {noun}" if count == "1" else f"{count} {many or noun + 's'}"
    return Page(found.items, found.previous_href, found.next_href, words)


def list_page(
    area: Area, template: str, form: Form, tab: str, *, is_valid: bool, export: str = "", **context: Any
) -> ResponseReturnValue:
    """A list with its filter: rows alone for htmx, the whole page otherwise; 422 where the filter cannot be read."""
    endpoint = f"{area.prefix}.{tab}"
    files = (
        {f"{kind}_href": listing.address(export, format=kind) for kind in ("csv", "xlsx")} if export else {}
    )
    return (
        render_template(
            template,
            area=area,
            form=form,
            endpoint=endpoint,
            tab=tab,
            chips=listing.chips(form, endpoint) if is_valid else [],
            fragment=is_fragment(),
            may_change=may_change(),
            now=utc_now(),
            has_errors=not is_valid,
            **files,
            **context,
        ),
        200 if is_valid else 422,
    )


def in_dialog() -> bool:
    """Whether the answer goes into the dialog of the page."""
    return request.headers.get("HX-Target") == "dialog"


def act_page(
    area: Area,
    form: ActForm,
    *,
    title: str,
    button: str,
    back: tuple[str, str],
    call: Callable[[], str],
    facts: Sequence[tuple[str, Any]] = (),
    explains: str = "",
    tone: str = "primary",
    fill: Callable[[], object] | None = None,
    crumbs: Sequence[tuple[str, str]] = (),
    template: str = "programs/act.html",
    **context: Any,
) -> ResponseReturnValue:
    """A page of one small form: GET shows it, POST does it. 422 and 409 keep what was written.

    `back` is the address and the name of the record; `call` does the act and answers what to say; `fill` shows what
    is proposed when the form is opened.
    """

    def page(code: int, conflict: str = "") -> ResponseReturnValue:
        return (
            render_template(
                template,
                area=area,
                form=form,
                heading=title,
                button=button,
                back_href=back[0],
                back_label=back[1],
                crumbs=crumbs,
                facts=list(facts),
                explains=explains,
                tone=tone,
                conflict=conflict,
                in_dialog=in_dialog(),
                has_errors=code == 422,
                **context,
            ),
            code,
        )

    if request.method != "POST":
        if fill is not None:
            fill()
        return page(200)
    if not form.validate():
        return page(422)
    try:
        with transaction():
            said = call()
    except Invalid as error:
        attach(form, error)
        return page(422)
    except Conflict as error:
        return page(409, error.message)
    flash(said, "success")
    return see_other(back[0])


def created_by_hand(
    create: Callable[..., Payout], series: str, key: str | None, note: str | None
) -> ResponseReturnValue:
    """Make the payout that a person chose, which `create` knows, and show it; the same key shows the same one again."""
    with transaction():
        reference = create(
            organisation_id=g.organisation.id, note=note or "", idempotency_key=f"{series}:{key}" if key else None,
            actor=actor(), now=utc_now(),
        ).reference  # fmt: skip
    flash(f"{reference} is created. Another person approves it.", "success")
    return see_other(url_for("admin.payouts.show", reference=reference))


def percent_words(value: Any) -> str:
    """A percentage without needless zeros: "8 %"."""
    text = f"{value:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return f"{text} %"


def sums_words(amounts: Sequence[Money]) -> str:
    """Amounts of different currencies side by side, never added."""
    from webapp.web.filters import money as say

    return " and ".join(say(amount) for amount in amounts)
