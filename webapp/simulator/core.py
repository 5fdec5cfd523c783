"""What a simulator consists of, and what each provider brings to it."""

from __future__ import annotations

import json
import random
import re
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from hmac import compare_digest
from threading import Event, Lock, Thread
from typing import Any, Protocol

from flask import Blueprint, current_app

from webapp.simulator.clock import Clock
from webapp.simulator.faults import Hits, Kind, Plan
from webapp.simulator.settings import Client, Options, Settings
from webapp.simulator.store import Store

_EXACT = re.compile(r'"\\u0000(-?[0-9]+(?:\.[0-9]+)?)"')
_BACKGROUND_SECONDS = 0.2
# So often a provider goes on in one go; the rest comes with the next one.
_MOST_ROUNDS = 100


@dataclass(frozen=True)
class Said:
    """What a provider says to a request: the HTTP status, the JSON, and headers beside the usual ones."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Message:
    """A webhook as it leaves: its address's client, its headers and its bytes."""

    body: bytes
    headers: Mapping[str, str]


class Provider(Protocol):
    """One provider: its tables, its pages, its words for what goes wrong."""

    name: str
    # Tables, made if they are not there.
    schema: str
    # Seconds between the tries of a webhook; after the last one it is given up.
    retry_seconds: tuple[float, ...]
    # Consecutive failures after which an address is no longer called; 0: never.
    failures_allowed: int

    def blueprint(self) -> Blueprint:
        """Its addresses, without the leading /name."""

    def problem(self, name: str, **words: Any) -> Said:
        """Its own answer to server_error, throttled, unauthorised, address_refused, duplicate and refused."""

    def spoiled(self, name: str, body: Mapping[str, Any], **words: Any) -> Mapping[str, Any]:
        """An answer with unknown_status, wrong_amount, wrong_id or stale worked into it."""

    def advance(self, sim: Simulator, now: int) -> int:
        """Let everything happen that is due; returns how many things did."""

    def arrive(self, sim: Simulator, endpoint: str, client_id: str, body: str) -> None:
        """A request that was late on the way is here now."""

    def sign(self, sim: Simulator, client: ClientRow, row: Mapping[str, Any], now: int) -> Message:
        """A queued message as it leaves now; row["variant"] may ask for a forged or an old signature."""

    def rows(self, sim: Simulator, limit: int) -> list[dict[str, Any]]:
        """What the page for people lists: subject, what, amount, state, at, actions [(name, label)]."""

    def act(self, sim: Simulator, action: str, subject: str, words: Mapping[str, Any]) -> None:
        """Do what a person (or a test) asks for with a transfer, an order. Raises CannotAct."""


class CannotAct(ValueError):
    """What was asked for is not possible; the message says why."""


@dataclass(frozen=True)
class ClientRow:
    """A merchant's account as it is now. `old_secret` still signs messages after a rotation."""

    provider: str
    client_id: str
    secret: str
    old_secret: str
    takes_old: bool
    balance_minor: int
    data: dict[str, Any]

    def opens(self, secret: str) -> bool:
        """Whether a secret is taken at the door."""
        return compare_digest(secret.encode(), self.secret.encode()) or (
            self.takes_old
            and bool(self.old_secret)
            and compare_digest(secret.encode(), self.old_secret.encode())
        )


