"""Reads of an organisation's accounts at providers. Only `access` and the keys of messages open what is encrypted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import bindparam, select

from webapp import secrets
from webapp.connections.rules import PROVIDERS, Provider
from webapp.database import db
from webapp.kernel.errors import NotFound
from webapp.providers.accounts import CREDENTIALS_OF, Access
from webapp.providers.models import ProviderAccount


def accounts(organisation_id: int) -> dict[str, ProviderAccount]:
    """The organisation's accounts by provider. One query."""
    rows = db.session.scalars(
        select(ProviderAccount).where(ProviderAccount.organisation_id == organisation_id)
    )
    return {row.provider: row for row in rows}


def provider_of(name: str) -> Provider:
    """The provider of a name. Raises NotFound."""
    if name not in PROVIDERS:
        raise NotFound
    return PROVIDERS[name]


def find(organisation_id: int, provider: str) -> ProviderAccount | None:
    """The organisation's account at a provider; None while no keys were entered."""
    return db.session.scalar(
        select(ProviderAccount).where(
            ProviderAccount.organisation_id == organisation_id, ProviderAccount.provider == provider
        )
    )


def opened(account: ProviderAccount) -> dict[str, str]:
    """The values of an account in the clear; never for a page as they are. Raises SecretsError."""
    envelope = secrets.key_ring().decrypt(
        account.credentials_encrypted, secrets.binding(CREDENTIALS_OF, account.uid)
    )
    return envelope.reveal()


@dataclass(frozen=True)
class Shown:
    """What a page may know of an account: plain values, and which secrets there are."""

    values: Mapping[str, str]
    secrets: frozenset[str]


def shown(account: ProviderAccount | None, provider: Provider) -> Shown:
    """The account for its form: nothing that is a secret."""
    if account is None:
        return Shown({}, frozenset())
    values = opened(account)
    plain = {p.name: values[p.name] for p in provider.parts if not p.is_secret and p.name in values}
    return Shown(plain, frozenset(values) - frozenset(plain))


def access(account: ProviderAccount) -> Access:
    """An account to call the provider with, also while it is switched off."""
    return Access(account.id, account.organisation_id, account.environment, opened(account))


@dataclass(frozen=True)
class Receiver:
    """An account that a message names, with what its signature is checked by."""

    account_id: int
    organisation_id: int
    provider: str
    values: Mapping[str, str] = field(repr=False)


_ACCOUNTS = ProviderAccount.__table__
# Written once: every message of a provider asks it.
_RECEIVER = select(
    _ACCOUNTS.c.id, _ACCOUNTS.c.organisation_id, _ACCOUNTS.c.uid, _ACCOUNTS.c.credentials_encrypted
).where(_ACCOUNTS.c.uid == bindparam("uid"), _ACCOUNTS.c.provider == bindparam("provider"))


def find_receiver(provider: str, uid: str) -> Receiver | None:
    """The account whose address for messages this is, also while it is switched off: answers still come in."""
    if provider in PROVIDERS and not PROVIDERS[provider].webhook_hint:
        return None
    row = db.session.execute(_RECEIVER, {"uid": uid, "provider": provider}).one_or_none()
    if row is None:
        return None
    envelope = secrets.key_ring().decrypt(row.credentials_encrypted, secrets.binding(CREDENTIALS_OF, row.uid))
    return Receiver(row.id, row.organisation_id, provider, envelope.reveal())


def is_usable(organisation_id: int, provider: str) -> bool:
    """Whether there are keys and the connection is on."""
    return not why_not_usable(organisation_id, provider)


def why_not_usable(organisation_id: int, provider: str) -> str:
    """Why nothing can be sent through a provider, and who must act; empty when it can. One query."""
    is_on = db.session.scalar(
        select(ProviderAccount.is_enabled).where(
            ProviderAccount.organisation_id == organisation_id, ProviderAccount.provider == provider
        )
    )
    label = PROVIDERS[provider].label
    if is_on is None:
        return f"There are no keys for {label}. An admin enters them under Connections."
    return (
        ""
        if is_on
        else f"The connection to {label} is switched off. An admin switches it on under Connections."
    )
