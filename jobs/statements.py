"""What workers do for documents: ask for a payout's statement, draw a queued one."""

from __future__ import annotations

from webapp.database import transaction
from webapp.kernel.actor import WORKER
from webapp.kernel.clock import utc_now
from webapp.statements import making, render_pdf, service


def remittance(reference_id: int) -> None:
    """Ask for the statement of payout `reference_id` as it stands now."""
    with transaction():
        service.request_remittance(payout_id=reference_id, actor=WORKER, now=utc_now())


def render(reference_id: int) -> None:
    """Draw document `reference_id`. What cannot succeed is recorded on it; what may is raised and tried again."""
    making.render(document_id=reference_id, now=utc_now())


def warm() -> None:
    """Load the PDF engine before the worker forks; without Pango the documents themselves say what is missing."""
    try:
        render_pdf.warm()
    except render_pdf.EngineMissing:
        return
