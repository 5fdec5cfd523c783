"""Longer words and the other direction, in a real browser: no page of a payee moves sideways on a small phone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from babel.support import NullTranslations
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Browser, Page, Route
from sqlalchemy import update

from tests.factories.payouts import payout
from tests.house import town as town_module
from tests.house.town import Town
from webapp.database import db, transaction
from webapp.people.models import Organisation, User
from webapp.web import i18n

NARROW, WIDE = 320, 1280
PAGES = (
    "/technician/", "/technician/payouts", "/technician/payouts/{payout}", "/technician/statements",
    "/technician/installations", "/technician/payment-details", "/technician/payment-details/change", "/account",
    "/account/preferences", "/account/password", "/account/second-factor", "/account/tokens",
    "/account/notifications", "/account/mail", "/organisations", "/v", "/nothing-is-here",
)  # fmt: skip
KEPT = re.compile(r"(%\(\w+\)[sd]|<[^>]*>|\{n\}|\s+)")


class Longer(NullTranslations):
    """A language whose words are two fifths longer than the English ones and carry accents."""

    def gettext(self, message: str) -> str:
        """Every word drawn out; placeholders and tags stay."""
        parts = KEPT.split(message)
        return "".join(p if KEPT.fullmatch(p) else p + "ö" * -(-len(p) * 2 // 5) for p in parts)

    def ngettext(self, msgid1: str, msgid2: str, num: int) -> str:
        """The same for a number."""
        return self.gettext(msgid1 if num == 1 else msgid2)

    ugettext, ungettext = gettext, ngettext


@pytest.fixture
def town(database: Flask, scene: Callable[[Callable[[], object]], object]) -> Town:
    """Two organisations, and a payout that waits for the technician of one."""
    return town_module.build(database, scene)


def _through(page: Page, client: FlaskClient) -> None:
    """Let the browser talk to the application in this process."""

    def answer(route: Route) -> None:
        parts = urlsplit(route.request.url)
        found = client.get(
            f"{parts.path}?{parts.query}" if parts.query else parts.path, follow_redirects=True
        )
        headers = {
            k: v for k, v in found.headers.items() if k.lower() not in ("content-encoding", "content-length")
        }
        route.fulfill(status=found.status_code, headers=headers, body=found.data)

    page.route("**/*", answer)


@pytest.fixture
def small(browser: Browser) -> Iterator[Page]:
    """A phone of 320 px."""
    context = browser.new_context(viewport={"width": NARROW, "height": 720})
    yield context.new_page()
    context.close()


def _overflow(page: Page) -> str:
    """What sticks out of the page, in words; empty where nothing does."""
    return str(
        page.evaluate("""() => {
      const width = document.documentElement.clientWidth;
      if (document.documentElement.scrollWidth <= width) return "";
      const out = [...document.querySelectorAll("body *")].filter((e) => {
        const box = e.getBoundingClientRect();
        return (box.right > width + 1 || box.left < -1) && !e.closest(".table-region, .navigation, .visually-hidden");
      });
      return out.slice(-3).map((e) => e.outerHTML.slice(0, 120)).join(" | ") || "the page";
    }""")
    )


def _set(table: type[User] | type[Organisation], row_id: int, locale: str) -> None:
    with transaction():
        db.session.execute(update(table).where(table.id == row_id).values(locale=locale))


def _visit(page: Page, town: Town, locale: str, targets: tuple[str, ...]) -> dict[str, str]:
    made = payout(town.home.organisation, town.home.payees["technician"])
    reference = made.reference
    _set(User, town.home.users["technician"].id, locale)
    _through(page, town.client("technician"))
    broken = {}
    for target in targets:
        page.goto("http://localhost" + target.format(payout=reference))
        if wrong := _overflow(page):
            broken[target] = wrong
    return broken


def test_longer_words_fit_on_a_phone(town: Town, small: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(i18n, "catalogue", lambda name: Longer())
    assert _visit(small, town, "hi_IN", PAGES) == {}
    # The pseudo-language was really spoken.
    small.goto("http://localhost/technician/payouts")
    assert small.locator("h1").inner_text() == "Youröö payoutsööö"


def test_hindi_fits_on_a_phone(town: Town, small: Page) -> None:
    assert _visit(small, town, "hi_IN", PAGES) == {}
    assert small.locator("html").get_attribute("lang") == "hi"


def test_right_to_left_is_sound(town: Town, small: Page) -> None:
    _set(Organisation, town.home.organisation.id, "ar_AE")
    assert _visit(small, town, "", PAGES[:8]) == {}
    small.set_viewport_size({"width": WIDE, "height": 900})
    small.goto("http://localhost/technician/payouts")
    assert small.locator("html").get_attribute("dir") == "rtl"
    links = small.locator(".navigation a")
    first, last = links.first.bounding_box(), links.last.bounding_box()
    assert first is not None
    assert last is not None
    assert first["x"] > last["x"]
    brand, menu = small.locator(".brand").bounding_box(), small.locator(".menu").first.bounding_box()
    assert brand is not None
    assert menu is not None
    assert brand["x"] > menu["x"]
