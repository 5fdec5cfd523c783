"""What can be done to a payout: the same services, rules and sentences as on its page.

The token is the proof of who acts: nobody is asked for a password in the middle of a program. That is why tokens
have scopes and an end, and why the rules of the organisation look at the token's person: whoever created a
payout, or is its payee, cannot approve it by API either.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.resources import seen
from webapp.api.resources.payout_words import payout_of
from webapp.api.schemas.payouts import (
    Act,
    ActionDone,
    ActWithNote,
    ActWithReason,
    Approve,
    MarkPaid,
    Pay,
    Reissue,
    Returned,
)  # fmt: skip
from webapp.kernel.clock import utc_now
from webapp.payouts import service
from webapp.payouts.service import Result
from webapp.people.access.tokens import Scope

resource = Resource(
    "payout_actions",
    "/payouts",
    title="Actions on payouts",
    about="Each answers the payout as it is now and a sentence. Doing again what you did answers 200 with "
    "`is_repeat`; coming after somebody else answers 409 with who did what when. The token itself is the proof of "
    "who acts; the organisation's rules on who may approve and pay apply to its person.",
)
_approving = {"scope": Scope.PAYOUTS_APPROVE, "answers": ActionDone}
_paying = {"scope": Scope.PAYOUTS_PAY, "answers": ActionDone}


def _do(
    call: Callable[..., Result], who: Caller, reference: str, body: Act | Approve | None, **values: Any
) -> ActionDone:
    values |= {"organisation_id": who.organisation_id, "actor": who.actor, "now": utc_now()}
    if body is not None:
        values["expected_version"] = body.version
    result = seen.to_version(call, who, reference, **values)
    return ActionDone(
        message=result.message, is_repeat=result.is_repeat, payout=payout_of(result.payout, who)
    )


@resource.post("/<reference>/approve", summary="Approve a payout", body=Approve, **_approving)
def approve(who: Caller, reference: str, body: Approve) -> ActionDone:
    """One person's yes; the last one that the policy asks for makes it payable.

    It is a yes to what was looked at: `version` and `seen_details_version` are those of the payout as it was read.
    When either is not what it is now, nothing is approved: 409 `stale`, and `changed` says what happened.
    """

    def of_what_was_seen(**values: Any) -> Result:
        result = service.approve(**values)
        seen.approval_of_details(result, body.seen_details_version)
        return result

    return _do(of_what_was_seen, who, reference, body, note=body.note)


@resource.post("/<reference>/reject", summary="Reject a payout", body=ActWithReason, **_approving)
def reject(who: Caller, reference: str, body: ActWithReason) -> ActionDone:
    """One person's no. The payee sees the reason."""
    return _do(service.reject, who, reference, body, reason=body.reason)


@resource.post("/<reference>/hold", summary="Put a payout on hold", body=ActWithReason, **_approving)
def hold(who: Caller, reference: str, body: ActWithReason) -> ActionDone:
    """It is not paid until somebody releases it."""
    return _do(service.hold, who, reference, body, reason=body.reason)


@resource.post("/<reference>/release", summary="Release a payout", body=ActWithNote, **_approving)
def release(who: Caller, reference: str, body: ActWithNote) -> ActionDone:
    """It can be paid again."""
    return _do(service.release, who, reference, body, note=body.note)


@resource.post("/<reference>/cancel", summary="Cancel a payout", body=ActWithReason, **_approving)
def cancel(who: Caller, reference: str, body: ActWithReason) -> ActionDone:
    """Drop it before it is paid; what it paid for can be paid by another payout."""
    return _do(service.cancel, who, reference, body, reason=body.reason)


def _confirming(call: Callable[..., Result], version: int | None) -> Callable[..., Result]:
    """A confirmation holds for the version of the details that the caller named, and for no later one."""

    def to_what_was_seen(**values: Any) -> Result:
        result = call(confirm_method=version is not None, **values)
        if version is not None:
            seen.payment_to_details(result, version)
        return result

    return to_what_was_seen


@resource.post("/<reference>/pay", summary="Pay a payout", body=Pay, **_paying)
def pay(who: Caller, reference: str, body: Pay) -> ActionDone:
    """Send an approved payout to the bank: a transfer is queued and a worker sends it, once.

    The answer comes before the bank's: read the payout again to see it paid or failed.
    """
    return _do(
        _confirming(service.submit, body.confirm_details_version), who, reference, body, rail=body.rail
    )


@resource.post("/<reference>/retry", summary="Try a failed payout again", body=Pay, **_paying)
def retry(who: Caller, reference: str, body: Pay) -> ActionDone:
    """A new transfer, to the payment details as they are now."""
    return _do(_confirming(service.retry, body.confirm_details_version), who, reference, body, rail=body.rail)


@resource.post("/<reference>/mark-paid", summary="Record a payment made by hand", body=MarkPaid, **_paying)
def mark_paid(who: Caller, reference: str, body: MarkPaid) -> ActionDone:
    """For a payment outside Paydesk. Its reference is unique in the organisation.

    Details that changed after the approval are confirmed as with `pay`: money went there, or it went nowhere good.
    """
    values = {"payment_reference": body.payment_reference, "paid_on": body.paid_on}
    return _do(_confirming(service.mark_paid, body.confirm_details_version), who, reference, body, **values)


@resource.post("/<reference>/check-status", summary="Ask the bank about a payout", **_paying)
def check_status(who: Caller, reference: str) -> ActionDone:
    """The bank is asked what became of the transfer; nothing is sent again."""
    return _do(service.ask_status, who, reference, None)


@resource.post(
    "/<reference>/reissue", summary="Make a returned payout payable again", body=Reissue, **_paying
)
def reissue(who: Caller, reference: str, body: Reissue) -> ActionDone:
    """It is paid to the payee's present payment details, which the caller confirms by their version."""

    def to_what_was_seen(**values: Any) -> Result:
        result = service.reissue(**values)
        seen.payment_to_details(result, body.confirm_details_version)
        return result

    return _do(to_what_was_seen, who, reference, body, note=body.note)


@resource.post("/<reference>/return", summary="Record that a payment came back", body=Returned, **_paying)
def returned(who: Caller, reference: str, body: Returned) -> ActionDone:
    """For payments made by hand; banks report their own returns."""
    return _do(service.reverse, who, reference, body, reason=body.reason, on=body.on)
