"""The words that pages use for a payout: status with sentence, who must act, the plot from gross to net."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flask import g

from webapp.kernel.clock import local_date, utc_now
from webapp.kernel.money import Money
from webapp.payouts.models import Payout, PayoutLine
from webapp.payouts.policy import instant_text
from webapp.payouts.states import PayoutState, TransferState
from webapp.people.changes.models import MethodChange
from webapp.web import charts, filters

_S = PayoutState
LINE_KINDS = {
    "earning": "Earnings",
    "bonus": "Bonus",
    "adjustment": "Adjustments",
    "deduction": "Deductions",
    "tax": "Tax",
}


@dataclass(frozen=True)
class Status:
    """A status as people read it: shape, word, what happens next, who must act."""

    tone: str
    label: str
    icon: str
    sentence: str
    who: str

    @property
    def needs_words(self) -> bool:
        """Whether a list says the sentence, too: where something stopped, or somebody unexpected must act."""
        return self.tone in ("waiting", "failed", "returned", "rejected", "cancelled")


def _plain(state: PayoutState, sentence: str, who: str) -> Status:
    return Status(state.tone, state.label, state.icon, sentence, who)


def _waiting(label: str, sentence: str, who: str) -> Status:
    return Status("waiting", label, "waiting", sentence, who)


def _details_wait(payout: Payout) -> tuple[MethodChange | None, str] | None:
    """What keeps an approved or failed payout waiting: details asked for, or too new ones and until when."""
    if PayoutState(payout.state) not in (_S.APPROVED, _S.FAILED, _S.RETRY_SCHEDULED):
        return None
    if payout.payee.pending_change is not None:
        return payout.payee.pending_change, ""
    method = payout.payee.current_method
    until = method.cool_off_until if method else None
    if until is None or until <= utc_now():
        return None
    return None, instant_text(until, g.organisation.timezone)


_WHO = {
    _S.PENDING_APPROVAL: "An approver",
    _S.APPROVED: "An admin",
    _S.PROCESSING: "The bank",
    _S.FAILED: "An admin",
    _S.RETRY_SCHEDULED: "Paydesk",
    _S.REVERSED: "An admin",
}


def admin_status(payout: Payout) -> Status:
    """The status for admins; reads the payee's `current_method` and `pending_change`: load them in lists."""
    state = PayoutState(payout.state)
    if payout.is_held:
        return _waiting("On hold", f"On hold: {payout.hold_reason or 'no reason was written'}.".replace("..", "."),
                        "An admin")  # fmt: skip
    if state == _S.APPROVED and payout.payee.current_method is None:
        return _waiting(
            "Waiting",
            f"{payout.payee.name} has no payment details. Add them, then pay it.",
            "The payee or an admin",
        )
    if waits := _details_wait(payout):
        change, until = waits
        if change is not None:
            return _waiting(
                "Waiting",
                f"New payment details wait for a second person ({change.reference}); it is paid after that.",
                "An admin who did not ask for them",
            )
        return _waiting("Waiting", f"The payment details are new; it can be paid from {until}.", "Nobody")
    sentence = state.sentence
    if state == _S.PENDING_APPROVAL and payout.payee.current_method is None:
        sentence += " The payee has no payment details yet; it cannot be paid before they are there."
    if state in (_S.FAILED, _S.REVERSED, _S.REJECTED, _S.CANCELLED) and payout.reason:
        sentence = f"{payout.reason.rstrip('.')}. {sentence}"
    return _plain(state, sentence, _WHO.get(state, "Nobody"))


def page_status(payout: Payout) -> Status:
    """The status on the payout's own page; reads `transfers`: while one is under review, that comes first."""
    transfer = next((t for t in payout.transfers if t.state == TransferState.REVIEW), None)
    if transfer is None:
        return admin_status(payout)
    state = TransferState.REVIEW
    sentence = f"{transfer.error_message.rstrip('.')}. {state.sentence}".lstrip(". ")
    return Status(
        state.tone, f"{PayoutState(payout.state).label}, under review", state.icon, sentence, "Two admins"
    )


