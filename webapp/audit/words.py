"""Events in words: what a tag means, and changes field by field. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from webapp.kernel.ids import canonical_json


@dataclass(frozen=True)
class Change:
    """One field of one event; a None says that there was, or is, nothing."""

    field: str
    before: str | None
    after: str | None


def action(tag: str) -> str:
    """ "payouts:payout:approved" -> "Payout approved"."""
    parts = tag.split(":")
    words = " ".join(parts[1:] if len(parts) > 2 else parts).replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def field_name(name: str) -> str:
    """ "name_at_bank" -> "Name at bank"."""
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def _said(value: Any) -> str | None:
    match value:
        case None | "" | []:
            return None
        case dict() if not value:
            return None
        case bool():
            return "yes" if value else "no"
        case str():
            return value
        case list() if all(isinstance(item, str | int) for item in value):
            return ", ".join(str(item) for item in value)
        case dict() | list():
            return canonical_json(value)
        case _:
            return str(value)


def changes(values: dict[str, Any]) -> list[Change]:
    """The changes of an event; a value that is no [before, after] pair counts as what is there after."""
    result = []
    for name, value in values.items():
        before, after = value if isinstance(value, list) and len(value) == 2 else (None, value)
        result.append(Change(field_name(name), _said(before), _said(after)))
    return result


def in_one_line(values: dict[str, Any]) -> str:
    """The changes for a cell of a file: "State: open → closed; Name: – → Ada"."""
    return "; ".join(f"{c.field}: {c.before or '–'} → {c.after or '–'}" for c in changes(values))
