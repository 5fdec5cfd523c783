"""Every page a link leads to: nothing found by axe, no sideways scroll at 320 px, no console error."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Demo, Windows
from tests.browser.look import problems

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

# Pages of one kind look alike; one of each kind is opened. A crawl that reaches the limit missed some. Connecting to
# the books leads away to their own page.
LIMIT = 120
SKIP = re.compile(
    r"/(export|download|file|proof)\b|/(documents|statements)/\d|\.(csv|xlsx|pdf|zip|json)|format=|/html$|/accounting/connect$"
)
#: Who looks, where they begin, which addresses they follow, and how many kinds of pages there are at least. An e-mail
#: that is shown points to its reader's own portal, which is not theirs.
WALKS = {
    "admin@solaria.example": (("/me",), r"^(?!/technician/)", 45),
    "technician@solaria.example": (("/me",), r"^(?!/admin/)", 12),
    "admin@griha.example": (
        (
            "/admin/rentals",
            "/admin/bank-files",
            "/admin/reconciliation",
            "/admin/settings/connections",
            "/admin/inbox",
        ),
        r"^/admin/(rentals|bank-files|reconciliation|settings/connections|inbox)",
        25,
    ),
    "owner@griha.example": (("/me",), r"^(?!/admin/)", 12),
    "admin@carepoint.example": (("/admin/clinic",), r"^/admin/clinic", 24),
    "practitioner@carepoint.example": (("/practitioner",), r"^/practitioner", 8),
    "admin@metrocab.example": (("/admin/repairs",), r"^/admin/repairs", 30),
    "driver@metrocab.example": (("/driver",), r"^/driver", 12),
    "admin@partnerbase.example": (("/admin/partners",), r"^/admin/partners", 30),
    "partner@partnerbase.example": (("/partner",), r"^/partner", 12),
}


def _kind(path: str) -> str:
    return re.sub(r"[A-Z]{2,4}-[\w-]+|\d+", "#", urlsplit(path).path)


def _links(page: Page, address: str, wanted: str) -> Iterable[str]:
    """Links to addresses that the walk follows."""
    for href in page.eval_on_selector_all("a[href]", "links => links.map(a => a.href)"):
        if href.startswith(address) and re.match(wanted, urlsplit(href).path) and not SKIP.search(href):
            yield href.partition("#")[0]


def _crawl(page: Page, demo: Demo, starts: Iterable[str], wanted: str) -> tuple[int, list[str]]:
    """Look at one page of each kind that can be reached: how many there are, and what is wrong."""
    waiting = [f"{demo.address}{start}" for start in starts]
    seen, found = {_kind(href) for href in waiting}, []
    while waiting and len(seen) < LIMIT:
        href = waiting.pop(0)
        answer = page.goto(href)
        if answer is None or answer.status >= 400:
            found.append(f"{href}: status {answer.status if answer else 'none'}")
        for link in _links(page, demo.address, wanted):
            if (kind := _kind(link)) not in seen:
                seen.add(kind)
                waiting.append(link)
        found += problems(page, urlsplit(href).path)
    return len(seen), found


@pytest.mark.parametrize("who", WALKS)
def test_pages_have_no_findings(windows: Windows, demo: Demo, who: str) -> None:
    starts, wanted, least = WALKS[who]
    page = windows.open(who, bypass_csp=True)
    errors: list[str] = []
    page.on("console", lambda m: errors.append(f"{page.url}: {m.text}") if m.type == "error" else None)
    n, found = _crawl(page, demo, starts, wanted)
    assert least <= n < LIMIT
    assert found + errors == []
