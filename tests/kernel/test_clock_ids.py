"""Days belong to zones; ids are random and digests stable."""

from datetime import UTC, date, datetime

import pytest

from webapp.kernel import clock, ids


def test_a_day_belongs_to_its_zone() -> None:
    instant = datetime(2026, 10, 31, 18, 30, tzinfo=UTC)
    assert clock.local_date(instant, "Asia/Kolkata") == date(2026, 11, 1)


def test_start_of_day_follows_daylight_saving() -> None:
    before = clock.start_of_day(date(2026, 11, 1), "America/New_York")
    after = clock.start_of_day(date(2026, 11, 2), "America/New_York")
    assert (after - before).total_seconds() == 25 * 3600


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        (date(2026, 1, 31), -1, date(2025, 12, 1)),
        (date(2026, 12, 5), 1, date(2027, 1, 1)),
        (date(2026, 5, 9), 0, date(2026, 5, 1)),
    ],
)
def test_add_months_lands_on_the_first(day: date, months: int, expected: date) -> None:
    assert clock.add_months(day, months) == expected


def test_month_bounds_of_a_leap_february() -> None:
    assert clock.month_bounds(date(2028, 2, 10)) == (date(2028, 2, 1), date(2028, 2, 29))


def test_transfer_ids_are_new_each_time_and_plain() -> None:
    made = {ids.new_transfer_id() for _ in range(500)}
    assert len(made) == 500
    assert all(len(i) <= 40 and i.isalnum() for i in made)


def test_digest_does_not_depend_on_key_order() -> None:
    assert ids.digest({"a": 1, "b": [2, 3]}) == ids.digest({"b": [2, 3], "a": 1})
