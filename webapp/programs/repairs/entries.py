"""The ledger templates of this program: charged, earned, covered, paid. Its only file that posts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from functools import lru_cache

from sqlalchemy import select

from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.ledger import service as ledger
from webapp.ledger.models import Account
from webapp.ledger.service import AccountKey, EntryDraft, Leg
from webapp.people.models import Payee
from webapp.programs.repairs.books import Adjustment, Charge, Earning, Receipt
from webapp.programs.repairs.models import Loan
from webapp.programs.repairs.states import AdjustmentKind, Category

BANK, COLLECTIONS = AccountKey("bank"), AccountKey("collections")
INTEREST = AccountKey("income:loan_interest")
CREDITS, WRITTEN_OFF = AccountKey("expense:driver_credits"), AccountKey("expense:debts_written_off")
_EARNED_BY = {
    Category.TAXES: AccountKey("tax_withheld"),
    Category.TOLLS: AccountKey("income:toll_recovery"),
    Category.LEASE: AccountKey("income:lease"),
    Category.TICKETS: AccountKey("income:ticket_recovery"),
    Category.AGENCY_FEES: AccountKey("income:agency_fee"),
    Category.REPAIRS: AccountKey("income:repair_recovery"),
    # An advance is money that was handed out.
    Category.ADVANCES: BANK,
    Category.MISCELLANEOUS: AccountKey("income:miscellaneous"),
}


def _of(word: str, payee: Payee) -> AccountKey:
    return _account(word, payee.reference, payee.id)


@lru_cache(maxsize=2048)
def _account(word: str, reference: str, payee_id: int) -> AccountKey:
    """A run names the same driver's accounts many times in a row."""
    return AccountKey(f"{word}:{reference}", payee_id)


def receivable(payee: Payee) -> AccountKey:
    """What a driver owes."""
    return _of("receivable", payee)


def earnings(payee: Payee) -> AccountKey:
    """What a driver has earned, and what is kept for them."""
    return _of("earnings", payee)


def held(payee: Payee) -> AccountKey:
    """What a receipt pays out, until the payout is approved."""
    return _of("held", payee)


def deposit(payee: Payee) -> AccountKey:
    """What a driver left as a security."""
    return _of("deposit", payee)


def loan(payee: Payee) -> AccountKey:
    """What of the principal lent to a driver is not charged yet."""
    return _of("loan", payee)


def counterpart(category: str, payee: Payee) -> AccountKey:
    """What a charge is credited to; a loan's principal to the loan."""
    if category == Category.DEPOSIT:
        return deposit(payee)
    return loan(payee) if category == Category.LOANS else _EARNED_BY[Category(category)]


def post(organisation_id: int, drafts: Sequence[EntryDraft], actor: Actor, now: datetime) -> int:
    """Write entries with one call; returns how many were new."""
    return ledger.post_many(organisation_id=organisation_id, entries=drafts, actor=actor, now=now)


def lock_payables(organisation_id: int, payees: Iterable[Payee]) -> None:
    """Lock what is held for drivers and payable to them before any other account of theirs.

    A payout that is cancelled has these two in its hands before it gives the money back.
    """
    codes = [f"{word}:{payee.reference}" for payee in payees for word in ("held", "payable")]
    db.session.execute(
        select(Account.id)
        .where(Account.organisation_id == organisation_id, Account.code.in_(codes))
        .order_by(Account.id)
        .with_for_update()
    ).all()


def _draft(
    kind: str, currency: str, on: date, words: str, source: tuple[str, int], key: str,
    legs: Iterable[tuple[AccountKey, int]],
) -> EntryDraft:  # fmt: skip
    sums: dict[AccountKey, int] = {}
    for account, amount in legs:
        sums[account] = sums.get(account, 0) + amount
    return EntryDraft(
        kind=f"repairs.{kind}",
        currency=currency,
        effective_on=on,
        description=words,
        source_type=source[0],
        source_id=source[1],
        idempotency_key=f"repairs:{key}",
        legs=tuple(Leg(account, amount) for account, amount in sums.items() if amount),
    )


