"""Accounts at providers for tests, their messages as providers sign them, and answers without a network."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.factories.people import FACTORY, stored
from webapp.connections import queries, service
from webapp.connections.queries import Receiver
from webapp.database import db
from webapp.people.models import Organisation
from webapp.providers import http
from webapp.providers.cashfree import webhooks
from webapp.providers.http import Reply
from webapp.providers.models import ProviderAccount

WHEN = datetime.fromisoformat("2026-11-20T12:00:00+00:00")
CASHFREE = {"client_id": "CF_CLIENT_4f2a", "client_secret": "cashfree-secret-1"}
PHONEPE = {
    "client_id": "PP_CLIENT_77b1",
    "client_version": "1",
    "client_secret": "phonepe-secret-1",
    "webhook_username": "paydesk_hooks",
    "webhook_password": "hooks2026",
}
KEYS = {"cashfree": CASHFREE, "phonepe": PHONEPE}


def connection(organisation: Organisation, provider: str = "cashfree", **values: Any) -> ProviderAccount:
    """An account at a provider, switched on."""
    environment = values.pop("environment", "sandbox")
    with stored():
        return service.save(
            organisation_id=organisation.id,
            provider=provider,
            environment=environment,
            credentials={**KEYS[provider], **values},
            is_trial=True,
            actor=FACTORY,
            now=WHEN,
        )


def receiver(account: ProviderAccount) -> Receiver:
    """The account as messages know it."""
    found = queries.find_receiver(account.provider, account.uid)
    assert found is not None
    db.session.rollback()
    return found


def transfer_message(transfer_id: str, kind: str = "TRANSFER_SUCCESS", **data: Any) -> bytes:
    """The body of a message of version 2 about a transfer."""
    said = {
        "transfer_id": transfer_id,
        "cf_transfer_id": "123456",
        "status": kind.removeprefix("TRANSFER_"),
        "beneficiary_details": {
            "beneficiary_id": "JOHN18011",
            "beneficiary_instrument_details": {
                "bank_account_number": "7766671501729",
                "vpa": "asha.rao@okbank",
            },
        },
        "transfer_amount": 1.00,
        "transfer_utr": "TESTR92023012200543116",
        **data,
    }
    return json.dumps({"data": said, "event_time": "2026-11-20T17:43:37", "type": kind}).encode()


def signed(body: bytes, *, at: datetime = WHEN, secret: str = CASHFREE["client_secret"]) -> dict[str, str]:
    """The headers that Cashfree sends with a body."""
    stamp = str(int(at.timestamp()))
    return {
        "content-type": "application/json",
        "x-webhook-timestamp": stamp,
        "x-webhook-version": "2024-01-01",
        "x-webhook-signature": webhooks.sign(secret, stamp.encode() + body).decode(),
    }


def authorised() -> dict[str, str]:
    """The headers that PhonePe sends with every message."""
    words = f"{PHONEPE['webhook_username']}:{PHONEPE['webhook_password']}"
    return {"content-type": "application/json", "authorization": hashlib.sha256(words.encode()).hexdigest()}


def order_message(order_id: str, event: str = "checkout.order.completed") -> bytes:
    """The body of a message about an order."""
    payload = {"merchantOrderId": order_id, "orderId": "OMO1", "state": "COMPLETED", "amount": 1_020_000}
    return json.dumps({"event": event, "payload": payload}).encode()


@contextmanager
def answering(*replies: Reply | Callable[[str, str], Reply]) -> Iterator[list[tuple[str, str]]]:
    """Providers answer these in turn, the last one for good; gives the calls that were made. No transaction is open."""
    asked: list[tuple[str, str]] = []
    left = list(replies)

    def call(method: str, url: str, **rest: Any) -> Reply:
        assert not db.session().in_transaction()
        asked.append((method, url))
        reply = left.pop(0) if len(left) > 1 else left[0]
        return reply(method, url) if callable(reply) else reply

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(http, "call", call)
        yield asked


def in_an_hour() -> int:
    """The end of a token, as PhonePe writes it."""
    return int(datetime.now(UTC).timestamp()) + 3600
