"""The fixed, public keys of the simulator, and where it answers. They open nothing but the simulator."""

from __future__ import annotations

from collections.abc import Mapping

CASHFREE: Mapping[str, str] = {
    "client_id": "SIM_CASHFREE",
    "client_secret": "sim-cashfree-secret",
    "verification_client_id": "SIM_CASHFREE",
    "verification_client_secret": "sim-cashfree-secret",
}
PHONEPE: Mapping[str, str] = {
    "client_id": "SIM_PHONEPE",
    "client_version": "1",
    "client_secret": "sim-phonepe-secret",
    "webhook_username": "paydesk_hooks",
    "webhook_password": "simulator1",
}


def cashfree(url: str) -> dict[str, str]:
    """The account at the simulator's Cashfree; `url` is where the simulator listens."""
    base = f"{url.rstrip('/')}/cashfree"
    return {
        **CASHFREE,
        "payouts_url": f"{base}/payout",
        "balance_url": base,
        "verification_url": f"{base}/verification",
    }


def phonepe(url: str) -> dict[str, str]:
    """The account at the simulator's PhonePe."""
    base = f"{url.rstrip('/')}/phonepe"
    return {**PHONEPE, "oauth_url": base, "payments_url": base}


# What a consent at the simulator's Zoho would have given.
ZOHO: Mapping[str, str] = {
    "client_id": "SIM_ZOHO",
    "client_secret": "sim-zoho-secret",
    "data_centre": "in",
    "refresh_token": "1000.sim.refresh",
}


def zoho(url: str) -> dict[str, str]:
    """The account at the simulator's Zoho, with the consent given."""
    base = f"{url.rstrip('/')}/zoho"
    return {**ZOHO, "accounts_url": base, "books_url": base}


# Of the simulator's Zoho: the books in US dollars, and of their accounts (id, name, kind) those that the demo uses.
ZOHO_BOOKS = ("60000000002", "Simulated books abroad", "USD")
ZOHO_BILLS_TO = ("60000000002001", "Installer payouts", "expense")
ZOHO_PAID_FROM = ("60000000002011", "Bank account", "bank")
