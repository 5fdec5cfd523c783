"""What `./paydesk audit` runs: tools that look for weak spots, from an environment of their own (.venv-audit).

bandit and ruff read the code for known mistakes, semgrep for those that only this house would call one
(scripts/semgrep), pip-audit asks whether a locked package has a known hole, detect-secrets looks for secrets that were
kept, cyclonedx-py makes the bill of materials, Lighthouse and the HTML checker look at the pages of a started demo.
What cannot run here is said, with the reason; nothing that was skipped counts as clean. Exit code 1: something found.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scripts import audit_pages, audit_supply  # noqa: E402

TOOLS = ROOT / ".venv-audit" / "bin"
CODE = ("webapp", "jobs", "scripts", "migrations", "wsgi.py")
RULES = ROOT / "scripts" / "semgrep"
_LONGEST = 900


@dataclass
class Result:
    """How one tool ended: what it found, or why it did not run or could not say."""

    name: str
    findings: list[str] = field(default_factory=list)
    skipped: str = ""
    note: str = ""
    seconds: float = 0.0

    @property
    def word(self) -> str:
        """One word for the table."""
        if self.findings:
            return "FOUND"
        return "skipped" if self.skipped else "clean"


def _run(command: Sequence[str], *, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{TOOLS}{os.pathsep}{os.environ.get('PATH', '')}", "NO_COLOR": "1",
                   "SEMGREP_ENABLE_VERSION_CHECK": "0"}  # fmt: skip
    return subprocess.run(
        [*command], cwd=cwd, env=environment, check=False, capture_output=True, text=True, errors="replace",
        timeout=_LONGEST,
    )  # fmt: skip


def _broken(name: str, done: subprocess.CompletedProcess[str]) -> Result:
    """A tool that did not do its work is a finding: silence must not pass for clean."""
    said = (done.stderr or done.stdout).strip().splitlines()[-5:]
    return Result(name, [f"it did not run (code {done.returncode}): {' / '.join(said)}"])


def ruff() -> Result:
    """The security rules of ruff, over everything that the house's settings do not leave out."""
    done = _run([str(Path(sys.executable).parent / "ruff"), "check", "--select", "S", "--ignore", "S311,S603,S607",
                 "--no-cache", "--output-format", "concise", *CODE])  # fmt: skip
    if done.returncode not in (0, 1):
        return _broken("ruff -S", done)
    lines = [line for line in done.stdout.splitlines() if re.search(r": S\d{3} ", line)]
    return Result("ruff -S", lines)


def _is_excused(finding: dict[str, object]) -> bool:
    """Whether the code carries ruff's excuse with a reason for the same rule (bandit's B608 is ruff's S608)."""
    number = str(finding["test_id"])[1:]
    lines = (ROOT / str(finding["filename"])).read_text().splitlines()
    spans = finding["line_range"]
    first, last = (min(spans), max(spans)) if isinstance(spans, list) and spans else (0, 0)
    # An excuse stands at the end of a statement, which bandit may cut short.
    about = "\n".join(lines[first - 1 : last + 1])
    return f"noqa: S{number}" in about or f", S{number}" in about


def bandit() -> Result:
    """bandit, with the rules that ask for a person's reason read where that reason already stands."""
    done = _run([str(TOOLS / "bandit"), "--quiet", "--recursive", "--configfile", "scripts/bandit.yml",
                 "--format", "json", *CODE])  # fmt: skip
    try:
        report = json.loads(done.stdout)
    except ValueError:
        return _broken("bandit", done)
    found = [f"{e['filename']}: {e['reason']}" for e in report["errors"]]
    excused = 0
    for one in report["results"]:
        if _is_excused(one):
            excused += 1
            continue
        found.append(f"{one['filename']}:{one['line_number']}: {one['test_id']} {one['issue_text']}")
    return Result("bandit", found, note=f"{excused} excused in the code with a reason" if excused else "")


