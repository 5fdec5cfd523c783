"""What a file names, found among what is stored; and cells that hold amounts, numbers and lists."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy import Select, select

from webapp.database import db
from webapp.imports.payees import key_of_name
from webapp.kernel.errors import Invalid
from webapp.kernel.money import parse_money
from webapp.people.models import Payee, Role

#: What a file may call records -> their ids.
Names = Mapping[str, set[int]]


def by_name(query: Select[*tuple[Any, ...]]) -> Names:
    """The records of a query by everything after its first column, the id, that a file may call them."""
    found: dict[str, set[int]] = {}
    for ident, *names in db.session.execute(query):
        for name in names:
            if name:
                found.setdefault(key_of_name(name), set()).add(ident)
    return found


def payees(organisation_id: int, kind: Role) -> Names:
    """An organisation's payees of a kind, by reference, e-mail address or name."""
    return by_name(
        select(Payee.id, Payee.reference, Payee.external_ref, Payee.email, Payee.name).where(
            Payee.organisation_id == organisation_id, Payee.kind == kind.value
        )
    )


def one(names: Names, field: str, said: str, noun: str, example: str) -> int:
    """The id of the one that is meant. Raises Invalid when there is none, or several."""
    if not said:
        raise Invalid(field, f"There is no {noun}.", example)
    found = names.get(key_of_name(said), set())
    if not found:
        several = f"{noun.removesuffix('y')}ies" if noun.endswith("y") else f"{noun}s"
        raise Invalid(field, f"There is no {noun} {said[:80]!r}. Bring the {several} in first.", example)
    if len(found) > 1:
        raise Invalid(field, f"{said[:80]!r} fits several; give the reference.", example)
    return next(iter(found))


def several(names: Names, field: str, said: str, noun: str, example: str) -> list[int]:
    """The ids of those that are named, with semicolons between them. Raises Invalid."""
    if not parts(said):
        raise Invalid(field, f"There is no {noun}.", example)
    return [one(names, field, part, noun, example) for part in parts(said)]


def parts(text: str) -> list[str]:
    """What stands between semicolons."""
    return [part.strip() for part in text.split(";") if part.strip()]


def amount(field: str, text: str, currency: str, example: str, least: int = 0) -> int:
    """An amount in minor units. Raises Invalid at the field."""
    try:
        minor = parse_money(text, currency).amount
    except Invalid as error:
        raise Invalid(field, error.reason, example) from None
    if minor < least:
        raise Invalid(field, "Enter an amount of more than zero." if least else "It is below zero.", example)
    return minor


def number(field: str, text: str, example: str) -> Decimal:
    """A decimal number without a limit. Raises Invalid at the field."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise Invalid(field, f"{text[:40]!r} is not a number.", example) from None
    if not value.is_finite():
        raise Invalid(field, f"{text[:40]!r} is not a number.", example)
    return value
