"""A technician's own installations, never anybody else's part and never an admins' note."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import Blueprint, g, render_template, request
from flask.typing import ResponseReturnValue

from webapp.kernel.errors import NotFound
from webapp.payouts.views import program_lists
from webapp.people.models import Role
from webapp.people.views.session import payee_id_for
from webapp.programs.installations import queries, retention_lists
from webapp.programs.installations.forms import PAYMENTS, FilterForm
from webapp.programs.installations.models import Installation, InstallationShare, InstallationStatus
from webapp.programs.installations.pricing import Part, Pricer
from webapp.programs.installations.retention_lists import RetentionFilter
from webapp.programs.installations.views import common
from webapp.programs.installations.views.retention import row_of
from webapp.web import listing
from webapp.web.exports import csv_response, xlsx_response
from webapp.web.fields import options
from webapp.web.htmx import is_fragment
from webapp.web.i18n import N_, counted, gettext
from webapp.web.pagination import Page, capped_count, keyset

blueprint = Blueprint("installations", __name__, url_prefix="/installations")
HEADERS = [
    N_("Reference"), N_("Commissioned"), N_("Type"), {"label": N_("Size"), "numeric": True}, N_("Status"),
    N_("Your share"), {"label": N_("Your amount"), "numeric": True}, N_("Payout"),
]  # fmt: skip


class OwnFilterForm(FilterForm):
    """As the admins' filter, without the people."""

    technician = None  # type: ignore[assignment]

    def chosen(self) -> queries.InstallationFilter:
        """The filter as the queries take it."""
        payment = self.payment.data if self.payment.data in ("due", "in_payout") else ""
        return queries.InstallationFilter(
            text=self.q.data or "",
            installation_type=self.type.data or "",
            status=self.status.data or "",
            commissioned_from=self.commissioned_from.data,
            commissioned_to=self.commissioned_to.data,
            payment=payment,
        )


def _payee_id() -> int:
    payee_id = payee_id_for(Role.TECHNICIAN.value)
    if payee_id is None:
        raise NotFound("Your account is not linked to a technician yet. Ask an admin to link it.")
    return payee_id


def _form() -> OwnFilterForm:
    form = OwnFilterForm(request.args, types=common.type_choices(request.args.get("type", "")))
    form.payment.choices = options(PAYMENTS, "All")
    return form


@blueprint.get("")
def index() -> ResponseReturnValue:
    """Own installations with the own part of each amount."""
    payee_id, form = _payee_id(), _form()
    page: Page[Installation] = Page([], None, None)
    if is_valid := form.validate():
        query = queries.list_installations(g.organisation.id, form.chosen(), payee_id=payee_id)
        found = keyset(query, Installation.id)
        count = counted(
            capped_count(query, Installation.id), N_("1 installation"), N_("%(count)s installations")
        )
        page = Page(found.items, found.previous_href, found.next_href, count)
    context = {
        "form": form,
        "page": page,
        "rows": list(_rows(page.items, payee_id)),
        "headers": HEADERS,
        "chips": common.chips(form, "technician.installations.index"),
        "csv_href": common.address("technician.installations.export", format="csv"),
        "xlsx_href": common.address("technician.installations.export", format="xlsx"),
        "has_errors": not is_valid,
    }
    template = "_own_results.html" if is_fragment() else "own_index.html"
    return render_template(f"installations/{template}", **context), 200 if is_valid else 422


def _rows(items: Any, payee_id: int) -> Iterator[dict[str, Any]]:
    """What the technician sees of each: the own share and amount, the own payout."""
    ids = [row.id for row in items]
    pricer = Pricer(g.organisation.id, common.today())
    pricer.remember_agreed(ids)
    claims = queries.live_claims(g.organisation.id, ids)
    labels = common.type_labels()
    for row in items:
        share = next(s for s in row.shares if s.payee_id == payee_id)
        part, claim = pricer.part(share), claims.get((row.id, payee_id))
        yield {
            "installation": row,
            "type": labels.get(row.installation_type, row.installation_type),
            "size": common.size_of(row),
            "status": InstallationStatus(row.status),
            "share": common.say_share(share),
            "part": part,
            "amount": None if part.quote.problem else part.amount,
            "claim": claim,
            "claim_state": common.claim_state(claim),
            "sentence": _sentence(row, share, part, claim),
        }


def _sentence(
    row: Installation, share: InstallationShare, part: Part, claim: queries.ClaimedBy | None
) -> str:
    """Where the money of an installation is, in the technician's words; no reason that admins gave each other."""
    payer = g.organisation.name
    if claim is not None:
        return gettext("It is in payout %(payout)s.", payout=claim.reference)
    if row.status not in queries.PAYABLE_STATUSES:
        return gettext("It is paid for once it is commissioned.")
    if share.offer == "dismissed":
        return gettext("%(payer)s does not pay for it. Ask %(payer)s if you do not agree.", payer=payer)
    if share.offer == "blocked":
        return gettext("%(payer)s looks into it before it is paid.", payer=payer)
    if part.quote.problem:
        return gettext("There is no rate for it yet. %(payer)s adds one, then it is paid.", payer=payer)
    return gettext("It is due and comes into the next payout.")


@blueprint.get("/export.<any(csv,xlsx):format>")
def export(format: str) -> ResponseReturnValue:
    """Exactly the filter as a file."""
    payee_id, form = _payee_id(), _form()
    if not form.validate():
        return index()
    query = queries.list_installations(g.organisation.id, form.chosen(), payee_id=payee_id)
    make = csv_response if format == "csv" else xlsx_response
    return make(f"installations.{format}", common.TECHNICIAN_EXPORT_HEADERS, _cells(query, payee_id))


def _cells(query: Any, payee_id: int) -> Iterator[tuple[Any, ...]]:
    for batch in common.batches(query):
        for found in _rows(batch, payee_id):
            row, claim, state = found["installation"], found["claim"], found["claim_state"]
            yield (
                row.reference, found["type"], row.customer_name, row.site, row.size, row.capacity_unit,
                found["status"].label, row.commissioned_on, found["share"], found["amount"], row.currency,
                "; ".join(line["formula"] for line in common.part_words(found["part"])),
                claim.reference if claim else "", state.label if state else "",
            )  # fmt: skip


@blueprint.get("/held-back")
def held_back() -> ResponseReturnValue:
    """What of the own payouts waits for its day, and what was charged back, with the reason."""
    found = retention_lists.retentions(g.organisation.id, RetentionFilter(), payee_id=_payee_id())
    page = program_lists.page_of(found, "")
    return render_template(
        "installations/own_held.html", page=page, rows=[row_of(row) for row in page.items],
        totals=listing.totals(found),
    )  # fmt: skip


@blueprint.get("/<reference>")
def show(reference: str) -> ResponseReturnValue:
    """One own installation with the calculation of the own part."""
    payee_id = _payee_id()
    row = queries.get_installation(g.organisation.id, reference, payee_id=payee_id)
    (found,) = _rows([row], payee_id)
    return render_template("installations/own_show.html", **found, lines=common.part_words(found["part"]))
