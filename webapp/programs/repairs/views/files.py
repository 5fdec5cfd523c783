"""Files of the lists: at once, or made by a worker where they are long; the trail has who took which."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Response, abort, g, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from webapp.audit.views.files import remember
from webapp.database import transaction
from webapp.kernel.actor import Actor
from webapp.kernel.clock import utc_now
from webapp.payouts.views import listing as addresses
from webapp.payouts.views.program_pages import today
from webapp.people.views.session import actor, may_change, require_change
from webapp.programs.repairs import exports, file_runs
from webapp.programs.repairs.exports import Chosen
from webapp.programs.repairs.views.area import AREA, PREFIX
from webapp.providers import storage
from webapp.runs.models import Run, RunRow
from webapp.runs.views.pages import KindPages, register_pages
from webapp.web import listing, table_files
from webapp.web.htmx import see_other

#: Asks for the file itself, however long it is.
AT_ONCE = "now"
_SUBJECTS = {
    exports.REPAIRS: "repairs_repair", exports.INSTALMENTS: "repairs_instalment",
    exports.RECEIPTS: "repairs_receipt", exports.LEDGER: "payee",
}  # fmt: skip
LISTS = (exports.REPAIRS, exports.INSTALMENTS, exports.RECEIPTS)


def links(what: str, **where: str) -> list[tuple[str, str]]:
    """(label, address) of the files of the list that is shown, with exactly its filter and order."""
    endpoint = f"{PREFIX}.{what}_file"
    return [(f.upper(), addresses.address(endpoint, format=f, **where)) for f in table_files.FORMATS]


def repairs_file(format: str) -> ResponseReturnValue:
    """The repairs of exactly the page's filter, in its order."""
    return _file(exports.REPAIRS, format)


def instalments_file(format: str) -> ResponseReturnValue:
    """The instalments of exactly the page's filter, in its order."""
    return _file(exports.INSTALMENTS, format)


def receipts_file(format: str) -> ResponseReturnValue:
    """The weekly receipts of exactly the page's filter, in its order."""
    return _file(exports.RECEIPTS, format)


def ledger_file(reference: str, format: str) -> ResponseReturnValue:
    """A driver's ledger, with exactly the page's filter."""
    return _file(exports.LEDGER, format, reference)


def _chosen(what: str, driver: str) -> Chosen:
    return exports.choose(what, g.organisation, request.args, today(), driver)


def _file(what: str, format: str, driver: str = "") -> ResponseReturnValue:
    chosen = _chosen(what, driver)
    if AT_ONCE not in request.args and listing.is_longer(chosen.listing, file_runs.LARGE):
        return _offer(chosen, format, driver)
    remember(f"repairs:{what}:exported", _SUBJECTS[what], format.upper())
    table = exports.table(chosen, g.organisation, utc_now())
    return table_files.response(table, format, file_runs.file_name(what, g.organisation, format))


def _offer(chosen: Chosen, format: str, driver: str) -> ResponseReturnValue:
    """A page that says how long the file is, and offers to have it made."""
    values: dict[str, Any] = request.args.to_dict()
    back = chosen.what if chosen.what in LISTS else None
    where: dict[str, Any] = {"reference": driver} if driver else {}
    return render_template(
        "repairs/file.html", area=AREA, tab=back or "drivers", title=chosen.title, words=chosen.words,
        format=format.upper(), limit=file_runs.LARGE, may_change=may_change(),
        make_href=url_for(".make_file", **{**values, "kind": chosen.what, "format": format, "driver": driver or None}),
        now_href=url_for(f".{chosen.what}_file", **{**values, **where, "format": format, AT_ONCE: "1"}),
        back_href=url_for(f".{back}", **values) if back else url_for(".driver", reference=driver),
    )  # fmt: skip


def make_file(kind: str, format: str) -> ResponseReturnValue:
    """Have a worker make the file; the run has the link when it is there."""
    require_change()
    driver = request.args.get("driver", "") if kind == exports.LEDGER else ""
    values = {name: value for name, value in request.args.items() if name != AT_ONCE}
    chosen = _chosen(kind, driver)
    with transaction():
        run = file_runs.start(
            organisation_id=g.organisation.id, chosen=chosen, args=values, driver=driver, format=format,
            actor=actor(), now=utc_now(),
        )  # fmt: skip
        reference = run.reference
    return see_other(url_for("admin.runs.show", reference=reference))


def made_file(reference: str) -> ResponseReturnValue:
    """A file that a worker made."""
    found = file_runs.find(g.organisation, reference, utc_now())
    remember("repairs:file:taken", "run", f"{found.name} of run {reference}:")
    content = storage.read(found.key)
    response = Response(content, mimetype=table_files.TYPES[found.format])
    response.headers.set("Content-Disposition", "attachment", filename=found.name)
    response.headers["Cache-Control"] = "no-store"
    return response


def _after(run: Run) -> tuple[str, dict[str, Any]] | None:
    """The link on the page of a run that has made its file."""
    if not run.done:
        return None
    return "repairs/_file_made.html", {"file_href": url_for(f"{PREFIX}.made_file", reference=run.reference)}


def _no_draft(run: Run) -> str:
    abort(404)


def _again(run: Run, rows: Any, who: Actor, now: datetime) -> Run:
    """The same file once more."""
    row: RunRow = rows[0]
    values = MultiDict(row.data["args"])
    chosen = exports.choose(row.data["what"], g.organisation, values, today(), row.data["driver"])
    return file_runs.start(
        organisation_id=run.organisation_id, chosen=chosen, args=row.data["args"], driver=row.data["driver"],
        format=row.data["format"], actor=who, now=now,
    )  # fmt: skip


register_pages(file_runs.KIND, KindPages(_no_draft, _again, _after))
