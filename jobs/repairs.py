"""What workers do for repairs: the run of a week that somebody asked for."""

from __future__ import annotations

from webapp.kernel.clock import utc_now
from webapp.programs.repairs import week_runs


def run_week(reference_id: int) -> None:
    """Do what is left of weekly run `reference_id`."""
    week_runs.work(run_id=reference_id, now=utc_now())
