"""What every portal has: its guard and its navigation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flask import Blueprint, abort, g, request
from flask_login import current_user

from webapp.people.models import Role
from webapp.web.guards import SAFE_METHODS
from webapp.web.i18n import gettext, translated


@dataclass(frozen=True)
class NavigationItem:
    """One entry of a portal's navigation; `key` is the letter that follows g on the keyboard."""

    label: str
    endpoint: str
    key: str = ""


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
