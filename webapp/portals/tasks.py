"""One entry of a task list on a home page."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """What is to do, why, where, how much of it, and how urgent it looks."""

    title: str
    text: str | None = None
    href: str | None = None
    count: str | None = None
    tone: str | None = None
