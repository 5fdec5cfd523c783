"""Documents of an organisation: the list, one of them, downloads, issuing again."""

from __future__ import annotations

from flask import Blueprint, current_app, flash, g, render_template, url_for
from flask.typing import ResponseReturnValue

from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Invalid
from webapp.people.forms import attach
from webapp.people.queries import get_payee
from webapp.people.views.session import actor, may_change, require_change
from webapp.statements import codes, monthly, queries, service
from webapp.statements.forms import ReissueForm
from webapp.statements.models import Document
from webapp.statements.views import downloads, listing, months, one, words
from webapp.statements.views.files import pdf_response
from webapp.web.htmx import is_fragment, see_other
from webapp.web.pagination import Page, capped_count, keyset

blueprint = Blueprint("statements", __name__)
months.add_to(blueprint)


@blueprint.get("/statements")
def index() -> ResponseReturnValue:
    """Every document of the organisation, newest first."""
    form, chosen, payee = listing.read_filter()
    is_valid = form.validate()
    page: Page[words.Shown] = Page([], None, None)
    if is_valid:
        query = queries.documents(g.organisation, chosen)
        found = keyset(query, Document.id, key_of=lambda row: int(row[0].id))
        rows = [words.shown(queries.row_of(row), "admin") for row in found.items]
        count = capped_count(query, Document.id)
        label = "1 statement" if count == "1" else f"{count} statements"
        page = Page(rows, found.previous_href, found.next_href, label)
    template = "statements/_results.html" if is_fragment() else "statements/admin.html"
    return (
        render_template(
            template,
            form=form,
            page=page,
            payee=payee,
            headers=listing.HEADERS,
            chips=listing.chips(form, payee),
            archive_month=chosen.month,
            years=queries.years_of(g.organisation, payee.id) if payee else [],
            may_change=may_change(),
            has_errors=not is_valid,
        ),
        200 if is_valid else 422,
    )


@blueprint.get("/statements/<number>")
def show(number: str) -> ResponseReturnValue:
    """One document: its figures, its hash, its issues, its files."""
    row = queries.get_row(g.organisation.id, number)
    public_url = current_app.config["SETTINGS"].public_url
    return render_template(
        "statements/show.html",
        item=words.shown(row, "admin"),
        row=row,
        issues=[words.shown(each, "admin") for each in queries.issues_of(row.document)],
        verify_url=codes.address(public_url, row.document.code or ""),
        may_change=may_change(),
        **one.content(row),
    )


@blueprint.get("/statements/<number>/lines.<format>")
def lines(number: str, format: str) -> ResponseReturnValue:
    """The lines of a monthly statement as CSV or XLSX; while it is not there, its page, which says why."""
    row = queries.get_row(g.organisation.id, number)
    if row.document.state == "ready":
        return downloads.lines_response(row.document, format)
    return _not_there(row)


@blueprint.route("/statements/<number>/reissue", methods=["GET", "POST"])
def reissue(number: str) -> ResponseReturnValue:
    """Issue a monthly statement again, under a new number that names this one, for a reason."""
    require_change()
    document = monthly.get(g.organisation.id, number)
    form = ReissueForm()
    if form.validate_on_submit():
        try:
            with transaction():
                made = monthly.reissue(
                    organisation_id=g.organisation.id,
                    number=number,
                    reason=form.reason.data or "",
                    actor=actor(),
                    now=utc_now(),
                )
                new_number = made.number
        except Invalid as error:
            attach(form, error)
        else:
            flash(f"{new_number} is being made. It replaces {number} as soon as it is there.", "success")
            return see_other(url_for(".show", number=new_number))
    code = 422 if form.errors else 200
    return (
        render_template(
            "statements/reissue.html", form=form, has_errors=code == 422, **one.reissue_context(document)
        ),
        code,
    )


@blueprint.post("/statements/<number>/try-again")
def try_again(number: str) -> ResponseReturnValue:
    """Have a worker draw a statement once more that could not be drawn."""
    with transaction():
        monthly.try_again(organisation_id=g.organisation.id, number=number, actor=actor(), now=utc_now())
    flash(f"{number} is being made. Reload this page in a moment.", "success")
    return see_other(url_for(".show", number=number))


@blueprint.get("/statements/of/<reference>/<int:year>.zip")
def year_archive(reference: str, year: int) -> ResponseReturnValue:
    """Every file of a payee's year, with an index of their hashes."""
    payee = get_payee(g.organisation.id, reference)
    query = queries.of_year(g.organisation, payee.id, listing.check_year(year))
    return downloads.archive_response(query, f"statements-{payee.reference}-{year}.zip")


@blueprint.get("/documents/<int:document_id>")
def download(document_id: int) -> ResponseReturnValue:
    """The PDF; while there is none, the page that says why."""
    document = queries.get_document(g.organisation.id, document_id)
    if document.state == "ready":
        return pdf_response(document)
    return _not_there(queries.get_row(g.organisation.id, document.number))


def _not_there(row: queries.DocumentRow) -> ResponseReturnValue:
    flash(f"{row.document.number} is not there yet. {words.shown(row, 'admin').sentence}", "warning")
    if row.payout is not None:
        return see_other(url_for("admin.payouts.show", reference=row.payout.reference))
    return see_other(url_for(".show", number=row.document.number))


@blueprint.post("/documents/<reference>")
def make(reference: str) -> ResponseReturnValue:
    """Ask for the statement of a payout as it stands now; asking again gets the same one."""
    with transaction():
        document = service.request_remittance(
            payout_id=queries.payout_id_for(g.organisation.id, reference), actor=actor(), now=utc_now()
        )
        number, is_ready = document.number, document.state == "ready"
    if is_ready:
        flash(f"{number} shows the payout as it stands now.", "success")
    else:
        flash(f"{number} is being made. Reload this page in a moment.", "success")
    return see_other(url_for("admin.payouts.show", reference=reference))
