"""The rail `wallet`: paid when it is approved, in the same transaction, by one entry from wallet to wallet.

No bank is asked, nothing is in transit, and there is no transfer: the payee's wallet is an account of the ledger. The
cost account of the payout is the wallet that pays; what its lines keep back goes to `income:commission`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import text

from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.kernel.errors import NotAllowed
from webapp.kernel.money import Money
from webapp.ledger import service as ledger
from webapp.ledger.check import Finding, position_checks
from webapp.ledger.service import AccountKey, EntryDraft, Leg
from webapp.payouts import approval, policies, records
from webapp.payouts.models import Payout
from webapp.payouts.policy import WALLET
from webapp.payouts.states import PayoutAction, next_state
from webapp.people.models import Payee

COMMISSION = AccountKey("income:commission")


@dataclass(frozen=True, slots=True)
class WalletPayout:
    """A payout of this rail as it is booked; made one by one or many at once."""

    id: int
    organisation_id: int
    program: str
    reference: str
    payee: Payee
    currency: str
    gross_minor: int
    amount_minor: int
    # The wallet that pays.
    cost_account: str


#: What a program books with its payouts, in the same call of the ledger: what payees owe is set off at once.
SetOff = Callable[[Sequence[WalletPayout], date, Actor, datetime], Iterable[EntryDraft]]
_set_offs: dict[str, SetOff] = {}


def register_set_off(program: str, set_off: SetOff) -> None:
    """Let a program book more with each of its payouts; once, at start-up."""
    _set_offs[program] = set_off


def set_offs(payouts: Sequence[WalletPayout], on: date, actor: Actor, now: datetime) -> list[EntryDraft]:
    """What the program of these payouts (all of one) books with them."""
    found = _set_offs.get(payouts[0].program) if payouts else None
    return list(found(payouts, on, actor, now)) if found else []


def wallet_of(payee: Payee) -> AccountKey:
    """The payee's own wallet; it is opened when the first money comes."""
    return AccountKey(f"wallet:{payee.reference}", payee.id)


def entry_of(payout: WalletPayout, on: date) -> EntryDraft:
    """The one entry of a payout: out of the wallet that pays, into the payee's, the commission to income."""
    legs = (
        Leg(AccountKey(payout.cost_account), payout.gross_minor),
        Leg(wallet_of(payout.payee), -payout.amount_minor),
        Leg(COMMISSION, payout.amount_minor - payout.gross_minor),
    )
    return EntryDraft(
        kind="payout.paid_into_wallet",
        currency=payout.currency,
        effective_on=on,
        description=f"{payout.reference} {payout.payee.name}: paid into the wallet",
        source_type="payout",
        source_id=payout.id,
        idempotency_key=f"payout:{payout.id}:wallet",
        legs=tuple(leg for leg in legs if leg.amount),
    )


def _as_booked(payout: Payout) -> WalletPayout:
    return WalletPayout(
        id=payout.id,
        organisation_id=payout.organisation_id,
        program=payout.program,
        reference=payout.reference,
        payee=payout.payee,
        currency=payout.currency,
        gross_minor=payout.gross_minor,
        amount_minor=payout.amount_minor,
        cost_account=payout.cost_account,
    )


def refuse_halted(organisation_id: int) -> None:
    """Raises NotAllowed with the reasons while payments are halted."""
    if reasons := policies.halt_reasons(organisation_id, WALLET):
        raise NotAllowed(
            [f"Payments are halted: {reason} An admin resumes them in the settings." for reason in reasons]
        )


def pay(payout: Payout, actor: Actor, now: datetime) -> None:
    """Pay an approved payout into the payee's wallet. Raises NotAllowed, or Conflict when the money is not there."""
    refuse_halted(payout.organisation_id)
    on = records.today(payout, now)
    # By the table's own steps, of which nothing is seen in between.
    state = next_state(next_state(payout.state, PayoutAction.SUBMIT), PayoutAction.SUCCEED)
    payout.submitted_at = payout.paid_at = now
    payout.paid_on, payout.reason = on, ""
    records.change(
        payout, PayoutAction.SUCCEED, state, actor=actor, now=now, changes={"rail": [None, WALLET]}
    )
    records.notify("paid", payout, now)
    records.tell("paid", payout, now)
    # Last: the wallets are locked for moments only, and in one go.
    booked = _as_booked(payout)
    entries = [entry_of(booked, on), *set_offs([booked], on, actor, now)]
    ledger.post_many(organisation_id=payout.organisation_id, entries=entries, actor=actor, now=now)


approval.at_once[WALLET] = pay

_POSITION = text("""
    SELECT p.reference, p.state, p.currency, p.amount_minor, p.gross_minor, coalesce(x.wallet, 0) AS wallet,
        coalesce(x.paid, 0) AS paid, coalesce(x.others, 0) AS others
    FROM payouts p JOIN payees y ON y.id = p.payee_id LEFT JOIN (
        SELECT q.id,
            -sum(CASE WHEN a.code = 'wallet:' || r.reference THEN l.amount_minor ELSE 0 END) AS wallet,
            sum(CASE WHEN a.code = q.cost_account THEN l.amount_minor ELSE 0 END) AS paid,
            sum(CASE WHEN a.code = 'bank' OR a.code = 'in_transit' OR a.code LIKE 'payable:%' THEN 1 ELSE 0 END)
                AS others
        FROM payouts q JOIN payees r ON r.id = q.payee_id
        JOIN journal_entries e ON e.source_type = 'payout' AND e.source_id = q.id
            AND e.organisation_id = q.organisation_id
        JOIN postings l ON l.entry_id = e.id JOIN accounts a ON a.id = l.account_id
        WHERE q.rail = 'wallet' GROUP BY q.id
    ) x ON x.id = p.id
    WHERE p.rail = 'wallet'
        AND (CAST(:organisation AS BIGINT) IS NULL OR p.organisation_id = CAST(:organisation AS BIGINT))
        AND (coalesce(x.wallet, 0) <> CASE WHEN p.state = 'paid' THEN p.amount_minor ELSE 0 END
            OR coalesce(x.paid, 0) <> CASE WHEN p.state = 'paid' THEN p.gross_minor ELSE 0 END
            OR coalesce(x.others, 0) <> 0 OR p.state NOT IN ('paid', 'pending_approval', 'rejected', 'cancelled'))
    ORDER BY p.id
""")


def positions(organisation_id: int | None) -> Iterator[Finding]:
    """One finding per payout of this rail that is paid and not exactly in the wallet, or moved money before."""
    for row in db.session.execute(_POSITION, {"organisation": organisation_id}):
        due = (row.amount_minor, row.gross_minor) if row.state == "paid" else (0, 0)
        found = (int(row.wallet), int(row.paid))
        words = [
            f"{label} {Money(is_, row.currency).plain} instead of {Money(should, row.currency).plain}"
            for label, is_, should in zip(("moved in", "taken"), found, due, strict=True)
            if is_ != should
        ]
        if row.others:
            words.append("an account of the bank's way is touched")
        said = ", ".join(words) or "a payout into a wallet is paid at approval"
        yield Finding("wallet position", row.reference, f"It is {row.state}: {said} ({row.currency})")


if positions not in position_checks:
    position_checks.append(positions)
