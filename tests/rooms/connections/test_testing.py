"""Test connection: what is asked, what is kept of it, and what people are told."""

from __future__ import annotations

from datetime import datetime

import pytest

from tests import factories
from tests.factories.connections import answering, connection, in_an_hour
from webapp.connections import queries, service, testing
from webapp.database import transaction
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict
from webapp.providers.http import Reply

pytestmark = pytest.mark.usefixtures("database")
TESTER = Actor(None, "test")
TOKEN = Reply(200, {"status": "SUCCESS", "data": {"token": "t0ken"}})
BALANCE = Reply(200, {"data": {"availableBalance": "12345.50"}})
NOBODY = Reply(
    404, {"type": "invalid_request_error", "code": "transfer_id_not_found", "message": "not found"}
)


def tried(organisation_id: int, provider: str, now: datetime) -> testing.Verdict:
    return testing.try_out(
        organisation_id=organisation_id, provider=provider, actor=TESTER, clock=lambda: now
    )


def test_cashfree_tells_the_balance_and_lets_questions_in(now: datetime) -> None:
    organisation = factories.organisation()
    connection(organisation)
    with answering(TOKEN, BALANCE, NOBODY) as asked:
        verdict = tried(organisation.id, "cashfree", now)
    assert verdict.problem == ""
    assert "12,345.50" in verdict.said
    assert [method for method, _ in asked] == ["POST", "GET", "GET"]
    assert asked[0][1].endswith("/payout/v1/authorize")
    assert asked[1][1].endswith("/payout/v1/getBalance")
    row = queries.accounts(organisation.id)["cashfree"]
    assert (row.tested_at, row.test_problem) == (now, "")


@pytest.mark.parametrize(
    ("replies", "said"),
    [
        ([Reply(0, problem="refused", was_sent=False)], "cannot be reached"),
        ([Reply(0, problem="time-out")], "no readable answer"),
        (
            [Reply(200, {"status": "ERROR", "subCode": "403", "message": "Invalid clientId"})],
            "Invalid clientId",
        ),
        ([Reply(403, {"message": "IP not whitelisted 1234567890123"})], "IP address of this server"),
        ([Reply(502, problem="HTML")], "answers with an error (502)"),
        ([TOKEN, Reply(401, {"message": "Token is not valid"})], "does not take these keys"),
        ([TOKEN, BALANCE, Reply(401, {"code": "authentication_failed"})], "but not about transfers"),
        ([TOKEN, BALANCE, Reply(200, {"transfer_id": "x", "status": "SUCCESS"})], "but not about transfers"),
    ],
)
def test_what_goes_wrong_is_said_in_plain_words(replies: list[Reply], said: str, now: datetime) -> None:
    organisation = factories.organisation()
    connection(organisation)
    with answering(*replies):
        verdict = tried(organisation.id, "cashfree", now)
    assert said in verdict.problem
    assert "1234567890123" not in verdict.problem
    row = queries.accounts(organisation.id)["cashfree"]
    assert row.test_problem == verdict.problem
    assert row.tested_at == now


def test_phonepe_gives_a_token_or_says_why_not(now: datetime) -> None:
    organisation = factories.organisation()
    connection(organisation, "phonepe")
    with answering(Reply(200, {"access_token": "abc", "expires_at": in_an_hour()})) as asked:
        assert tried(organisation.id, "phonepe", now).problem == ""
    assert asked[0][1].endswith("/v1/oauth/token")
    with answering(Reply(401, {"code": "AUTHORIZATION_FAILED", "message": "bad keys"})):
        assert "bad keys" in tried(organisation.id, "phonepe", now).problem


def test_a_connection_is_tried_while_it_is_off(now: datetime) -> None:
    organisation = factories.organisation()
    connection(organisation, "phonepe")
    with transaction():
        service.switch(
            organisation_id=organisation.id, provider="phonepe", is_on=False, actor=TESTER, now=now
        )
    with answering(Reply(200, {"access_token": "abc", "expires_at": in_an_hour()})):
        assert tried(organisation.id, "phonepe", now).problem == ""


def test_without_keys_there_is_nothing_to_try(now: datetime) -> None:
    connection(factories.organisation())
    with pytest.raises(Conflict, match="no keys"), answering(TOKEN) as asked:
        tried(factories.organisation().id, "cashfree", now)
    assert asked == []


def test_an_answer_about_the_keys_of_before_is_not_kept(now: datetime) -> None:
    organisation = factories.organisation()
    connection(organisation, "phonepe")
    organisation_id = organisation.id

    def while_somebody_saves(method: str, url: str) -> Reply:
        with transaction():
            service.save(
                organisation_id=organisation_id,
                provider="phonepe",
                environment="sandbox",
                credentials={"client_version": "2", "webhook_username": "paydesk_hooks"},
                actor=TESTER,
                now=now,
            )
        return Reply(401, {"message": "bad keys"})

    with answering(while_somebody_saves), pytest.raises(Conflict, match="changed while"):
        tried(organisation_id, "phonepe", now)
    row = queries.accounts(organisation_id)["phonepe"]
    assert (row.tested_at, row.test_problem) == (None, "")
