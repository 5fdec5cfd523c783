"""What each action's check page says and calls: one entry per action, keyed by its address."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flask import url_for

from webapp.kernel.errors import NotFound, StaleVersion
from webapp.kernel.money import Money
from webapp.payouts import explain, service
from webapp.payouts.forms import (
    ActionForm,
    ApproveForm,
    EditForm,
    MarkPaidForm,
    NoteForm,
    PayForm,
    ReasonForm,
    ReturnForm,
    ReviewForm,
)
from webapp.payouts.models import Payout
from webapp.payouts.policy import fingerprint
from webapp.payouts.states import PayoutAction, PayoutState, possible_actions
from webapp.payouts.views import review

_A, _S = PayoutAction, PayoutState


@dataclass(frozen=True)
class Plan:
    """One action: its words, its form, the service that does it. `{amount}` and `{payee}` are filled in."""

    slug: str
    label: str
    act: str
    busy: str
    form: type[ActionForm]
    call: Callable[..., service.Result]
    done: PayoutAction | None = None
    tone: str = "primary"
    key: str | None = None
    explains: str = ""
    hints: Mapping[str, str] = field(default_factory=dict)


def _ask_status(*, expected_version: int | None = None, **arguments: Any) -> service.Result:
    """Asking changes nothing, so it does not matter which version the person saw."""
    return service.ask_status(**arguments)


def _to_what_was_seen(send: Callable[..., service.Result]) -> Callable[..., service.Result]:
    """Sending where a confirmation holds for the payment details that the page showed, and no later ones."""

    def call(*, confirm_method: bool, seen_details: int | None, **arguments: Any) -> service.Result:
        result = send(confirm_method=confirm_method, **arguments)
        if confirm_method and not result.is_repeat and result.payout.method_id != seen_details:
            raise StaleVersion(
                "The payment details changed again since you opened this page. Check them anew."
            )
        return result

    return call


def _approve_what_was_seen(*, seen_details: int | None, **arguments: Any) -> service.Result:
    """An approval binds where the money goes; details that came into force after the page was made are not it."""
    result = service.approve(**arguments)
    payout = result.payout
    if not result.is_repeat and seen_details is not None:
        seen = fingerprint(Money(payout.amount_minor, payout.currency), payout.payee_id, seen_details)
        if payout.approvals[-1].fingerprint != seen:
            raise StaleVersion(
                "The payment details changed since you opened this page. Look at them, then approve."
            )
    return result


_SEEN = {"reason": "The payee sees this reason, on the page and in the e-mail."}
_INTERNAL = {"reason": "Admins see this reason; the payee is told that it is on hold."}
_NOTE = {"note": "Kept with the approval. Payees do not see it."}

PLANS = {
    plan.slug: plan
    for plan in (
        Plan("approve", "Approve…", "Approve {amount}", "Approving…", ApproveForm, _approve_what_was_seen, _A.APPROVE,
             key="a", hints=_NOTE),
        Plan("pay", "Pay…", "Pay {amount}", "Sending…", PayForm, _to_what_was_seen(service.submit),
             _A.SUBMIT, explains="The bank is asked once. While its answer is unknown it is never asked twice."),
        Plan("retry", "Try again…", "Try again to pay {amount}", "Sending…", PayForm, _to_what_was_seen(service.retry),
             _A.RETRY, explains="A new transfer is made, to the payment details as they are now."),
        Plan("check-status", "Check the status…", "Ask the bank", "Asking…", ActionForm, _ask_status,
             explains="Nothing is sent again: the bank is only asked what became of the transfer."),
        Plan("settle-review", "Settle the review…", "Give your word", "Saving…", ReviewForm, review.settle,
             explains="Look the transfer up in the bank's own records before you say anything.",
             hints={"note": "Admins see it in the time line. The second person reads it before they decide."}),
        Plan("reissue", "Re-issue…", "Re-issue {amount}", "Re-issuing…", NoteForm, service.reissue, _A.REISSUE,
             explains="The bank sent the money back. It can be paid again, to the present payment details."),
        Plan("release", "Release…", "Release it", "Releasing…", NoteForm, service.release, _A.RELEASE,
             explains="It can be paid again after this.", hints={"note": "Admins see it in the time line."}),
        Plan("mark-paid", "Mark as paid…", "Mark {amount} as paid", "Saving…", MarkPaidForm,
             _to_what_was_seen(service.mark_paid), _A.MARK_PAID,
             explains="For a payment made outside Paydesk. The payee is told that it was paid.",
             hints={"payment_reference": "What the bank calls it: a cheque or transfer number.",
                    "paid_on": "The day the money left; today or earlier."}),
        Plan("hold", "Hold…", "Put it on hold", "Saving…", ReasonForm, service.hold, _A.HOLD, "secondary",
             hints=_INTERNAL),
        Plan("edit", "Edit the note…", "Save the note", "Saving…", EditForm, service.edit, _A.EDIT,
             explains="Who edits a payout does not approve it: another person must.",
             hints={"note": "Payees do not see it."}),
        Plan("reject", "Reject…", "Reject {amount}", "Rejecting…", ReasonForm, service.reject, _A.REJECT, "danger",
             key="r", hints=_SEEN),
        Plan("return", "Record a return…", "Record that {amount} came back", "Saving…", ReturnForm, service.reverse,
             _A.REVERSE, "danger", explains="The bank returned a payment that was made by hand.", hints=_SEEN),
        Plan("cancel", "Cancel it…", "Cancel this payout of {amount}", "Cancelling…", ReasonForm, service.cancel,
             _A.CANCEL, "danger", hints=_SEEN),
    )
}  # fmt: skip
#: What is not known to have moved is neither sent again nor taken back, and the bank has said what it says.
_NOT_UNDER_REVIEW = ("pay", "retry", "mark-paid", "check-status", "reissue", "cancel")
#: The action that a state asks for first.
PRIMARY = {
    _S.PENDING_APPROVAL: "approve",
    _S.APPROVED: "pay",
    _S.PROCESSING: "check-status",
    _S.FAILED: "retry",
    _S.RETRY_SCHEDULED: "retry",
    _S.REVERSED: "reissue",
}


def plan_for(slug: str) -> Plan:
    """The plan of an address; raises NotFound for an unknown action."""
    try:
        return PLANS[slug]
    except KeyError:
        raise NotFound from None


def is_possible(plan: Plan, payout: Payout) -> bool:
    """Whether the payout's state (and its hold) allows the action at all; the policy is asked when it is done."""
    is_under_review = review.transfer_of(payout) is not None
    if plan.slug == "settle-review" or (is_under_review and plan.slug in _NOT_UNDER_REVIEW):
        return is_under_review and plan.slug == "settle-review"
    if plan.done is None:
        return payout.state == _S.PROCESSING
    if plan.done not in possible_actions(payout.state):
        return False
    if plan.done == _A.REVERSE:
        return payout.rail == "manual"
    if plan.done in (_A.SUBMIT, _A.MARK_PAID, _A.RETRY, _A.HOLD):
        return not payout.is_held
    return payout.is_held if plan.done == _A.RELEASE else True


def buttons(payout: Payout, user_id: int, now: datetime, rails: tuple[str, ...]) -> list[dict[str, Any]]:
    """The actions of the page, the one that the state asks for first; an approval only for who can give it."""
    possible = [plan for plan in PLANS.values() if is_possible(plan, payout)]
    electronic = any(rail != "manual" for rail in rails)
    if not electronic:
        possible = [plan for plan in possible if plan.slug != "pay"]
    if payout.state == _S.PENDING_APPROVAL and explain.why_not_approve(payout, user_id, now):
        possible = [plan for plan in possible if plan.slug != "approve"]
    method = payout.payee.current_method
    first = "release" if payout.is_held else PRIMARY.get(_S(payout.state), "")
    if first == "pay" and (not electronic or (method is not None and method.kind == "manual")):
        first = "mark-paid"
    first = "settle-review" if review.transfer_of(payout) else first
    return [
        {
            "label": plan.label,
            "href": url_for("admin.payouts.act", reference=payout.reference, action=plan.slug),
            "is_primary": plan.slug == first,
            "key": plan.key,
        }
        for plan in sorted(possible, key=lambda plan: plan.slug != first)
    ]
