"""The decisions: signatures, delays, when an endpoint is given up, which addresses are taken."""

from __future__ import annotations

import base64
import random
from datetime import UTC, datetime, timedelta

import httpcore
import pytest

from webapp.kernel.errors import Invalid
from webapp.payouts.records import PARTICIPLES
from webapp.webhooks import rules, sending, signing
from webapp.webhooks.rules import EVENT_OF_TURN, EventType

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def test_the_signature_is_that_of_the_specification() -> None:
    found = signing.signature(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        '{"test": 2432232314}',
    )
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_two_secrets_sign_side_by_side() -> None:
    new, old = signing.new_secret(), signing.new_secret()
    assert new != old
    assert len(base64.b64decode(new.removeprefix("whsec_"))) == 32
    sent = signing.headers((new, old), "msg_1", NOW, "{}")
    assert sent["webhook-signature"].split(" ") == [
        signing.signature(key, "msg_1", int(NOW.timestamp()), "{}") for key in (new, old)
    ]
    assert sent["webhook-timestamp"] == str(int(NOW.timestamp()))


def test_every_turn_of_the_state_table_is_an_event() -> None:
    assert set(PARTICIPLES.values()) | {"created"} == set(EVENT_OF_TURN)
    assert set(EVENT_OF_TURN.values()) == set(EventType)


def test_tries_grow_apart_and_end_after_three_days() -> None:
    at, waits = NOW, []
    for tries in range(1, rules.MOST_TRIES):
        again = rules.next_try(tries, at, 0.0)
        assert again is not None
        waits.append((again - at).total_seconds())
        at = again
    assert waits == sorted(waits)
    assert waits[:4] == [5, 300, 1_800, 7_200]
    assert timedelta(days=3) <= at - NOW <= timedelta(days=4)
    assert rules.next_try(rules.MOST_TRIES, at, 0.0) is None


def test_tries_that_failed_together_do_not_come_back_together() -> None:
    chance = random.Random(7)
    found = {rules.next_try(3, NOW, chance.random()) for _ in range(100)}
    assert len(found) > 90
    assert all(at is not None and 1_800 <= (at - NOW).total_seconds() <= 2_160 for at in found)


@pytest.mark.parametrize(("wish", "seconds"), [(None, 300), (10.0, 300), (4_000.0, 4_000), (10.0**9, 86_400)])
def test_the_endpoint_may_ask_for_more_time_but_not_for_ever(wish: float | None, seconds: float) -> None:
    assert rules.next_try(2, NOW, 0.0, wish) == NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("text", "found"),
    [("120", 120.0), (" 5 ", 5.0), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("", None), ("-1", None)],
)
def test_retry_after_is_read(text: str, found: float | None) -> None:
    assert rules.read_wish(text) == found


@pytest.mark.parametrize(
    ("since", "failures", "found"),
    [(None, 50, False), (timedelta(days=2, hours=23), 50, False), (timedelta(days=3), 9, False),
     (timedelta(days=3), 10, True)],
)  # fmt: skip
def test_an_endpoint_is_given_up_after_days_and_many_tries(
    since: timedelta | None, failures: int, found: bool
) -> None:
    assert rules.is_given_up(NOW - since if since else None, failures, NOW) is found


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/hook",
        "https://hooks.example.com:8443/a?b=c",
        "https://8.8.8.8/hook",
        "https://[2606:4700:4700::1111]/hook",
    ],
)
def test_addresses_of_the_internet_are_taken(url: str) -> None:
    assert rules.check_url(f" {url} ", is_trial=False) == url


@pytest.mark.parametrize(
    "url",
    [
        "", "example.com/hook", "http://example.com/hook", "ftp://example.com/", "https://", "https:///hook",
        "https://user:word@example.com/", "https://example.com/#part", "https://example.com:0/",
        "https://example.com:99999/", "https://exa mple.com/", "https://exämple.com/", "https://localhost/",
        "https://intranet/", "https://a.localhost/", "https://127.0.0.1/", "https://10.1.2.3/",
        "https://192.168.0.10/", "https://169.254.169.254/latest/meta-data", "https://100.64.0.1/",
        "https://[::1]/", "https://[fe80::1]/", "https://[fd00::1]/", "https://[::ffff:10.0.0.1]/",
        "https://0.0.0.0/", "https://127.1/", "https://0x7f000001/", "https://2130706433/", "https://10.0.0.0x1/",
        "https://example.com/" + "a" * 500, "https://example.com\\@10.0.0.1/", "https://[::1/",
    ],
)  # fmt: skip
def test_other_addresses_are_refused_with_an_example(url: str) -> None:
    with pytest.raises(Invalid) as refused:
        rules.check_url(url, is_trial=False)
    assert refused.value.field == "url"
    assert refused.value.example


def test_this_machine_is_an_address_in_trials_alone() -> None:
    url = "http://127.0.0.1:9000/hook"
    assert rules.check_url(url, is_trial=True) == url
    for other in ("http://10.0.0.1/", "http://example.com/"):
        with pytest.raises(Invalid):
            rules.check_url(other, is_trial=True)


@pytest.mark.parametrize(
    ("number", "found"),
    [("8.8.8.8", True), ("2606:4700:4700::1111", True), ("64:ff9b::808:808", True), ("64:ff9b::a00:1", False),
     ("2002:a00:1::", False), ("::ffff:192.168.0.1", False), ("fe80::1%eth0", False), ("224.0.0.1", False),
     ("255.255.255.255", False), ("240.0.0.1", False), ("::", False), ("198.18.0.1", False),
     ("fec0::1", False), ("64:ff9b:1::7f00:1", False), ("::ffff:0:7f00:1", False), ("4000::1", False),
     ("::ffff:8.8.8.8", False), ("2001:db8::1", False)],
)  # fmt: skip
def test_a_number_is_of_the_internet_only_with_what_it_wraps(number: str, found: bool) -> None:
    assert rules.is_public(number) is found


def _leads_to(*numbers: str) -> object:
    return lambda host, port, type: [(2, 1, 6, "", (number, port)) for number in numbers]


def test_a_name_is_checked_by_what_it_leads_to() -> None:
    found = sending.addresses("a.example", 443, is_trial=False, look_up=_leads_to("8.8.8.8", "8.8.8.8"))  # type: ignore[arg-type]
    assert found == ["8.8.8.8"]
    for bad in ("10.0.0.1", "127.0.0.1", "169.254.169.254", "::1"):
        with pytest.raises(sending.Refused):
            sending.addresses("a.example", 443, is_trial=False, look_up=_leads_to("8.8.8.8", bad))  # type: ignore[arg-type]
    assert sending.addresses("localhost", 80, is_trial=True, look_up=_leads_to("127.0.0.1"))  # type: ignore[arg-type]
    with pytest.raises(sending.Refused):
        sending.addresses("a.example", 80, is_trial=True, look_up=_leads_to("10.0.0.1"))  # type: ignore[arg-type]


def test_a_name_that_nobody_knows_is_no_connection() -> None:
    def unknown(*given: object, **how: object) -> object:
        raise OSError("unknown")

    with pytest.raises(httpcore.ConnectError):
        sending.addresses("a.invalid", 443, is_trial=False, look_up=unknown)
