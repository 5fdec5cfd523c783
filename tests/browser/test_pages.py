"""Every page a link leads to: nothing found by axe, no sideways scroll at 320 px, no console error."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.browser.conftest import Demo, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

# Pages of one kind look alike; one of each kind is opened.
LIMIT = 60
VIEWS = (("light", 1280), ("dark", 1280), ("light", 320))
SKIP = re.compile(r"/(export|download|file)\b|/(documents|statements)/\d|\.(csv|xlsx|pdf)|format=")


def _kind(path: str) -> str:
    return re.sub(r"[A-Z]{2,4}-[\w-]+|\d+", "#", urlsplit(path).path)


def _links(page: Page, address: str, elsewhere: str) -> Iterable[str]:
    """Links but those to another portal: an e-mail that is shown points to its reader's own."""
    for href in page.eval_on_selector_all("a[href]", "links => links.map(a => a.href)"):
        if href.startswith(address) and elsewhere not in href and not SKIP.search(href):
            yield href.partition("#")[0]


def _crawl(page: Page, demo: Demo, start: str, elsewhere: str) -> dict[str, str]:
    """One address for each kind of page that can be reached from `start`."""
    found: dict[str, str] = {_kind(start): start}
    waiting = [start]
    while waiting and len(found) < LIMIT:
        page.goto(waiting.pop(0))
        for href in _links(page, demo.address, elsewhere):
            if (kind := _kind(href)) not in found:
                found[kind] = href
                waiting.append(href)
    return found


def _problems(page: Page, address: str, scheme: str, width: int) -> list[str]:
    answer = page.goto(address)
    where = f"{urlsplit(address).path} ({scheme}, {width} px)"
    problems = []
    if answer is None or answer.status >= 400:
        problems.append(f"{where}: status {answer.status if answer else 'none'}")
    if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
        problems.append(f"{where}: scrolls sideways")
    findings = Axe().run(page).response["violations"]
    problems += [f"{where}: {f['id']}: {f['nodes'][0]['html'][:120]}" for f in findings]
    return problems


@pytest.mark.parametrize("email", ["admin@solaria.example", "technician@solaria.example"])
@pytest.mark.parametrize(("scheme", "width"), VIEWS)
def test_pages_have_no_findings(browser: Browser, demo: Demo, email: str, scheme: str, width: int) -> None:
    context = browser.new_context(
        bypass_csp=True,  # for axe alone, which is injected
        color_scheme=scheme,  # type: ignore[arg-type]
        viewport={"width": width, "height": 900},
        reduced_motion="reduce",
    )
    page = context.new_page()
    errors: list[str] = []
    page.on("console", lambda m: errors.append(f"{page.url}: {m.text}") if m.type == "error" else None)
    sign_in(page, demo, email)
    elsewhere = "/technician/" if email.startswith("admin") else "/admin/"
    pages = _crawl(page, demo, f"{demo.address}/me", elsewhere)
    problems = [p for address in pages.values() for p in _problems(page, address, scheme, width)]
    context.close()
    assert len(pages) > 5
    assert problems + errors == []


def test_sign_in_page_has_no_findings(browser: Browser, demo: Demo) -> None:
    context = browser.new_context(bypass_csp=True, viewport={"width": 320, "height": 900})
    problems = _problems(context.new_page(), f"{demo.address}/sign-in", "light", 320)
    context.close()
    assert problems == []
