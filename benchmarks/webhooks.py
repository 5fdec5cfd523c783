"""Messages of providers at the door, per second in one process, against a bare verified INSERT behind the same server.

The floor checks the same signature and writes the same row, and nothing else: it finds no account, opens no key, seals
no body, and leaves nothing for a worker. Every message that was answered must be there afterwards.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import count
from typing import Any

import time_machine
from flask import Response, request
from flask.testing import FlaskClient
from sqlalchemy import func, insert, select

from benchmarks.frame import Figure, at_least, in_turns
from benchmarks.ground import NOW, Ground
from tests import factories
from tests.factories.connections import CASHFREE, connection, signed, transfer_message
from webapp.app import csrf
from webapp.database import db, transaction
from webapp.inbox.models import WebhookMessage
from webapp.kernel.ids import new_uid
from webapp.providers.cashfree import webhooks
from webapp.providers.models import ProviderAccount
from webapp.web.guards import public, reads_raw_body

NAME = "webhooks"
_numbers = count(1)


def run(ground: Ground) -> Iterator[Figure]:
    """New messages, each another one; and the same message over and over."""
    app = ground.application("webhooks")
    messages = ground.size(5, 100, 500)
    with app.app_context(), time_machine.travel(NOW, tick=True):
        rounds = ground.rounds
        account = connection(factories.organisation(currency="INR"))
        address = f"/hooks/cashfree/{account.uid}"
        floor = public(reads_raw_body(_bare(account.id, account.organisation_id)))
        app.add_url_rule("/bare", "bare", floor, methods=["POST"])
        csrf.exempt(floor)
        db.session.rollback()
        client = app.test_client()
        pair = in_turns(
            lambda n: _bring(client, address, messages), lambda n: _bring(client, "/bare", messages), rounds
        )
        _every_one_is_there(account, 2 * messages * rounds)
        yield Figure(NAME, "signed messages", ground.engine, messages / pair.ours, "per s", messages / pair.floor,
                     1 / pair.ratio, at_least(0.5), "floor: a bare verified INSERT behind the same server")  # fmt: skip
        same = transfer_message("PDSAME")
        again = in_turns(
            lambda n: _bring(client, address, messages, same),
            lambda n: _bring(client, "/bare", messages),
            rounds,
        )
        yield Figure(NAME, "the same message again", ground.engine, messages / again.ours, "per s",
                     messages / again.floor, 1 / again.ratio, at_least(0.5))  # fmt: skip


def _bring(client: FlaskClient, address: str, messages: int, same: bytes | None = None) -> None:
    for _ in range(messages):
        body = same or transfer_message(f"PD{next(_numbers)}")
        headers = signed(body, at=datetime.now(NOW.tzinfo))
        kind = headers.pop("content-type")
        response = client.post(address, data=body, headers=headers, content_type=kind)
        if response.status_code != 200:
            raise RuntimeError(f"{address} answered {response.status_code}")


def _bare(account_id: int, organisation_id: int) -> Callable[[], Response]:
    def keep() -> Response:
        body, headers = request.get_data(cache=False), {n.lower(): v for n, v in request.headers.items()}
        if not webhooks.is_signed(
            body, headers, [CASHFREE["client_secret"]], content_type="application/json"
        ):
            return Response("", 401)
        with transaction() as session:
            session.execute(insert(WebhookMessage).values(**_row(account_id, organisation_id, body)))
        return Response("ok")

    return keep


def _row(account_id: int, organisation_id: int, body: bytes) -> dict[str, Any]:
    return {
        "uid": new_uid(), "organisation_id": organisation_id, "account_id": account_id, "provider": "cashfree",
        "body_sha256": hashlib.sha256(body).hexdigest(), "body_encrypted": body.decode(), "headers": {},
        "event": "", "subject": "", "state": "new", "note": "", "times_received": 1,
        "received_at": NOW, "last_received_at": NOW,
    }  # fmt: skip


def _every_one_is_there(account: ProviderAccount, wanted: int) -> None:
    db.session.rollback()
    stored = db.session.scalar(select(func.count()).select_from(WebhookMessage))
    db.session.rollback()
    if stored != wanted:
        raise RuntimeError(f"{stored} of {wanted} answered messages are stored")
