"""Loans of drivers: what one would become, lending, reading."""

from __future__ import annotations

from webapp.api import paging, repairs_queries
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.resources.amounts import minor_in, minor_of
from webapp.api.resources.repair_words import instalments_of, planned_of, today_of
from webapp.api.schemas.common import Amount, PayeeRef
from webapp.api.schemas.loans import LoanCreate, LoanDetail, LoanOut, LoanPage, LoanPlan, LoanQuery, LoanQuote
from webapp.kernel.clock import utc_now
from webapp.people.access.tokens import Scope
from webapp.programs.repairs import charging, plans
from webapp.programs.repairs.drafts import LoanDraft
from webapp.programs.repairs.models import Loan

resource = Resource(
    "driver_loans",
    "/driver-loans",
    title="Loans of drivers",
    about="Money lent and paid back by the week: principal by the payment matrix, simple interest by days of 365 on "
    "what is left. A driver's token sees its own.",
)
_read = {"scope": Scope.REPAIRS_READ}


def _fields(row: Loan) -> dict[str, object]:
    names = ("reference", "percent", "lent_on", "note", "created_at")
    return {
        **{name: getattr(row, name) for name in names},
        "driver": PayeeRef.of(row.payee),
        "principal": Amount.of(row.principal_minor, row.currency),
    }


@resource.get("", summary="List loans", query=LoanQuery, answers=LoanPage, **_read)
def index(who: Caller, query: LoanQuery) -> LoanPage:
    """The loans that match, the newest first."""
    found = repairs_queries.of_driver(repairs_queries.loans(who.viewer), Loan, who.viewer, query.driver)
    rows, following = paging.page(found, Loan.id, limit=query.limit, cursor=query.cursor)
    items = [LoanOut.model_validate(_fields(row)) for row in rows]
    return LoanPage(items=items, next_cursor=following)


@resource.get("/calculate-installments", summary="See the instalments of a loan", query=LoanQuote, answers=LoanPlan,
              **_read)  # fmt: skip
def calculate(who: Caller, query: LoanQuote) -> LoanPlan:
    """The plan that a loan would become by the payment matrix that counts now. Nothing is stored."""
    day, amount = query.lent_on or today_of(who), minor_of(query.amount, who.currency, "amount")
    draft = LoanDraft(0, amount, query.percent, day, query.start)
    planned = plans.preview_loan(who.organisation_id, draft, utc_now())
    return LoanPlan(
        principal=Amount.of(amount, who.currency),
        percent=query.percent,
        interest=Amount.of(sum(each.interest for each in planned), who.currency),
        lent_on=day,
        start=query.start,
        instalments=planned_of(planned, who.currency),
    )


def _detail(reference: str, who: Caller) -> LoanDetail:
    row = repairs_queries.loan(who.viewer, reference)
    fields = {**_fields(row), "instalments": instalments_of(row, who)}
    return LoanDetail.model_validate(fields)


@resource.get("/<reference>", summary="Get a loan", answers=LoanDetail, **_read)
def show(who: Caller, reference: str) -> LoanDetail:
    """One loan with its instalments."""
    return _detail(reference, who)


@resource.post("", summary="Lend a driver money", body=LoanCreate, answers=LoanDetail, status=201,
               location="/driver-loans/{reference}", scope=Scope.DRIVERS_WRITE)  # fmt: skip
def create(who: Caller, body: LoanCreate) -> LoanDetail:
    """The money is paid out by hand; its instalments are charged by the week like those of repairs."""
    draft = LoanDraft(
        payee_id=repairs_queries.driver(who.viewer, body.driver).id,
        principal_minor=minor_in(body.amount, who.currency, "amount"),
        percent=body.percent,
        lent_on=body.lent_on,
        start=body.start,
        note=body.note,
    )
    made = charging.lend(organisation_id=who.organisation_id, draft=draft, actor=who.actor, now=utc_now())
    return _detail(made.reference, who)
