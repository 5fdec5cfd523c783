"""Two ways to use a page: by keyboard alone, and without JavaScript. The workflows are written once for both."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from playwright.sync_api import Locator, Page, expect

FURTHEST = 220
# Whether the control that has the focus shows it: an outline or a ring, on the screen, not under a sticky bar.
SHOWS_FOCUS = """node => {
  const shown = getComputedStyle(node);
  if ((shown.outlineStyle === "none" || parseFloat(shown.outlineWidth) === 0) && shown.boxShadow === "none")
    return "has no ring";
  const box = node.getBoundingClientRect();
  const [x, y] = [box.left + box.width / 2, box.top + Math.min(box.height / 2, 20)];
  if (y < 0 || y > innerHeight) return "is off the screen";
  const hit = document.elementFromPoint(x, y);
  const label = node.labels && node.labels[0];
  const isSeen = hit && (node.contains(hit) || hit.contains(node) || (label && label.contains(hit)));
  return isSeen ? "" : "is covered by " + (hit ? hit.outerHTML.slice(0, 80) : "nothing");
}"""


class Hands(Protocol):
    """What a person does with a page."""

    page: Page

    def go(self, address: str) -> None: ...
    def press(self, control: Locator) -> None: ...
    def tick(self, box: Locator) -> None: ...
    def write(self, field: Locator, text: str) -> None: ...
    def choose(self, select: Locator, label: str) -> None: ...
    def give(self, field: Locator, file: Path) -> None: ...
    def button(self, name: str) -> Locator: ...
    def link(self, name: str) -> Locator: ...
    def field(self, name: str) -> Locator: ...


class _Finding:
    """Controls by what they are called, in the open dialog if there is one."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def go(self, address: str) -> None:
        """Open an address."""
        self.page.goto(address)

    def _place(self) -> Locator:
        return self.page.locator("dialog[open], body:not(:has(dialog[open]))")

    def button(self, name: str) -> Locator:
        """The button whose words begin so."""
        return self._place().get_by_role("button", name=re.compile(f"^{name}")).last

    def link(self, name: str) -> Locator:
        """The link whose words begin so."""
        return self._place().get_by_role("link", name=re.compile(f"^{name}")).first

    def field(self, name: str) -> Locator:
        """The field whose label begins so."""
        return self._place().get_by_label(re.compile(f"^{name}")).first


class Keyboard(_Finding):
    """Tab, Enter, Space, arrows and letters; every control that is used must show that it has the focus."""

    def __init__(self, page: Page) -> None:
        super().__init__(page)
        # Choosers of files are caught from now on: asked for only when Enter is pressed, it comes too late at times.
        page.on("filechooser", lambda _: None)

    def reach(self, control: Locator) -> None:
        """Press Tab until the control has the focus; it is looked for each time, for an answer may take its place."""
        expect(control).to_be_visible()
        for _ in range(FURTHEST):
            if control.evaluate("node => node === document.activeElement"):
                break
            self.page.keyboard.press("Tab")
        else:
            raise AssertionError(f"the focus does not get to {control}")
        hidden = control.evaluate(SHOWS_FOCUS)
        assert not hidden, f"the focus on {control} {hidden}"

    def press(self, control: Locator) -> None:
        """Enter on a link, a button or a summary."""
        self.reach(control)
        opens_dialog = control.get_attribute("data-hx-target") == "#dialog"
        self.page.keyboard.press("Enter")
        if opens_dialog:
            expect(self.page.locator("dialog[open]")).to_be_visible()
        self.page.wait_for_load_state()

    def tick(self, box: Locator) -> None:
        """Space on a checkbox; on a radio button too, which Tab or an arrow reaches."""
        self.reach(box)
        self.page.keyboard.press("Space")
        expect(box).to_be_checked()

    def write(self, field: Locator, text: str) -> None:
        """Replace what is in a field."""
        self.reach(field)
        self.page.keyboard.press("Control+a")
        self.page.keyboard.type(text)

    def choose(self, select: Locator, label: str) -> None:
        """Type the words of an option."""
        self.reach(select)
        self.page.keyboard.type(label)
        expect(select.locator("option:checked")).to_have_text(label)

    def give(self, field: Locator, file: Path) -> None:
        """Open the chooser of files with Enter."""
        self.reach(field)
        with self.page.expect_file_chooser() as chooser:
            self.page.keyboard.press("Enter")
        chooser.value.set_files(file)


class Plain(_Finding):
    """A pointer and a browser without JavaScript."""

    def press(self, control: Locator) -> None:
        """Click."""
        control.click()
        self.page.wait_for_load_state()

    def tick(self, box: Locator) -> None:
        """Tick a box."""
        box.check()

    def write(self, field: Locator, text: str) -> None:
        """Fill a field."""
        field.fill(text)

    def choose(self, select: Locator, label: str) -> None:
        """Choose an option."""
        select.select_option(label=label)

    def give(self, field: Locator, file: Path) -> None:
        """Choose a file."""
        field.set_input_files(file)


#: Opens a window of somebody of a place, by the name before the sign of their address.
Open = Callable[[str], Hands]


def says(hands: Hands, words: str) -> None:
    """The page says it; a run or a check is waited for, without JavaScript by loading the page again."""
    expect(hands.page.locator("main")).to_contain_text(words)


def reload_until(page: Page, words: str) -> None:
    """Workers work meanwhile; without JavaScript the page is asked again."""
    for _ in range(180):
        if words in page.locator("main").inner_text():
            return
        page.wait_for_timeout(1_000)
        page.reload()
    raise AssertionError(f"{page.url} does not say {words!r}")
