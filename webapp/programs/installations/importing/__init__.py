"""Bringing lists of technicians, rates and installations in from CSV files.

A row is created, updated or unchanged by its external reference, so that a file can be brought in again.
A bad row is named with line, column, reason and example, and nothing of it is stored; the others are.
"""

from webapp.programs.installations.importing.perform import KINDS, perform, run, template
from webapp.programs.installations.importing.report import Problem, Report

__all__ = ["KINDS", "Problem", "Report", "perform", "run", "template"]
