"""Lighthouse and the HTML checker (vnu) on the pages of a demo that is started for them.

Both come from the npm registry (scripts/audit_tools/package-lock.json, with checksums) and need Node or Java.
"""

from __future__ import annotations

import http.cookiejar
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "scripts" / "audit_tools"
INSTALLED = ROOT / ".venv-audit" / "node"
# Lighthouse of the lock asks for Node 18.16; the goals are those that the pages were made for.
OLDEST_NODE = 18
GOALS = {"performance": 95, "accessibility": 100, "best-practices": 100}
LOOKED_AT = ("/sign-in", "/admin/", "/admin/payouts")
CHECKED = (*LOOKED_AT, "/admin/approvals", "/admin/activity", "/admin/bank-changes", "/admin/emails", "/admin/imports",
           "/admin/imports/new", "/admin/installations", "/admin/installations/new", "/admin/installations/totals",
           "/admin/jobs", "/admin/ledger", "/admin/payees", "/admin/payees/new", "/admin/payouts/PO-2026-000001",
           "/admin/rates", "/admin/rates/new", "/admin/runs", "/admin/settings", "/admin/settings/rules",
           "/admin/statements", "/admin/tokens", "/admin/users", "/account", "/account/preferences",
           "/account/second-factor", "/forgot", "/v", "/demo/outbox", "/nothing-here")  # fmt: skip
# As somebody sees them who is not signed in.
OPEN = ("/sign-in", "/forgot", "/v")
_START_SECONDS = 240


@dataclass
class Outcome:
    """What one tool said about the pages."""

    name: str
    findings: list[str] = field(default_factory=list)
    skipped: str = ""
    note: str = ""


def _node_version() -> int:
    node = shutil.which("node")
    if not node or not shutil.which("npm"):
        return 0
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False, timeout=30).stdout
    found = re.match(r"v(\d+)", said)
    return int(found[1]) if found else 0


