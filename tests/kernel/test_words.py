"""Days as people write them."""

from __future__ import annotations

from datetime import date

import pytest

from webapp.kernel.words import day_range


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        (date(2026, 10, 31), date(2026, 10, 31), "31 Oct 2026"),
        (date(2026, 10, 25), date(2026, 10, 31), "25–31 Oct 2026"),
        (date(2026, 9, 28), date(2026, 10, 4), "28 Sep – 4 Oct 2026"),
        (date(2026, 12, 27), date(2027, 1, 2), "27 Dec 2026 – 2 Jan 2027"),
    ],
)
def test_what_both_ends_share_is_said_once(first: date, last: date, words: str) -> None:
    assert day_range(first, last) == words