class Simulator:
    """All providers over one set of books."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.options = Options(**vars(settings.options))
        self.store = Store(settings.database)
        self.clock = Clock()
        self.plan = Plan()
        self.providers: dict[str, Provider] = {}
        self._dice = random.Random(settings.seed)
        self._calls: dict[tuple[str, str, str], deque[int]] = {}
        self._lock = Lock()
        self._working = Lock()
        self._stop = Event()
        self._thread: Thread | None = None
        for client in settings.clients:
            self.add_client(client)
        self._restore_clock()
        if settings.faults:
            self.plan.mix(seed=settings.seed, rate=settings.rate, faults=settings.faults)

    # ------------------------------------------------------------ clients

    def add_client(self, client: Client) -> None:
        """Open an account, if there is none of that id yet."""
        self.store.write(
            "INSERT INTO clients (provider, client_id, secret, balance_minor) VALUES (?, ?, ?, ?) "
            "ON CONFLICT DO NOTHING",
            (client.provider, client.client_id, client.secret, client.balance_minor),
        )

    def client(self, provider: str, client_id: str) -> ClientRow | None:
        """An account, or None."""
        row = self.store.one(
            "SELECT * FROM clients WHERE provider = ? AND client_id = ?", (provider, client_id)
        )
        if row is None:
            return None
        return ClientRow(
            row["provider"], row["client_id"], row["secret"], row["old_secret"], bool(row["takes_old"]),
            row["balance_minor"], json.loads(row["data"]),
        )  # fmt: skip

    def rotate(self, provider: str, client_id: str, secret: str = "", *, takes_old: bool = False) -> str:  # nosec B107
        """Give an account another secret; the old one goes on signing messages. Returns the new one."""
        client = self.client(provider, client_id)
        if client is None:
            raise CannotAct(f"There is no client {client_id} at {provider}.")
        new = secret or f"{client.secret.partition('~')[0]}~{int(client.secret.partition('~')[2] or 0) + 1}"
        self.store.write(
            "UPDATE clients SET secret = ?, old_secret = ?, takes_old = ? WHERE provider = ? AND client_id = ?",
            (new, client.secret, int(takes_old), provider, client_id),
        )
        return new

    # ------------------------------------------------------------ time

    def _restore_clock(self) -> None:
        row = self.store.one("SELECT max(at) AS at FROM movements")
        # Books of yesterday with a clock that had been moved forward: time does not run backwards.
        if row is not None and row["at"] is not None and row["at"] > self.clock.now():
            self.clock.set(row["at"])

    def advance(self, *, settles: bool = True) -> int:
        """Let everything happen that is due by now, and send what is due. Returns how many things happened.

        Without `settles` only late requests and messages are looked at: what a transfer has become is then worked out
        when somebody asks for it.
        """
        from webapp.simulator import webhooks

        with self._working:
            now, done = self.clock.now(), 0
            for row in self.store.read("SELECT * FROM late WHERE due_at <= ? ORDER BY due_at", (now,)):
                self.store.write("DELETE FROM late WHERE id = ?", (row["id"],))
                self.providers[row["provider"]].arrive(self, row["endpoint"], row["client_id"], row["body"])
                done += 1
            for provider in self.providers.values() if settles else ():
                for _ in range(_MOST_ROUNDS):
                    more = provider.advance(self, now)
                    done += more
                    if not more:
                        break
            return done + webhooks.deliver_due(self)

    def start(self) -> None:
        """Let time do its work by itself, on a thread that ends with the process."""
        if self._thread is None:
            self._thread = Thread(target=self._run, name="simulator", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            # Nobody is to be told: then there is no hurry, and benchmarks have the processor for themselves.
            self.advance(settles=self.options.sends_webhooks)
            self._stop.wait(_BACKGROUND_SECONDS)

    def close(self) -> None:
        """Stop the thread and close the books."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=30)
        self.store.close()

    # ------------------------------------------------------------ what providers need

    def ask(self, provider: str, endpoint: str, kind: Kind, subject: str) -> Hits:
        """Which faults strike this call."""
        return self.plan.ask(provider, endpoint, kind, subject)

    def count(self, provider: str, client_id: str, endpoint: str) -> tuple[int, int, int]:
        """Count a call: the limit for a minute, what is left of it, and seconds to wait (0: let in)."""
        limit = self.options.requests_a_minute
        if not limit:
            return 9000, 8999, 0
        now = self.clock.now()
        with self._lock:
            calls = self._calls.setdefault((provider, client_id, endpoint), deque())
            while calls and calls[0] <= now - 60_000:
                calls.popleft()
            if len(calls) >= limit:
                return limit, 0, max(1, min(59, -(-(calls[0] + 60_000 - now) // 1000)))
            calls.append(now)
            return limit, limit - len(calls), 0

    def over(self, key: tuple[str, str, str], limits: Sequence[tuple[float, int]]) -> int | None:
        """Count a call by several limits, each (seconds, calls; 0: none): the first that it would break, or None."""
        now = self.clock.now()
        with self._lock:
            calls = self._calls.setdefault(key, deque())
            longest = max(seconds for seconds, _ in limits)
            while calls and calls[0] <= now - longest * 1000:
                calls.popleft()
            for n, (seconds, limit) in enumerate(limits):
                if limit and sum(1 for at in calls if at > now - seconds * 1000) >= limit:
                    return n
            calls.append(now)
            return None

    def random_digits(self, count: int) -> str:
        """Digits that a provider makes up; the same for the same seed and order of calls."""
        with self._lock:
            return "".join(self._dice.choice("0123456789") for _ in range(count))

    def reset(self) -> None:
        """Begin anew: no rows, no faults, the options and clients of the start, the clock running."""
        with self._working:
            self.store.empty()
            self.plan.clear()
            self.options.__dict__.update(vars(self.settings.options))
            self.clock.__init__()  # type: ignore[misc]
            self._calls.clear()
            self._dice.seed(self.settings.seed)
            for client in self.settings.clients:
                self.add_client(client)


def the_simulator() -> Simulator:
    """The simulator of the application that answers the present request."""
    found: Simulator = current_app.extensions["simulator"]
    return found


def rupees(minor: int) -> Decimal:
    """Minor units as the exact number that `dumps` writes: 905600 → 9056.00."""
    return Decimal(minor).scaleb(-2)


def dumps(body: Mapping[str, Any]) -> str:
    """JSON in which a Decimal is a number, written as it is."""
    text = json.dumps(body, default=lambda value: f"\0{value:f}", separators=(",", ":"))
    return _EXACT.sub(r"\1", text) if "\\u0000" in text else text
