"""What the product is made of is written down, and no secret is kept with it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from scripts import audit, audit_supply

ROOT = Path(__file__).resolve().parents[2]


def _locked() -> dict[str, tuple[str, frozenset[str]]]:
    """Version and checksums of every package of the lock, by name."""
    found = {}
    for entry in (ROOT / "requirements.lock").read_text().replace("\\\n", " ").splitlines():
        if match := re.match(r"([\w.-]+)==([^\s;]+)", entry):
            found[match[1].lower()] = (match[2], frozenset(re.findall(r"sha256:([0-9a-f]{64})", entry)))
    return found


def _hashes(component: dict[str, Any]) -> frozenset[str]:
    places = component["externalReferences"]
    return frozenset(
        h["content"] for place in places for h in place.get("hashes", ()) if h["alg"] == "SHA-256"
    )


def test_the_bill_of_materials_says_what_the_lock_says() -> None:
    """Where this fails: ./paydesk audit --static makes requirements.cdx.json anew."""
    bill = json.loads((ROOT / "requirements.cdx.json").read_text())
    assert (bill["bomFormat"], bill["metadata"]["component"]["name"]) == ("CycloneDX", "paydesk")
    listed = {c["name"].lower(): (c["version"], _hashes(c)) for c in bill["components"]}
    assert len(listed) > 40
    assert listed == _locked()
    assert all(c["purl"].startswith("pkg:pypi/") for c in bill["components"])


def test_what_was_taken_for_a_secret_was_looked_at() -> None:
    kept = json.loads((ROOT / "scripts" / "secrets.baseline").read_text())["results"]
    assert kept
    for name, ones in kept.items():
        assert (ROOT / name).is_file(), f"{name} is gone: keep a new baseline"
        assert all(one["is_secret"] is False for one in ones), name
    # What really holds secrets is not among the files that are kept.
    assert not any(name.endswith((".env", ".pem", ".key")) for name in kept)


def test_the_audit_looks_for_both() -> None:
    source = (ROOT / "scripts" / "audit.py").read_text()
    steps = re.search(r"steps = \[([^\]]+)\]", source)
    assert steps is not None
    assert {"secrets", "bill"} <= {name.strip() for name in steps[1].split(",")}
    assert audit.secrets.__doc__
    assert audit_supply.BILL.name == "requirements.cdx.json"
