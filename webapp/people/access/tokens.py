"""API tokens: a person's key for programs. Only the SHA-256 of a token is kept; it is shown once.

A token acts as its person in one organisation. What it may do is what its scopes name *and* what the person's
roles allow at that moment, so taking a role away narrows every token of theirs at once.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import Select, func, select, update

from webapp.audit import service as audit
from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict, Invalid, NotFound
from webapp.kernel.ids import token_hash
from webapp.kernel.labels import Label
from webapp.people import queries
from webapp.people.access.models import ApiToken
from webapp.people.models import PAYEE_KINDS, Role, User

PREFIX = "pd_"
DEFAULT_DAYS, MAXIMUM_DAYS = 90, 365
# More than this many living tokens of one person in one organisation are a leak waiting to happen.
MAXIMUM_TOKENS = 20
# last_used_at is written at most this often, so that reading by API rarely writes.
TOUCH_EVERY = timedelta(minutes=5)
HINT_LENGTH = 11


class Scope(Label):
    """What a token may be allowed to do."""

    PAYOUTS_READ = "payouts:read", "Read payouts"
    PAYOUTS_CREATE = "payouts:create", "Create payouts"
    PAYOUTS_APPROVE = "payouts:approve", "Approve, reject, hold, release and cancel payouts"
    PAYOUTS_PAY = "payouts:pay", "Pay, retry, re-issue and mark payouts as paid"
    RATES_READ = "rates:read", "Read rate configurations and exchange rates"
    RATES_WRITE = "rates:write", "Change rate configurations"
    INSTALLATIONS_READ = "installations:read", "Read installations and what is held back of them"
    INSTALLATIONS_WRITE = "installations:write", "Add and change installations and what is held back of them"
    RENTALS_READ = "rentals:read", "Read properties, leases, rents and their payments"
    RENTALS_WRITE = "rentals:write", "Add properties and leases, enter and verify payments of rent"
    CUSTOMERS_READ = "customers:read", "Read customers of a clinic"
    CUSTOMERS_WRITE = "customers:write", "Add and change customers of a clinic"
    CLINIC_READ = "clinic:read", "Read appointments, invoices, their transactions and wallets"
    CLINIC_WRITE = "clinic:write", "Add appointments and invoices, record payments, write off"
    CLINIC_REFUND = "clinic:refund", "Refund invoices"
    WITHDRAWALS_CREATE = "withdrawals:create", "Ask for withdrawals from wallets"
    REPAIRS_READ = (
        "repairs:read",
        "Read repairs, instalments, leases of drivers, their ledgers and weekly receipts",
    )
    REPAIRS_WRITE = "repairs:write", "Add, change, confirm, hold, cancel and settle repairs"
    REPAIRS_POST = "repairs:post", "Charge instalments, ask for weekly runs"
    DRIVERS_WRITE = (
        "drivers:write",
        "Charge and credit drivers, record what they earn and pay, lend, correct receipts",
    )
    FLEET_READ = "fleet:read", "Read vehicles, medallions and statistics of repairs"
    FLEET_WRITE = "fleet:write", "Add vehicles and medallions, begin and end leases of drivers"
    PARTNERS_READ = (
        "partners:read",
        "Read partners, their programs, deals, touches, commissions and objections",
    )
    PARTNERS_WRITE = (
        "partners:write",
        "Change partners, decide registrations, objections and commissions of rejected payouts",
    )
    PARTNERS_CALCULATE = "partners:calculate", "Make payouts of commissions that are due"
    DEALS_WRITE = "deals:write", "Add, change, win, lose and reopen deals, add and remove touches"
    REGISTRATIONS_CREATE = "registrations:create", "Register deals of a partner, object to commissions"
    EVENTS_READ = "events:read", "Read events that a CRM sent"
    EVENTS_WRITE = "events:write", "Send events of a CRM"
    COMMISSION_READ = "commission:read", "Read commission rules"
    COMMISSION_WRITE = "commission:write", "Change, accept and refuse commission rules"
    RECONCILIATION_READ = "reconciliation:read", "Read what comparisons with banks and providers found"
    CONNECTIONS_READ = "connections:read", "Read connections to providers, without their keys"
    CONNECTIONS_TEST = "connections:test", "Test connections to providers"
    BANK_FILES_READ = "bank_files:read", "Read bank files"
    BANK_FILES_WRITE = "bank_files:write", "Make and approve bank files"
    MESSAGES_READ = "messages:read", "Read messages of providers"
    MESSAGES_REPLAY = "messages:replay", "Look at messages of providers again"
    PAYEES_READ = "payees:read", "Read payees, their details masked"
    PAYEES_WRITE = "payees:write", "Add and change payees, ask for new payment details"
    PAYEES_VERIFY = "payees:verify", "Verify or refuse new payment details"
    STATEMENTS_READ = "statements:read", "Read and download statements"
    STATEMENTS_CREATE = "statements:create", "Ask for statements"
    RUNS_READ = "runs:read", "Read runs and what became of each row"


READING = frozenset(scope for scope in Scope if scope.endswith(":read"))
# A payee reads what concerns themselves; every query narrows it to their own records.
OWN = frozenset({Scope.PAYOUTS_READ, Scope.PAYEES_READ, Scope.STATEMENTS_READ})
# What some kinds of payees can have besides: technicians their installations, practitioners their appointments,
# invoices and wallet, and to ask for its money, which goes to their own account and is approved like any payout;
# drivers their repairs, ledger and weekly receipts; partners their deals and commissions, and to register a deal or
# object to a commission, which makes no money.
OF_KIND: dict[str, frozenset[Scope]] = {
    Role.TECHNICIAN.value: frozenset({Scope.INSTALLATIONS_READ}),
    Role.PRACTITIONER.value: frozenset({Scope.CLINIC_READ, Scope.WITHDRAWALS_CREATE}),
    Role.DRIVER.value: frozenset({Scope.REPAIRS_READ}),
    Role.PARTNER.value: frozenset({Scope.PARTNERS_READ, Scope.REGISTRATIONS_CREATE}),
}


def allowed_scopes(roles: Iterable[str]) -> frozenset[Scope]:
    """The widest scopes that a person with these roles can have."""
    found: set[Scope] = set()
    for role in roles:
        if role == Role.ADMIN:
            found |= set(Scope)
        elif role == Role.ACCOUNTANT:
            found |= READING
        elif role in PAYEE_KINDS:
            found |= OWN | OF_KIND.get(role, frozenset())
    return frozenset(found)


def scopes_of(token: ApiToken) -> frozenset[Scope]:
    """The scopes that were written into a token; one that no longer exists counts for nothing."""
    known = {scope.value: scope for scope in Scope}
    return frozenset(known[word] for word in token.scopes.split() if word in known)


def create(
    *,
    user_id: int,
    organisation_id: int,
    actor: Actor,
    now: datetime,
    scopes: Iterable[str] = (),
    name: str = "",
    days: int = DEFAULT_DAYS,
) -> tuple[str, ApiToken]:
    """A new token of a user: the text (kept nowhere) and its row. No scopes: all that the roles allow.

    `days` is how long it lives, 1 to 365. Raises Invalid, and Conflict when the person has too many.
    """
    user = db.session.get_one(User, user_id)
    allowed = allowed_scopes(queries.roles_in(user_id, organisation_id))
    if not allowed or not user.is_active:
        raise Invalid("email", f"{user.email} has no role in this organisation.", "admin@example.com")
    chosen = _scopes(list(scopes), allowed, user.email)
    if isinstance(days, bool) or not 1 <= days <= MAXIMUM_DAYS:
        raise Invalid("days", f"A token lives 1 to {MAXIMUM_DAYS} days.", str(DEFAULT_DAYS))
    _refuse_too_many(user_id, organisation_id, now)
    name = " ".join(name.split()) or "API token"
    if len(name) > 120:
        raise Invalid("name", "Use at most 120 characters.", "Accounting export")
    text = PREFIX + secrets.token_urlsafe(32)
    token = ApiToken(
        token_hash=token_hash(text),
        hint=text[:HINT_LENGTH],
        name=name,
        organisation_id=organisation_id,
        user_id=user_id,
        scopes=" ".join(scope.value for scope in Scope if scope in chosen),
        created_by_id=actor.user_id,
        created_at=now,
        expires_at=now + timedelta(days=days),
    )
    db.session.add(token)
    db.session.flush()
    _record("created", token, user.email, actor, now, {"scopes": [None, token.scopes]})
    return text, token


def _scopes(wanted: list[str], allowed: frozenset[Scope], email: str) -> frozenset[Scope]:
    known = {scope.value: scope for scope in Scope}
    for word in wanted:
        if word not in known:
            raise Invalid("scopes", f"{word!r} is not a scope.", ", ".join(known))
        if known[word] not in allowed:
            raise Invalid("scopes", f"The roles of {email} do not allow {word}.", ", ".join(sorted(allowed)))
    return frozenset(known[word] for word in wanted) or allowed


def _living(organisation_id: int, now: datetime) -> Select[ApiToken]:
    return select(ApiToken).where(
        ApiToken.organisation_id == organisation_id,
        ApiToken.revoked_at.is_(None),
        ApiToken.expires_at > now,
    )


def _refuse_too_many(user_id: int, organisation_id: int, now: datetime) -> None:
    mine = _living(organisation_id, now).where(ApiToken.user_id == user_id).limit(MAXIMUM_TOKENS)
    if len(db.session.scalars(mine).all()) >= MAXIMUM_TOKENS:
        raise Conflict(f"There are {MAXIMUM_TOKENS} tokens already. Revoke one that is not used any more.")


def _record(
    action: str, token: ApiToken, email: str, actor: Actor, now: datetime, changes: dict[str, object]
) -> None:
    audit.record(
        tag=f"people:api_token:{action}",
        actor=actor,
        now=now,
        organisation_id=token.organisation_id,
        subject_type="api_token",
        subject_id=token.id,
        subject_label=f"{token.hint}… {token.name} of {email}"[:200],
        changes=changes,
    )


def find(*, token: str, now: datetime) -> ApiToken | None:
    """The row of a token that opens doors now: not revoked, not expired, its user active and with a role."""
    if not token.startswith(PREFIX) or len(token) > 200:
        return None
    row = db.session.scalar(select(ApiToken).where(ApiToken.token_hash == token_hash(token)))
    if row is None or row.revoked_at is not None or row.expires_at <= now or not row.user.is_active:
        return None
    has_role = any(m.organisation_id == row.organisation_id for m in row.user.memberships)
    return row if has_role else None


def touch(*, token_id: int, now: datetime) -> None:
    """Note that a token is in use."""
    db.session.execute(update(ApiToken).where(ApiToken.id == token_id).values(last_used_at=now))


def own(user_id: int, organisation_id: int, now: datetime) -> list[ApiToken]:
    """A person's living tokens in one organisation, the newest first."""
    query = _living(organisation_id, now).where(ApiToken.user_id == user_id)
    return list(db.session.scalars(query.order_by(ApiToken.id.desc())))


