"""A real demo, started once by the real command, and a real browser."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser.hands import Hands, Keyboard, Open, Plain

CHROMIUM = "/usr/bin/chromium"
# Waiting ends as soon as there is what is waited for; a busy machine takes its time.
START_SECONDS, STOP_SECONDS = 480, 90
PATIENCE = 60_000
expect.set_options(timeout=PATIENCE)
DEMO_PASSWORD = "paydesk-demo"


@dataclass(frozen=True)
class Demo:
    """A running demo: its address, its folder, and what `stage` put into it."""

    address: str
    home: Path
    made: dict[str, Any] = field(default_factory=dict)

    def change(self, statement: str) -> None:
        """Write to the demo's database what a person cannot: time that has passed."""
        with sqlite3.connect(self.home / "paydesk.sqlite", timeout=20) as database:
            database.execute(statement)
        database.close()

    def ask(self, query: str) -> Any:
        """The first row of an answer of the demo's database, or None."""
        with sqlite3.connect(self.home / "paydesk.sqlite", timeout=20) as database:
            row = database.execute(query).fetchone()
        database.close()
        return row


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_up(address: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"the demo ended with {process.returncode}")
        try:
            with urllib.request.urlopen(f"{address}/healthz", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise RuntimeError("the demo did not come up")


def _wait_until_drawn(demo: Demo) -> None:
    """The workers draw what the demo begins with; what tests download of it is the technician's."""
    whose = "(SELECT id FROM payees WHERE email = 'technician@solaria.example')"
    end = time.monotonic() + START_SECONDS
    while demo.ask(f"SELECT 1 FROM documents WHERE state NOT IN ('ready', 'failed') AND payee_id = {whose}"):
        if time.monotonic() > end:
            raise RuntimeError("the demo's documents were not drawn")
        time.sleep(0.2)


def _put_up_the_stage(environment: dict[str, str]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.browser.stage"],
        env=environment | {"PAYDESK_ENV": "demo"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"the stage could not be put up: {done.stderr[-2000:]}")
    made: dict[str, Any] = json.loads(done.stdout)
    return made


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """`paydesk demo` on a free port with a folder of its own; BROWSER_TESTS_DEMO=<address> <folder> reuses one."""
    if running := os.environ.get("BROWSER_TESTS_DEMO"):
        address, _, folder = running.partition(" ")
        yield Demo(address, Path(folder), json.loads((Path(folder) / "stage.json").read_text()))
        return
    home = tmp_path_factory.mktemp("demo")
    port = _free_port()
    hidden = {"DATABASE_URL", "REDIS_URL", "SECRET_KEY", "PAYDESK_ENV", "SMTP_URL"}
    environment = {k: v for k, v in os.environ.items() if k not in hidden}
    environment |= {"PAYDESK_HOME": str(home), "PORT": str(port), "SANDBOX_SETTLE_SECONDS": "0"}
    log = (home / "demo.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "webapp.cli", "demo"], env=environment, stdout=log, stderr=subprocess.STDOUT
    )
    try:
        _wait_until_up(f"http://localhost:{port}", process)
        demo = Demo(f"http://localhost:{port}", home, _put_up_the_stage(environment))
        _wait_until_drawn(demo)
        yield demo
    finally:
        process.terminate()
        try:
            process.wait(timeout=STOP_SECONDS)
        finally:
            process.kill()
            log.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, headless."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--disable-component-update",
            ],
        )
        yield started
        started.close()


def sign_in(page: Page, demo: Demo, email: str) -> None:
    """Sign in by the form, as a person does."""
    page.goto(f"{demo.address}/sign-in")
    page.locator("#email").fill(email)
    page.locator("#password").fill(DEMO_PASSWORD)
    page.locator("#password").press("Enter")
    page.wait_for_url(lambda address: urlsplit(address).path != "/sign-in")


def _context(browser: Browser, javascript: bool = True, bypass_csp: bool = False) -> BrowserContext:
    context = browser.new_context(
        bypass_csp=bypass_csp,  # for axe alone, which is injected
        java_script_enabled=javascript,
        viewport={"width": 1280, "height": 900},
        reduced_motion="reduce",
    )
    context.set_default_timeout(PATIENCE)
    return context


class Windows:
    """Browser windows of signed-in people; each person signs in once in a run."""

    def __init__(self, browser: Browser, demo: Demo) -> None:
        self._browser, self._demo = browser, demo
        self._cookies: dict[str, Any] = {}
        self._open: list[BrowserContext] = []

    def open(self, email: str | None, *, javascript: bool = True, bypass_csp: bool = False) -> Page:
        """A new window of a person who has just proved who they are, or of a stranger (None)."""
        context = _context(self._browser, javascript, bypass_csp)
        self._open.append(context)
        page = context.new_page()
        if email is None:
            return page
        if email in self._cookies:
            context.add_cookies(self._cookies[email])
            self._demo.change("UPDATE user_sessions SET reauthenticated_at = datetime('now') || '.000000'")
        else:
            sign_in(page, self._demo, email)
            self._cookies[email] = context.cookies()
        return page

    def close(self) -> None:
        """Close what was opened."""
        while self._open:
            self._open.pop().close()


@pytest.fixture(scope="session")
def _all_windows(browser: Browser, demo: Demo) -> Windows:
    return Windows(browser, demo)


@pytest.fixture
def windows(_all_windows: Windows) -> Iterator[Windows]:
    """Opens windows of people; closes them after the test."""
    yield _all_windows
    _all_windows.close()


@pytest.fixture
def made(demo: Demo, place: str) -> dict[str, Any]:
    """What the stage put into a place: the organisation that a file's fixture `place` names."""
    found: dict[str, Any] = demo.made[place]
    return found


@pytest.fixture
def hands(place: str, windows: Windows) -> Open:
    """A window of somebody of the place, used by keyboard or without JavaScript, as its name says."""

    def open_for(name: str) -> Hands:
        is_keys = place.endswith("keys")
        page = windows.open(f"{name}@{place}.example", javascript=is_keys)
        return Keyboard(page) if is_keys else Plain(page)

    return open_for


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh browser window."""
    context = _context(browser, javascript=True)
    yield context.new_page()
    context.close()


@pytest.fixture
def plain_page(browser: Browser) -> Iterator[Page]:
    """A fresh browser window without JavaScript."""
    context = _context(browser, javascript=False)
    yield context.new_page()
    context.close()
