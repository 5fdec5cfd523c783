"""Looking at a page as it stands: axe in light and dark and on a narrow screen, and no sideways scroll."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import axe_playwright_python
from playwright.sync_api import Page, TimeoutError

WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 320, "height": 900}
# In the dark only colours differ: the rest was looked at in the light, on the same document.
COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}


@cache
def _script() -> str:
    return (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()


def _axe(page: Page, options: dict[str, Any]) -> list[str]:
    if not page.evaluate("() => Boolean(window.axe)"):
        page.evaluate(_script())
    run = "async (options) => (await axe.run({...options, resultTypes: ['violations']})).violations"
    found = page.evaluate(run, options)
    return [f"{one['id']}: {one['nodes'][0]['html'][:140]}" for one in found]


def _sideways(page: Page) -> list[str]:
    fits = "() => document.documentElement.scrollWidth <= window.innerWidth"
    try:
        # Right after a change of size the page still measures its tables.
        page.wait_for_function(fits, timeout=5_000)
    except TimeoutError:
        return ["scrolls sideways"]
    return []


def problems(page: Page, where: str) -> list[str]:
    """What is wrong with the page as it stands, each with `where`; leaves it light and wide."""
    found = [f"{where}: {text}" for text in _axe(page, {}) + _sideways(page)]
    page.emulate_media(color_scheme="dark")
    found += [f"{where} (dark): {text}" for text in _axe(page, COLOURS)]
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(NARROW)  # type: ignore[arg-type]
    found += [f"{where} (320 px): {text}" for text in _sideways(page) + _axe(page, {})]
    page.set_viewport_size(WIDE)  # type: ignore[arg-type]
    return found
