"""A rent that was received, its owner, and the provider's simulator: what everybody sees of the owner's money."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

from flask import current_app
from sqlalchemy import select

import jobs.base
from tests import factories
from tests.factories import connections, rentals, rents
from tests.factories.people import FACTORY, actor_of, sign_in
from tests.proof.rounds import next_instant, work
from webapp import queue
from webapp.connections import simulated
from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.money import Money
from webapp.ledger import check
from webapp.ledger.models import Account
from webapp.notices.models import Email
from webapp.payouts import execution, policies, service
from webapp.payouts.models import Payout, Transfer
from webapp.payouts.policy import default_rules
from webapp.people import accounts
from webapp.people.models import Organisation, User
from webapp.providers.models import ProviderAccount
from webapp.simulator.server import Running

RENT = 10_000_00


@dataclass(frozen=True)
class Moment:
    """What people see at an instant."""

    when: str
    page: str
    owner_page: str
    ledger: list[str]
    mails: list[str]
    at_the_bank: str


@dataclass
class Desk:
    """The organisation's side of it; `clock` is the clock that everybody goes by."""

    running: Running
    clock: Any
    moments: list[Moment] = field(default_factory=list)
    _seen_mails: int = 0

    def __post_init__(self) -> None:
        organisation = rentals.griha(name="Griha")
        self.organisation_id = organisation.id
        self.admins = [factories.user(organisation=organisation, role="admin").id for _ in range(2)]
        self.account_id = connections.connection(
            organisation, "cashfree", **simulated.cashfree(self.running.url)
        ).id
        long_ago = utc_now() - timedelta(days=30)
        rules = default_rules("INR", automatic_limit_minor=500_000_00)
        rules["rails"], rules["paid_by_itself"] = ["cashfree"], ["rentals"]
        with transaction():
            policies.change_policy(organisation_id=organisation.id, rules=rules, actor=FACTORY, now=long_ago)
        person = factories.user("meera@owner.example", organisation=organisation, role="owner")
        owner = rentals.owner(organisation, name="Meera Iyer", email="meera@owner.example", user=person)
        where = accounts.ifsc_account(
            account_number="50100123456789", ifsc="HDFC0000001", name_at_bank="Meera Iyer"
        )
        factories.method(owner, where, now=long_ago)
        self.owner_user = person.id
        rents.rent_of(organisation, [(owner, 1)], RENT, now=utc_now())
        db.session.remove()

    # ------------------------------------------------------------ what happens

    @property
    def uid(self) -> str:
        """By which messages name our account at the provider."""
        found = db.session.get_one(ProviderAccount, self.account_id).uid
        db.session.remove()
        return found

    def go_on(self, *, minutes: float = 0, until: str = "") -> None:
        """Time passes, workers do what is due; at the latest until the payout is in a state."""
        ends = utc_now() + timedelta(minutes=minutes)
        for _ in range(200):
            work()
            jobs.base.drain_here(queue.MAIL)
            if until and self.payout()[1] == until:
                return
            following = next_instant(utc_now()) or ends
            if following > ends:
                break
            self.clock.move_to(following)
            self.running.sim.advance()
        self.clock.move_to(max(ends, utc_now()))
        self.running.sim.advance()

    def submit(self) -> None:
        """The worker that sends what needs nobody's hand has begun, and gone no further."""
        payout_id = db.session.scalar(select(Payout.id))
        db.session.rollback()
        execution.pay_due(payout_id=payout_id or 0)

    def payout(self) -> tuple[str, str]:
        """Reference and state."""
        row = db.session.execute(select(Payout.reference, Payout.state)).one()
        db.session.rollback()
        return row.reference, row.state

    def forget_mails(self) -> None:
        """The mails of a database that was put back begin anew."""
        self._seen_mails = max([0, *db.session.scalars(select(Email.id))])
        db.session.rollback()

    def settle_review(self, finding: str) -> None:
        """Two people have looked at the bank's statement."""
        for user_id in self.admins:
            actor = actor_of(db.session.get_one(User, user_id))
            db.session.rollback()
            with transaction():
                service.settle_review(
                    organisation_id=self.organisation_id, reference=self.payout()[0], finding=finding,
                    note="The bank's statement shows one debit.", actor=actor, now=utc_now(),
                )  # fmt: skip

    # ------------------------------------------------------------ what is seen

    def look(self, when: str) -> None:
        """Keep what the pages, the ledger and the owner's mails say now."""
        jobs.base.drain_here(queue.MAIL)
        reference, _ = self.payout()
        self.moments.append(
            Moment(
                when,
                self._page(self.admins[0], f"/admin/payouts/{reference}"),
                self._page(self.owner_user, f"/owner/payouts/{reference}"),
                self._ledger(),
                self._mails(),
                self._at_the_bank(),
            )
        )

    def _page(self, user_id: int, address: str) -> str:
        client = current_app.test_client()
        organisation = db.session.get_one(Organisation, self.organisation_id)
        sign_in(client, db.session.get_one(User, user_id), organisation)
        db.session.remove()
        answer = client.get(address)
        assert answer.status_code == 200, (address, answer.status_code)
        return status_of(answer.text)

    def _ledger(self) -> list[str]:
        rows = db.session.scalars(
            select(Account)
            .where(Account.organisation_id == self.organisation_id, Account.balance_minor != 0)
            .order_by(Account.code)
        )
        found = [f"{row.code} {Money(row.balance_minor, row.currency).format()}" for row in rows]
        db.session.rollback()
        return found

    def _mails(self) -> list[str]:
        rows = db.session.scalars(
            select(Email)
            .where(Email.to_address == "meera@owner.example", Email.id > self._seen_mails)
            .order_by(Email.id)
        ).all()
        self._seen_mails = max([self._seen_mails, *(row.id for row in rows)])
        found = [f"{row.subject} — {_first_words(row.body_text)}" for row in rows]
        db.session.rollback()
        return found

    def _at_the_bank(self) -> str:
        rows = self.running.sim.store.read(
            "SELECT amount_minor FROM movements WHERE provider = 'cashfree' ORDER BY id"
        )
        amounts = [row["amount_minor"] for row in rows]
        left, back = [a for a in amounts if a < 0], [a for a in amounts if a > 0]
        words = f"left {len(left)} time{'' if len(left) == 1 else 's'}"
        return f"{words}, came back {len(back)} time{'' if len(back) == 1 else 's'}" if back else words

    def problems(self, *, left: int = 1, back: int = 0, strangers: int = 0) -> list[str]:
        """What is wrong with how often money moved, and with the ledger; so many transfers may be unknown to us."""
        rows = self.running.sim.store.read("SELECT amount_minor FROM movements WHERE provider = 'cashfree'")
        amounts = [row["amount_minor"] for row in rows]
        found = []
        if [sum(a < 0 for a in amounts), sum(a > 0 for a in amounts)] != [left, back]:
            found.append(f"money moved {amounts} instead of {left} times out and {back} back")
        ours = set(db.session.scalars(select(Transfer.transfer_id)))
        theirs = {
            row["transfer_id"]
            for row in self.running.sim.store.read("SELECT transfer_id FROM cashfree_transfers")
        }
        if len(theirs - ours) != strangers:
            found.append(f"the provider has {len(theirs - ours)} transfers that we do not know")
        found += [f"ledger: {f.subject}: {f.message}" for f in check.run(self.organisation_id).findings]
        db.session.rollback()
        return found


