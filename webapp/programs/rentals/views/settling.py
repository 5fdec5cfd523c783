"""Money that does not agree with our books: proposed by one person, confirmed by another; refunds left to people."""

from __future__ import annotations

from typing import Any

from flask import flash, g, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from webapp.database import db
from webapp.kernel.clock import utc_now
from webapp.kernel.money import Money
from webapp.people.views.fresh import needs_fresh_sign_in
from webapp.people.views.session import actor, may_change, require_change
from webapp.programs.rentals import booking, collecting, left, lists, return_lists, returns, settling
from webapp.programs.rentals.models import (
    Choice,
    DecisionState,
    ExcessTo,
    RentDecision,
    RentPayment,
    RentReturn,
)
from webapp.programs.rentals.return_forms import SettleForm, SettleRefundForm
from webapp.programs.rentals.views import common
from webapp.programs.rentals.views.returning import STATES, return_row
from webapp.web import filters
from webapp.web.fields import options
from webapp.web.form_fields import ActForm
from webapp.web.htmx import see_other

Facts = list[tuple[str, Any]]


def differing_facts(payment: RentPayment) -> Facts:
    """What was asked for, what PhonePe says came, and the difference."""
    asked = payment.amount_minor + payment.gateway_charge_minor
    rent, extra, all_, said = (
        _say(minor, payment.currency)
        for minor in (payment.amount_minor, payment.gateway_charge_minor, asked, payment.said_minor or 0)
    )
    more = (payment.said_minor or 0) - asked
    return [
        ("We asked for", f"{all_}: rent {rent} and the gateway's charge {extra}"),
        ("PhonePe says", f"{said} came, paid by {payment.gateway_method or 'a way it does not name'}"),
        ("Difference", f"{_say(abs(more), payment.currency)} too {'much' if more > 0 else 'little'}"),
        ("PhonePe's order", payment.gateway_reference or "–"),
        ("Bank's reference", payment.utr or "–"),
    ]


def accepted_words(payment: RentPayment) -> str:
    """What becomes of each part when what was received is accepted, in a sentence."""
    rent, charge, credit = settling.accepted_parts(payment)
    due = payment.charge.amount_minor - payment.charge.paid_minor
    words = [f"{_say(rent, payment.currency)} counts as rent and is shared out to the owners"]
    words.append(
        f"{_say(charge, payment.currency)} is the gateway's charge"
        if charge
        else "no gateway's charge is taken"
    )
    if due > rent:
        words.append(f"{_say(due - rent, payment.currency)} of the month stays owed")
    if credit:
        words.append(
            f"{_say(credit, payment.currency)} is kept as the tenant's credit and pays the next months"
        )
    return "; ".join(words)


def _say(minor: int, currency: str) -> str:
    return str(filters.money(Money(minor, currency)))


def decision_rows(payment: RentPayment) -> list[dict[str, Any]]:
    """What was proposed about a payment and its refunds, newest first, with who may do what."""
    return [
        {
            "decision": each,
            "choice": Choice(each.choice),
            "state": DecisionState(each.state),
            "amount": Money(each.amount_minor, each.currency),
            "bearer": ExcessTo(each.excess_to).label if each.excess_to else "",
            "not_confirm": settling.why_not_decide(each, current_user.id),
        }
        for each in reversed(settling.decisions_of(payment.id))
    ]


@needs_fresh_sign_in
def propose(reference: str) -> ResponseReturnValue:
    """Propose what becomes of a payment of which another amount came."""
    require_change()
    payment = lists.get_payment(g.organisation.id, reference)
    form = common.form_of(SettleForm)

    def call() -> str:
        settling.propose_for_payment(
            organisation_id=g.organisation.id,
            reference=reference,
            choice=form.choice.data or "",
            reason=form.reason.data or "",
            actor=actor(),
            now=utc_now(),
        )
        return "It is proposed. Nothing is booked before another person confirms it."

    return _payment_act(
        payment, form, title=f"Settle {reference}", button="Propose it", call=call, facts=differing_facts(payment),
        explains=f"If it is accepted: {accepted_words(payment)}. If it goes back: all of it is refunded through "
        "PhonePe, does not count as rent, and the tenant can pay anew. Another person confirms either.",
    )  # fmt: skip


