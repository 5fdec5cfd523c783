"""What every change of this program's records has in common: its word in the trail, its day, its number."""

from __future__ import annotations

from webapp.audit.changes import Trail, apply, check_version, store_new
from webapp.people.organisations import today
from webapp.programs.clinic.drafts import PROGRAM

__all__ = ["apply", "check_version", "record", "store_new", "today"]


record = Trail(PROGRAM).record
