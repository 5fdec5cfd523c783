"""The PDF of a weekly receipt as an answer: in the admins' portal, and in the driver's for their own."""

from __future__ import annotations

from dataclasses import dataclass

from flask import flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import PaydeskError
from webapp.people.views.session import actor, require_change
from webapp.programs.repairs import receipt_document
from webapp.programs.repairs.books import Receipt
from webapp.statements.views.files import pdf_response
from webapp.web.htmx import see_other
from webapp.web.i18n import N_, gettext

#: The page of a receipt and the address of its PDF, in each portal.
_PAGES = {
    "admin.repairs": ("admin.repairs.receipt", "admin.repairs.receipt_pdf"),
    "driver.receipts": ("driver.receipts.show", "driver.receipts.pdf"),
}


@dataclass(frozen=True)
class File:
    """How the PDF of a receipt stands; `state` is ready, queued, failed or empty while nobody asked for it."""

    number: str
    state: str
    href: str
    page_href: str

    @property
    def sentence(self) -> str:
        """What happens next."""
        return {
            "ready": N_("It is there."),
            "queued": N_("A worker makes it within a minute."),
            "failed": N_("It could not be made. An admin can see why."),
        }.get(self.state, N_("It is made when somebody asks for it."))


def file_of(receipt: Receipt, where: str) -> File:
    """How the PDF stands, for the pages of `where`: "admin.repairs" or "driver.receipts"."""
    document = receipt_document.find(receipt)
    page, pdf = _PAGES[where]
    return File(
        receipt.number,
        document.state if document else "",
        url_for(pdf, number=receipt.number),
        url_for(page, number=receipt.number),
    )


def answer(receipt: Receipt, where: str) -> ResponseReturnValue:
    """GET: the PDF, or a page that says how it stands. POST: have it made, then that page."""
    if request.method == "POST":
        return _order(receipt, where)
    document = receipt_document.find(receipt)
    if document is not None and document.state == "ready":
        return pdf_response(document)
    return render_template("repairs/receipt_file.html", file=file_of(receipt, where))


def _order(receipt: Receipt, where: str) -> ResponseReturnValue:
    if where == "admin.repairs":
        require_change()
    number = receipt.number
    try:
        with transaction():
            receipt_document.order(
                organisation_id=g.organisation.id, receipt=receipt, actor=actor(), now=utc_now()
            )
    except PaydeskError as error:
        flash(error.message, "warning")
        return see_other(url_for(_PAGES[where][0], number=number))
    flash(gettext("The PDF of %(number)s is being made.", number=number), "success")
    return see_other(url_for(_PAGES[where][1], number=number))
