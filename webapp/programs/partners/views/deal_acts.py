"""What is done with a deal: won, lost or refunded, opened again; touches added and removed."""

from __future__ import annotations

from typing import Any

from flask import g, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from webapp.database import db
from webapp.kernel.clock import end_of_day, utc_now
from webapp.kernel.errors import Conflict, Invalid, NotFound
from webapp.kernel.money import Money
from webapp.payouts.views.program_pages import act_page, form_of, today
from webapp.people.views.fresh import needs_fresh_sign_in
from webapp.people.views.session import actor, require_change
from webapp.programs.partners import deals, effects
from webapp.programs.partners.deal_forms import (
    CheckForm,
    LoseForm,
    RefundForm,
    TouchForm,
    WinForm,
)
from webapp.programs.partners.models import Deal, Touchpoint
from webapp.programs.partners.states import DealAction, DealState, Model, TouchType, next_state
from webapp.programs.partners.views import deal_page
from webapp.programs.partners.views.area import AREA
from webapp.programs.partners.views.deal_pages import partner_id
from webapp.web import filters

#: What the services call by another name than the forms.
_FIELDS = {"closed_at": "closed_on", "happened_at": "happened_on", "type": "kind"}


def _begin(reference: str, action: DealAction) -> Deal:
    """The deal. Raises NotFound; and IllegalTransition before a form is shown that would be refused.

    A form that is sent is judged by the service, so that what was written in it is kept.
    """
    require_change()
    deal = deal_page.find(reference)
    if request.method != "POST":
        next_state(deal.state, action, reference)
    return deal


def _facts(deal: Deal) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = [
        ("Deal", deal.name),
        ("Program", deal.program.name),
        ("Amount", filters.money(Money(deal.amount_minor, deal.currency))),
    ]
    if deal.customer:
        found.insert(1, ("Customer", deal.customer))
    return found


def _page(deal: Deal, form: Any, **how: Any) -> ResponseReturnValue:
    """The page of one act; the deal's version goes along with its form."""
    back = (url_for(".deal", reference=deal.reference), deal.reference)
    fill, call = how.pop("fill", None), how.pop("call")

    def filled() -> None:
        form.version.data = str(deal.version)
        if fill is not None:
            fill()

    def named() -> str:
        try:
            said: str = call()
        except Invalid as error:
            raise Invalid(_FIELDS.get(error.field, error.field), error.reason, error.example) from error
        return said

    crumbs = [(url_for(".deals"), "Deals"), back]
    values = {"facts": _facts(deal), **how}
    return act_page(AREA, form, back=back, crumbs=crumbs, fill=filled, call=named, **values)


def _values(reference: str, form: Any) -> dict[str, Any]:
    return {
        "organisation_id": g.organisation.id,
        "reference": reference,
        "expected_version": form.seen_version,
        "actor": actor(),
        "now": utc_now(),
    }


@needs_fresh_sign_in
def win(reference: str) -> ResponseReturnValue:
    """The deal is won on a day; its commissions are earned."""
    deal = _begin(reference, DealAction.WIN)
    form: WinForm = form_of(WinForm, deal.currency)

    def fill() -> None:
        form.closed_on.data = today()

    def call() -> str:
        values = _values(reference, form)
        closed_at = end_of_day(form.closed_on.data or today(), g.organisation.timezone, values["now"])
        deals.win_deal(**values, closed_at=closed_at)
        return f"{reference} is won. What each partner earns of it is below."

    days = deal.program.holding_days
    waits = f"It is due {days} days after that day." if days else "It is due at once."
    return _page(
        deal, form, title=f"Was {reference} won?", button="It is won", call=call, fill=fill,
        explains=f"What partners earn of it is worked out by the model “{Model(deal.program.model).label}” and by the "
        f"first rule that fits. {waits} Touches after the day of the close do not count.",
    )  # fmt: skip