class _Status(HTMLParser):
    """The words of the live part of a payout's page, without what is read out to screen readers only."""

    def __init__(self) -> None:
        super().__init__()
        self.depth, self.hidden, self.words = 0, 0, list[str]()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        is_it = dict(attributes).get("aria-labelledby") == "payout-status-heading"
        if tag == "section" and (self.depth or is_it):
            self.depth += 1
        if self.depth and (tag in ("h2", "noscript") or self.hidden):
            self.hidden += 1

    def handle_endtag(self, tag: str) -> None:
        if tag == "section" and self.depth:
            self.depth -= 1
        if self.hidden and tag in ("h2", "noscript", "p", "a"):
            self.hidden -= 1

    def handle_data(self, data: str) -> None:
        if self.depth and not self.hidden and data.strip():
            self.words.append(data.strip())


def status_of(page: str) -> str:
    """Amount, state and sentence as a payout's page shows them."""
    parser = _Status()
    parser.feed(page)
    return " ".join(" ".join(parser.words).split())


def _first_words(text: str) -> str:
    """The first sentence or two of a mail, after the greeting."""
    paragraphs = [" ".join(part.split()) for part in re.split(r"\n\s*\n", text) if part.strip()]
    return next((part for part in paragraphs if not part.startswith("Hello")), "")
