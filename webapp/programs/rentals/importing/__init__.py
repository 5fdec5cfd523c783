"""Bringing properties, owners' shares, tenants, leases and open rents in from CSV files and workbooks.

A row is created, changed or unchanged by its reference, so that a file can be brought in again. A bad row is named with
line, column, reason and example, and nothing of it is stored; the others are.
"""

from __future__ import annotations

from webapp.programs.rentals.importing.kinds import KINDS

__all__ = ["KINDS"]
