"""What Zoho takes of a body: names, dates, exact amounts; anything else is refused in its own envelope."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from webapp.simulator.core import Said

_LARGEST = 10**15


class Refused(Exception):
    """What was asked is not done; `said` is the answer."""

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.said = error(status, code, message)


def error(status: int, code: int, message: str) -> Said:
    """An error in Zoho's envelope."""
    return Said(status, {"code": code, "message": message})


def missing(what: str) -> Refused:
    """The refusal of a record that is not there."""
    return Refused(1002, f"{what} does not exist.", 404)


def json_object(text: str) -> dict[str, Any]:
    """The object of a body. Raises Refused."""
    try:
        found = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Refused(4, "Invalid JSON String")
    return found


def words(given: Mapping[str, Any], name: str, most: int, *, is_required: bool = False) -> str:
    """A text; empty when it is not there and need not be. Raises Refused."""
    value = given.get(name)
    if value is None or value == "":
        if is_required:
            raise Refused(4, f"Invalid value passed for {name}")
        return ""
    if isinstance(value, int) and not isinstance(value, bool) and name.endswith("_id"):
        value = str(value)
    if not isinstance(value, str) or len(value) > most or not value.isprintable():
        raise Refused(2, f"Invalid value passed for {name}" if not isinstance(value, str) else
                      f"Please ensure that the {name} has less than {most + 1} characters.")  # fmt: skip
    return value


def day(given: Mapping[str, Any], name: str, otherwise: str) -> str:
    """A date as yyyy-mm-dd. Raises Refused."""
    value = given.get(name)
    if value in (None, ""):
        return otherwise
    try:
        return date.fromisoformat(str(value)).isoformat() if len(str(value)) == 10 else _refuse(name)
    except ValueError:
        return _refuse(name)


def _refuse(name: str) -> str:
    raise Refused(2, f"Invalid value passed for {name}")


def minor(given: Mapping[str, Any], name: str) -> int:
    """An amount with at most two decimals, as minor units. Raises Refused."""
    value = given.get(name)
    if isinstance(value, bool) or not isinstance(value, Decimal | int):
        raise Refused(2, f"Invalid value passed for {name}")
    number = Decimal(value)
    if not number.is_finite() or abs(number) > _LARGEST or number != round(number, 2):
        raise Refused(2, f"Invalid value passed for {name}")
    return int(number.scaleb(2))


def objects(given: Mapping[str, Any], name: str, most: int) -> list[Mapping[str, Any]]:
    """A list of objects. Raises Refused."""
    value = given.get(name)
    if not isinstance(value, list) or len(value) > most or not all(isinstance(each, dict) for each in value):
        raise Refused(2, f"Invalid value passed for {name}")
    return value