def of_organisation(organisation_id: int, now: datetime) -> Select[ApiToken]:
    """Everybody's living tokens in an organisation."""
    return _living(organisation_id, now)


def count_of(user_id: int, now: datetime) -> int:
    """How many living tokens a person has, in all organisations together."""
    living = select(func.count()).where(
        ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None), ApiToken.expires_at > now
    )
    return db.session.scalar(living) or 0


def count_revoked_at(user_id: int, at: datetime) -> int:
    """How many tokens of a person ended at an instant: what one act took with it."""
    return (
        db.session.scalar(select(func.count()).where(ApiToken.user_id == user_id, ApiToken.revoked_at == at))
        or 0
    )


def revoke_all(*, user_id: int, actor: Actor, now: datetime, reason: str) -> int:
    """End every token of a person, everywhere; each organisation's trail says so. Returns how many lived."""
    query = (
        select(ApiToken)
        .where(ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None), ApiToken.expires_at > now)
        .order_by(ApiToken.id)
    )
    found = list(db.session.scalars(query.with_for_update(of=ApiToken)))
    for token in found:
        token.revoked_at = now
    db.session.flush()
    for token in found:
        _record("revoked", token, token.user.email, actor, now, {"reason": [None, reason]})
    return len(found)


def revoke(
    *, token_id: int, organisation_id: int, actor: Actor, now: datetime, user_id: int | None = None
) -> ApiToken:
    """End a token at once; again changes nothing. With `user_id` only a token of that person's. Raises NotFound."""
    query = select(ApiToken).where(ApiToken.id == token_id, ApiToken.organisation_id == organisation_id)
    if user_id is not None:
        query = query.where(ApiToken.user_id == user_id)
    token = db.session.scalar(query.with_for_update(of=ApiToken))
    if token is None:
        raise NotFound
    if token.revoked_at is None:
        token.revoked_at = now
        db.session.flush()
        _record("revoked", token, token.user.email, actor, now, {})
    return token
