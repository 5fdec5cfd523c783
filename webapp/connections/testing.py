"""Trying a connection out: the provider is asked with the stored keys, outside any transaction. Nothing moves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from webapp.connections import queries, service
from webapp.connections.rules import PROVIDERS, REFRESH_TOKEN
from webapp.database import db, transaction
from webapp.kernel.actor import Actor
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict
from webapp.kernel.ids import new_transfer_id
from webapp.kernel.money import Money
from webapp.providers.accounts import Access
from webapp.providers.bookkeeping import BooksError
from webapp.providers.cashfree import client as cashfree
from webapp.providers.cashfree import codes
from webapp.providers.http import Reply
from webapp.providers.phonepe import client as phonepe
from webapp.providers.ports import mask
from webapp.providers.zoho.books import ZohoBooks


@dataclass(frozen=True)
class Verdict:
    """How a test went: an empty problem means well. `said` is what the provider told, for people."""

    problem: str
    said: str = ""


def try_out(
    *, organisation_id: int, provider: str, actor: Actor, clock: Callable[[], datetime] = utc_now
) -> Verdict:
    """Ask the provider something harmless and keep how it went. Works while the connection is off, too.

    Opens its own transactions. Raises NotFound, Conflict without keys or when they were changed meanwhile.
    """
    asked = ask(organisation_id, provider)
    with transaction():
        keep(asked, actor, clock())
    return asked.verdict


@dataclass(frozen=True)
class Asked:
    """What a provider answered to the keys of an account as they were then."""

    account_id: int
    version: int
    verdict: Verdict


def ask(organisation_id: int, provider: str) -> Asked:
    """Ask the provider, outside any transaction. Raises NotFound, Conflict without keys."""
    known = queries.provider_of(provider)
    db.session.rollback()
    account = queries.find(organisation_id, provider)
    if account is None:
        db.session.rollback()
        raise Conflict(f"There are no keys for {known.label} yet. Enter them first.")
    account_id, version, access = account.id, account.version, queries.access(account)
    db.session.rollback()
    return Asked(account_id, version, TESTS[provider](access))


def keep(asked: Asked, actor: Actor, now: datetime) -> None:
    """Keep how it went, in the caller's transaction. Raises Conflict when the keys were changed meanwhile."""
    kept = service.record_test(
        account_id=asked.account_id,
        seen_version=asked.version,
        problem=asked.verdict.problem,
        actor=actor,
        now=now,
    )
    if kept is None:
        raise Conflict("The keys were changed while they were tested. Test the connection again.")


def _cashfree(access: Access) -> Verdict:
    """The balance through version 1, then a question of version 2 about a transfer that nobody made."""
    reply = cashfree.authorize(access)
    token = cashfree.token_of(reply)
    if token is None:
        return Verdict(_refusal(reply, "Cashfree", access))
    reply, balance = cashfree.get_balance(access, token.value)
    if balance is None:
        return Verdict(_refusal(reply, "Cashfree", access))
    reply = cashfree.get_transfer(access, new_transfer_id())
    if reply.status != 404 or reply.body.get("code") not in codes.NOT_FOUND:
        return Verdict(_refusal(reply, "Cashfree", access, "It tells the balance, but not about transfers. "))
    return Verdict("", f"{Money(balance, 'INR').format()} can be spent.")


def _phonepe(access: Access) -> Verdict:
    reply = phonepe.authorize(access)
    if phonepe.token_of(reply) is None:
        return Verdict(_refusal(reply, "PhonePe", access))
    return Verdict("", "PhonePe takes the keys.")


def _zoho(access: Access) -> Verdict:
    """Which books the consent reaches."""
    if not access.get(REFRESH_TOKEN):
        return Verdict(
            "Zoho has not been asked yet whether Paydesk may use the books. Connect it under Accounting."
        )
    try:
        found = ZohoBooks(access).organisations()
    except BooksError as error:
        return Verdict(error.message[:300])
    return Verdict("", f"It reaches {', '.join(each.name for each in found)[:200] or 'no books'}.")


TESTS: dict[str, Callable[[Access], Verdict]] = {"cashfree": _cashfree, "phonepe": _phonepe, "zoho": _zoho}
assert set(TESTS) == set(PROVIDERS)  # noqa: S101 - a provider that cannot be tested would be offered


def _refusal(reply: Reply, name: str, access: Access, before: str = "") -> str:
    """Why it did not work and who must act, in plain words."""
    words = str(mask(str(reply.body.get("message") or "")))[:120].strip()
    said = f" {name} says: {words}" if words else ""
    if not reply.was_sent:
        return f"{before}{name} cannot be reached from this server. Check the address and the firewall."
    if reply.status == 0:
        return f"{before}{name} gave no readable answer in time. Try again in a minute."
    if reply.status in (400, 401, 403, 422) or reply.is_ok:
        text = (
            f"{before}{name} does not take these keys for {access.environment}. Check them, and whether the IP "
            f"address of this server is let in.{said}"
        )
        return text[:300]
    return f"{before}{name} answers with an error ({reply.status}). Try again later.{said}"[:300]
