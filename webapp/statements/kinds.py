"""The kinds of documents: those of this room, and those of programs, which register how theirs are drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from webapp.statements.models import Document
from webapp.web.i18n import N_


@dataclass(frozen=True)
class Kind:
    """A program's kind of document.

    `draw` is asked inside a transaction, with the public address of this installation, for work that needs none; it
    raises DoesNotAddUp. `mail` is the outbox kind that tells the payee when it is there; `portal` has it as a `tab`.
    """

    label: str
    about: str
    draw: Callable[[Document, str], Callable[[], bytes]]
    mail: str
    portal: str
    tab: str


#: What a document is called, by its kind.
LABELS: dict[str, str] = {"monthly": N_("Monthly statement"), "remittance": N_("Payout statement")}
_kinds: dict[str, Kind] = {}


def register(name: str, kind: Kind) -> None:
    """Let a program's documents be drawn, listed and checked here; registering a name again replaces it."""
    _kinds[name] = kind
    LABELS[name] = kind.label


def find(name: str) -> Kind | None:
    """A program's kind; None for this room's own."""
    return _kinds.get(name)


def of_portal(portal: str) -> list[tuple[str, str]]:
    """The programs' kinds that payees of a portal get, each with the word of its tab."""
    return [(name, kind.tab) for name, kind in _kinds.items() if kind.portal == portal]
