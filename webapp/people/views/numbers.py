"""Whole numbers out of form fields."""

from __future__ import annotations


def number(text: str | None) -> int:
    """A version or record number from a form; -1, which no record has, for anything that is not one."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else -1