def instalment_charged(
    instalment_id: int, category: str, payee: Payee, currency: str, amount: int, interest: int, on: date, words: str
) -> EntryDraft:  # fmt: skip
    """An instalment is owed; of a loan's the interest is income and the rest comes off the loan."""
    legs = [Leg(receivable(payee), amount)]
    if amount != interest:
        legs.append(Leg(counterpart(category, payee), interest - amount))
    if interest:
        legs.append(Leg(INTEREST, -interest))
    # No account stands here twice, so nothing is added up: a run makes tens of thousands of them.
    return EntryDraft(
        "repairs.instalment", currency, on, words, "repairs_instalment", instalment_id,
        f"repairs:instalment:{instalment_id}", tuple(legs),
    )  # fmt: skip


def charged(row: Charge, payee: Payee) -> EntryDraft:
    """Anything else is owed."""
    legs = [(receivable(payee), row.amount_minor), (counterpart(row.category, payee), -row.amount_minor)]
    words = f"{payee.name}: {row.description}"
    source = ("repairs_charge", row.id)
    return _draft("charged", row.currency, row.charged_on, words, source, f"charge:{row.id}", legs)


def earned(row: Earning, payee: Payee) -> EntryDraft:
    """A driver earned; the money is with whoever took the fares."""
    legs = [(COLLECTIONS, row.amount_minor), (earnings(payee), -row.amount_minor)]
    words = f"{payee.name}: {row.source} {row.external_ref}"
    source = ("repairs_earning", row.id)
    return _draft("earned", row.currency, row.earned_on, words, source, f"earning:{row.id}", legs)


def lent(row: Loan, payee: Payee) -> EntryDraft:
    """Money left the bank for a driver."""
    legs = [(loan(payee), row.principal_minor), (BANK, -row.principal_minor)]
    words = f"{row.reference}: lent to {payee.name}"
    return _draft("lent", row.currency, row.lent_on, words, ("repairs_loan", row.id), f"loan:{row.id}", legs)


def adjusted(row: Adjustment, payee: Payee, given_back: Iterable[tuple[AccountKey, int]] = ()) -> EntryDraft:
    """A driver's balance grew: debts fall by what was applied to them, the rest is kept for the week.

    `given_back` says where a reversed charge's amount comes from; the other kinds have one place each.
    """
    places = {
        AdjustmentKind.PAYMENT: BANK,
        AdjustmentKind.CREDIT: CREDITS,
        AdjustmentKind.CORRECTION: CREDITS,
        AdjustmentKind.WRITTEN_OFF: WRITTEN_OFF,
        AdjustmentKind.DEPOSIT: deposit(payee),
        AdjustmentKind.PAYOUT_BACK: held(payee),
    }
    legs = list(given_back) or [(places[AdjustmentKind(row.kind)], row.amount_minor)]
    legs += [(receivable(payee), -row.applied_minor), (earnings(payee), row.applied_minor - row.amount_minor)]
    words = f"{row.reference} {payee.name}: {row.description}"
    source = ("repairs_adjustment", row.id)
    return _draft("adjusted", row.currency, row.happened_on, words, source, f"adjustment:{row.id}", legs)


def settled(row: Receipt, payee: Payee, allocated: int, on: date) -> EntryDraft | None:
    """A receipt covers debts from earnings and holds what is paid out; None when neither."""
    if not allocated and not row.paid_minor:
        return None
    legs = [
        (earnings(payee), allocated + row.paid_minor),
        (receivable(payee), -allocated),
        (held(payee), -row.paid_minor),
    ]
    words = f"{row.number} {payee.name}: week of {row.week_start.isoformat()}"
    source = ("repairs_receipt", row.id)
    return _draft("receipt", row.currency, on, words, source, f"receipt:{row.id}", legs)
