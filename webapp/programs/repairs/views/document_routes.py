"""The addresses of receipts as files, and of disputes: (rule, endpoint, view, methods)."""

from __future__ import annotations

from webapp.programs.repairs.views import disputes

READ, FORM = ["GET"], ["GET", "POST"]
ROUTES = (
    ("/receipts/<number>.pdf", "receipt_pdf", disputes.receipt_pdf, FORM),
    ("/disputes", "disputes", disputes.index, READ),
    ("/disputes/<reference>", "decide_dispute", disputes.decide, FORM),
)
