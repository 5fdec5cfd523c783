"""Files of the lists of deals, touches, shares and registrations; the trail has who took which."""

from __future__ import annotations

from flask import g, request
from flask.typing import ResponseReturnValue

from webapp.audit.views.files import remember
from webapp.kernel.clock import utc_now
from webapp.payouts.views import listing as addresses
from webapp.programs.partners import deal_files
from webapp.programs.partners.views.area import PREFIX
from webapp.web import table_files

_SUBJECTS = {
    deal_files.DEALS: "partners_deal", deal_files.TOUCHES: "partners_touch", deal_files.SHARES: "partners_deal",
    deal_files.REGISTRATIONS: "partners_registration",
}  # fmt: skip


def links(what: str) -> list[tuple[str, str]]:
    """(label, address) of the files of the list that is shown, with exactly its filter and order."""
    endpoint = f"{PREFIX}.{what}_file"
    return [(name.upper(), addresses.address(endpoint, format=name)) for name in table_files.FORMATS]


def _file(what: str, format: str) -> ResponseReturnValue:
    here = g.organisation
    chosen = deal_files.choose(what, here, request.args)
    remember(f"partners:{what}:exported", _SUBJECTS[what], format.upper())
    table = deal_files.table(chosen, here, request.args.get("sort"), utc_now())
    return table_files.response(table, format, f"partners-{what}-{here.slug}.{format}")


def deals_file(format: str) -> ResponseReturnValue:
    """The deals of exactly the page's filter, in its order."""
    return _file(deal_files.DEALS, format)


def touches_file(format: str) -> ResponseReturnValue:
    """The touches of exactly the page's filter, in its order."""
    return _file(deal_files.TOUCHES, format)


def shares_file(format: str) -> ResponseReturnValue:
    """The shares of exactly the page's filter, in its order."""
    return _file(deal_files.SHARES, format)


def registrations_file(format: str) -> ResponseReturnValue:
    """The registrations of exactly the page's filter, in its order."""
    return _file(deal_files.REGISTRATIONS, format)
