"""What a simulator starts with, and what can be changed while it runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Client:
    """A merchant's account at a provider. Fixed and public: it opens nothing but this simulator."""

    provider: str
    client_id: str
    secret: str
    # What can be spent, in minor units.
    balance_minor: int = 1_000_000_000_00


CLIENTS = (
    Client("cashfree", "SIM_CASHFREE", "sim-cashfree-secret"),
    Client("phonepe", "SIM_PHONEPE", "sim-phonepe-secret", 0),
    Client("zoho", "SIM_ZOHO", "sim-zoho-secret", 0),
)


@dataclass
class Options:
    """How the providers behave; `POST /control/options` changes any of them.

    Seconds are of the simulator's own clock, except `hang_seconds` and `drip_seconds`, which really pass.
    """

    # From "received" to "the money has left", and from there to "credited at the payee's bank".
    settle_seconds: float = 5.0
    credit_seconds: float = 5.0
    # What "pending, then …" of the table of test accounts waits for.
    pending_seconds: float = 60.0
    # From "the money has left" to "it came back".
    return_seconds: float = 86_400.0
    # How long a request hangs before it is answered, or dropped.
    hang_seconds: float = 25.0
    # Between two bytes of an answer that drips.
    drip_seconds: float = 1.0
    # What happens to accounts outside the table of test accounts: the real test world fails them.
    others: Literal["fail", "succeed"] = "fail"
    # Whether a second POST with the same id is refused; without it every POST moves money, as at a bad provider.
    deduplicates: bool = True
    # Requests for each minute, account and call; 0: no limit.
    requests_a_minute: int = 0
    # Calls of an organisation's books for each minute and each day; 0: no limit.
    zoho_requests_a_minute: int = 100
    zoho_requests_a_day: int = 10_000
    # What a transfer costs, in minor units; the tax on it is 18 %.
    charge_minor: int = 0
    # Whether messages are kept and sent at all.
    sends_webhooks: bool = True
    # 2 (JSON, signed in a header) or 1 (a form, signed in a field).
    webhook_version: int = 2


@dataclass(frozen=True)
class Settings:
    """How a simulator starts."""

    # A file, or ":memory:".
    database: str = ":memory:"
    seed: int = 0
    # Faults that come at random at `rate`, by the seed.
    faults: tuple[str, ...] = ()
    rate: float = 0.1
    # Whether time alone settles transfers and sends messages; tests move the clock by hand instead.
    has_background: bool = True
    options: Options = field(default_factory=Options)
    clients: tuple[Client, ...] = CLIENTS
