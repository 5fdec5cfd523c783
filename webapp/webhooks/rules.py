"""What is told, when it is tried again, when an endpoint is given up, and where nothing is sent. Pure."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from webapp.kernel.errors import Invalid
from webapp.kernel.labels import Label


class EventType(Label):
    """What endpoints can be told; the label says it to admins."""

    CREATED = "payout.created", "Payout created"
    CHANGED = "payout.changed", "Payout changed before its approval"
    APPROVED = "payout.approved", "Payout approved"
    REJECTED = "payout.rejected", "Payout rejected"
    CANCELLED = "payout.cancelled", "Payout cancelled"
    HELD = "payout.held", "Payout put on hold"
    RELEASED = "payout.released", "Payout released from hold"
    PROCESSING = "payout.processing", "Payout sent to the bank"
    PAID = "payout.paid", "Payout paid"
    FAILED = "payout.failed", "Payout failed at the bank"
    RETRY_SCHEDULED = "payout.retry_scheduled", "Retry of a payout planned"
    REVERSED = "payout.reversed", "Payout returned by the bank"
    REISSUED = "payout.reissued", "Returned payout issued again"


TEST = "webhook.test"
# The words of payouts' turns. Others (one of several approvals, a confirmed method) are no news to other systems.
EVENT_OF_TURN = {
    "created": EventType.CREATED,
    "edited": EventType.CHANGED,
    "approved": EventType.APPROVED,
    "rejected": EventType.REJECTED,
    "cancelled": EventType.CANCELLED,
    "held": EventType.HELD,
    "released": EventType.RELEASED,
    "submitted": EventType.PROCESSING,
    "retried": EventType.PROCESSING,
    "marked_paid": EventType.PAID,
    "paid": EventType.PAID,
    "failed": EventType.FAILED,
    "retry_scheduled": EventType.RETRY_SCHEDULED,
    "returned": EventType.REVERSED,
    "reissued": EventType.REISSUED,
}


class EndpointState(Label):
    """Whether an endpoint is told anything."""

    ON = "on", "On", "ok", "ok", "Events are sent as they happen."
    OFF = "off", "Off", "cancelled", "cancelled", "Switched off by an admin. Nothing is sent."
    STOPPED = (
        "stopped",
        "Stopped",
        "failed",
        "failed",
        "It did not take what was sent. An admin looks into it and switches it on again.",
    )
    REMOVED = "removed", "Removed", "cancelled", "cancelled", "Nothing is sent to it any more."


class DeliveryState(Label):
    """Where the delivery of one event to one endpoint stands."""

    WAITING = "waiting", "Waiting", "waiting", "waiting", "A worker sends it, now or at its next try."
    DELIVERED = "delivered", "Delivered", "done", "done", "The endpoint has taken it."
    FAILED = "failed", "Failed", "failed", "failed", "Every try failed. An admin can send it again."
    DROPPED = (
        "dropped",
        "Not sent",
        "cancelled",
        "cancelled",
        "The endpoint was off or stopped. An admin can send it again.",
    )


# Seconds from one try to the next, as the Standard Webhooks specification proposes: ten tries in three days.
DELAYS = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
MOST_TRIES = len(DELAYS) + 1
JITTER = 0.2
# The longest that an endpoint's own Retry-After puts a try off.
LONGEST_WISH = timedelta(hours=24)
# An endpoint is given up when it took nothing for so long, at so many tries.
STOPPED_AFTER, STOPPED_TRIES = timedelta(days=3), 10
# An endpoint that gave no answer is left alone for so long, twice as long after each further failure, to a limit.
QUIET, LONGEST_QUIET = timedelta(seconds=5), timedelta(minutes=10)
GONE = 410
# The former secret goes on signing for so long.
OVERLAP = timedelta(hours=24)
ANSWER_LENGTH, URL_LENGTH = 500, 500
# Finished deliveries are forgotten after so long.
KEPT = timedelta(days=90)
URL_EXAMPLE = "https://example.com/hooks/paydesk"
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
# Of IPv6 the numbers of the internet are here alone, and those that lead to a number of IPv4.
_UNICAST, _NAT64 = IPv6Network("2000::/3"), IPv6Network("64:ff9b::/96")


def is_taken(code: int | None) -> bool:
    """Whether an answer means that the endpoint has taken the event: any 2xx, and nothing else."""
    return code is not None and 200 <= code < 300


def next_try(tries: int, now: datetime, chance: float, wish: float | None = None) -> datetime | None:
    """When to try again after `tries` failed ones; None when that was the last.

    `chance` (0 to 1) spreads tries that failed together; `wish` is the seconds of the answer's Retry-After.
    """
    if tries >= MOST_TRIES:
        return None
    seconds = DELAYS[max(tries, 1) - 1] * (1 + JITTER * chance)
    if wish is not None and wish > seconds:
        return now + min(timedelta(seconds=wish), LONGEST_WISH)
    return now + timedelta(seconds=seconds)


def read_wish(text: str) -> float | None:
    """The seconds of a Retry-After header; None where it names a day, or nothing that can be read."""
    found = re.fullmatch(r"[0-9]{1,9}", text.strip())
    return float(found[0]) if found else None


def quiet_until(failures: int, now: datetime) -> datetime:
    """Until when an endpoint is left alone that gave no answer, the last of `failures` (1 at least) in a row."""
    doubled: int = 2 ** min(failures - 1, 10)
    return now + min(QUIET * doubled, LONGEST_QUIET)


def is_given_up(failing_since: datetime | None, failures: int, now: datetime) -> bool:
    """Whether an endpoint has taken nothing for days."""
    return failing_since is not None and failures >= STOPPED_TRIES and now - failing_since >= STOPPED_AFTER


def check_url(url: str, *, is_trial: bool) -> str:
    """The address of an endpoint, tidied. Raises Invalid for what is not https, or names this or a private network.

    `is_trial`: demo and test may name this machine, over http too. A name is looked up only when something is sent,
    and what it leads to is checked then.
    """
    text = url.strip()
    if not text:
        raise Invalid("url", "Enter the address that is told of events.", URL_EXAMPLE)
    if len(text) > URL_LENGTH:
        raise Invalid("url", f"An address has at most {URL_LENGTH} characters.", URL_EXAMPLE)
    if not text.isascii() or re.search(r"[\s\\\x00-\x1f\x7f]", text):
        raise Invalid(
            "url", "An address has no spaces and no letters beyond a to z; write others encoded.", URL_EXAMPLE
        )
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise Invalid("url", "This is not an address.", URL_EXAMPLE) from None
    if parts.username is not None or parts.password is not None:
        raise Invalid(
            "url", "Leave the user name and password out; the signature proves who sends.", URL_EXAMPLE
        )
    if parts.fragment or not host or port == 0:
        raise Invalid("url", "This is not an address of a web server.", URL_EXAMPLE)
    if is_trial and parts.scheme in ("http", "https") and host in _LOOPBACK:
        return text
    if parts.scheme != "https":
        raise Invalid("url", "The address must begin with https://.", URL_EXAMPLE)
    if ("." not in host.strip(".") and ":" not in host) or host.rstrip(".").endswith(".localhost"):
        raise Invalid("url", "The address must name a server on the internet.", URL_EXAMPLE)
    if not is_open_host(host):
        raise Invalid("url", "The address is of a private network. Nothing is sent there.", URL_EXAMPLE)
    return text


def is_open_host(host: str) -> bool:
    """Whether a host is a name, or the number of a machine on the internet; not one of a private network."""
    try:
        return is_public(host)
    except ValueError:
        # Old ways to write a number ("127.1", "0x7f000001", "2130706433") are names to us and numbers to resolvers.
        last = host.rstrip(".").rpartition(".")[2]
        return not re.fullmatch(r"[0-9]+|0x[0-9a-f]*", last, flags=re.IGNORECASE)


def is_public(number: str) -> bool:
    """Whether the number of a machine is one of the internet, also of the number that it wraps.

    Raises ValueError for what is no number.
    """
    found = ip_address(number.partition("%")[0])
    return all(_is_global(one) for one in (found, *_wrapped(found)))


def _is_global(number: IPv4Address | IPv6Address) -> bool:
    is_odd = number.is_multicast or number.is_unspecified
    if isinstance(number, IPv6Address) and number not in _UNICAST and number not in _NAT64:
        return False
    # Reserved of IPv6 is also the range that leads to IPv4 numbers, which are looked at by themselves.
    return number.is_global and not is_odd and not (isinstance(number, IPv4Address) and number.is_reserved)


def _wrapped(number: IPv4Address | IPv6Address) -> list[IPv4Address]:
    """The IPv4 numbers that an IPv6 number stands for, in each of the ways there are."""
    if isinstance(number, IPv4Address):
        return []
    found = [number.ipv4_mapped, number.sixtofour, *(number.teredo or ())]
    packed = number.packed
    if number in _NAT64 or packed[:12] == bytes(12):
        found.append(IPv4Address(packed[12:]))
    return [one for one in found if one is not None]