def semgrep() -> Result:
    """Our own rules, without any network; and before that, whether each rule finds its example."""
    name = "semgrep (own rules)"
    with tempfile.TemporaryDirectory(prefix="paydesk-audit-") as folder:
        for rules in RULES.glob("*.yml"):
            shutil.copy(rules, folder)
        for example in RULES.glob("*.example"):
            shutil.copy(example, Path(folder) / example.stem)
        tested = _run([str(TOOLS / "semgrep"), "--test", "--metrics=off", folder], cwd=Path(folder))
    if tested.returncode != 0:
        return Result(name, ["a rule does not find its example", *tested.stdout.splitlines()[-30:]])
    done = _run([str(TOOLS / "semgrep"), "scan", "--metrics=off", "--disable-version-check", "--json", "--quiet",
                 "--config", str(RULES), *CODE])  # fmt: skip
    try:
        report = json.loads(done.stdout)
    except ValueError:
        return _broken(name, done)
    found = [f"{one['path']}:{one['start']['line']}: {one['check_id'].rpartition('.')[2]}: {one['extra']['message']}"
             for one in report["results"]]  # fmt: skip
    found += [f"semgrep could not read: {e.get('path', '?')}: {e.get('type')}" for e in report["errors"]
              if e.get("level") == "error"]  # fmt: skip
    return Result(name, found, note=f"{len(report['paths']['scanned'])} files")


def packages() -> Result:
    """Known holes in the locked packages. Where the list of holes cannot be asked, nothing is known."""
    done = _run([str(TOOLS / "pip-audit"), "--requirement", "requirements.lock", "--no-deps", "--disable-pip",
                 "--require-hashes", "--progress-spinner", "off", "--format", "json"])  # fmt: skip
    try:
        report = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return Result(
            "pip-audit", skipped="the list of known holes could not be asked; this is not a clean result"
        )
    found = [f"{one['name']} {one['version']}: {hole['id']}, mended in {', '.join(hole['fix_versions']) or 'none'}"
             for one in report for hole in one.get("vulns", ())]  # fmt: skip
    unknown = [one["name"] for one in report if "skip_reason" in one]
    asked = len(report) - len(unknown)
    if unknown and not found and not asked:
        return Result(
            "pip-audit",
            skipped=f"none of {len(report)} packages could be looked up; this is not a clean result",
        )
    note = (
        f"{len(unknown)} of {len(report)} could not be looked up: {', '.join(unknown[:5])}" if unknown else ""
    )
    return Result("pip-audit", found, note=note)


def locks() -> Result:
    """Every package of every lock has its checksums, so that what is installed is what was looked at."""
    found = []
    for path in sorted(ROOT.glob("requirements*.lock")):
        entries = path.read_text().replace("\\\n", " ").splitlines()
        for entry in filter(None, (line.strip() for line in entries)):
            if not re.match(r"[\w.-]+==", entry) or "--hash=sha256:" not in entry:
                found.append(f"{path.name}: {entry.split(' ')[0]} has no checksum or no fixed version")
    return Result("checksums in the locks", found)


def secrets() -> Result:
    """Secrets that somebody kept by mistake, among all files that are kept."""
    findings, note = audit_supply.secrets()
    return Result("detect-secrets", findings, note=note)


def bill() -> Result:
    """The bill of materials says what the lock says."""
    findings, note = audit_supply.bill()
    return Result("bill of materials", findings, note=note)


def pages() -> list[Result]:
    """Lighthouse and the HTML checker on a started demo, where their tools are there."""
    with tempfile.TemporaryDirectory(prefix="paydesk-audit-") as folder:
        return [Result(o.name, o.findings, o.skipped, o.note) for o in audit_pages.look(Path(folder))]


def main(arguments: list[str]) -> int:
    """Run everything, or with `--static` what needs no started demo. Returns the exit code."""
    steps = [ruff, bandit, semgrep, packages, locks, secrets, bill]
    results: list[Result] = []
    for step in steps:
        began = time.monotonic()
        result = step()
        result.seconds = time.monotonic() - began
        _show(result)
        results.append(result)
    if "--static" in arguments:
        results.append(Result("pages", skipped="--static was given"))
        _show(results[-1])
    else:
        for result in pages():
            _show(result)
            results.append(result)
    found = [result.name for result in results if result.findings]
    skipped = [result.name for result in results if result.skipped]
    print(f"\nFound something: {', '.join(found) or 'none'}.")
    print(f"Did not run, so nothing is known: {', '.join(skipped) or 'none'}.")
    return 1 if found else 0


def _show(result: Result) -> None:
    about = result.skipped or result.note
    print(f"{result.word:<8} {result.name:<24} {result.seconds:6.1f} s  {about}".rstrip(), flush=True)
    for finding in result.findings:
        print(f"         {finding}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
