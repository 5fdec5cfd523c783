"""Lists of payouts: which index each is read from, and that what is looked up is what the history holds."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest
from sqlalchemy import event, text

from tests.factories import people
from tests.factories.pages import Place
from tests.rooms.payouts_views.conftest import HOUR
from webapp.database import db
from webapp.payouts import list_paths, lists
from webapp.payouts.flags import Flag, flags_of
from webapp.payouts.lists import PayoutFilter
from webapp.payouts.models import LONG_PERIOD_DAYS, Payout
from webapp.web import pagination

DAY = date(2026, 11, 20)


def _shown(html: str) -> list[str]:
    return re.findall(r'<a href="/admin/payouts/(PO-2026-\d{6})"', html)


def _plans(place: Place, address: str) -> str:
    """How SQLite goes about the statements on payouts that a page asks."""
    asked: list[tuple[str, object]] = []

    def remember(
        connection: object, cursor: object, statement: str, parameters: object, *rest: object
    ) -> None:
        if "FROM payouts" in statement and "steps" not in statement:
            asked.append((statement, parameters))

    client = place.client(place.approver)
    client.get(address)
    event.listen(db.engine, "before_cursor_execute", remember)
    try:
        assert client.get(address).status_code == 200
    finally:
        event.remove(db.engine, "before_cursor_execute", remember)
    with db.engine.connect() as connection:
        cursor = connection.connection.cursor()
        lines = []
        for statement, parameters in asked:
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            lines += [row[-1] for row in cursor.fetchall()]
    return "\n".join(lines)


@pytest.fixture(params=["no statistics", "misleading statistics"])
def statistics(request: pytest.FixtureRequest, place: Place) -> None:
    """SQLite as it is at first, and after it looked at a sample in which all indexes seem alike."""
    if db.engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL counts its rows by itself")
    place.payout()
    if request.param == "misleading statistics":
        with db.engine.begin() as connection:
            connection.execute(text("ANALYZE"))
            for index in ("payee", "state", "created", "program"):
                connection.execute(
                    text("UPDATE sqlite_stat1 SET stat = '1000000 1 1 1' WHERE idx = :idx"),
                    {"idx": f"ix_payouts_organisation_{index}"},
                )
            connection.execute(text("UPDATE sqlite_stat1 SET stat = '1000000 1000000 1 1 1 1 1 1 1 1' "
                                    "WHERE idx IN ('ix_payouts_open', 'ix_payouts_held')"))  # fmt: skip


@pytest.mark.usefixtures("statistics")
@pytest.mark.parametrize(
    ("address", "index"),
    [
        ("/admin/payouts", list_paths.NEWEST),
        ("/admin/payouts?status=held", list_paths.HELD),
        ("/admin/payouts?status=open", list_paths.OPEN),
        ("/admin/payouts?status=approved", list_paths.OPEN),
        ("/admin/payouts?status=no_method", list_paths.OPEN),
        ("/admin/payouts?status=paid", list_paths.OF_STATE),
        ("/admin/payouts?program=installations", list_paths.OF_PROGRAM),
        ("/admin/payouts?rail=sandbox", list_paths.OF_RAIL),
        ("/admin/payouts?payee=ana", list_paths.OF_PAYEE),
        ("/admin/payouts?period_from=2026-11-01&period_to=2026-11-30", list_paths.BY_PERIOD),
        ("/admin/payouts?amount_from=10.00", list_paths.BY_AMOUNT),
        ("/admin/approvals", list_paths.OPEN),
        ("/admin/approvals?view=blocked&payee=ana", list_paths.OPEN),
    ],
)
def test_list_is_read_from_its_index_whatever_sqlite_knows(place: Place, address: str, index: str) -> None:
    plans = [
        line
        for line in _plans(place, address).splitlines()
        if line.startswith(("SEARCH payouts ", "SCAN payouts "))
    ]
    assert plans
    # Rows by their keys, and how far the long periods reach, have their own.
    others = ("(rowid=?)", "AND id=?)", "ix_payouts_long_period")
    assert [line for line in plans if index not in line and not any(other in line for other in others)] == []
    assert any(index in line for line in plans)


def _periods(place: Place) -> list[Payout]:
    """Days, a month, a quarter and a year, not in the order of their making: (days before today, days long)."""
    lies = [(0, 1), (400, 1), (30, 29), (10, 91), (200, 364), (390, 1), (35, 0)]
    ends = [(DAY - timedelta(days=ago), days) for ago, days in lies]
    return [
        place.payout(place.other, 1_000 + n, period_start=end - timedelta(days=days), period_end=end)
        for n, (end, days) in enumerate(ends)
    ]


@pytest.mark.parametrize("limit", [3, 10_000])
@pytest.mark.parametrize(
    ("first", "last"),
    [
        (None, None), (-35, -30), (-400, -395), (-60, None), (None, -100), (None, -389), (-300, -299), (-95, -94),
        (5, None), (None, -800),
    ],
)  # fmt: skip
def test_period_finds_what_lies_in_it(
    place: Place, monkeypatch: pytest.MonkeyPatch, first: int | None, last: int | None, limit: int
) -> None:
    monkeypatch.setattr(pagination, "COUNT_LIMIT", limit)
    payouts = _periods(place)
    low = DAY + timedelta(days=first) if first is not None else date.min
    high = DAY + timedelta(days=last) if last is not None else date.max
    expected = [p.reference for p in payouts if p.period_end >= low and p.period_start <= high]
    bounds = [f"period_from={low}"] if first is not None else []
    bounds += [f"period_to={high}"] if last is not None else []
    query = "&".join(bounds)
    html = place.client(place.maker).get(f"/admin/payouts?{query}").text
    assert sorted(set(_shown(html))) == sorted(expected)
    assert list(dict.fromkeys(_shown(html))) == expected[::-1]


def test_days_at_the_end_of_the_calendar_are_filters_too(place: Place) -> None:
    payout = place.payout()
    client = place.client(place.maker)
    for query in (
        "period_to=9999-12-31",
        "period_from=0001-01-01",
        "period_from=0001-01-01&period_to=9999-12-31",
    ):
        assert payout.reference in client.get(f"/admin/payouts?{query}").text


@pytest.mark.parametrize(
    "query",
    ["amount_from=10.05", "period_to=2025-12-31", "payee=a", "amount_from=10.00&period_from=2026-01-01"],
)
def test_pages_of_what_is_looked_up_hold_every_row_once(
    place: Place, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    for n in range(60):
        day = DAY - timedelta(days=(n * 37) % 700)
        place.payout(
            place.other if n % 3 else place.payee, 1_000 + (n * 7) % 20, period_start=day, period_end=day
        )
    client = place.client(place.maker)
    address: str | None = f"/admin/payouts?{query}&size=25"
    seen: list[str] = []
    while address:
        html = client.get(address).text
        seen += dict.fromkeys(_shown(html))
        found = re.search(r'rel="next" href="([^"]+)"', html)
        address = found[1].replace("&amp;", "&") if found else None
    assert len(seen) == len(set(seen)) > 10
    assert seen == sorted(seen, reverse=True)
    csv = client.get(f"/admin/payouts/export.csv?{query}").text
    assert set(re.findall(r"PO-2026-\d{6}", csv)) == set(seen)


def test_long_period_reaches_as_far_as_it_does(place: Place) -> None:
    organisation = place.organisation.id
    assert list_paths.latest_end(organisation, DAY) == DAY + timedelta(days=LONG_PERIOD_DAYS)
    place.payout(period_start=DAY - timedelta(days=5), period_end=DAY + timedelta(days=200))
    assert list_paths.latest_end(organisation, DAY) == DAY + timedelta(days=200)
    assert list_paths.latest_end(organisation, DAY - timedelta(days=6)) == DAY + timedelta(days=25)
    nova = people.organisation("nova")
    assert list_paths.latest_end(nova.id, DAY) == DAY + timedelta(days=LONG_PERIOD_DAYS)


def test_many_payees_of_a_name_are_found_too(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_paths, "FEW_PAYEES", 1)
    monkeypatch.setattr(pagination, "COUNT_LIMIT", 1)
    mine, theirs = place.payout(), place.payout(place.other)
    html = place.client(place.maker).get("/admin/payouts?payee=a").text
    assert set(_shown(html)) == {mine.reference, theirs.reference}
    assert "1+ payouts" in html


def test_what_fewer_payouts_lie_in_than_after_is_looked_up(place: Place) -> None:
    organisation = place.organisation.id
    month = (DAY - timedelta(days=300), DAY - timedelta(days=270))
    assert list_paths.is_far_back(organisation, *month, DAY)
    assert not list_paths.is_far_back(organisation, DAY - timedelta(days=40), DAY - timedelta(days=10), DAY)
    assert not list_paths.is_far_back(organisation, month[0], None, DAY)
    place.payout(period_start=DAY - timedelta(days=500), period_end=DAY - timedelta(days=500))
    assert list_paths.is_far_back(organisation, None, DAY - timedelta(days=450), DAY)
    assert not list_paths.is_far_back(organisation, None, DAY - timedelta(days=20), DAY)


def test_flag_filter_agrees_with_the_flags_of_the_rows(place: Place) -> None:
    payouts = [place.payout(place.other, 1_000), place.payout(place.other, 1_000), place.payout(amount=900)]
    flags = flags_of([payout.id for payout in payouts])
    for flag in Flag:
        query = lists.pending(
            organisation_id=place.organisation.id, currency="USD", now=HOUR, filters=PayoutFilter(flag=flag)
        )
        assert {p.id for p in db.session.scalars(query)} == {
            key for key, found in flags.items() if flag in found
        }
