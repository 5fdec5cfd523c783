"""Connecting: an admin says yes at Zoho, comes back with a code, and the code becomes a token that lasts.

The way there carries a state that only this session of this person can bring back, for some minutes. Zoho is asked
outside any transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from flask import current_app
from itsdangerous import BadSignature, URLSafeSerializer

from webapp.accounting import pace, setups
from webapp.accounting.service import PROVIDER
from webapp.config import Settings
from webapp.connections import queries as connections
from webapp.connections import service as keys
from webapp.database import db, transaction
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict
from webapp.providers.accounts import Access
from webapp.providers.bookkeeping import BooksError
from webapp.providers.zoho import client
from webapp.providers.zoho.books import ZohoBooks
from webapp.providers.zoho.places import CENTRES

VALID_FOR = timedelta(minutes=15)
_LONGEST = 500
STRANGE = "This does not belong to a connection that you began. Connect Zoho Books again."


def _serializer() -> URLSafeSerializer:
    settings: Settings = current_app.config["SETTINGS"]
    return URLSafeSerializer(settings.signing_keys, salt="accounting-consent")


def _access(organisation_id: int) -> tuple[Access, int]:
    """The account's keys, and their version. Raises Conflict without keys."""
    db.session.rollback()
    account = connections.find(organisation_id, PROVIDER)
    if account is None:
        db.session.rollback()
        raise Conflict("There are no keys for Zoho Books yet. Enter them under Connections first.")
    access, version = connections.access(account), account.version
    db.session.rollback()
    return access, version


def address(organisation_id: int, session_id: int, redirect_uri: str, now: datetime) -> str:
    """Where the admin says yes. Raises Conflict without keys."""
    access, version = _access(organisation_id)
    state = _serializer().dumps([organisation_id, session_id, version, int((now + VALID_FOR).timestamp())])
    return client.consent_address(access, redirect_uri, state if isinstance(state, str) else state.decode())


def check_state(state: str, organisation_id: int, session_id: int, now: datetime) -> int:
    """The version of the keys with which this session began to connect. Raises Conflict."""
    if len(state) > _LONGEST:
        raise Conflict(STRANGE)
    try:
        owner, session, version, until = _serializer().loads(state)
    except (BadSignature, ValueError, TypeError):
        raise Conflict(STRANGE) from None
    if (owner, session) != (organisation_id, session_id):
        raise Conflict(STRANGE)
    if until < now.timestamp():
        raise Conflict("It took too long. Connect Zoho Books again.")
    return int(version)


def finish(
    *,
    organisation_id: int,
    code: str,
    location: str,
    seen_version: int,
    redirect_uri: str,
    actor: Actor,
    clock: Callable[[], datetime],
) -> str:
    """Exchange the code, keep what it gave, read which books there are. Returns what to say.

    `location` is the data centre that Zoho names: only one of the list is taken. Raises Conflict with Zoho's own words.
    """
    access, version = _access(organisation_id)
    if version != seen_version:
        raise Conflict("The keys of Zoho Books were changed meanwhile. Connect it again.")
    place = location if location in CENTRES else access.get("data_centre")
    access = Access(
        access.account_id, organisation_id, access.environment, {**access.credentials, "data_centre": place}
    )
    try:
        granted = client.exchange(access, code, redirect_uri)
    except BooksError as error:
        raise Conflict(error.message) from error
    with transaction():
        keys.grant(
            organisation_id=organisation_id, provider=PROVIDER, refresh_token=granted.refresh_token,
            seen_version=seen_version, actor=actor, now=clock(), parts={"data_centre": place},
        )  # fmt: skip
        setups.reconnected(organisation_id, clock())
    try:
        return read_choices(organisation_id, actor, clock)
    except Conflict as error:
        return f"Zoho Books is connected. What there is to choose from is not read yet: {error.message}"


def read_choices(organisation_id: int, actor: Actor, clock: Callable[[], datetime]) -> str:
    """Ask which books and accounts there are, and remember them. Returns what to say. Raises Conflict."""
    access, _ = _access(organisation_id)

    def before() -> None:
        pace.reserve(organisation_id, 100_000, clock=clock)

    try:
        books = ZohoBooks(access, before=before).organisations()
        with transaction():
            chosen = setups.keep_books(organisation_id, books, actor, clock()).books_id
        if not chosen:
            return f"Zoho Books is connected. Choose among its {len(books)} organisations."
        accounts = ZohoBooks(access, chosen, before=before).accounts()
    except BooksError as error:
        raise Conflict(error.message) from error
    with transaction():
        setups.keep_accounts(organisation_id, accounts, clock())
    return "Zoho Books is connected. Choose the accounts."
