"""Messages to whoever a merchant named: a queue in the books, at least once, tried again by the provider's schedule."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import httpx

from webapp.simulator.core import CannotAct, Simulator
from webapp.simulator.faults import Kind
from webapp.simulator.store import as_dict

_TIMEOUT = 10.0
_AT_ONCE = 500
# How long a message that comes in the wrong order is held back.
_HELD = 120_000


@cache
def _http() -> httpx.Client:
    return httpx.Client(timeout=_TIMEOUT, follow_redirects=False, trust_env=False)


def set_target(sim: Simulator, provider: str, client_id: str, url: str) -> None:
    """Name the address of an account's messages; an empty one takes it away. Raises CannotAct."""
    if sim.client(provider, client_id) is None:
        raise CannotAct(f"There is no client {client_id} at {provider}.")
    if not url:
        sim.store.write("DELETE FROM targets WHERE provider = ? AND client_id = ?", (provider, client_id))
        return
    sim.store.write(
        "INSERT INTO targets (provider, client_id, url) VALUES (?, ?, ?) ON CONFLICT (provider, client_id) "
        "DO UPDATE SET url = excluded.url, failures = 0, is_enabled = 1",
        (provider, client_id, url),
    )


def enqueue(
    sim: Simulator, provider: str, client_id: str, event: str, subject: str, body: str, *, forged: str = ""
) -> None:
    """Queue a message, once, or as often and as wrong as the plan wants it.

    `forged` is the body that a forger would send.
    """
    if not sim.options.sends_webhooks:
        return
    now = sim.clock.now()
    message = {
        "provider": provider, "client_id": client_id, "event": event, "subject": subject, "body": body,
        "created_at": now, "due_at": now,
    }  # fmt: skip
    hit = sim.ask(provider, "webhook", Kind.WEBHOOK, subject).find("webhook")
    how = hit.parameters["how"] if hit else ""
    if how == "lost":
        return
    if how == "reordered":
        message["due_at"] = now + _HELD
    elif how == "old":
        message["variant"] = "old"
    sim.store.insert("webhooks", **message)
    if how == "duplicate":
        sim.store.insert("webhooks", **message)
    elif how == "forged":
        sim.store.insert("webhooks", **{**message, "variant": "forged", "body": forged or body})


def resend(sim: Simulator, provider: str, subject: str) -> int:
    """Send every message about a subject again, now. Returns how many there are."""
    return sim.store.write(
        "UPDATE webhooks SET state = 'waiting', attempts = 0, due_at = ? WHERE provider = ? AND subject = ?",
        (sim.clock.now(), provider, subject),
    )


def deliver_due(sim: Simulator) -> int:
    """Send what is due. Returns how many messages were tried."""
    rows = sim.store.read(
        "SELECT w.*, t.url FROM webhooks w JOIN targets t USING (provider, client_id) "
        "WHERE w.state = 'waiting' AND w.due_at <= ? AND t.is_enabled ORDER BY w.due_at, w.id LIMIT ?",
        (sim.clock.now(), _AT_ONCE),
    )
    for row in rows:
        _deliver(sim, as_dict(row))
    return len(rows)


def _deliver(sim: Simulator, row: Mapping[str, Any]) -> None:
    provider = sim.providers[row["provider"]]
    client = sim.client(row["provider"], row["client_id"])
    target = sim.store.one(
        "SELECT is_enabled FROM targets WHERE provider = ? AND client_id = ?",
        (row["provider"], row["client_id"]),
    )
    # The address may have been switched off by the message before this one.
    if client is None or target is None or not target["is_enabled"]:
        return
    message = provider.sign(sim, client, row, sim.clock.now())
    headers = {**message.headers, "user-agent": f"{row['provider']}-simulator"}
    try:
        reply = _http().post(row["url"], content=message.body, headers=headers)
        went_well, said = reply.status_code < 400, f"HTTP {reply.status_code}"
    except httpx.HTTPError as error:
        went_well, said = False, type(error).__name__
    attempts = row["attempts"] + 1
    if went_well:
        state, due_at = "delivered", row["due_at"]
    elif attempts <= len(provider.retry_seconds):
        state, due_at = "waiting", sim.clock.now() + round(provider.retry_seconds[attempts - 1] * 1000)
    else:
        state, due_at = "given up", row["due_at"]
    # A forged or stale message is no failure of the address that refuses it, and nobody sends it twice.
    if row["variant"] and not went_well:
        state = "refused"
    with sim.store.writing() as connection:
        connection.execute(
            "UPDATE webhooks SET state = ?, due_at = ?, attempts = ?, answer = ? WHERE id = ?",
            (state, due_at, attempts, said, row["id"]),
        )
        if not row["variant"]:
            connection.execute(
                "UPDATE targets SET failures = CASE WHEN :well THEN 0 ELSE failures + 1 END, "
                "is_enabled = CASE WHEN :most = 0 OR :well OR failures < :most THEN is_enabled ELSE 0 END "
                "WHERE provider = :provider AND client_id = :client_id",
                {
                    "well": int(went_well), "most": provider.failures_allowed, "provider": row["provider"],
                    "client_id": row["client_id"],
                },
            )  # fmt: skip
