"""What `./paydesk audit` knows about what the product is made of: secrets in the sources, and the bill of materials.

Secrets: detect-secrets reads every file that is kept, except for what only holds checksums. What it took for a
secret and is none stands in scripts/secrets.baseline, each looked at by a person (`is_secret: false`); anything else
is a finding. After looking at a finding that is none: `python scripts/audit_supply.py --keep-secrets-baseline`.

Bill of materials: requirements.cdx.json (CycloneDX), made from requirements.lock by cyclonedx-py, kept beside it, and
made anew here when the lock says something else.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".venv-audit" / "bin"
BASELINE = ROOT / "scripts" / "secrets.baseline"
LOCK, BILL = ROOT / "requirements.lock", ROOT / "requirements.cdx.json"
# Checksums look like secrets, and so do pictures; catalogues are texts of pages that are read with their sources.
_NOT_READ = re.compile(
    r"(\.lock|package-lock\.json|\.cdx\.json|\.pot?|\.mo|\.png|\.baseline)$|^webapp/static/"
)
_LONGEST = 600


def _run(*command: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(TOOLS / command[0]), *command[1:]], cwd=cwd, check=False, capture_output=True, text=True,
        errors="replace", timeout=_LONGEST,
    )  # fmt: skip


def _files() -> list[str]:
    """What is kept, as git says it; without git what lies here, without what is made here."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=False, capture_output=True, text=True)
    if listed.returncode == 0 and listed.stdout:
        names = listed.stdout.splitlines()
    else:
        found = (path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file())
        names = [str(path) for path in found if not path.parts[0].startswith(".")]
    return sorted(name for name in names if not _NOT_READ.search(name) and (ROOT / name).is_file())


def _scan() -> dict[str, list[dict[str, Any]]]:
    """Findings by file. Raises ValueError with the tool's words when it did not do its work."""
    done = _run("detect-secrets", "scan", *_files())
    try:
        results: dict[str, list[dict[str, Any]]] = json.loads(done.stdout)["results"]
    except (ValueError, KeyError):
        raise ValueError((done.stderr or done.stdout).strip()[-300:]) from None
    # Passwords of people who do not exist: tests are full of them, and every other kind of secret is looked for there.
    return {
        name: kept
        for name, found in results.items()
        if (
            kept := [
                one for one in found if not (name.startswith("tests/") and one["type"] == "Secret Keyword")
            ]
        )
    }


def _known() -> set[tuple[str, str, str]]:
    kept = json.loads(BASELINE.read_text())["results"]
    return {
        (name, one["type"], one["hashed_secret"])
        for name, ones in kept.items()
        for one in ones
        if one.get("is_secret") is False
    }


def _sees() -> bool:
    """Whether the tool finds what is planted for it: silence must not pass for clean."""
    with tempfile.TemporaryDirectory(prefix="paydesk-audit-") as folder:
        planted = Path(folder) / "planted.py"
        planted.write_text('key = "AKIA' + "Q3EGP7TXR5ZKLM2A" + '"\n-----BEGIN RSA ' + "PRIVATE KEY-----\n")
        # It reads only what lies below the folder that it is started in.
        done = _run("detect-secrets", "scan", "--all-files", planted.name, cwd=Path(folder))
    return done.returncode == 0 and done.stdout.count('"hashed_secret"') >= 2


def secrets() -> tuple[list[str], str]:
    """Findings and a note about what was looked at."""
    try:
        found = _scan()
    except ValueError as error:
        return [f"it did not run: {error}"], ""
    known = _known()
    if not _sees():
        return ["it does not find what is planted for it"], ""
    new = [
        f"{name}:{one['line_number']}: {one['type']}"
        for name, ones in sorted(found.items())
        for one in ones
        if (name, one["type"], one["hashed_secret"]) not in known
    ]
    return new, f"{len(_files())} files, {len(known)} looked at and none"


def keep_baseline() -> None:
    """Write down what was looked at and is no secret. Only after looking."""
    results = {
        name: [
            {"type": one["type"], "hashed_secret": one["hashed_secret"], "is_secret": False} for one in ones
        ]
        for name, ones in sorted(_scan().items())
    }
    BASELINE.write_text(json.dumps({"results": results}, indent=1) + "\n")


def bill() -> tuple[list[str], str]:
    """Whether the bill of materials is that of the lock; where it was not, it is made anew and that is a finding."""
    with tempfile.TemporaryDirectory(prefix="paydesk-audit-") as folder:
        made = Path(folder) / BILL.name
        done = _run("cyclonedx-py", "requirements", str(LOCK), "--pyproject", str(ROOT / "pyproject.toml"),
                    "--output-reproducible", "--of", "JSON", "--validate", "-o", str(made))  # fmt: skip
        if done.returncode or not made.is_file():
            return [f"it did not run (code {done.returncode}): {done.stderr.strip()[-300:]}"], ""
        text = made.read_text()
    n = len(json.loads(text)["components"])
    if BILL.is_file() and json.loads(BILL.read_text()) == json.loads(text):
        return [], f"{n} components in {BILL.name}"
    BILL.write_text(text.rstrip() + "\n")
    return [f"{BILL.name} did not say what {LOCK.name} says; it is made anew: keep it"], ""


if __name__ == "__main__":
    if sys.argv[1:] != ["--keep-secrets-baseline"]:
        sys.exit("usage: audit_supply.py --keep-secrets-baseline")
    keep_baseline()