def _payment_act(payment: RentPayment, form: ActForm, **more: Any) -> ResponseReturnValue:
    back = url_for(".payment", reference=payment.reference)
    crumbs = [(url_for(".payments"), "Payments"), (back, payment.reference)]
    return common.act_page(form, back=(back, payment.reference), crumbs=crumbs, **more)


def _ask_gateway(payment_id: int, return_id: int | None) -> None:
    """Have the gateway's present word take effect first; no transaction of ours is open meanwhile."""
    db.session.rollback()
    if return_id is None:
        collecting.check(payment_id=payment_id)
    else:
        returns.work(return_id=return_id)


def _decision_facts(decision: RentDecision, payment: RentPayment) -> Facts:
    facts: Facts = [
        ("Payment", f"{payment.reference}, {common.home_of(payment.charge.lease)}"),
        ("Proposed", Choice(decision.choice).label),
        ("Amount", _say(decision.amount_minor, decision.currency)),
        ("Reason", decision.reason),
        ("Proposed by", decision.proposed_by_label),
    ]
    if decision.hand_reference:
        facts.append(("Bank's reference", decision.hand_reference))
    if decision.excess_to:
        facts.append(("What left twice", ExcessTo(decision.excess_to).label))
    if decision.choice == Choice.ACCEPT and settling.is_differing(payment):
        facts.append(("Then", accepted_words(payment)))
    return facts


@needs_fresh_sign_in
def confirm(decision_id: int) -> ResponseReturnValue:
    """A second person's yes: PhonePe is asked once more, then it is booked."""
    require_change()
    decision, payment = return_lists.get_decision(g.organisation.id, decision_id)
    facts, form = _decision_facts(decision, payment), common.form_of(ActForm)
    if common.is_sent():
        _ask_gateway(payment.id, decision.return_id)
        payment = lists.get_payment(g.organisation.id, payment.reference)

    def call() -> str:
        settling.confirm(
            organisation_id=g.organisation.id, decision_id=decision_id, actor=actor(), now=utc_now()
        )
        return "It is confirmed and booked."

    return _payment_act(
        payment, form, title="Confirm what was proposed?", button="Confirm it", call=call, facts=facts,
        explains="Compare it with PhonePe's own page first. PhonePe is asked once more before it is booked.",
    )  # fmt: skip


def refuse(decision_id: int) -> ResponseReturnValue:
    """Drop a proposal."""
    require_change()
    decision, payment = return_lists.get_decision(g.organisation.id, decision_id)
    form = common.form_of(ActForm)

    def call() -> str:
        settling.refuse(
            organisation_id=g.organisation.id, decision_id=decision_id, actor=actor(), now=utc_now()
        )
        return "The proposal is dropped. Nothing was booked; something else can be proposed."

    return _payment_act(
        payment, form, title="Drop this proposal?", button="Drop it", tone="danger", call=call,
        facts=_decision_facts(decision, payment),
    )  # fmt: skip


# ---------------------------------------------------------------- refunds


def show(return_ref: str) -> ResponseReturnValue:
    """One refund or chargeback: what is known of it, and what a person can do."""
    row, payment = return_lists.get_return(g.organisation.id, return_ref)
    debts = return_lists.debts_of([row.id])
    decision = settling.open_decision(payment.id)
    tone, word = STATES[row.state]
    return render_template(
        "rentals/refund.html",
        item=return_row(row, payment, debts.get(row.id, [])),
        payment=payment,
        home=common.home_of(payment.charge.lease),
        tone=tone,
        word=word,
        why=left.why_left(row, utc_now()),
        not_again=left.why_not_again(row, utc_now()),
        said=_money(row.said_minor, row),
        again=return_lists.tried_again_as(row),
        before=return_lists.tried_before(row),
        decisions=[each for each in decision_rows(payment) if each["decision"].return_id == row.id],
        is_decided_on=decision is not None,
        tab="returns",
        may_change=may_change(),
    )


def _money(minor: int | None, row: RentReturn) -> Money | None:
    return None if minor is None else Money(minor, row.currency)