def payee_status(payout: Payout, payer: str) -> Status:
    """The status in the payee's words: never an admins' note, never who decided."""
    state = PayoutState(payout.state)
    reason = f"{payout.reason.rstrip('.')}. " if payout.reason else ""
    method = payout.payee.current_method
    if payout.is_held:
        return _waiting("On hold", f"{payer} has put it on hold and looks into it.", payer)
    if state in (_S.PENDING_APPROVAL, _S.APPROVED) and method is None:
        return _waiting("Waiting", "There are no payment details. Add them and it can be paid.", "You")
    if waits := _details_wait(payout):
        change, until = waits
        if change is None:
            return _waiting("Waiting", f"Your payment details are new. {payer} pays it from {until}.", payer)
        text = f"New payment details ({change.masked}) wait until {payer} has verified them. It is paid after that."
        return _waiting("Waiting", text, payer)
    masked = method.masked if method and method.masked else ""
    to = f" to {masked}" if masked else ""
    sentences = {
        _S.PENDING_APPROVAL: f"{payer} checks it. You get an e-mail when it is approved.",
        _S.APPROVED: f"It is approved. {payer} pays it next{to}.",
        _S.PROCESSING: "It is on its way; the bank has been asked.",
        _S.PAID: "It has been paid. A bank may need a day to show it.",
        _S.FAILED: f"The bank did not take it. {reason}Check your payment details; {payer} tries again.",
        _S.RETRY_SCHEDULED: f"The bank did not take it. {reason}It is tried again by itself.",
        _S.REVERSED: f"The bank sent it back. {reason}Check your payment details; {payer} pays it again.",
        _S.REJECTED: f"{reason}It is not paid as it is. Ask {payer} if you do not agree.",
        _S.CANCELLED: f"{reason}It is not paid. Ask {payer} if you do not agree.",
    }
    who = {_S.FAILED: f"You and {payer}", _S.REVERSED: f"You and {payer}", _S.PROCESSING: "The bank"}
    is_closed = state in (_S.PAID, _S.REJECTED, _S.CANCELLED)
    return _plain(state, sentences[state], "Nobody" if is_closed else who.get(state, payer))


def wording(currency: str) -> Callable[[int], str]:
    """How a plot writes an amount of a currency, given in minor units."""
    locale = getattr(g.get("organisation"), "locale", "en_US")
    home = getattr(g.get("organisation"), "currency", currency)
    suffix = "" if currency == home else f" {currency}"

    def say(value: int) -> str:
        return Money(value, currency).format(locale) + suffix

    return say


def sum_by_kind(lines: Sequence[PayoutLine]) -> dict[str, int]:
    """Minor units per kind of line, in the order in which a payout is read; kinds that are not there are left out."""
    sums = dict.fromkeys(LINE_KINDS, 0)
    for line in lines:
        sums[line.kind] = sums.get(line.kind, 0) + line.amount_minor
    present = {line.kind for line in lines}
    return {kind: amount for kind, amount in sums.items() if kind in present}


def gross_to_net(payout: Payout) -> charts.RowFigure:
    """The plot from what was earned to what is paid, one bar per kind of line."""
    say = wording(payout.currency)
    sums = sum_by_kind(payout.lines)
    first = next(iter(sums), "earning")
    changes = [
        (LINE_KINDS.get(kind, kind.capitalize()), amount) for kind, amount in sums.items() if kind != first
    ]
    taken = payout.gross_minor - payout.amount_minor
    if taken > 0:
        finding = f"{say(payout.gross_minor)} gross less {say(taken)} leaves {say(payout.amount_minor)}."
    else:
        finding = f"Nothing is deducted: {say(payout.amount_minor)} is paid in full."
    return charts.waterfall(
        key="gross-to-net",
        title="From gross to net",
        finding=finding,
        start=(LINE_KINDS.get(first, first.capitalize()), sums.get(first, 0)),
        changes=changes,
        end_label="Net",
        say=say,
    )


def period(payout: Payout) -> str:
    """ "1–31 Oct 2026", or one day, in the organisation's locale."""
    start, end = payout.period_start, payout.period_end
    if start == end:
        return filters.day(end)
    if (start.year, start.month) == (end.year, end.month):
        return f"{start.day}–{filters.day(end)}"
    first = filters.day(start)
    return f"{first.removesuffix(str(start.year)).rstrip() if start.year == end.year else first} – {filters.day(end)}"


def row(payout: Payout, **more: Any) -> dict[str, Any]:
    """What every list shows of a payout."""
    method = payout.method or payout.payee.current_method
    return {
        "payout": payout,
        "status": admin_status(payout),
        "period": period(payout),
        "gross": Money(payout.gross_minor, payout.currency),
        "deductions": Money(payout.amount_minor - payout.gross_minor, payout.currency),
        "net": Money(payout.amount_minor, payout.currency),
        "waiting_since": local_date(payout.created_at, g.organisation.timezone),
        "pay_to": (method.masked or "By hand") if method else None,
        **more,
    }