@needs_fresh_sign_in
def lose(reference: str) -> ResponseReturnValue:
    """The deal is lost; or refunded after it was won, and the page says what is taken back."""
    deal = _begin(reference, DealAction.LOSE)
    if deal.state == DealState.WON:
        return _refund(deal)
    form: LoseForm = form_of(LoseForm, deal.currency)

    def fill() -> None:
        form.closed_on.data = today()

    def call() -> str:
        values = _values(reference, form)
        closed_at = end_of_day(form.closed_on.data or today(), g.organisation.timezone, values["now"])
        deals.lose_deal(**values, closed_at=closed_at, reason=form.reason.data or "")
        return f"{reference} is lost. It can be opened again."

    return _page(
        deal, form, title=f"Was {reference} lost?", button="It is lost", call=call, fill=fill,
        explains="Nobody earns anything of it. It can be opened again.",
    )  # fmt: skip


def _refund(deal: Deal) -> ResponseReturnValue:
    reference = deal.reference
    form: RefundForm = form_of(RefundForm, deal.currency)

    def call() -> str:
        deals.lose_deal(**_values(reference, form), reason=form.reason.data or "")
        return f"{reference} is lost. What was earned of it is cancelled, or taken back off the next payout."

    return _page(
        deal, form, title=f"Is {reference} lost after all?", button="It is lost", tone="danger", call=call,
        template="partners/deal_lose.html", effects=effects.of_losing(deal, utc_now()),
        explains="Commissions in no payout yet are cancelled. What is in a payout is taken back off the partner's next "
        "one; what does not cover it is carried.",
    )  # fmt: skip


@needs_fresh_sign_in
def reopen(reference: str) -> ResponseReturnValue:
    """A lost deal is open again."""
    deal = _begin(reference, DealAction.REOPEN)
    form: CheckForm = form_of(CheckForm, deal.currency)

    def call() -> str:
        deals.reopen_deal(**_values(reference, form))
        return f"{reference} is open again."

    return _page(
        deal, form, title=f"Open {reference} again?", button="Open it again", call=call,
        facts=[*_facts(deal), ("Lost because", deal.reason)],
        explains="What was taken back stays so until it is won.",
    )  # fmt: skip


@needs_fresh_sign_in
def add_touch(reference: str) -> ResponseReturnValue:
    """What a partner did for the deal, and when."""
    deal = _for_touches(reference)
    form: TouchForm = form_of(TouchForm, deal.currency)

    def fill() -> None:
        form.happened_on.data = today()

    def call() -> str:
        payee_id = partner_id(form.partner.data or "", "partner") or 0
        draft = form.draft(payee_id, g.organisation.timezone)
        deals.add_touch(
            organisation_id=g.organisation.id, reference=reference, draft=draft, actor=actor(), now=utc_now()
        )
        return f"The touch is added; the shares of {reference} are worked out anew."

    return _page(
        deal, form, title=f"What was done for {reference}?", button="Add the touch", call=call, fill=fill,
        template="programs/act_offering.html", offered=[("partners", deal_page.offered_partners())],
        explains="Who has which share of the deal is worked out anew.",
    )  # fmt: skip


@needs_fresh_sign_in
def remove_touch(reference: str, touch_id: int) -> ResponseReturnValue:
    """A touch that was entered by mistake."""
    deal = _for_touches(reference)
    touch = db.session.scalar(
        select(Touchpoint).where(Touchpoint.deal_id == deal.id, Touchpoint.id == touch_id)
    )
    if touch is None:
        raise NotFound("There is no such touch of this deal.")
    form: CheckForm = form_of(CheckForm, deal.currency)
    name, label = touch.payee.name, TouchType(touch.type).label

    def call() -> str:
        deals.remove_touch(
            organisation_id=g.organisation.id, reference=reference, touch_id=touch_id, actor=actor(), now=utc_now()
        )  # fmt: skip
        return f"The touch is removed; the shares of {reference} are worked out anew."

    return _page(
        deal, form, title="Remove this touch?", button="Remove it", tone="danger", call=call,
        facts=[("Deal", deal.name), ("Partner", name), ("What they did", label),
               ("When", filters.instant(touch.happened_at))],
        explains="Who has which share of the deal is worked out anew. The trail keeps that it was there.",
    )  # fmt: skip


def _for_touches(reference: str) -> Deal:
    require_change()
    deal = deal_page.find(reference)
    if request.method != "POST" and deals.is_frozen(deal.id):
        raise Conflict(
            f"A payout pays for {reference} already: who has which share of it does not change any more."
        )
    return deal
