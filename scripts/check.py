"""All checks and tests, as `./paydesk test` runs them.

Without arguments: style, types, import rules, templates, migrations, then the tests on SQLite and on PostgreSQL.
With arguments: the tests alone, on both databases; the arguments go to pytest.
Every step runs even when an earlier one fails; the exit code is 0 only when all passed.
"""

from __future__ import annotations

import base64
import os
import secrets
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
ENGINES = ("sqlite", "postgresql")
_PYTEST_FOUND_NO_TESTS = 5


@dataclass(frozen=True)
class Outcome:
    """How one step ended."""

    name: str
    passed: bool
    seconds: float
    detail: str = ""


def _environment(home: Path) -> dict[str, str]:
    """The surroundings of every step: nothing of the caller's settings, so that all machines check alike."""
    ours = ("PAYDESK_ENV", "DATABASE_URL", "REDIS_URL", "SMTP_URL", "SECRET_KEY", "SECRET_KEY_FALLBACKS")
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    return {
        "LC_ALL": "C.UTF-8" if sys.platform == "linux" else "en_US.UTF-8",  # hledger reads files by it
        **kept,
        "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYTHONPATH": str(ROOT),
        "PAYDESK_ENV": "test",
        "PAYDESK_HOME": str(home),
        "SECRET_KEY": secrets.token_urlsafe(48),
        "PAYDESK_FIELD_KEYS": "check:" + base64.b64encode(secrets.token_bytes(32)).decode(),
        "PAYDESK_INDEX_KEY": secrets.token_urlsafe(48),
    }


class Steps:
    """Runs steps one after the other and remembers how they went."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self.environment = environment
        self.folder = folder
        self.outcomes: list[Outcome] = []

    def run(self, name: str, *commands: Sequence[str], **extra: str) -> None:
        """A step of one or several commands that is quiet unless it fails."""
        started = time.monotonic()
        passed = True
        for command in commands:
            done = subprocess.run(
                [str(BIN / command[0]), *command[1:]],
                cwd=ROOT, env={**self.environment, **extra}, check=False,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            )  # fmt: skip
            if done.returncode:
                passed = False
                print(
                    f"\n--- {name}: {' '.join(command)} ended with code {done.returncode}\n{done.stdout.rstrip()}"
                )
                break
        self._note(Outcome(name, passed, time.monotonic() - started))

    def tests(self, engine: str, arguments: Sequence[str], **extra: str) -> int:
        """The tests on one engine; what pytest says is shown as it comes. Returns how many ran."""
        report = self.folder / f"{engine}.xml"
        command = [str(BIN / "python"), "-m", "pytest", f"--database={engine}", f"--junitxml={report}"]
        if engine != "sqlite":
            command += ["--once-is-enough"]  # no database, or a browser: the same on both engines
        command += arguments or ["-q", "-n", str(max(2, min(4, os.cpu_count() or 2))), "--dist", "loadgroup"]
        print(f"\n--- tests on {engine}", flush=True)
        started = time.monotonic()
        code = subprocess.call(command, cwd=ROOT, env={**self.environment, **extra})
        ran, failed, skipped = _count(report)
        nothing_to_do = code == _PYTEST_FOUND_NO_TESTS and bool(arguments)
        self._note(
            Outcome(
                f"tests on {engine}",
                code == 0 or nothing_to_do,
                time.monotonic() - started,
                f"{ran - failed} passed, {failed} failed, {skipped} skipped",
            )
        )
        return ran

    def _note(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        print(
            f"{'ok    ' if outcome.passed else 'FAILED'} {outcome.name} ({outcome.seconds:.1f} s)", flush=True
        )


def _count(report: Path) -> tuple[int, int, int]:
    """Tests that ran, that failed (errors count) and that were skipped, by pytest's own report."""
    if not report.exists():
        return 0, 0, 0
    suites = ElementTree.parse(report).getroot().iter("testsuite")  # noqa: S314 - pytest wrote it just now
    ran = failed = skipped = 0
    for suite in suites:
        skips = int(suite.get("skipped", 0))
        ran += int(suite.get("tests", 0)) - skips
        failed += int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        skipped += skips
    return ran, failed, skipped


def _run_checks(steps: Steps) -> None:
    steps.run("style", ("ruff", "check", "."), ("ruff", "format", "--check", "."))
    steps.run("types", ("mypy",))
    steps.run("import rules", ("lint-imports", "--no-cache"))
    steps.run("template style", ("djlint", "--quiet", "--lint", "webapp/templates"))
    steps.run("templates", ("python", "scripts/check_templates.py"))
    steps.run("migrations on sqlite", *_migration_commands())


def _migration_commands() -> tuple[Sequence[str], ...]:
    return ("paydesk", "db", "upgrade"), ("paydesk", "db", "check")


def _on_postgresql(act: Callable[[dict[str, str], str], None]) -> None:
    """Call `act` with the variables that point at a PostgreSQL of its own, and an empty database's address."""
    sys.path.insert(0, str(ROOT))
    from tests.support import postgres

    server = postgres.start()
    try:
        server.create_database("migrations")
        act({postgres.SHARED: str(server.folder)}, server.url_for("migrations"))
    finally:
        server.stop()


def main(arguments: list[str]) -> int:
    """Run the checks and tests; returns the exit code."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="paydesk-check-") as name:
        folder = Path(name)
        home = folder / "home"
        home.mkdir()
        steps = Steps(_environment(home), folder)
        if arguments:
            print("With arguments only the tests run; style, types and the other checks are left out.")
        else:
            _run_checks(steps)
        ran = steps.tests("sqlite", arguments)

        def rest(variables: dict[str, str], url: str) -> None:
            nonlocal ran
            if not arguments:
                steps.run("migrations on postgresql", *_migration_commands(), DATABASE_URL=url, **variables)
            ran += steps.tests("postgresql", arguments, **variables)

        _on_postgresql(rest)
    minutes = (time.monotonic() - started) / 60
    print("\nSummary")
    for outcome in steps.outcomes:
        mark = "ok    " if outcome.passed else "FAILED"
        print(f"  {mark} {outcome.name:<26} {outcome.seconds:7.1f} s  {outcome.detail}".rstrip())
    failed = [outcome.name for outcome in steps.outcomes if not outcome.passed]
    print(f"  {ran} tests on two databases in {minutes:.1f} minutes.")
    if ran == 0:
        print("No test was found.")
        return 1
    print("Failed: " + ", ".join(failed) if failed else "Everything passed.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
