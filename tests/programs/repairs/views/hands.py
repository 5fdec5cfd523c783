"""What the tests of the repairs' pages share: a typed form, the cells of a page, an act."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import func, select

from tests.programs.repairs.views.conftest import Metrocab
from webapp.database import db
from webapp.kernel.clock import local_date, utc_now

ROOT = "/admin/repairs/repairs"
TYPED: dict[str, Any] = {
    "driver": "PY-0001", "invoice_number": "W-1042", "invoice_date": "2025-10-01", "amount": "500.50",
    "start": "CURRENT", "workshop": "external", "description": "Brake pads",
}  # fmt: skip


def typed(**values: Any) -> dict[str, Any]:
    """The form of a repair as somebody filled it in."""
    return {**TYPED, **values}


def cells(page: str) -> list[str]:
    """The texts of the cells of a page's tables."""
    found = re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", page, flags=re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", " ", text).split()) for text in found]


def count(model: Any) -> int:
    """How many records of a kind there are."""
    db.session.rollback()
    return int(db.session.scalar(select(func.count()).select_from(model)) or 0)


def this_day(metrocab: Metrocab) -> date:
    """The fleet's own day, whatever the clock of the machine says."""
    return local_date(utc_now(), metrocab.organisation.timezone)


def act(browser: FlaskClient, reference: str, name: str, **data: str) -> Any:
    """Send the form of an act of a repair."""
    return browser.post(f"{ROOT}/{reference}/{name}", data=data)
