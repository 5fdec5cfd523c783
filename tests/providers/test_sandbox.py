"""The sandbox bank as a provider: its rules, its idempotency, its memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask

from tests import factories
from webapp.database import db, transaction
from webapp.providers import sandbox
from webapp.providers.ports import DUPLICATE, Outcome, TransferOrder, mask
from webapp.providers.sandbox import SandboxBank

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def _order(account: str = "1234", transfer_id: str = "PD1", amount: int = 49_950) -> TransferOrder:
    organisation = factories.organisation()
    return TransferOrder(
        organisation_id=organisation.id,
        transfer_id=transfer_id,
        amount_minor=amount,
        currency="USD",
        beneficiary="Maya",
        account_masked=f"••{account}",
        remarks="PO-2026-000001",
    )


@pytest.mark.parametrize(
    ("ending", "sent", "soon", "code", "days_later"),
    [
        ("1234", Outcome.ACCEPTED, Outcome.SUCCEEDED, "CREDITED", Outcome.SUCCEEDED),
        ("0001", Outcome.ACCEPTED, Outcome.FAILED, "ACCOUNT_CLOSED", Outcome.FAILED),
        ("0002", Outcome.UNKNOWN, Outcome.SUCCEEDED, "CREDITED", Outcome.SUCCEEDED),
        ("0003", Outcome.ACCEPTED, Outcome.SUCCEEDED, "CREDITED", Outcome.REVERSED),
        ("0004", Outcome.ACCEPTED, Outcome.FAILED, "BANK_UNAVAILABLE", Outcome.FAILED),
        ("0005", Outcome.ACCEPTED, Outcome.ACCEPTED, "", Outcome.ACCEPTED),
        ("0006", Outcome.UNKNOWN, Outcome.NOT_FOUND, "", Outcome.NOT_FOUND),
    ],
)
def test_an_account_s_ending_decides(
    database: Flask, ending: str, sent: Outcome, soon: Outcome, code: str, days_later: Outcome
) -> None:
    bank = SandboxBank()
    with time_machine.travel(START, tick=False) as clock:
        assert bank.send(_order(ending)).outcome is sent
        clock.shift(1)
        answer = bank.status(1, "PD1")
        assert (answer.outcome, answer.code) == (soon, code)
        clock.shift(timedelta(days=3))
        assert bank.status(1, "PD1").outcome is days_later


def test_every_rule_has_an_ending_and_a_label(database: Flask) -> None:
    assert all(len(ending) == 4 and rule.label for ending, rule in sandbox.RULES.items())
    assert {"0001", "0002", "0003", "0004", "0005", "0006"} == set(sandbox.RULES)


def test_the_same_id_again_is_a_duplicate_whatever_the_amount(database: Flask) -> None:
    bank, order = SandboxBank(), _order()
    assert bank.send(order).outcome is Outcome.ACCEPTED
    answer = bank.send(replace(order, amount_minor=1))
    assert (answer.outcome, answer.code) == (Outcome.UNKNOWN, DUPLICATE)
    assert sandbox.posts("PD1") == 2
    assert len(sandbox.transfers(order.organisation_id)) == 1


def test_a_bank_that_was_away_settles_the_second_transfer(database: Flask) -> None:
    bank, order = SandboxBank(), _order("0004")
    bank.send(order)
    assert bank.status(1, "PD1").outcome is Outcome.FAILED
    second = TransferOrder(
        order.organisation_id, "PD2", order.amount_minor, "USD", order.beneficiary, order.account_masked, ""
    )
    bank.send(second)
    assert bank.status(1, "PD2").outcome is Outcome.SUCCEEDED


def test_an_order_holds_for_one_transfer(database: Flask, now: datetime) -> None:
    bank, order = SandboxBank(), _order()
    sandbox.order_next(organisation_id=order.organisation_id, behaviour="fail:ACCOUNT_CLOSED", now=now)
    bank.send(order)
    assert bank.status(1, "PD1").code == "ACCOUNT_CLOSED"
    assert sandbox.ordered(order.organisation_id) is None


def test_the_bank_is_not_called_inside_a_transaction(database: Flask) -> None:
    order = _order()
    with pytest.raises(RuntimeError, match="outside"), transaction():
        SandboxBank().send(order)


def test_the_bank_remembers_what_paydesk_rolls_back(database: Flask) -> None:
    SandboxBank().send(_order())
    db.session.rollback()
    assert sandbox.posts("PD1") == 1


def test_long_numbers_are_masked_at_any_depth() -> None:
    raw = {"account": "123456789012", "list": [{"iban": "DE89370400440532013000"}], "short": "4821", "n": 7}
    assert mask(raw) == {"account": "••9012", "list": [{"iban": "••3000"}], "short": "4821", "n": 7}


def test_an_order_shows_no_details(database: Flask) -> None:
    order = TransferOrder(
        1, "PD1", 5, "USD", "Maya", "••4821", "x", details={"account_number": "123456784821"}
    )
    assert "123456784821" not in repr(order)
    assert "123456784821" not in str(order.masked())
