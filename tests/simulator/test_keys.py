"""Keys: sealed calls in the place of a fixed address, other keys for verification, tokens that end early."""

from __future__ import annotations

import json
import time

import pytest

from tests.simulator.world import KEYS, World
from webapp.providers.cashfree import client
from webapp.providers.ports import CREDENTIALS, Outcome


@pytest.fixture
def public_key(world: World) -> str:
    """The public key of an account whose calls must be sealed."""
    where = {"provider": "cashfree", "client_id": KEYS["client_id"]}
    return world.http.post("/control/public-key", json=where).json()["public_key"]


def _now(world: World, after: float = 0) -> None:
    """Let the provider's clock show the time that our own calls are sealed with."""
    world.sim.clock.set(round((time.time() + after) * 1000))


def test_a_sealed_call_is_let_in(world: World, public_key: str) -> None:
    _now(world)
    refused = world.send()
    assert (refused.outcome, refused.code) == (Outcome.NOT_SENT, CREDENTIALS)
    assert world.calls(endpoint="beneficiary.create")[0]["answer"].count("signature_missing") == 1
    world.enter_keys(public_key=public_key)
    assert world.send().outcome is Outcome.ACCEPTED


def test_a_seal_lives_ten_minutes(world: World, public_key: str) -> None:
    world.enter_keys(public_key=public_key)
    _now(world, after=590)
    assert world.send("PD1").outcome is Outcome.ACCEPTED
    _now(world, after=620)
    assert world.send("PD2").code == CREDENTIALS
    assert "invalid_signature" in world.calls(subject="PD2")[0]["answer"]


@pytest.mark.parametrize("sealed", ["nonsense", "bm9uc2Vuc2U=", "\u00e9"])
def test_a_seal_that_is_none_is_refused(world: World, public_key: str, sealed: str) -> None:
    headers = {
        "x-client-id": KEYS["client_id"], "x-client-secret": KEYS["client_secret"],
        "x-api-version": "2024-01-01", "x-cf-signature": sealed.encode("latin-1"),
    }  # fmt: skip
    reply = world.http.get("/cashfree/payout/transfers", params={"transfer_id": "PD1"}, headers=headers)
    assert (reply.status_code, reply.json()["code"]) == (403, "invalid_signature")


def test_a_seal_of_another_account_is_refused(world: World, public_key: str) -> None:
    _now(world)
    sealed = client.signature("SOMEBODY_ELSE", public_key, int(time.time()))
    headers = {
        "x-client-id": KEYS["client_id"], "x-client-secret": KEYS["client_secret"],
        "x-api-version": "2024-01-01", "x-cf-signature": sealed,
    }  # fmt: skip
    reply = world.http.get("/cashfree/payout/transfers", params={"transfer_id": "PD1"}, headers=headers)
    assert reply.json()["code"] == "invalid_signature"


def _authorize(world: World, **more: str) -> dict[str, object]:
    keys = {"x-client-id": KEYS["client_id"], "x-client-secret": KEYS["client_secret"]}
    reply = world.http.post("/cashfree/payout/v1/authorize", headers={**keys, **more})
    assert reply.status_code == 200
    return reply.json()


def test_an_account_with_a_fixed_address_needs_no_seal(world: World) -> None:
    assert _authorize(world)["subCode"] == "200"
    # What stands in for an address is not looked at where there is one.
    assert _authorize(world, **{"x-cf-signature": "nonsense"})["subCode"] == "200"


def test_version_1_gives_a_token_for_a_sealed_call_only(world: World, public_key: str) -> None:
    _now(world)
    assert _authorize(world) == {
        "status": "ERROR", "subCode": "403", "message": "Signature missing in the request",
    }  # fmt: skip
    for name, at in (("SOMEBODY_ELSE", time.time()), (KEYS["client_id"], time.time() - 700)):
        sealed = client.signature(name, public_key, int(at))
        said = _authorize(world, **{"x-cf-signature": sealed})
        assert (said["subCode"], said["message"]) == ("403", "Invalid signature")
    sealed = client.signature(KEYS["client_id"], public_key, int(time.time()))
    assert _authorize(world, **{"x-cf-signature": sealed})["subCode"] == "200"


def test_our_client_seals_the_question_for_a_token_too(world: World, public_key: str) -> None:
    _now(world)
    assert world.rail.balance(world.organisation_id, "INR") is None
    world.enter_keys(public_key=public_key)
    assert world.rail.balance(world.organisation_id, "INR")
    (_, sent) = world.calls(endpoint="v1.authorize")
    assert json.loads(sent["answer"])["subCode"] == "200"


def test_a_token_that_the_provider_ended_is_replaced_at_once(world: World) -> None:
    first = world.rail.balance(world.organisation_id, "INR")
    world.sim.store.write("DELETE FROM cashfree_tokens")
    assert world.rail.balance(world.organisation_id, "INR") == first
    said = [json.loads(call["answer"])["subCode"] for call in world.calls(endpoint="v1.getBalance")]
    assert said == ["200", "403", "200"]
    # One that answers "no" for ever is asked twice, not for ever.
    world.fault("F8", endpoint="v1.getBalance", times=0)
    assert world.rail.balance(world.organisation_id, "INR") is None
    assert len(world.calls(endpoint="v1.getBalance")) == 5


def test_one_token_serves_many_questions(world: World) -> None:
    for _ in range(4):
        world.rail.balance(world.organisation_id, "INR")
    assert len(world.calls(endpoint="v1.authorize")) == 1


def test_wrong_keys_tell_no_balance(world: World) -> None:
    world.enter_keys(client_secret="wrong")
    assert world.rail.balance(world.organisation_id, "INR") is None


def test_verification_is_asked_with_its_own_keys(world: World) -> None:
    asked = client.verify_bank_account(
        world.access, account="026291800001191", ifsc="YESB0000262", name="Meera Iyer"
    )
    assert (asked.status, asked.body["account_status"]) == (200, "VALID")
    other = {"provider": "cashfree", "client_id": "SIM_VERIFY", "secret": "verify-secret"}
    world.http.post("/control/clients", json=other)
    world.enter_keys(verification_client_id="SIM_VERIFY", verification_client_secret="verify-secret")
    said = client.verify_upi(world.access, verification_id="v1", vpa="success@upi", name="Meera Iyer")
    assert (said.status, said.body["status"]) == (200, "VALID")
    assert [call["client_id"] for call in world.calls(endpoint="verification.upi")] == ["SIM_VERIFY"]
