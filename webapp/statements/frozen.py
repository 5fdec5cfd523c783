"""Content of documents that is frozen: as the database keeps it, with a hash over everything else as its seal."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from webapp.kernel.clock import local_date
from webapp.kernel.ids import digest
from webapp.statements import codes


def to_json(facts: Any) -> dict[str, Any]:
    """A dataclass as the database keeps it: days and instants in ISO words."""

    def plain(value: Any) -> Any:
        if isinstance(value, date | datetime):
            return value.isoformat()
        if isinstance(value, dict):
            return {name: plain(part) for name, part in value.items()}
        if isinstance(value, list | tuple):
            return [plain(part) for part in value]
        return value

    made: dict[str, Any] = plain(asdict(facts))
    return made


def seal(content: dict[str, Any]) -> str:
    """The hash over everything but the seal itself."""
    return digest({name: value for name, value in content.items() if name != "seal"})


@dataclass(frozen=True)
class View:
    """The frozen content with what depends on where the document is checked."""

    facts: Any
    issued_on: date
    verify_url: str
    qr: str

    def __getattr__(self, name: str) -> Any:
        return getattr(self.facts, name)


def view(facts: Any, public_url: str) -> View:
    """What a template is given: facts that have issued_at, timezone and code."""
    url = codes.address(public_url, facts.code)
    return View(facts, local_date(facts.issued_at, facts.timezone), url, codes.picture(url))
