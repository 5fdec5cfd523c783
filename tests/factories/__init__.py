"""Makers of test records: small, through the services, committed."""

from tests.factories.people import (
    FACTORY,
    PASSWORD,
    actor_of,
    destination,
    membership,
    method,
    organisation,
    payee,
    sign_in,
    stored,
    user,
)

__all__ = [
    "FACTORY",
    "PASSWORD",
    "actor_of",
    "destination",
    "membership",
    "method",
    "organisation",
    "payee",
    "sign_in",
    "stored",
    "user",
]
