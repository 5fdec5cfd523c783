"""The files of deals, touches, shares and registrations: with exactly a page's filter and order, and their sums."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Integer, type_coerce
from werkzeug.datastructures import MultiDict

from webapp.kernel.errors import Invalid
from webapp.people.models import Organisation
from webapp.programs.partners import deal_lists, touch_lists
from webapp.programs.partners.deal_filters import (
    DealFilterForm,
    ProgramListFilter,
    RegistrationFilterForm,
    ShareFilterForm,
    TouchFilterForm,
)
from webapp.programs.partners.models import Attribution, Deal, Registration, Touchpoint
from webapp.programs.partners.states import DealState, Model, RegistrationState, TouchType
from webapp.statements.build import LETTER_COUNTRIES
from webapp.web import list_files
from webapp.web.list_files import Field, amount, currency, field, words_of, yes
from webapp.web.listing import Listing
from webapp.web.table_files import Kind, Table

DEALS, TOUCHES, SHARES, REGISTRATIONS = "deals", "touches", "shares", "registrations"
_L = deal_lists


def _percent(millionths: int) -> str:
    return f"{Decimal(millionths).scaleb(-4).normalize():f}"


_PARTNER = (
    field("partner", "Partner", _L.partner.name, width=16),
    field("partner_reference", "Partner number", _L.partner.reference, width=9),
)
_DEALS: tuple[Field, ...] = (
    field("reference", "Deal", Deal.reference, width=11),
    field("external_ref", "Your reference", Deal.external_ref, width=10),
    field("name", "Name", Deal.name, width=20),
    field("customer", "Customer", Deal.customer, width=14),
    field("product", "Product", Deal.product, width=12),
    field("program", "Program", _L.program.name, width=12),
    field("state", "State", Deal.state, width=7, words=words_of(DealState)),
    field("opened_at", "Began at", Deal.opened_at, Kind.INSTANT, 14),
    field("closed_at", "Closed at", Deal.closed_at, Kind.INSTANT, 14),
    field("registered_by", "Registered by", _L.registrar.name, width=14),
    field("reason", "Reason", Deal.reason, width=16),
    currency(Deal.currency),
    amount("amount", "Amount", Deal.amount_minor),
    amount("earned", "Commissions", _L.EARNED),
)
_TOUCHES: tuple[Field, ...] = (
    field("happened_at", "Happened at", Touchpoint.happened_at, Kind.INSTANT, 14),
    field("kind", "Kind", Touchpoint.type, width=12, words=words_of(TouchType)),
    field("weight", "Weight", Touchpoint.weight, Kind.NUMBER, 6),
    *_PARTNER,
    field("deal", "Deal", _L.deal.reference, width=11),
    field("deal_name", "Name of the deal", _L.deal.name, width=20),
    field("deal_state", "State of the deal", _L.deal.state, width=8, words=words_of(DealState)),
    currency(_L.deal.currency),
    field("external_ref", "Your reference", Touchpoint.external_ref, width=12),
    field("entered_by", "Entered by", Touchpoint.created_by_label, width=14),
)
_SHARES: tuple[Field, ...] = (
    *_PARTNER,
    field("deal", "Deal", _L.deal.reference, width=11),
    field("deal_name", "Name of the deal", _L.deal.name, width=20),
    field("deal_state", "State of the deal", _L.deal.state, width=8, words=words_of(DealState)),
    field("program", "Program", _L.program.name, width=12),
    field("model", "Model", Attribution.model, width=11, words=words_of(Model)),
    field("share", "Share, per cent", Attribution.millionths, width=8, words=_percent),
    currency(Attribution.currency),
    amount("amount", "Part of the deal", Attribution.amount_minor),
    field("is_frozen", "Fixed", type_coerce(Attribution.is_frozen, Integer), width=6, words=yes),
    field("worked_out_at", "Worked out at", Attribution.worked_out_at, Kind.INSTANT, 14),
)
_REGISTRATIONS: tuple[Field, ...] = (
    field("reference", "Registration", Registration.reference, width=10),
    *_PARTNER,
    field("customer", "Customer", Registration.customer, width=16),
    field("product", "Product", Registration.product, width=12),
    field("program", "Program", _L.program.name, width=12),
    field("state", "State", Registration.state, width=10, words=words_of(RegistrationState)),
    field("created_at", "Came in at", Registration.created_at, Kind.INSTANT, 14),
    currency(Registration.currency),
    amount("expected", "Expected", Registration.expected_minor),
    field("deal", "Deal", _L.deal.reference, width=11),
    field("decided_by", "Decided by", Registration.decided_by_label, width=14),
    field("reason", "Reason", Registration.reason, width=18),
)
#: Labels of the sums of each list and file.
SUMS: Mapping[str, tuple[tuple[str, str], ...]] = {
    DEALS: (("amount", "Amount"), ("won", "Of it won"), ("earned", "Commissions")),
    TOUCHES: (),
    SHARES: (("amount", "Parts of deals"),),
    REGISTRATIONS: (("expected", "Expected"),),
}
_FORMS: Mapping[str, type[ProgramListFilter]] = {
    DEALS: DealFilterForm, TOUCHES: TouchFilterForm, SHARES: ShareFilterForm, REGISTRATIONS: RegistrationFilterForm,
}  # fmt: skip
_LISTS: Mapping[str, Any] = {
    DEALS: deal_lists.deals, TOUCHES: touch_lists.touches, SHARES: touch_lists.shares,
    REGISTRATIONS: touch_lists.registrations,
}  # fmt: skip
_FIELDS = {DEALS: _DEALS, TOUCHES: _TOUCHES, SHARES: _SHARES, REGISTRATIONS: _REGISTRATIONS}
_TITLES = {
    DEALS: "Deals of partners",
    TOUCHES: "What partners did for deals",
    SHARES: "Partners' shares of deals",
    REGISTRATIONS: "Registrations of deals",
}


@dataclass(frozen=True)
class Chosen:
    """A list as an address names it, and the words of its filter."""

    what: str
    listing: Listing
    words: str


def form_for(what: str, organisation: Organisation, args: MultiDict[str, str]) -> ProgramListFilter:
    """The form that reads the filter of a list. Raises KeyError for a list that there is not."""
    programs = deal_lists.offered_programs(organisation.id)
    return _FORMS[what](args, programs=programs, currency=organisation.currency, locale=organisation.locale)


def listing_of(what: str, organisation_id: int, form: ProgramListFilter) -> Listing:
    """The list of a filter that is valid."""
    found: Listing = _LISTS[what](organisation_id, form.chosen())  # type: ignore[attr-defined]
    return found


def choose(what: str, organisation: Organisation, args: MultiDict[str, str]) -> Chosen:
    """The list that an address names. Raises Invalid where its filter cannot be read."""
    form = form_for(what, organisation, args)
    if not form.validate():
        wrong = next(field for field in form if field.errors)
        raise Invalid(wrong.name, str(wrong.errors[0]))
    return Chosen(what, listing_of(what, organisation.id, form), list_files.filter_words(form, args))


def table(chosen: Chosen, organisation: Organisation, sort: str | None, made_at: datetime) -> Table:
    """The file of a list, ready to be written in any format; its rows are read while it is."""
    return list_files.table(
        of=chosen.listing,
        sort=chosen.listing.sort(sort),
        fields=_FIELDS[chosen.what],
        summed=SUMS[chosen.what],
        title=f"{_TITLES[chosen.what]}, {organisation.name}",
        words=chosen.words,
        made_at=made_at,
        is_letter=organisation.country in LETTER_COUNTRIES,
    )