def ask(return_ref: str) -> ResponseReturnValue:
    """Ask PhonePe now what became of a refund."""
    require_change()
    row, _ = return_lists.get_return(g.organisation.id, return_ref)
    return_id = row.id
    db.session.rollback()
    said = returns.work(return_id=return_id)
    words = (
        "There is nothing to ask PhonePe about it."
        if said is None
        else f"PhonePe was asked. It says: {SAID[said.value]}."
    )
    flash(words, "info")
    return see_other(url_for(".refund_page", return_ref=return_ref))


#: What the gateway's answers are called on pages.
SAID = {
    "pending": "under way",
    "completed": "gone back",
    "failed": "refused",
    "not_found": "not known",
    "unknown": "no clear answer",
    "not_sent": "it could not be reached",
}


def _refund_act(row: RentReturn, form: ActForm, **more: Any) -> ResponseReturnValue:
    back = url_for(".refund_page", return_ref=row.return_ref)
    crumbs = [(url_for(".returns"), "Returned rent"), (back, row.return_ref)]
    return common.act_page(form, back=(back, row.return_ref), crumbs=crumbs, **more)


def _refund_facts(row: RentReturn, payment: RentPayment) -> Facts:
    facts: Facts = [
        ("Refund", row.return_ref),
        ("Of", f"{payment.reference}, {common.home_of(payment.charge.lease)}"),
        ("Asked for", _say(row.amount_minor, row.currency)),
    ]
    if row.said_minor is not None:
        facts.append(("PhonePe says", f"{_say(row.said_minor, row.currency)} went back"))
    if row.error_message:
        facts.append(("Last answer", row.error_message))
    return facts


@needs_fresh_sign_in
def again(return_ref: str) -> ResponseReturnValue:
    """Order a refund anew under a new id."""
    require_change()
    row, payment = return_lists.get_return(g.organisation.id, return_ref)
    facts, form = _refund_facts(row, payment), common.form_of(ActForm)
    if common.is_sent():
        _ask_gateway(payment.id, row.id)
        row, payment = return_lists.get_return(g.organisation.id, return_ref)

    def call() -> str:
        made = left.try_again(
            organisation_id=g.organisation.id, return_ref=return_ref, actor=actor(), now=utc_now()
        )
        return f"It is ordered anew as {made.return_ref}. PhonePe's answer shows there."

    return _refund_act(
        row, form, title="Try this refund again?", button="Order it anew", call=call, facts=facts,
        explains="PhonePe is asked about the first one once more. Only when that is certain to have come to nothing, "
        "a new refund with a new id is ordered.",
    )  # fmt: skip


@needs_fresh_sign_in
def settle(return_ref: str) -> ResponseReturnValue:
    """Propose what becomes of a refund that is left to people."""
    require_change()
    row, payment = return_lists.get_return(g.organisation.id, return_ref)
    choices = settling.choices_of_refund(row, payment)
    form = common.form_of(SettleRefundForm)
    form.choice.choices = options([(each.value, each.label) for each in choices], "Choose…")
    if Choice.BY_HAND not in choices:
        del form.hand_reference
    amount = row.amount_minor if row.said_minor is None else row.said_minor
    excess = booking.excess_of(payment, amount)
    if not excess:
        del form.excess_to

    def call() -> str:
        settling.propose_for_refund(
            organisation_id=g.organisation.id,
            return_ref=return_ref,
            choice=form.choice.data or "",
            reason=form.reason.data or "",
            hand_reference=(form.hand_reference.data or "") if "hand_reference" in form else "",
            excess_to=(form.excess_to.data or "") if "excess_to" in form else "",
            actor=actor(),
            now=utc_now(),
        )
        return "It is proposed. Nothing is booked before another person confirms it."

    twice = (
        f" {_say(excess, row.currency)} of it is more than {payment.reference} has left: the money left twice. "
        "Choose who bears that."
        if excess
        else ""
    )
    return _refund_act(
        row, form, title="Settle this refund", button="Propose it", call=call, facts=_refund_facts(row, payment),
        explains=f"Another person confirms it; until then nothing is booked.{twice}",
    )  # fmt: skip
