"""Messages in every order and again: the same end, each stored once."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from flask import Flask

from tests.proof import planted
from tests.proof.messages import EVENTS, Told

pytestmark = pytest.mark.slow
# Every order of a life, with the success told twice; a seventh of them here, all by `./paydesk prove`.
ORDERS = sorted(set(permutations((*EVENTS, "TRANSFER_SUCCESS"))))
STEP = 7


def test_the_order_of_messages_changes_nothing(database: Flask, ground: Any) -> None:
    told = Told(ground)
    problems: list[str] = []
    for n, order in enumerate(ORDERS[::STEP]):
        problems += told.tell(order, is_slow=bool(n % 2))
    assert problems == []


def test_an_inbox_without_its_key_is_noticed(database: Flask, ground: Any) -> None:
    """A test of the test: without the unique key a repeated message is stored again."""
    told = Told(ground)
    order = (*EVENTS, "TRANSFER_SUCCESS")
    assert told.tell(order, is_slow=True) == []
    with planted.no_inbox_key():
        problems = told.tell(order, is_slow=True)
    assert [p for p in problems if "stored as" in p]
