"""Lists are cut by key: nothing is shown twice or left out, forwards and backwards."""

from __future__ import annotations

import gc
from itertools import chain
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Select, select

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


def test_what_is_made_of_a_query_is_kept_with_it_and_goes_with_it() -> None:
    made = []

    def make(query: Select[Any]) -> Select[Any]:
        made.append(query)
        return query.limit(3)

    before = len(pagination._derived)
    query = select(Payee)
    assert pagination.derived(query, "cut", make) is pagination.derived(query, "cut", make)
    assert len(made) == 1
    assert pagination.derived(query, "other", make) is not pagination.derived(query, "cut", make)
    other = select(Payee)
    assert pagination.derived(other, "cut", make) is not pagination.derived(query, "cut", make)
    made.clear()
    del query, other
    gc.collect()
    assert len(pagination._derived) <= before


def test_a_plain_page_shows_what_the_page_of_records_shows(database: Flask, many: list[int]) -> None:
    plain = select(Payee.id, Payee.name)
    for address in ("/?size=25", f"/?size=25&after={many[30]}", f"/?size=25&before={many[30]}"):
        with database.test_request_context(address):
            records = keyset(select(Payee), Payee.id)
            rows = keyset(plain, Payee.id, is_plain=True)
        assert [row.id for row in rows.items] == [row.id for row in records.items]
        assert (rows.previous_href, rows.next_href) == (records.previous_href, records.next_href)
