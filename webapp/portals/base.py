"""What every portal has: its guard and its navigation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, cast

from flask import Blueprint, abort, g, request
from flask_login import current_user
from sqlalchemy import ColumnElement, Integer, Select, bindparam, false, or_, select

from webapp.database import ask
from webapp.people.models import Role
from webapp.web.guards import SAFE_METHODS
from webapp.web.i18n import gettext, translated

#: organisation id -> whether it has records of a kind, as a condition that is asked together with others.
HasRecords = Callable[[int], ColumnElement[bool]]
_records: dict[str, tuple[HasRecords, ...]] = {}


@dataclass(frozen=True)
class NavigationItem:
    """One entry of a portal's navigation; `key` is the letter that follows g on the keyboard.

    Entries of one `group` stand together below its name. Those of a `program` are shown to organisations that have the
    program, or records of it.
    """

    label: str
    endpoint: str
    key: str = ""
    group: str = ""
    program: str = ""


def grouped(group: str, *items: NavigationItem) -> list[NavigationItem]:
    """Entries that stand together below a heading."""
    return [replace(item, group=group) for item in items]


def register_records(program: str, *has_records: HasRecords) -> None:
    """Say where a program's records are: its entries are never hidden from an organisation that has some."""
    _records[program] = has_records


def programs_without(organisation_id: int, own: Iterable[str], programs: Iterable[str]) -> frozenset[str]:
    """Which of the programs an organisation neither has (`own`) nor has records of. One query, none for all of them."""
    asked = tuple(sorted(set(programs).difference(own)))
    if not asked:
        return frozenset()
    found = ask(_has_records(asked), {"organisation_id": organisation_id})[0]
    return frozenset(name for name, has in zip(asked, found, strict=True) if not has)


@cache
def _has_records(programs: tuple[str, ...]) -> Select[Any]:
    """Built once: every page asks it in the same words."""
    here = cast("int", bindparam("organisation_id", type_=Integer))
    query: Any = select(
        *(or_(false(), *(has_records(here) for has_records in _records.get(name, ()))) for name in programs)
    )
    return query  # type: ignore[no-any-return]


def portal(
    name: str,
    *,
    roles: Iterable[str],
    reading_roles: Iterable[str] = (),
    navigation: Iterable[NavigationItem] = (),
) -> Blueprint:
    """A blueprint at /<name> that lets in the given roles of the current organisation, others get 403.

    `reading_roles` may look (GET, HEAD) and change nothing. The role decides which rooms are there; every
    query still asks for the organisation, and for the payee in payees' portals.
    """
    blueprint = Blueprint(name, __name__, url_prefix=f"/{name}")
    full, reading = frozenset(roles), frozenset(reading_roles)
    blueprint.portal_navigation = tuple(navigation)  # type: ignore[attr-defined]

    @blueprint.before_request
    def _guard() -> None:
        if not current_user.is_authenticated:
            abort(401)
        held: frozenset[str] = g.get("roles", frozenset())
        if full & held or (reading & held and request.method in SAFE_METHODS):
            return
        if reading & held:
            abort(
                403,
                "An accountant can look at everything and change nothing. Ask an admin to do this.",
            )
        abort(
            403,
            gettext(
                "This part is for the role %(role)s of %(organisation)s.",
                role=translated(Role(name).label).lower(),
                organisation=g.organisation.name if g.organisation else gettext("the organisation"),
            ),
        )

    return blueprint
