"""Bringing lists of technicians, rates and installations in from CSV files.

A row is created, updated or unchanged by its external reference, so that a file can be brought in again.
A bad row is named with line, column, reason and example, and nothing of it is stored; the others are.
The pages and workers of `webapp.imports` know these kinds by their registration; the functions here serve the command.
"""

from __future__ import annotations

from typing import Any

from webapp.imports import perform as engine
from webapp.imports.report import Problem, Report
from webapp.kernel.errors import Invalid
from webapp.programs.installations.importing.kinds import KINDS as _KINDS

__all__ = ["KINDS", "Problem", "Report", "perform", "template"]

KINDS = tuple(_KINDS)


def template(kind: str) -> str:
    """A CSV file with the columns of a kind and one row as an example."""
    return engine.template(_KINDS[kind])


def perform(*, kind: str, **values: Any) -> Report:
    """Store the good rows of a file in one transaction and report the others; a dry run takes it all back.

    Takes `data` (bytes), `organisation`, `actor`, `now`, and where wanted `is_dry_run` and a `mapping` of their
    columns to ours. Raises Invalid when the file as a whole cannot be read.
    """
    if kind not in _KINDS:
        raise Invalid("kind", f"{kind!r} cannot be imported.", ", ".join(KINDS))
    return engine.perform(kind=_KINDS[kind], audit_tag=f"installations:{kind}:imported", **values)
