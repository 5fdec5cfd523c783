"""Accounts at payment providers for tests of their adapters, with made-up keys."""

from __future__ import annotations

from uuid import uuid4

from tests.factories import stored
from webapp import secrets
from webapp.database import db
from webapp.kernel.clock import utc_now
from webapp.providers.accounts import CREDENTIALS_OF, Access
from webapp.providers.models import ProviderAccount


def account(organisation_id: int, provider: str, environment: str = "sandbox", **credentials: str) -> Access:
    """An account that is switched on, and what an adapter gets of it."""
    uid = uuid4().hex
    sealed = secrets.key_ring().encrypt(credentials, secrets.binding(CREDENTIALS_OF, uid))
    with stored():
        row = ProviderAccount(
            uid=uid,
            organisation_id=organisation_id,
            provider=provider,
            environment=environment,
            credentials_encrypted=sealed,
            created_at=utc_now(),
            changed_at=utc_now(),
        )
        db.session.add(row)
        db.session.flush()
        number = row.id
    return Access(number, organisation_id, environment, credentials)
