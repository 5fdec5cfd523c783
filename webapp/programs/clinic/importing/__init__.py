"""Bringing practitioners, customers, appointments, invoices and payments in from CSV files and workbooks.

A row is known by its reference in the other system, so that a file can be brought in again: money is booked once. A bad
row is named with line, column, reason and example, and nothing of it is stored; the others are.
"""

from __future__ import annotations

from webapp.programs.clinic.importing.kinds import KINDS

__all__ = ["KINDS"]
