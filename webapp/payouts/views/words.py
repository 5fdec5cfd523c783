"""The words that pages use for a payout: status with sentence, who must act, the plot from gross to net."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import lru_cache

from babel.numbers import format_compact_currency
from flask import g

from webapp.kernel.clock import utc_now
from webapp.kernel.money import Money, formatter
from webapp.outbox.service import Later
from webapp.payouts.models import Payout, PayoutLine, Transfer
from webapp.payouts.page_rows import ListedChange, ListedPayout
from webapp.payouts.queue_rows import WaitingPayout
from webapp.payouts.states import PayoutState, TransferState
from webapp.people.changes.models import MethodChange
from webapp.providers import registry
from webapp.web import charts, filters
from webapp.web.i18n import N_, gettext, locale_name, translated

_S = PayoutState
LINE_KINDS = {
    "earning": N_("Earnings"),
    "bonus": N_("Bonus"),
    "adjustment": N_("Adjustments"),
    "deduction": N_("Deductions"),
    "tax": N_("Tax"),
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


def _details_wait(payout: Payout | ListedPayout) -> tuple[MethodChange | ListedChange | None, str] | None:
    """What keeps an approved or failed payout waiting: details asked for, or too new ones and until when."""
    if PayoutState(payout.state) not in (_S.APPROVED, _S.FAILED, _S.RETRY_SCHEDULED):
        return None
    if payout.payee.pending_change is not None:
        return payout.payee.pending_change, ""
    method = payout.payee.current_method
    until = method.cool_off_until if method else None
    if until is None or until <= utc_now():
        return None
    return None, filters.instant_words(until)


_WHO = {
    _S.PENDING_APPROVAL: "An approver",
    _S.APPROVED: "An admin",
    _S.PROCESSING: "The bank",
    _S.FAILED: "An admin",
    _S.RETRY_SCHEDULED: "Paydesk",
    _S.REVERSED: "An admin",
}


def admin_status(payout: Payout | ListedPayout) -> Status:
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
        status = admin_status(payout)
        waits = file_sentence(payout.transfers[-1]) if payout.transfers else ""
        return replace(status, sentence=waits, who="An admin") if waits else status
    state = TransferState.REVIEW
    sentence = f"{transfer.error_message.rstrip('.')}. {state.sentence}".lstrip(". ")
    return Status(
        state.tone, f"{PayoutState(payout.state).label}, under review", state.icon, sentence, "Two admins"
    )


def leaving_status(approved: Status, look: Later, now: datetime) -> Status:
    """The status of an approved payout that nobody has to send: when it leaves by itself, or what stops it."""
    if look.reason:
        words = f"It leaves by itself once nothing stops it any more: {look.reason}"
        return replace(approved, sentence=words, who="An admin")
    if look.at > now:
        words = f"It leaves by itself on {filters.instant_words(look.at)}; until then it can be stopped."
        return replace(approved, sentence=words, who="Nobody")
    return replace(approved, sentence="It leaves by itself within a minute.", who="Nobody")


def file_sentence(transfer: Transfer) -> str:
    """What happens next with a transfer that leaves, or left, in a bank file; empty for others and when it is over."""
    if not registry.leaves_in_files(transfer.rail):
        return ""
    return {
        TransferState.QUEUED: "It leaves with a bank file. An admin makes the file, and another approves it.",
        TransferState.ACCEPTED: "It left in a bank file. An admin brings in the bank's answer.",
    }.get(TransferState(transfer.state), "")


_PAYEE = {
    _S.PENDING_APPROVAL: N_("%(payer)s checks it. You get an e-mail when it is approved."),
    _S.APPROVED: N_("It is approved. %(payer)s pays it next."),
    _S.PROCESSING: N_("It is on its way; the bank has been asked."),
    _S.PAID: N_("It has been paid. A bank may need a day to show it."),
    _S.FAILED: N_("The bank did not take it. %(reason)sCheck your payment details; %(payer)s tries again."),
    _S.RETRY_SCHEDULED: N_("The bank did not take it. %(reason)sIt is tried again by itself."),
    _S.REVERSED: N_("The bank sent it back. %(reason)sCheck your payment details; %(payer)s pays it again."),
    _S.REJECTED: N_("%(reason)sIt is not paid as it is. Ask %(payer)s if you do not agree."),
    _S.CANCELLED: N_("%(reason)sIt is not paid. Ask %(payer)s if you do not agree."),
}
_PAYEE_TO = N_("It is approved. %(payer)s pays it next to %(account)s.")


def payee_status(payout: Payout | ListedPayout, payer: str) -> Status:
    """The status in the payee's words: never an admins' note, never who decided."""
    state = PayoutState(payout.state)
    reason = f"{payout.reason.rstrip('.')}. " if payout.reason else ""
    method = payout.payee.current_method
    if payout.is_held:
        return _waiting(
            N_("On hold"), gettext("%(payer)s has put it on hold and looks into it.", payer=payer), payer
        )
    if state in (_S.PENDING_APPROVAL, _S.APPROVED) and method is None:
        return _waiting(
            N_("Waiting"), N_("There are no payment details. Add them and it can be paid."), N_("You")
        )
    if waits := _details_wait(payout):
        change, until = waits
        if change is None:
            text = gettext(
                "Your payment details are new. %(payer)s pays it from %(time)s.", payer=payer, time=until
            )
            return _waiting("Waiting", text, payer)
        text = gettext(
            "New payment details (%(account)s) wait until %(payer)s has verified them. It is paid after that.",
            account=change.masked,
            payer=payer,
        )
        return _waiting("Waiting", text, payer)
    masked = method.masked if method and method.masked else ""
    words = _PAYEE_TO if state == _S.APPROVED and masked else _PAYEE[state]
    # The reason is what the bank or an admin wrote; it stands between two sentences of ours.
    sentence = gettext(words, payer=payer, reason=reason, account=translated(masked))
    both = gettext("You and %(payer)s", payer=payer)
    who = {_S.FAILED: both, _S.REVERSED: both, _S.PROCESSING: "The bank"}
    is_closed = state in (_S.PAID, _S.REJECTED, _S.CANCELLED)
    return _plain(state, sentence, "Nobody" if is_closed else who.get(state, payer))


def wording(currency: str) -> Callable[[int], str]:
    """How a plot writes an amount of a currency, given in minor units."""
    locale = locale_name()
    home = getattr(g.get("organisation"), "currency", currency)
    say = formatter(currency, locale)
    return say if currency == home else lambda value: f"{say(value)} {currency}"


def short_wording(currency: str, locale: str) -> charts.Wording:
    """How an axis writes an amount of a currency, given in minor units: "$12K"."""

    def say(value: int) -> str:
        text = format_compact_currency(
            Money(value, currency).decimal, currency, locale=locale, fraction_digits=1
        )
        return str(text).replace("-", "\N{MINUS SIGN}")

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
        (translated(LINE_KINDS.get(kind, kind.capitalize())), amount)
        for kind, amount in sums.items()
        if kind != first
    ]
    taken = payout.gross_minor - payout.amount_minor
    if taken > 0:
        finding = gettext(
            "%(gross)s gross less %(taken)s leaves %(net)s.",
            gross=say(payout.gross_minor),
            taken=say(taken),
            net=say(payout.amount_minor),
        )
    else:
        finding = gettext("Nothing is deducted: %(net)s is paid in full.", net=say(payout.amount_minor))
    return charts.waterfall(
        key="gross-to-net",
        title=gettext("From gross to net"),
        finding=finding,
        start=(translated(LINE_KINDS.get(first, first.capitalize())), sums.get(first, 0)),
        changes=changes,
        end_label=gettext("Net"),
        say=say,
        line_header=gettext("Line"),
        value_header=gettext("Amount"),
    )


def period(payout: Payout | ListedPayout | WaitingPayout) -> str:
    """ "1–31 Oct 2026", or one day, in the organisation's locale."""
    return period_words(payout.period_start, payout.period_end, locale_name())


@lru_cache(maxsize=4_096)
def period_words(start: date, end: date, locale: str) -> str:
    """The words of `period` in a locale."""
    if start == end:
        return filters.day_in(end, locale)
    if (start.year, start.month) == (end.year, end.month):
        return f"{start.day}–{filters.day_in(end, locale)}"
    first, last = filters.day_in(start, locale), filters.day_in(end, locale)
    if start.year == end.year:
        first = first.removesuffix(str(start.year)).rstrip()
    return f"{first} – {last}"
