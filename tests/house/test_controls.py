"""The table of security controls names code and tests that exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "docs" / "security-controls.md"


def _rows() -> list[tuple[str, list[str], list[str]]]:
    rows = []
    for line in TABLE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and len(cells) == 3 and "`" in line:
            rows.append((cells[0], re.findall(r"`([^`]+)`", cells[1]), re.findall(r"`([^`]+)`", cells[2])))
    return rows


@cache
def _tests_in(path: Path) -> frozenset[str]:
    """Names of the tests of a file, read without running it."""
    tree = ast.parse(path.read_text())
    return frozenset(
        n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name.startswith("test_")
    )


def _problem(proof: str) -> str:
    path, _, name = proof.partition("::")
    if not (ROOT / path).is_file():
        return f"{path} does not exist"
    return "" if name in _tests_in(ROOT / path) else f"{path} has no {name}"


@pytest.mark.parametrize(("control", "code", "proofs"), _rows(), ids=lambda value: str(value)[:50])
def test_a_control_names_its_code_and_its_proof(control: str, code: list[str], proofs: list[str]) -> None:
    assert code, f"{control}: no code is named"
    assert proofs, f"{control}: no test is named"
    missing = [path for path in code if not (ROOT / path).exists()]
    assert not missing, f"{control}: {missing}"
    assert not (found := [p for p in map(_problem, proofs) if p]), f"{control}: {found}"


def test_the_table_is_read_and_a_wrong_name_is_noticed() -> None:
    assert len(_rows()) >= 35
    assert _problem("tests/house/test_controls.py::test_nothing_of_the_kind")
    assert _problem("tests/nowhere.py::test_x")


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock", "requirements-audit.lock"])
def test_every_locked_package_has_its_checksum(lock: str) -> None:
    entries = (ROOT / lock).read_text().replace("\\\n", " ").split("\n")
    packages = [entry.strip() for entry in entries if entry.strip()]
    assert len(packages) > 40
    bad = [p.split(" ")[0] for p in packages if not re.match(r"[\w.-]+==", p) or "--hash=sha256:" not in p]
    assert not bad, bad
