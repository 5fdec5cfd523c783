"""An organisation with paid and open payouts, and files of its bank to compare them with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from sqlalchemy import select

from tests import factories
from tests.factories.payouts import payout_sent
from tests.factories.people import actor_of
from webapp.database import db, transaction
from webapp.kernel.actor import Actor
from webapp.payouts import settlement
from webapp.payouts.models import Payout, Transfer
from webapp.people.models import Organisation, User
from webapp.providers.ports import Answer, Outcome
from webapp.reconciliation import balance, work
from webapp.reconciliation.models import Finding, Match, StatementLine

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
DAY = date(2026, 11, 20)
IBAN = "DE89370400440532013000"


@dataclass
class World:
    """Who is there; `paid` and `camt` make both sides."""

    organisation: Organisation
    first: User
    second: User
    n: int = 0

    @property
    def actor(self) -> Actor:
        """The first admin."""
        return actor_of(self.first)

    @property
    def other(self) -> Actor:
        """The second admin."""
        return actor_of(self.second)

    def sent(self, amount: int = 10_000) -> Transfer:
        """A transfer that the bank has accepted."""
        made = payout_sent(self.organisation, amount=amount, now=NOW)
        transfer = db.session.scalars(select(Transfer).where(Transfer.payout_id == made.id)).one()
        with transaction():
            _, transfer = settlement.lock_transfer(transfer.id)
            transfer.state, transfer.sends = "accepted", 1
        return transfer

    def answer(self, transfer: Transfer, outcome: Outcome, **values: object) -> Transfer:
        """The provider's word about a transfer takes effect."""
        with transaction():
            payout, found = settlement.lock_transfer(transfer.id)
            settlement.apply(payout, found, Answer(outcome, **values), NOW)  # type: ignore[arg-type]
        return db.session.get_one(Transfer, transfer.id)

    def paid(self, amount: int = 10_000, utr: str = "") -> Transfer:
        """A transfer that has succeeded."""
        self.n += 1
        return self.answer(
            self.sent(amount),
            Outcome.SUCCEEDED,
            utr=utr or f"UTRX{self.n:012d}",
            provider_reference=f"CF{self.n}",
        )

    def compare(self, data: bytes, *, wanted: str = "", switch: bool = False, provider: str = "") -> str:
        """Upload and compare a file; the reference of the comparison."""
        reference = work.take(
            organisation=self.organisation, file_name="statement.xml", data=data, wanted=wanted,
            provider=provider, actor=self.actor, now=NOW,
        )  # fmt: skip
        return work.start(
            organisation=self.organisation, reference=reference, switch=switch, expected_version=None,
            actor=self.actor, now=NOW,
        )  # fmt: skip

    def findings(self, *kinds: str, state: str = "") -> list[Finding]:
        """The findings that are not settled, or those of a state; the oldest first."""
        query = select(Finding).where(Finding.organisation_id == self.organisation.id).order_by(Finding.id)
        query = query.where(Finding.state == state) if state else query.where(Finding.state != "resolved")
        if kinds:
            query = query.where(Finding.kind.in_(kinds))
        return list(db.session.scalars(query))

    def matches(self) -> list[Match]:
        """All matches."""
        return list(
            db.session.scalars(
                select(Match).where(Match.organisation_id == self.organisation.id).order_by(Match.id)
            )
        )

    def lines(self) -> list[StatementLine]:
        """All lines."""
        return list(db.session.scalars(select(StatementLine).order_by(StatementLine.id)))

    def tie(self) -> balance.Tie:
        """The one comparison of balances."""
        return balance.ties(self.organisation.id)[0]

    def payout(self, transfer: Transfer) -> Payout:
        """The payout of a transfer."""
        return db.session.get_one(Payout, transfer.payout_id)


def world() -> World:
    """An organisation in US dollars with two admins."""
    organisation = factories.organisation(slug="solaria")
    people = [factories.user(organisation=organisation, role="admin") for _ in range(2)]
    return World(organisation, *people)


@dataclass(frozen=True)
class Entry:
    """One entry of a camt.053 statement; amount in minor units, out is negative."""

    amount: int
    reference: str = ""
    end_to_end: str = ""
    text: str = ""
    on: date = DAY
    parts: Sequence[tuple[int, str]] = ()
    batch: tuple[str, int] | None = None
    status: str = "BOOK"


def _money(amount: int, currency: str) -> str:
    sign = "CRDT" if amount >= 0 else "DBIT"
    return f'<Amt Ccy="{currency}">{Decimal(abs(amount)) / 100:.2f}</Amt><CdtDbtInd>{sign}</CdtDbtInd>'


def camt(
    entries: Sequence[Entry],
    *,
    opening: int | None = 0,
    closing: int | None = None,
    account: str = IBAN,
    currency: str = "USD",
    version: str = "08",
    number: str = "1",
    on: date = DAY,
    since: date | None = None,
) -> bytes:
    """A camt.053 file with one statement; the closing balance follows from the entries unless given.

    It is about the days from `since`, by default the day `on` alone.
    """
    if closing is None and opening is not None:
        closing = opening + sum(e.amount for e in entries if e.status == "BOOK")
    balances = ""
    for code, value, day in (("OPBD", opening, (since or on) - timedelta(days=1)), ("CLBD", closing, on)):
        if value is not None:
            balances += (
                f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>{_money(value, currency)}"
                f"<Dt><Dt>{day}</Dt></Dt></Bal>"
            )
    body = "".join(_entry(entry, currency, version) for entry in entries)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.{version}">'
        f"<BkToCstmrStmt><GrpHdr><MsgId>M</MsgId></GrpHdr><Stmt><Id>{number}</Id><Acct><Id><IBAN>{account}</IBAN></Id>"
        f"<Ccy>{currency}</Ccy></Acct>{balances}{body}</Stmt></BkToCstmrStmt></Document>"
    ).encode()


def _entry(entry: Entry, currency: str, version: str) -> str:
    status = f"<Cd>{entry.status}</Cd>" if version >= "08" else entry.status
    details = ""
    if entry.batch:
        name, count = entry.batch
        details = f"<NtryDtls><Btch><PmtInfId>{name}</PmtInfId><NbOfTxs>{count}</NbOfTxs></Btch></NtryDtls>"
    elif entry.parts:
        transactions = "".join(
            f"<TxDtls><Refs><EndToEndId>{name}</EndToEndId></Refs>"
            f'<Amt Ccy="{currency}">{Decimal(abs(amount)) / 100:.2f}</Amt></TxDtls>'
            for amount, name in entry.parts
        )
        details = f"<NtryDtls>{transactions}</NtryDtls>"
    else:
        details = (
            f"<NtryDtls><TxDtls><Refs><EndToEndId>{entry.end_to_end or 'NOTPROVIDED'}</EndToEndId></Refs>"
            f"<RmtInf><Ustrd>{entry.text}</Ustrd></RmtInf></TxDtls></NtryDtls>"
        )
    reference = f"<AcctSvcrRef>{entry.reference}</AcctSvcrRef>" if entry.reference else ""
    return (
        f"<Ntry>{_money(entry.amount, currency)}<Sts>{status}</Sts><BookgDt><Dt>{entry.on}</Dt></BookgDt>"
        f"<ValDt><Dt>{entry.on}</Dt></ValDt>{reference}{details}</Ntry>"
    )
