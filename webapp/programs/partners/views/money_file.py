"""Files of the lists of commissions, payouts and reconciliation; the trail has who took which."""

from __future__ import annotations

from flask import g, request
from flask.typing import ResponseReturnValue

from webapp.audit.views.files import remember
from webapp.kernel.clock import utc_now
from webapp.payouts.views import listing as addresses
from webapp.payouts.views.program_pages import today
from webapp.programs.partners import money_files
from webapp.programs.partners.views.area import PREFIX
from webapp.web import table_files

_SUBJECTS = {
    money_files.COMMISSIONS: "partners_commission", money_files.PAYOUTS: "payout",
    money_files.RECONCILIATION: "partners_commission",
}  # fmt: skip


def links(what: str, **where: str) -> list[tuple[str, str]]:
    """(label, address) of the files of the list that is shown, with exactly its filter and order."""
    endpoint = f"{PREFIX}.{what}_file"
    return [(name.upper(), addresses.address(endpoint, format=name, **where)) for name in table_files.FORMATS]


def _file(what: str, format: str) -> ResponseReturnValue:
    here = g.organisation
    chosen = money_files.choose(what, here, request.args, today())
    remember(f"partners:{what}:exported", _SUBJECTS[what], format.upper())
    table = money_files.table(chosen, here, request.args.get("sort"), utc_now())
    return table_files.response(table, format, f"partners-{what}-{here.slug}.{format}")


def commissions_file(format: str) -> ResponseReturnValue:
    """The commissions of exactly the page's filter, in its order."""
    return _file(money_files.COMMISSIONS, format)


def payouts_file(format: str) -> ResponseReturnValue:
    """The payouts of exactly the page's filter, in its order."""
    return _file(money_files.PAYOUTS, format)


def reconciliation_file(format: str) -> ResponseReturnValue:
    """The reconciliation of exactly the page's filter, in its order."""
    return _file(money_files.RECONCILIATION, format)
