"""Bringing partners, deals, touches and exchange rates in from CSV files and workbooks.

A published list of sales opportunities is read as it is: first its teams as partners, by name, then its opportunities
as deals. A record is known by its reference, a partner of a list without references by name, so that a file can be
brought in again. A bad row is named with line, column and reason; the others are stored.
"""

from __future__ import annotations

from webapp.programs.partners.importing.kinds import KINDS

__all__ = ["KINDS"]
