"""Weekly runs that die, come late, or are done twice at once: a few of the deaths that `./paydesk prove` tries."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from tests.proof import weeks

pytestmark = pytest.mark.slow
DRIVERS = 4


def test_killed_late_and_by_two_at_once_it_ends_as_if_nothing_had_happened(
    database: Flask, ground: Any
) -> None:
    organisation_id = weeks.prepare(DRIVERS)
    start = ground.keep()
    wanted, events, _ = weeks.undisturbed(organisation_id)
    assert len(wanted["receipts"]) == DRIVERS * weeks.RUNS
    assert {state for *_, state in wanted["payouts"]} == {"approved", "pending_approval"}
    for part in (2, 4, 7):
        ground.put_back(start)
        event = events * part // 8
        figures = weeks.story(
            organisation_id,
            wanted,
            lambda event=event: weeks.killed_at(organisation_id, event),  # type: ignore[misc]
            f"event {event} of {events}",
        )
        assert (figures.deaths, figures.problems) == (1, [])
