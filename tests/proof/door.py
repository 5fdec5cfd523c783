"""The provider's messages on their way to our door: the simulator sends them, this application answers, no network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from flask import current_app
from sqlalchemy import func, select

from webapp.database import db
from webapp.inbox.models import WebhookMessage
from webapp.payouts import hooks
from webapp.simulator import webhooks
from webapp.simulator.core import Simulator


@dataclass(frozen=True)
class _Reply:
    status_code: int


class _Caller:
    """What the simulator takes for its HTTP client."""

    def post(self, url: str, *, content: bytes, headers: Mapping[str, str]) -> _Reply:
        """Bring a message to the application that is running here."""
        db.session.remove()
        return _Reply(current_app.test_client().post(url, data=content, headers=dict(headers)).status_code)


@contextmanager
def open_door(sim: Simulator, client_id: str, account_uid: str) -> Iterator[None]:
    """Messages of an account at the simulator come to the address of our account there, for a block."""
    sim.options.sends_webhooks = True
    webhooks.set_target(sim, hooks.RAIL, client_id, f"/hooks/{hooks.RAIL}/{account_uid}")
    with pytest.MonkeyPatch.context() as patch:
        caller = _Caller()
        patch.setattr(webhooks, "_http", lambda: caller)
        yield


def messages(sim: Simulator) -> list[dict[str, Any]]:
    """What the simulator sent, or tried to."""
    return [dict(row) for row in sim.store.read("SELECT * FROM webhooks ORDER BY id")]


def problems(sim: Simulator) -> Iterator[str]:
    """A forged message that was taken, one that was refused and is there, one stored twice or never looked at."""
    sent = messages(sim)
    for row in sent:
        said, variant = row["answer"], row["variant"]
        if said.startswith("HTTP 5"):
            yield f"a message of {row['subject']} was answered {said}"
        if variant == "forged" and row["attempts"] and said != "HTTP 401":
            yield f"a forged message of {row['subject']} was answered {said}"
        # An old signature is taken only for what was stored before.
        others = [
            r for r in sent if r["body"] == row["body"] and not r["variant"] and r["state"] == "delivered"
        ]
        if variant == "old" and row["attempts"] and said != "HTTP 401" and not others:
            yield f"a message of {row['subject']} with an old signature was answered {said}"
    bodies = {row["body"] for row in sent if row["state"] == "delivered"}
    stored = db.session.scalar(select(func.count()).select_from(WebhookMessage)) or 0
    if stored != len(bodies):
        yield f"{len(bodies)} different messages were delivered, {stored} are stored"
    waiting = db.session.scalars(select(WebhookMessage.event).where(WebhookMessage.state == "new")).all()
    if waiting:
        yield f"nobody looked at {len(waiting)} messages"
    db.session.rollback()
