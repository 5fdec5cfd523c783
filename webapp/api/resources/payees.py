"""Payees, and where their money goes: written by API, read only masked."""

from __future__ import annotations

from collections.abc import Callable

from webapp.api import paging, queries
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.resources.acts import act_of
from webapp.api.schemas.common import PaymentDetails
from webapp.api.schemas.people import (
    DetailsAsked,
    DetailsIn,
    PayeeChange,
    PayeeCreate,
    PayeeOut,
    PayeePage,
    PayeeQuery,
    Released,
    ReleaseIn,
)  # fmt: skip
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, Invalid, StaleVersion
from webapp.people import accounts, service
from webapp.people import queries as people
from webapp.people.access.tokens import Scope
from webapp.people.accounts import Destination
from webapp.people.changes import service as changes
from webapp.people.changes.models import MethodChange
from webapp.people.models import Payee

resource = Resource(
    "payees",
    "/payees",
    title="Payees",
    about="Who is paid. Changed payment details wait for a second person and then for their cool-off; every payout "
    "to the payee waits meanwhile. A payee's token sees that payee.",
)
_read, _write = {"scope": Scope.PAYEES_READ}, {"scope": Scope.PAYEES_WRITE}
_AS_IT_IS = ("reference", "kind", "name", "email", "phone", "address", "country", "external_ref", "is_active",
             "created_at", "version")  # fmt: skip
_NEVER_NULL = ("name", "email", "phone", "address", "country", "is_active")


def _out(row: Payee) -> PayeeOut:
    return PayeeOut(
        **{name: getattr(row, name) for name in _AS_IT_IS},
        payment_details=PaymentDetails.of(row.current_method),
    )


@resource.get("", summary="List payees", query=PayeeQuery, answers=PayeePage, **_read)
def index(who: Caller, query: PayeeQuery) -> PayeePage:
    """The payees that match, the newest first."""
    found = people.payees(
        who.organisation_id,
        search=query.search or "",
        kind=query.kind or "",
        is_active=None if query.is_active is None else query.is_active == "true",
    )
    rows, following = paging.page(
        queries.payees(who.viewer, found), Payee.id, limit=query.limit, cursor=query.cursor
    )
    return PayeePage(items=[_out(row) for row in rows], next_cursor=following)


@resource.get("/<reference>", summary="Get a payee", answers=PayeeOut, **_read)
def show(who: Caller, reference: str) -> PayeeOut:
    """One payee."""
    return _out(queries.payee(who.viewer, reference))


@resource.post(
    "",
    summary="Add a payee",
    body=PayeeCreate,
    answers=PayeeOut,
    status=201,
    location="/payees/{reference}",
    **_write,
)
def create(who: Caller, body: PayeeCreate) -> PayeeOut:
    """A new payee; where the money goes comes next."""
    made = service.create_payee(
        organisation_id=who.organisation_id, **body.model_dump(), actor=who.actor, now=utc_now()
    )
    return _out(made)


@resource.patch("/<reference>", summary="Change a payee", body=PayeeChange, answers=PayeeOut, **_write)
def update(who: Caller, reference: str, body: PayeeChange) -> PayeeOut:
    """Nothing new is paid to a payee who is not active."""
    wanted = body.model_dump(exclude={"version"}, exclude_unset=True)
    for name in _NEVER_NULL:
        if name in wanted and wanted[name] is None:
            raise Invalid(name, "This can be left out, and it can be empty, but it is not null.")
    changed = service.update_payee(
        payee_id=queries.payee(who.viewer, reference).id,
        changes=wanted,
        **act_of(who, body.version),
    )
    return _out(changed)


_MAKERS: dict[str, Callable[..., Destination]] = {
    "aba": accounts.aba_account,
    "ifsc": accounts.ifsc_account,
    "iban": accounts.iban_account,
    "upi": accounts.upi_address,
    "manual": accounts.by_hand,
}
_NEEDED: dict[str, tuple[str, ...]] = {
    "aba": ("account_number", "routing_number", "bank_name", "name_at_bank"),
    "ifsc": ("account_number", "ifsc", "bank_name", "name_at_bank"),
    "iban": ("iban", "bank_name", "name_at_bank"),
    "upi": ("vpa", "name_at_bank"),
    "manual": (),
}


def _destination(body: DetailsIn) -> Destination:
    """The checked place for money; a field of another way is refused, not dropped."""
    needed = _NEEDED[body.way]
    values = body.model_dump(exclude={"way", "version"})
    for name, value in values.items():
        if value and name not in needed:
            raise Invalid(name, f"This is not a part of payment details by {body.way}. Leave it out.")
    return _MAKERS[body.way](**{name: values[name] for name in needed})


@resource.put("/<reference>/payment-details", summary="Say where a payee's money goes", body=DetailsIn,
              answers=DetailsAsked, **_write)  # fmt: skip
def set_details(who: Caller, reference: str, body: DetailsIn) -> DetailsAsked:
    """First details are in force at once. A change waits until another admin has verified it, then cools off."""
    payee = queries.payee(who.viewer, reference)
    asked = changes.ask(
        payee_id=payee.id,
        destination=_destination(body),
        source="api",
        **act_of(who, body.version),
    )
    present = PaymentDetails.of(people.current_method(payee.id))
    if isinstance(asked, MethodChange):
        message = f"{asked.reference} waits: an admin who did not ask must verify it. Payouts wait meanwhile."
        return DetailsAsked(
            status="waiting", message=message, bank_change=asked.reference, payment_details=present
        )
    message = f"The money of {payee.name} goes to {asked.masked}."
    return DetailsAsked(status="in_force", message=message, bank_change=None, payment_details=present)


@resource.post("/<reference>/payment-details/release", summary="Release a cool-off early", body=ReleaseIn,
               answers=Released, scope=Scope.PAYEES_VERIFY)  # fmt: skip
def release_details(who: Caller, reference: str, body: ReleaseIn) -> Released:
    """One admin's word that changed details may be paid to at once; the second one's ends the cool-off."""
    payee = queries.payee(who.viewer, reference)
    method = people.current_method(payee.id)
    if method is None:
        raise Conflict(f"{payee.name} has no payment details yet.")
    if method.version != body.version:
        raise StaleVersion("The payment details are not those that you release. Look at them, then decide.")
    done = changes.release_cool_off(
        organisation_id=who.organisation_id,
        method_id=method.id,
        reason=body.reason,
        actor=who.actor,
        now=utc_now(),
    )
    return Released(is_over=done.is_over, is_repeat=done.is_repeat, message=done.message)
