"""Registrations: deals that partners say they bring; an admin accepts or refuses them. They make no money."""

from __future__ import annotations

from webapp.api import partners_queries
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.resources import listed
from webapp.api.resources.acts import act_of
from webapp.api.resources.partner_words import registration_of, staff_filter
from webapp.api.schemas.partners import (
    RegistrationAccept,
    RegistrationCreate,
    RegistrationOut,
    RegistrationPage,
    RegistrationQuery,
    RegistrationRefuse,
    RegistrationSeen,
)
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Invalid
from webapp.people.access.tokens import Scope
from webapp.programs.partners import events, registering, touch_lists
from webapp.programs.partners.drafts import RegistrationDraft
from webapp.programs.partners.touch_lists import RegistrationFilter

resource = Resource(
    "partner_registrations",
    "/partner-registrations",
    title="Registrations of deals",
    about="A partner's own claim on a deal. Accepting one names the partner in the deal; it makes no money. A "
    "partner's token sees its own, and may send and withdraw them.",
)
_read = {"scope": Scope.PARTNERS_READ}
_decide = {"scope": Scope.PARTNERS_WRITE, "answers": RegistrationOut}
_own = {"scope": Scope.REGISTRATIONS_CREATE, "answers": RegistrationOut}


def _one(who: Caller, reference: str) -> RegistrationOut:
    return registration_of(partners_queries.registration(who.viewer, reference), who, with_warnings=True)


@resource.get("", summary="List registrations", query=RegistrationQuery, answers=RegistrationPage, **_read)
def index(who: Caller, query: RegistrationQuery) -> RegistrationPage:
    """The registrations that match, the newest first; each by itself says its warnings."""
    staff_filter(who, partner=query.partner)
    chosen = RegistrationFilter(
        text=query.search or "",
        partner=query.partner or "",
        program=query.program or "",
        state=query.state or "",
        date_from=query.created_from,
        date_to=query.created_to,
    )
    own = partners_queries.own_id(who.viewer)
    found = touch_lists.registrations(who.organisation_id, chosen, payee_id=own)
    rows, following = listed.page(found, query, "-created")
    records = partners_queries.registrations_by_id(who.viewer, [row.id for row in rows])
    return RegistrationPage(items=[registration_of(row, who) for row in records], next_cursor=following)


@resource.get("/<reference>", summary="Get a registration", answers=RegistrationOut, **_read)
def show(who: Caller, reference: str) -> RegistrationOut:
    """One registration; while it waits, with what an admin should look at."""
    return _one(who, reference)


def _payee_id(who: Caller, partner: str | None) -> int:
    """Whose registration it is: the partner's own, or the one that staff write for. Raises Invalid."""
    own = partners_queries.own_id(who.viewer)
    if own is not None:
        staff_filter(who, partner=partner)
        return own
    if partner is None:
        raise Invalid("partner", "Say for which partner this is.", "PY-0001")
    return events.find_partner(who.organisation_id, partner)


@resource.post("", summary="Register a deal", body=RegistrationCreate, status=201,
               location="/partner-registrations/{reference}", **_own)  # fmt: skip
def create(who: Caller, body: RegistrationCreate) -> RegistrationOut:
    """It waits for an admin. The same customer and product again while one waits: 409 that names it."""
    organisation_id = who.organisation_id
    payee_id = _payee_id(who, body.partner)
    program = events.find_program(organisation_id, body.program) if body.program else None
    made = registering.register(
        organisation_id=organisation_id,
        payee_id=payee_id,
        draft=RegistrationDraft(
            program or events.only_program(organisation_id),
            body.customer,
            body.expected.currency,
            body.expected.minor,
            body.product,
            body.note,
        ),
        actor=who.actor,
        now=utc_now(),
    )
    return _one(who, made.reference)


@resource.post("/<reference>/withdraw", summary="Withdraw a registration", body=RegistrationSeen, **_own)
def withdraw(who: Caller, reference: str, body: RegistrationSeen) -> RegistrationOut:
    """The partner takes it back while it waits."""
    row = partners_queries.registration(who.viewer, reference)
    registering.withdraw(payee_id=row.payee_id, reference=reference, **act_of(who, body.version))
    return _one(who, reference)


@resource.post("/<reference>/accept", summary="Accept a registration", body=RegistrationAccept, **_decide)
def accept(who: Caller, reference: str, body: RegistrationAccept) -> RegistrationOut:
    """A new deal that names the partner, or the partner's name in an open one. No money is made."""
    registering.accept(reference=reference, deal_reference=body.deal, **act_of(who, body.version))
    return _one(who, reference)


@resource.post("/<reference>/reject", summary="Refuse a registration", body=RegistrationRefuse, **_decide)
def reject(who: Caller, reference: str, body: RegistrationRefuse) -> RegistrationOut:
    """The partner reads the reason."""
    registering.refuse(reference=reference, reason=body.reason, **act_of(who, body.version))
    return _one(who, reference)
