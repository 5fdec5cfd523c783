"""What must hold of partners' money whatever happened, as docs/partners.md says: told by the rows themselves."""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import select

from tests.support.books import clean
from webapp.database import db
from webapp.kernel.clock import local_date
from webapp.ledger.models import Account
from webapp.payouts.models import Payout, SourceClaim
from webapp.people.models import Organisation, Payee
from webapp.programs.partners import reconciling
from webapp.programs.partners.drafts import COST_ACCOUNT, SOURCE
from webapp.programs.partners.models import Attribution, Commission, Deal

#: What these payouts had is in none any more; the others are alive.
ENDED = ("rejected", "cancelled")


def holds(base: Organisation) -> None:
    """Everything below, of all that the organisation has."""
    db.session.expire_all()
    _shares_add_up(base)
    _each_is_in_one_payout(base)
    _ledger_has_what_commissions_say(base)
    assert clean(base)


def _shares_add_up(base: Organisation) -> None:
    """The shares of a deal come to all of it, to the millionth and to the cent."""
    shares: dict[int, list[Attribution]] = defaultdict(list)
    for row in db.session.scalars(select(Attribution).where(Attribution.organisation_id == base.id)):
        shares[row.deal_id].append(row)
    for deal in db.session.scalars(select(Deal).where(Deal.organisation_id == base.id)):
        if of := shares[deal.id]:
            assert sum(row.millionths for row in of) == 1_000_000, deal.reference
            assert sum(row.amount_minor for row in of) == deal.amount_minor, deal.reference


def _each_is_in_one_payout(base: Organisation) -> None:
    """A payout alive is its commissions, no more and no less; each was due, and is claimed by this one alone."""
    rows: dict[int | None, list[Commission]] = defaultdict(list)
    for row in db.session.scalars(select(Commission).where(Commission.organisation_id == base.id)):
        rows[row.payout_id].append(row)
    claims: dict[int, list[int]] = defaultdict(list)
    for claim in db.session.scalars(
        select(SourceClaim).where(SourceClaim.organisation_id == base.id, SourceClaim.released_at.is_(None))
    ):
        assert claim.source_type == SOURCE
        claims[claim.payout_id].append(claim.source_id)
    for payout in db.session.scalars(select(Payout).where(Payout.organisation_id == base.id)):
        of = rows.pop(payout.id, [])
        if payout.state in ENDED:
            assert not of, payout.reference
        else:
            assert payout.amount_minor == sum(row.amount_minor for row in of) > 0, payout.reference
            lines = sorted((line.source_id or 0, line.amount_minor) for line in payout.lines)
            assert lines == sorted((row.id, row.amount_minor) for row in of), payout.reference
        assert sorted(claims.pop(payout.id, [])) == sorted(row.id for row in of), payout.reference
        day = local_date(payout.created_at, base.timezone)
        for row in of:
            assert (row.payee_id, row.currency) == (payout.payee_id, payout.currency), row.reference
            assert row.state == ("paid" if payout.state == "paid" else "claimed"), row.reference
            assert (row.due_on <= day, row.offer, row.is_disputed) == (True, "open", False), row.reference
    assert not claims
    assert set(rows) <= {None}


def _ledger_has_what_commissions_say(base: Organisation) -> None:
    """Paid, what was taken back netted, has left the bank; approved and not paid is owed to each partner."""
    cost: dict[str, int] = defaultdict(int)
    paid: dict[str, int] = defaultdict(int)
    owed: dict[tuple[int, str], int] = defaultdict(int)
    for row, state in db.session.execute(
        select(Commission, Payout.state)
        .join(Payout, Payout.id == Commission.payout_id)
        .where(Commission.organisation_id == base.id, Payout.state != "pending_approval")
    ):
        cost[row.currency] += row.amount_minor
        if row.state == "paid":
            paid[row.currency] += row.amount_minor
        elif state != "processing":
            owed[row.payee_id, row.currency] += row.amount_minor
    for account in db.session.scalars(select(Account).where(Account.organisation_id == base.id)):
        if account.code == COST_ACCOUNT:
            assert account.balance_minor == cost.pop(account.currency, 0)
        elif account.code == "bank":
            assert account.balance_minor == -paid.pop(account.currency, 0)
        elif account.code.startswith("payable:"):
            assert account.balance_minor == owed.pop((account.payee_id or 0, account.currency), 0), (
                account.code
            )
    assert not any([*cost.values(), *paid.values(), *owed.values()])
    assert all(each.is_equal for each in reconciling.with_ledger(base.id))


def left_over(payee: Payee) -> list[int]:
    """What a calculation could have taken of a partner's commissions and did not, the oldest first."""
    return [
        row.amount_minor
        for row in db.session.scalars(
            select(Commission).where(Commission.payee_id == payee.id).order_by(Commission.id)
        )
        if (row.state, row.offer, row.is_disputed) == ("open", "open", False)
    ]
