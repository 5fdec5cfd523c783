"""Webhooks: signed as Cashfree signs, checked by our own code, sent at least once, and everything that goes wrong."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from urllib.parse import parse_qsl

import pytest

from tests.simulator.world import KEYS, Receiver, Told, World
from webapp.providers.cashfree import webhooks


@pytest.fixture(autouse=True)
def _target(world: World, receiver: Receiver) -> None:
    said = world.http.post(
        "/control/target",
        json={"provider": "cashfree", "client_id": KEYS["client_id"], "url": receiver.url},
    )
    assert said.status_code == 200


def _is_signed(told: Told, *secrets: str) -> bool:
    return webhooks.is_signed(
        told.body,
        told.headers,
        secrets or (KEYS["client_secret"],),
        content_type=told.content_type,
        takes_forms=True,
    )


def _is_recent(told: Told, world: World) -> bool:
    now = datetime.fromtimestamp(world.sim.clock.now() / 1000, UTC)
    return webhooks.is_recent(told.body, told.headers, now, content_type=told.content_type)


def _types(receiver: Receiver) -> list[str]:
    return [json.loads(told.body)["type"] for told in receiver.told]


def test_a_paid_transfer_is_told_twice_debited_and_credited(world: World, receiver: Receiver) -> None:
    world.send()
    world.later(30)
    assert _types(receiver) == ["TRANSFER_SUCCESS", "TRANSFER_ACKNOWLEDGED"]
    first = receiver.told[0]
    assert _is_signed(first)
    assert not _is_signed(first, "another-secret")
    assert webhooks.subject(first.body, content_type=first.content_type) == ("TRANSFER_SUCCESS", "PD1")
    message = json.loads(first.body)
    assert set(message) == {"data", "event_time", "type"}
    assert datetime.fromisoformat(message["event_time"]).tzinfo is None
    assert (message["data"]["status"], message["data"]["status_code"]) == ("SUCCESS", "SENT_TO_BENEFICIARY")
    assert b'"transfer_amount":9056.00' in first.body
    assert first.headers["x-webhook-attempt"] == "1"


def test_its_time_stamp_is_the_providers_present(world: World, receiver: Receiver) -> None:
    world.send()
    world.later(30)
    assert _is_recent(receiver.told[0], world)


@pytest.mark.parametrize(
    ("details", "types"),
    [
        ({"vpa": "failure@upi"}, ["TRANSFER_FAILED"]),
        (
            {"account_number": "7766671735000", "ifsc": "SBIN0000004"},
            ["TRANSFER_SUCCESS", "TRANSFER_ACKNOWLEDGED", "TRANSFER_REVERSED"],
        ),
        ({"account_number": "007711000031", "ifsc": "HDFC0000077"}, []),
    ],
)
def test_what_is_told_of_each_end(
    world: World, receiver: Receiver, details: dict[str, str], types: list[str]
) -> None:
    world.send(details=details)
    world.later(3 * 86_400)
    assert sorted(_types(receiver)) == sorted(types)


def test_a_rejection_is_told(world: World, receiver: Receiver) -> None:
    world.sim.store.write("UPDATE clients SET balance_minor = 0")
    world.send()
    world.later(1)
    assert _types(receiver) == ["TRANSFER_REJECTED"]


def test_version_1_is_a_form_signed_over_its_values(world: World, receiver: Receiver) -> None:
    world.sim.options.webhook_version = 1
    world.send()
    world.later(30)
    told = receiver.told[-1]
    assert told.content_type == "application/x-www-form-urlencoded"
    assert _is_signed(told)
    fields = dict(parse_qsl(told.body.decode()))
    assert set(fields) == {
        "event", "transferId", "referenceId", "utr", "acknowledged", "eventTime", "signature",
    }  # fmt: skip
    assert (fields["acknowledged"], webhooks.subject(told.body, content_type=told.content_type)[1]) == (
        "1",
        "PD1",
    )
    changed = Told(told.body.replace(b"PD1", b"PD2"), told.headers, told.content_type)
    assert not _is_signed(changed)


def test_after_a_change_of_keys_the_old_one_goes_on_signing(world: World, receiver: Receiver) -> None:
    world.send()
    world.sim.rotate("cashfree", KEYS["client_id"], "the-next-secret")
    world.later(30)
    assert not _is_signed(receiver.told[0], "the-next-secret")
    assert _is_signed(receiver.told[0], "the-next-secret", KEYS["client_secret"])


@pytest.mark.parametrize(
    ("how", "arrive", "signed"),
    [("duplicate", 3, 3), ("forged", 3, 2), ("old", 2, 2), ("lost", 1, 1), ("reordered", 2, 2)],
)
def test_messages_that_go_wrong(world: World, receiver: Receiver, how: str, arrive: int, signed: int) -> None:
    world.fault("F21", subject="PD1", parameters={"how": how})
    world.send()
    world.later(30)
    world.later(150)
    assert len(receiver.told) == arrive
    assert sum(_is_signed(told) for told in receiver.told) == signed
    recent = sum(_is_recent(told, world) for told in receiver.told)
    assert recent == arrive - (how == "old")
    if how == "reordered":
        assert _types(receiver) == ["TRANSFER_ACKNOWLEDGED", "TRANSFER_SUCCESS"]
    if how == "duplicate":
        assert receiver.told[0].body == receiver.told[1].body


def test_a_message_that_is_refused_is_sent_again_later(world: World, receiver: Receiver) -> None:
    receiver.status = 500
    world.send()
    world.later(7)
    assert len(receiver.told) == 1
    receiver.status = 200
    world.later(50)
    assert [told.headers["x-webhook-attempt"] for told in receiver.told] == ["1", "1"]
    world.later(30)
    assert receiver.told[2].headers["x-webhook-attempt"] == "2"
    assert receiver.told[2].body == receiver.told[0].body
    states = {row["state"] for row in world.http.get("/control/webhooks").json()}
    assert states == {"delivered"}


def test_an_address_is_switched_off_after_more_than_five_failures(world: World, receiver: Receiver) -> None:
    receiver.status = 500
    for number in range(8):
        world.send(f"PD{number}")
    world.later(6)
    assert len(receiver.told) == 6
    receiver.status = 200
    world.later(86_400)
    assert len(receiver.told) == 6
    # A person switches it on again by naming the address anew.
    _target.__wrapped__(world, receiver)
    world.later(1)
    assert len(receiver.told) > 6


def test_a_person_has_messages_sent_again(world: World, receiver: Receiver) -> None:
    world.send()
    world.later(30)
    said = world.http.post("/resend", data={"provider": "cashfree", "subject": "PD1"})
    assert said.status_code == 303
    world.later(1)
    assert _types(receiver) == ["TRANSFER_SUCCESS", "TRANSFER_ACKNOWLEDGED"] * 2


def test_without_a_target_messages_wait(world: World, receiver: Receiver) -> None:
    world.http.post(
        "/control/target", json={"provider": "cashfree", "client_id": KEYS["client_id"], "url": ""}
    )
    world.send()
    world.later(30)
    assert receiver.told == []
    assert len(world.http.get("/control/webhooks", params={"subject": "PD1"}).json()) == 2
