"""Every process begins in an interpreter of its own: what one module brings along, another may not rely on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
JOBS = sorted(f"jobs.{path.stem}" for path in (ROOT / "jobs").glob("*.py") if path.stem != "__init__")
ENTRY_POINTS = (*JOBS, "wsgi", "webapp.cli", "webapp.processes", "webapp.people.changes.models")


@pytest.mark.parametrize("module", ENTRY_POINTS)
def test_a_process_can_begin_with_it(module: str, tmp_path: Path) -> None:
    environment = {**os.environ, "PAYDESK_ENV": "demo", "PAYDESK_HOME": str(tmp_path)}
    code = f"import {module}; from sqlalchemy.orm import configure_mappers; configure_mappers()"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
