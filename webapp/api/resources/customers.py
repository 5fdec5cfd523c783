"""Customers of a clinic: who gets invoices. Staff only; practitioners never learn who they are."""

from __future__ import annotations

from webapp.api import paging
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.resources.acts import act_of
from webapp.api.schemas.clinic import (
    CustomerChange,
    CustomerCreate,
    CustomerOut,
    CustomerPage,
    CustomerQuery,
)
from webapp.kernel.clock import utc_now
from webapp.people.access.tokens import Scope
from webapp.programs.clinic import customers, lists, queries
from webapp.programs.clinic.drafts import CustomerDraft
from webapp.programs.clinic.models import Customer

resource = Resource(
    "customers",
    "/customers",
    title="Customers",
    about="Who gets a clinic's invoices. Practitioners see initials on their invoices, and never come here.",
)
_read = {"scope": Scope.CUSTOMERS_READ}
_write = {"scope": Scope.CUSTOMERS_WRITE, "answers": CustomerOut}


def _out(row: Customer) -> CustomerOut:
    return CustomerOut(**{name: getattr(row, name) for name in CustomerOut.model_fields})


@resource.get("", summary="List customers", query=CustomerQuery, answers=CustomerPage, **_read)
def index(who: Caller, query: CustomerQuery) -> CustomerPage:
    """The customers that match, the newest first."""
    found = lists.list_customers(who.organisation_id, query.search or "")
    rows, following = paging.page(found, Customer.id, limit=query.limit, cursor=query.cursor)
    return CustomerPage(items=[_out(row) for row in rows], next_cursor=following)


@resource.get("/<reference>", summary="Get a customer", answers=CustomerOut, **_read)
def show(who: Caller, reference: str) -> CustomerOut:
    """One customer."""
    return _out(queries.get_customer(who.organisation_id, reference))


@resource.post("", summary="Add a customer", body=CustomerCreate, status=201, location="/customers/{reference}",
               **_write)  # fmt: skip
def create(who: Caller, body: CustomerCreate) -> CustomerOut:
    """A new customer, numbered CU-0001 and on."""
    draft = CustomerDraft(body.name, body.email, body.phone, body.external_ref)
    return _out(
        customers.create_customer(
            organisation_id=who.organisation_id, draft=draft, actor=who.actor, now=utc_now()
        )
    )


@resource.put("/<reference>", summary="Change a customer", body=CustomerChange, **_write)
def update(who: Caller, reference: str, body: CustomerChange) -> CustomerOut:
    """Name, e-mail address and phone as the body says."""
    changed = customers.change_customer(
        reference=reference,
        draft=CustomerDraft(body.name, body.email, body.phone),
        **act_of(who, body.version),
    )
    return _out(changed)
