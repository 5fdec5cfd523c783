"""What the page of a payout says of the bank file that it is in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flask import url_for

from webapp.bankfiles import queries
from webapp.bankfiles.states import RAIL, FileState, Word
from webapp.payouts import panels
from webapp.payouts.models import Payout


def panel(payout: Payout, now: datetime) -> Mapping[str, Any] | None:
    """The newest live file of a payout; None when it never waited for one."""
    if payout.rail != RAIL:
        return None
    item = queries.item_of_payout(payout)
    if item is None:
        return {"item": None, "new_href": url_for("admin.bankfiles.new")}
    file = item.file
    return {
        "item": item,
        "file": file,
        "state": FileState(file.state),
        "word": Word(item.word),
        "href": url_for("admin.bankfiles.show", reference=file.reference),
    }


panels.register_panel("bank_file", panel, "bankfiles/_panel.html")
