"""Wallet money that a practitioner wants in the bank: an ordinary payout over any rail, paid from what is held."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import partial

from sqlalchemy import select

from webapp.database import db, lock_row
from webapp.kernel.actor import Actor
from webapp.kernel.checks import check_amount
from webapp.kernel.errors import Conflict, Invalid
from webapp.kernel.money import Money
from webapp.ledger.models import Account
from webapp.notices import wanted
from webapp.payouts import service as payouts
from webapp.payouts.drafts import ExclusionDraft, LineDraft
from webapp.payouts.models import Payout
from webapp.payouts.queries import find_by_idempotency_key
from webapp.people.models import Organisation, Payee, Role
from webapp.programs.clinic import entries, trail, wallets
from webapp.programs.clinic.drafts import PROGRAM
from webapp.programs.clinic.models import ClinicTransaction
from webapp.programs.clinic.settings import settings_of
from webapp.programs.clinic.states import Method, TransactionKind, TransactionState

#: Who adjusted a wallet does not approve what is withdrawn from it so long afterwards.
ADJUSTERS_OF = timedelta(days=90)
SOURCE = "clinic_withdrawal"


def request_withdrawal(
    *,
    organisation_id: int,
    payee_id: int,
    amount_minor: int,
    actor: Actor,
    now: datetime,
    currency: str = "",
    is_automatic: bool = False,
    idempotency_key: str | None = None,
) -> Payout:
    """Take money out of a practitioner's wallet at once, and make the payout that brings it to the bank.

    The same key gets the payout that is there. Without payment details the payout waits for them; they are asked for.
    Raises NotFound, Invalid (more than the wallet holds, less than the smallest withdrawal), Conflict.
    """
    payee = wallets.get_practitioner(organisation_id, payee_id)
    currency = currency or db.session.get_one(Organisation, organisation_id).currency
    # One at a time, and before the wallet is looked at, which the first request has emptied.
    lock_row(Payee, Payee.id == payee.id, key_share=True)
    if existing := find_by_idempotency_key(organisation_id, idempotency_key):
        return _same(existing, payee, amount_minor)
    _check(payee, amount_minor, currency)
    amount = Money(amount_minor, currency)
    today, excluded = trail.today(organisation_id, now), _exclusions(payee, now)
    payout = payouts.create(
        organisation_id=organisation_id,
        program=PROGRAM,
        payee_id=payee.id,
        currency=currency,
        lines=[LineDraft("earning", "Withdrawal from the wallet", amount_minor, today, source_type=SOURCE)],
        sources=[],
        period_start=today,
        period_end=today,
        cost_account=entries.held(payee).code,
        exclusions=excluded,
        # What somebody put into the wallet by hand, or took out of it, is looked at by another person.
        is_automatic=is_automatic and not excluded,
        idempotency_key=idempotency_key,
        before_approval=partial(_hold, payee, amount, actor, now),
        actor=actor,
        now=now,
    )
    wanted.ask(payee, now)
    return payout


def with_money(organisation_id: int) -> Sequence[int]:
    """Practitioners whose wallets hold something, and who are still paid."""
    return db.session.scalars(
        select(Payee.id)
        .join(Account, Account.payee_id == Payee.id)
        .where(
            Payee.organisation_id == organisation_id,
            Payee.kind == Role.PRACTITIONER.value,
            Payee.is_active.is_(True),
            Account.code == "wallet:" + Payee.reference,
            Account.balance_minor > 0,
        )
        .order_by(Payee.id)
        .distinct()
    ).all()


def withdraw_all(
    *, organisation_id: int, payee_id: int, day: date, actor: Actor, now: datetime
) -> list[Payout]:
    """The schedule's withdrawal: all that a practitioner's wallets hold, of each currency once for a day.

    A wallet with less than the smallest withdrawal is left for the next time.
    """
    payee = wallets.get_practitioner(organisation_id, payee_id)
    least = max(1, settings_of(organisation_id).withdrawal_minimum_minor)
    rows = db.session.execute(
        select(Account.currency, Account.balance_minor).where(
            Account.organisation_id == organisation_id,
            Account.code == wallets.code_of(payee),
            Account.balance_minor >= least,
        )
    ).all()
    made = []
    for currency, balance in rows:
        key = f"clinic:withdrawal:{payee.id}:{currency}:{day.isoformat()}"
        if find_by_idempotency_key(organisation_id, key) is None:
            made.append(
                request_withdrawal(
                    organisation_id=organisation_id,
                    payee_id=payee.id,
                    amount_minor=int(balance),
                    currency=currency,
                    is_automatic=True,
                    idempotency_key=key,
                    actor=actor,
                    now=now,
                )
            )
    return made


def _same(existing: Payout, payee: Payee, amount_minor: int) -> Payout:
    if (existing.payee_id, existing.amount_minor) != (payee.id, amount_minor):
        raise Conflict(
            f"{existing.reference} was made with the same key for something else. Nothing was done."
        )
    return existing


def _check(payee: Payee, amount_minor: int, currency: str) -> None:
    there = Money(wallets.balance(payee.organisation_id, wallets.code_of(payee), currency), currency)
    check_amount("amount", amount_minor, there.plain)
    if amount_minor > there.amount:
        raise Invalid("amount", f"The wallet holds {there.format()}; not more can be withdrawn.", there.plain)
    least = Money(settings_of(payee.organisation_id).withdrawal_minimum_minor, currency)
    if amount_minor < least.amount:
        raise Invalid("amount", f"The smallest withdrawal is {least.format()}.", least.plain)


def _exclusions(payee: Payee, now: datetime) -> list[ExclusionDraft]:
    """Who put money into the wallet, or took it out, by hand does not approve what is then withdrawn."""
    people = db.session.scalars(
        select(ClinicTransaction.created_by_id)
        .where(
            ClinicTransaction.payee_id == payee.id,
            ClinicTransaction.kind == TransactionKind.ADJUSTMENT.value,
            ClinicTransaction.created_at > now - ADJUSTERS_OF,
            ClinicTransaction.created_by_id.is_not(None),
        )
        .distinct()
    )
    return [ExclusionDraft(user_id, "adjusted this wallet") for user_id in people if user_id is not None]


def _hold(payee: Payee, amount: Money, actor: Actor, now: datetime, payout: Payout) -> None:
    """Out of the wallet before anybody can approve the payout: the money cannot be spent twice."""
    row = wallets.new_transaction(
        organisation_id=payout.organisation_id,
        kind=TransactionKind.WITHDRAWAL,
        method=Method.BANK.value,
        state=TransactionState.PENDING,
        currency=amount.currency,
        amount_minor=amount.amount,
        happened_on=trail.today(payout.organisation_id, now),
        payee_id=payee.id,
        payout_id=payout.id,
        from_wallet=wallets.code_of(payee),
        actor=actor,
        now=now,
    )
    _lock_held(row, payee)
    entries.asked_for(row, payee, actor, now)


def give_back(row: ClinicTransaction, payout: Payout, actor: Actor, now: datetime) -> None:
    """A withdrawal was rejected or cancelled: its money is in the wallet again."""
    _lock_held(row, payout.payee)
    entries.given_back(row, payout.payee, trail.today(row.organisation_id, now), actor, now)


def _lock_held(row: ClinicTransaction, payee: Payee) -> None:
    """What is held is locked before the wallet: a cancellation has it in its hands already."""
    wallets.lock_balances(row.organisation_id, row.currency, [entries.held(payee).code])