def _install() -> str:
    """Bring the tools here as their lock says; an empty text, or why it did not work."""
    stamp, lock = INSTALLED / "stamp", (LOCK / "package-lock.json").read_text()
    if stamp.is_file() and stamp.read_text() == lock:
        return ""
    shutil.rmtree(INSTALLED, ignore_errors=True)
    INSTALLED.mkdir(parents=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(LOCK / name, INSTALLED)
    done = subprocess.run(
        ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=INSTALLED,
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    if done.returncode:
        return f"npm could not install it: {(done.stderr or done.stdout).strip().splitlines()[-1][:200]}"
    stamp.write_text(lock)
    return ""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _demo(folder: Path) -> Iterator[str]:
    """A demo with data of its own; stopped with all its processes at the end. Raises RuntimeError."""
    port = _free_port()
    address = f"http://localhost:{port}"
    ours = (
        "DATABASE_URL",
        "REDIS_URL",
        "SMTP_URL",
        "SECRET_KEY",
        "PAYDESK_FIELD_KEYS",
        "PAYDESK_INDEX_KEY",
        "HOST",
    )
    environment = {k: v for k, v in os.environ.items() if k not in ours}
    environment |= {"PAYDESK_ENV": "demo", "PAYDESK_HOME": str(folder / "home"), "PORT": str(port)}
    log = (folder / "demo.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "webapp.cli", "demo"], cwd=ROOT, env=environment, stdout=log, stderr=log,
        start_new_session=True,
    )  # fmt: skip
    try:
        until = time.monotonic() + _START_SECONDS
        while not _is_up(address):
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError("the demo did not start: " + (folder / "demo.log").read_text()[-300:])
            time.sleep(1)
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        log.close()


def _is_up(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/healthz", timeout=3) as answer:  # noqa: S310 - our own loopback
            return bool(answer.status == 200)
    except OSError:
        return False


class _Browser:
    """Fetches pages as the demo's admin."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.jar = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar))

    def get(self, path: str) -> str:
        """A page, error pages too."""
        try:
            with self.opener.open(self.address + path, timeout=60) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            return str(error.read().decode())

    def sign_in(self) -> None:
        """Sign the demo's first admin in. Raises RuntimeError."""
        from webapp.demo.people import ACCOUNTS, PASSWORD

        token = re.search(r'name="csrf_token" value="([^"]+)"', self.get("/sign-in"))
        form = {"email": ACCOUNTS[0][0], "password": PASSWORD, "csrf_token": token[1] if token else ""}
        with self.opener.open(
            f"{self.address}/sign-in", urllib.parse.urlencode(form).encode(), timeout=60
        ) as answer:
            if answer.status != 200 or "/sign-in" in answer.url:
                raise RuntimeError("the demo's admin could not sign in")

    @property
    def cookies(self) -> str:
        """The header that says who it is."""
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.jar)


def _vnu(browser: _Browser, folder: Path) -> Outcome:
    outcome = Outcome("vnu (HTML checker)")
    java = shutil.which("java")
    jar = INSTALLED / "node_modules" / "vnu-jar" / "build" / "dist" / "vnu.jar"
    if not java:
        outcome.skipped = "Java is not here"
        return outcome
    stranger = _Browser(browser.address)
    saved = folder / "pages"
    saved.mkdir()
    names = {}
    for number, path in enumerate(CHECKED):
        names[f"{number:02}.html"] = path
        (saved / f"{number:02}.html").write_text((stranger if path in OPEN else browser).get(path))
    done = subprocess.run(
        [java, "-jar", str(jar), "--format", "json", "--errors-only", "--exit-zero-always", str(saved)],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    try:
        messages = json.loads(done.stderr)["messages"]
    except (ValueError, KeyError):
        outcome.findings.append(f"it did not run: {done.stderr[-200:]}")
        return outcome
    for one in messages:
        path = names.get(Path(urllib.parse.urlsplit(one.get("url", "")).path).name, "?")
        outcome.findings.append(f"{path}:{one.get('lastLine', 0)}: {one['message']}")
    outcome.note = f"{len(names)} pages"
    return outcome


def _lighthouse(browser: _Browser, folder: Path) -> Outcome:
    outcome = Outcome("Lighthouse")
    chromium = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)
    if not chromium:
        outcome.skipped = "Chromium is not here"
        return outcome
    said = []
    for number, path in enumerate(LOOKED_AT):
        report = folder / f"lighthouse-{number}.json"
        headers = {} if path == "/sign-in" else {"Cookie": browser.cookies}
        done = subprocess.run(
            [str(INSTALLED / "node_modules" / ".bin" / "lighthouse"), browser.address + path, "--quiet",
             "--preset=desktop", "--output=json", f"--output-path={report}",
             f"--only-categories={','.join(GOALS)}", "--no-enable-error-reporting",
             f"--extra-headers={json.dumps(headers)}",
             "--chrome-flags=--headless=new --no-sandbox --disable-dev-shm-usage"],
            capture_output=True, text=True, check=False, timeout=300, env={**os.environ, "CHROME_PATH": chromium},
        )  # fmt: skip
        if done.returncode or not report.is_file():
            outcome.findings.append(f"{path}: it did not run: {done.stderr.strip()[-200:]}")
            continue
        told = json.loads(report.read_text())
        scores = {name: round(told["categories"][name]["score"] * 100) for name in GOALS}
        said.append(f"{path} {'/'.join(map(str, scores.values()))}")
        outcome.findings += _below(path, scores, told)
    outcome.note = "performance/accessibility/best practices: " + ", ".join(said)
    return outcome


def _below(path: str, scores: dict[str, int], told: dict[str, dict[str, dict[str, object]]]) -> list[str]:
    """Sentences about the goals that a page missed, with the audits that cost it."""
    found = []
    for name, goal in GOALS.items():
        if scores[name] < goal:
            refs = told["categories"][name]["auditRefs"]
            assert isinstance(refs, list)  # noqa: S101 - the report's own form
            bad = [
                ref["id"]
                for ref in refs
                if ref["weight"] and told["audits"][ref["id"]]["score"] not in (None, 1)
            ]
            found.append(f"{path}: {name} {scores[name]}, wanted {goal} ({', '.join(bad)})")
    return found


def look(folder: Path) -> list[Outcome]:
    """Start a demo in `folder` and let both tools look at it; what is missing is said."""
    names = ("vnu (HTML checker)", "Lighthouse")
    version = _node_version()
    if version < OLDEST_NODE:
        reason = f"Node {OLDEST_NODE} or newer with npm is not here" + (
            f" (it is {version})" if version else ""
        )
        return [Outcome(name, skipped=reason) for name in names]
    if reason := _install():
        return [Outcome(name, skipped=reason) for name in names]
    try:
        with _demo(folder) as address:
            browser = _Browser(address)
            browser.sign_in()
            return [_vnu(browser, folder), _lighthouse(browser, folder)]
    except (RuntimeError, OSError) as error:
        return [Outcome(name, findings=[f"the pages could not be reached: {error}"]) for name in names]
