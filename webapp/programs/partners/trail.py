"""What every change of this program's records has in common: its word in the trail, its day."""

from __future__ import annotations

from webapp.audit.changes import Trail, apply, check_version, store_new
from webapp.people.organisations import timezone_of, today
from webapp.programs.partners.drafts import PROGRAM

__all__ = ["apply", "check_version", "record", "record_many", "store_new", "timezone_of", "today"]

_trail = Trail(PROGRAM)
record = _trail.record
record_many = _trail.record_many
