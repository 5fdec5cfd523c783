"""How documents are shown: the state of one in words, on the page of its payout and in lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from flask import g, request, url_for
from sqlalchemy import Executable, func, select

from webapp.database import among_given, ask, db
from webapp.payouts import panels
from webapp.payouts.models import Payout
from webapp.people.models import Role
from webapp.statements import kinds, queries, service
from webapp.statements.models import Document
from webapp.statements.queries import DocumentRow
from webapp.web import addresses
from webapp.web.i18n import N_, gettext

KINDS = kinds.LABELS
STATES = {
    "ready": N_("Ready"),
    "queued": N_("Being made"),
    "failed": N_("Not made"),
    queries.REPLACED: N_("Replaced"),
}
FORMATS = ("csv", "xlsx")


@dataclass(frozen=True)
class Shown:
    """A document on a page; `href` is empty until there is something to download."""

    row: DocumentRow
    href: str
    tone: str
    label: str
    sentence: str
    # Files of the same content: (word, address).
    others: tuple[tuple[str, str], ...] = ()

    @property
    def kind(self) -> str:
        """What it is, in words."""
        return KINDS.get(self.row.document.kind, self.row.document.kind)

    @property
    def about(self) -> str:
        """What a program's document is about, in words; empty for this room's own kinds."""
        kind = kinds.find(self.row.document.kind)
        return kind.about if kind else ""


def portal() -> str:
    """Name of the portal that this request is in."""
    return (request.blueprint or "").partition(".")[0]


def shown(row: DocumentRow, where: str) -> Shown:
    """A document as the portal `where` shows it; why it failed is for admins."""
    document = row.document
    if document.state == "ready":
        href = url_for(f"{where}.statements.download", document_id=document.id)
        others = tuple((name.upper(), _lines_href(row, where, name)) for name in FORMATS if row.is_monthly)
        if row.replaced_by:
            sentence = gettext("Replaced by %(number)s.", number=row.replaced_by)
            return Shown(row, href, "cancelled", "Replaced", sentence, others)
        return Shown(row, href, "done", "Ready", "", others)
    if document.state == "failed":
        reason = (
            document.error
            if where == Role.ADMIN
            else gettext("Ask %(payer)s for it.", payer=g.organisation.name)
        )
        return Shown(row, "", "failed", "Not made", reason)
    waits = document.error if where == Role.ADMIN else ""
    return Shown(row, "", "progress", "Being made", waits or N_("A worker makes it within a minute."))


def _lines_href(row: DocumentRow, where: str, format: str) -> str:
    if where == Role.ADMIN:
        return url_for("admin.statements.lines", number=row.document.number, format=format)
    return url_for(f"{where}.statements.lines", document_id=row.document.id, format=format)


def panel(payout: Payout, now: datetime) -> Mapping[str, Any] | None:
    """The section “Statements” of a payout's page; None for a payee while there is nothing."""
    where = portal()
    rows = queries.documents_for(payout.id)
    is_admin = where == Role.ADMIN
    if not rows and not is_admin:
        return None
    variant = service.variant_of(payout)
    current = next((row.document for row in rows if row.document.variant == variant), None)
    can_make = is_admin and Role.ADMIN in g.roles and (
        current is None or current.state == "failed" or (current.state == "queued" and bool(current.error))
    )  # fmt: skip
    return {
        "documents": [shown(row, where) for row in rows],
        "make_href": url_for("admin.statements.make", reference=payout.reference) if can_make else None,
        "make_label": "Make it again" if current else "Make the statement",
    }


@cache
def _newest(dialect: str) -> Executable:
    return (
        select(Document.payout_id, func.max(Document.id))
        .where(among_given(Document.payout_id, "payout_ids", dialect), Document.state == "ready")
        .group_by(Document.payout_id)
    )


def document_links(where: str, payout_ids: Sequence[int]) -> dict[int, str]:
    """Addresses of the newest ready document of each payout of a page, in one query."""
    if not payout_ids:
        return {}
    found = ask(_newest(db.engine.dialect.name), {"payout_ids": list(payout_ids)})
    if not found:
        return {}
    download = addresses.each(f"{where}.statements.download", "document_id")
    return {payout_id: download(document_id) for payout_id, document_id in found if payout_id is not None}


panels.register_panel("statements", panel, "statements/_panel.html", (panels.ADMIN, panels.PAYEE))
panels.register_document_links(document_links)
