"""A real demo, started once by the real command, and a real browser."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
START_SECONDS = 90


@dataclass(frozen=True)
class Demo:
    """A running demo: its address and its folder."""

    address: str
    home: Path


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


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """`paydesk demo` on a free port with a folder of its own."""
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
        yield Demo(f"http://localhost:{port}", home)
    finally:
        process.terminate()
        process.wait(timeout=40)
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
    page.locator("#password").fill("paydesk-demo")
    page.locator("#password").press("Enter")
    page.wait_for_load_state()


def _context(browser: Browser, javascript: bool) -> BrowserContext:
    return browser.new_context(
        bypass_csp=False, java_script_enabled=javascript, viewport={"width": 1280, "height": 900}
    )


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
