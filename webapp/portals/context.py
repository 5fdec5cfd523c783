"""Variables that every template has: organisation, portal, navigation, banners, demo bar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from flask import Flask, current_app, g, request
from flask_login import current_user

from webapp.config import Settings
from webapp.payouts import policies
from webapp.people.models import Role
from webapp.people.passwords import DEMO_PASSWORD
from webapp.portals.base import NavigationItem, programs_without
from webapp.portals.views import payee_home, saved_views
from webapp.web import addresses
from webapp.web.i18n import N_


@dataclass(frozen=True)
class Link:
    """A navigation entry as templates read it."""

    label: str
    href: str
    is_current: bool = False
    count: int | None = None
    key: str = ""
    group: str = ""


@dataclass(frozen=True)
class Banner:
    """A standing message above every page; tone is warn or bad."""

    tone: str
    text: str
    href: str
    link: str


@dataclass(frozen=True)
class DemoAccount:
    """An account that the demo's role switcher offers."""

    label: str
    email: str


DEMO_ACCOUNTS = (
    DemoAccount("Admin", "admin@solaria.example"),
    DemoAccount(N_("Approver"), "approver@solaria.example"),
    DemoAccount("Accountant", "accountant@solaria.example"),
    DemoAccount("Technician", "technician@solaria.example"),
    DemoAccount("Rentals: admin", "admin@griha.example"),
    DemoAccount("Rentals: approver", "approver@griha.example"),
    DemoAccount(N_("Rentals: owner"), "owner@griha.example"),
    DemoAccount("Clinic: admin", "admin@carepoint.example"),
    DemoAccount("Clinic: approver", "approver@carepoint.example"),
    DemoAccount(N_("Clinic: practitioner"), "practitioner@carepoint.example"),
    DemoAccount("Fleet: admin", "admin@metrocab.example"),
    DemoAccount("Fleet: approver", "approver@metrocab.example"),
    DemoAccount(N_("Fleet: driver"), "driver@metrocab.example"),
    DemoAccount("Partners: admin", "admin@partnerbase.example"),
    DemoAccount("Partners: approver", "approver@partnerbase.example"),
    DemoAccount(N_("Partners: partner"), "partner@partnerbase.example"),
)


def _portal_name() -> str | None:
    name = (request.blueprint or "").partition(".")[0]
    return name if name not in ("", "public", "demo", "assets") else None


def _is_here(item: NavigationItem, room: str) -> bool:
    return room == item.endpoint.rpartition(".")[0]


def _navigation(portal: str | None) -> Sequence[Link]:
    """The entries of a portal, without those of programs that the organisation does not have. One query at most."""
    if portal is None:
        return []
    items: tuple[NavigationItem, ...] = current_app.blueprints[portal].portal_navigation  # type: ignore[attr-defined]
    organisation, programs = g.get("organisation"), {item.program for item in items if item.program}
    hidden: frozenset[str] = frozenset()
    if organisation is not None and programs:
        hidden = programs_without(organisation.id, g.programs, programs)
    return _links(items, hidden, (request.endpoint or "").rpartition(".")[0], request.script_root)


@lru_cache(maxsize=512)
def _links(
    items: tuple[NavigationItem, ...], hidden: frozenset[str], room: str, script_root: str
) -> tuple[Link, ...]:
    """The entries as they look in one room: kept, because they depend on nothing else."""
    return tuple(
        Link(
            item.label,
            addresses.fixed(item.endpoint),
            _is_here(item, room),
            key=f"g {item.key}" if item.key else "",
            group=item.group,
        )
        for item in items
        # Who followed a link into a part sees its entry, whatever is there.
        if item.program not in hidden or _is_here(item, room)
    )


def standing() -> tuple[bool, list[tuple[str, str]]]:
    """`policies.standing` of the current organisation, asked once in a request."""
    if "standing" not in g:
        g.standing = policies.standing(g.organisation.id)
    found: tuple[bool, list[tuple[str, str]]] = g.standing
    return found


def _banners(portal: str | None) -> list[Banner]:
    """What everybody at work must know: payments that are halted, and a company without a second person."""
    organisation = g.get("organisation")
    if portal != "admin" or organisation is None:
        return []
    settings_page = addresses.fixed("admin.policy.show")
    is_alone, rails = standing()
    halted = [
        Banner(
            "bad",
            ("All payments are halted" if rail == policies.EVERY_RAIL else f"Payments over {rail} are halted")
            + f": {reason}",
            settings_page,
            "Look at it",
        )
        for rail, reason in rails
    ]
    if is_alone:
        text = "One person does everything here: a delay and a daily cap stand in for the second person."
        halted.append(Banner("warn", text, settings_page, "See the rules"))
    return halted


def _demo_links() -> list[Link]:
    """The demo's own pages; the bank is for those who send money."""
    links = [Link(N_("E-mail outbox"), addresses.fixed("demo.outbox.index"))]
    if Role.ADMIN in g.get("roles", frozenset()):
        links.append(Link(N_("Bank"), addresses.fixed("demo.bank.index")))
    return links


def _variables() -> dict[str, Any]:
    settings: Settings = current_app.config["SETTINGS"]
    portal = _portal_name()
    signed_in = bool(current_user.is_authenticated)
    has_demo_pages = "demo" in current_app.blueprints
    return {
        "organisation": g.get("organisation"),
        "portal": portal,
        "navigation": _navigation(portal) if signed_in else [],
        "banners": _banners(portal) if signed_in else [],
        "saved": saved_views.for_this_page() if signed_in else None,
        "payouts_come": payee_home.empty_text(portal) if portal and signed_in else "",
        "demo_mode": settings.is_demo,
        "demo_accounts": DEMO_ACCOUNTS if settings.is_demo else (),
        "demo_password": DEMO_PASSWORD if settings.is_demo else "",
        "demo_switch_url": addresses.fixed("demo.people.switch") if settings.is_demo else None,
        "demo_links": _demo_links() if settings.is_demo and has_demo_pages and signed_in else [],
        "help_url": addresses.fixed("public.help.show"),
        "sign_out_url": addresses.fixed("public.people.sign_out") if signed_in else None,
        "account_url": addresses.fixed("public.people.account") if signed_in else None,
        "mail_url": addresses.fixed("public.notices.preferences_page") if signed_in else None,
        "organisations_url": addresses.fixed("public.people.organisations") if signed_in else None,
    }


def init_app(app: Flask) -> None:
    """Register the context processor."""
    app.context_processor(_variables)
