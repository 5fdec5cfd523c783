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

# Pages of one kind look alike; one of each kind is opened. A crawl that reaches the limit missed some.
LIMIT = 120
SKIP = re.compile(
    r"/(export|download|file)\b|/(documents|statements)/\d|\.(csv|xlsx|pdf|zip|json)|format=|/html$"
)
LEAST = {"admin": 45, "technician": 12}


def _kind(path: str) -> str:
    return re.sub(r"[A-Z]{2,4}-[\w-]+|\d+", "#", urlsplit(path).path)


def _links(page: Page, address: str, elsewhere: str) -> Iterable[str]:
    """Links but those to another portal: an e-mail that is shown points to its reader's own."""
    for href in page.eval_on_selector_all("a[href]", "links => links.map(a => a.href)"):
        if href.startswith(address) and elsewhere not in href and not SKIP.search(href):
            yield href.partition("#")[0]


def _crawl(page: Page, demo: Demo, start: str, elsewhere: str) -> tuple[int, list[str]]:
    """Look at one page of each kind that can be reached from `start`: how many there are, and what is wrong."""
    seen, waiting, found = {_kind(start)}, [start], []
    while waiting and len(seen) < LIMIT:
        href = waiting.pop(0)
        answer = page.goto(href)
        if answer is None or answer.status >= 400:
            found.append(f"{href}: status {answer.status if answer else 'none'}")
        for link in _links(page, demo.address, elsewhere):
            if (kind := _kind(link)) not in seen:
                seen.add(kind)
                waiting.append(link)
        found += problems(page, urlsplit(href).path)
    return len(seen), found


@pytest.mark.parametrize(("name", "elsewhere"), [("admin", "/technician/"), ("technician", "/admin/")])
def test_pages_have_no_findings(windows: Windows, demo: Demo, name: str, elsewhere: str) -> None:
    page = windows.open(f"{name}@solaria.example", bypass_csp=True)
    errors: list[str] = []
    page.on("console", lambda m: errors.append(f"{page.url}: {m.text}") if m.type == "error" else None)
    n, found = _crawl(page, demo, f"{demo.address}/me", elsewhere)
    assert LEAST[name] <= n < LIMIT
    assert found + errors == []
