"""The addresses of files and statistics: (rule, endpoint, view, methods)."""

from __future__ import annotations

from webapp.programs.repairs.views import files, statistics

READ, ACT = ["GET"], ["POST"]
_FORMAT = "<any(csv,xlsx,json,pdf):format>"
ROUTES = (
    (f"/repairs/export.{_FORMAT}", "repairs_file", files.repairs_file, READ),
    (f"/instalments/export.{_FORMAT}", "instalments_file", files.instalments_file, READ),
    (f"/receipts/export.{_FORMAT}", "receipts_file", files.receipts_file, READ),
    (f"/drivers/<reference>/ledger.{_FORMAT}", "ledger_file", files.ledger_file, READ),
    (f"/files/<any(repairs,instalments,receipts,ledger):kind>.{_FORMAT}", "make_file", files.make_file, ACT),
    ("/statistics", "statistics", statistics.index, READ),
    ("/files/<reference>", "made_file", files.made_file, READ),
)
