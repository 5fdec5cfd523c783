"""Bringing drivers, vehicles, medallions, leases, trips and charges in from CSV files and workbooks.

A list of trips is read as New York publishes it, and serves twice: first as drivers (its distinct licences), then as
trips. A trip is known by its driver and the moment of pickup, everything else by its reference; what is stored stays as
it is, so that a file can be brought in again. A bad row is named with line, column and reason; the others are stored.
"""

from __future__ import annotations

from webapp.programs.repairs.importing.kinds import KINDS

__all__ = ["KINDS"]
