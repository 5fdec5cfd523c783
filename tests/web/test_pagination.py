"""Lists are cut by key: nothing is shown twice or left out, forwards and backwards."""

from __future__ import annotations

from itertools import chain

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from tests.factories import organisation, payee, stored
from webapp.people.models import Payee
from webapp.web import pagination
from webapp.web.pagination import capped_count, keyset


@pytest.fixture
def many(database: Flask) -> list[int]:
    house = organisation()
    with stored():
        return [payee(house).id for _ in range(60)]


def walk(app: Flask, address: str, *, newest_first: bool, direction: str) -> list[list[int]]:
    pages = []
    target: str | None = address
    while target is not None:
        with app.test_request_context(target):
            page = keyset(select(Payee), Payee.id, newest_first=newest_first)
        pages.append([row.id for row in page.items])
        target = getattr(page, direction)
    return pages


@pytest.mark.parametrize("newest_first", [True, False])
def test_walking_there_and_back_shows_every_row_once(
    database: Flask, many: list[int], newest_first: bool
) -> None:
    there = walk(database, "/healthz?size=25&kind=x", newest_first=newest_first, direction="next_href")
    assert [len(page) for page in there] == [25, 25, 10]
    assert list(chain.from_iterable(there)) == sorted(many, reverse=newest_first)
    last = f"/healthz?size=25&before={there[-1][0]}"
    back = walk(database, last, newest_first=newest_first, direction="previous_href")
    assert back == [there[1], there[0]]


def test_the_filter_stays_in_the_address(database: Flask, many: list[int]) -> None:
    with database.test_request_context("/healthz?size=25&kind=owner&kind=driver&after=30"):
        page = keyset(select(Payee), Payee.id)
    assert page.next_href is not None
    assert page.previous_href is not None
    for address in (page.next_href, page.previous_href):
        assert "kind=owner&kind=driver" in address
        assert "size=25" in address
    assert "after=" not in page.previous_href


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(query=st.text(alphabet="0123456789-abcxyz&=.%", max_size=30))
def test_any_address_gives_a_page(database: Flask, query: str) -> None:
    with database.test_request_context(f"/healthz?after={query}&before={query}&size={query}"):
        page = keyset(select(Payee), Payee.id)
    assert len(page.items) <= 50


def test_a_count_is_capped(database: Flask, many: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    assert capped_count(select(Payee), Payee.id) == "60"
    monkeypatch.setattr(pagination, "COUNT_LIMIT", 59)
    assert capped_count(select(Payee), Payee.id) == "59+"
