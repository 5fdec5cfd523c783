"""The files of commissions, payouts and reconciliation: with exactly a page's filter and order, and their sums."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Integer, type_coerce
from werkzeug.datastructures import MultiDict

from webapp.kernel.errors import Invalid
from webapp.payouts.models import Payout
from webapp.payouts.states import PayoutState
from webapp.people.models import Organisation
from webapp.programs.partners import money_lists, reconciling
from webapp.programs.partners.models import Commission
from webapp.programs.partners.money_forms import (
    CommissionFilterForm,
    PayoutFilterForm,
    ReconciliationFilterForm,
    read_period,
)
from webapp.programs.partners.states import CommissionKind, CommissionState
from webapp.statements.build import LETTER_COUNTRIES
from webapp.web import list_files
from webapp.web.filter_fields import ListFilter
from webapp.web.list_files import Field, amount, currency, field, words_of, yes
from webapp.web.listing import Listing
from webapp.web.table_files import Kind, Table

COMMISSIONS, PAYOUTS, RECONCILIATION = "commissions", "payouts", "reconciliation"


def _percent(basis_points: int) -> str:
    return f"{(Decimal(basis_points) / 100).normalize():f}"


_COMMISSIONS: tuple[Field, ...] = (
    field("reference", "Commission", Commission.reference, width=12),
    field("partner", "Partner", money_lists.partner.name, width=16),
    field("partner_reference", "Partner number", money_lists.partner.reference, width=9),
    field("kind", "Kind", Commission.kind, width=9, words=words_of(CommissionKind)),
    field("deal", "Deal", money_lists.deal.reference, width=11),
    field("deal_name", "Name of the deal", money_lists.deal.name, width=18),
    field("program", "Program", money_lists.program.name, width=12),
    field("period", "Period of a retainer", Commission.period, width=8),
    field("earned_on", "Earned on", Commission.earned_on, Kind.DAY),
    field("due_on", "Due on", Commission.due_on, Kind.DAY),
    field("state", "State", Commission.state, width=9, words=words_of(CommissionState)),
    field("is_disputed", "Disputed", type_coerce(Commission.is_disputed, Integer), width=7, words=yes),
    field("offer", "Offered", Commission.offer, width=8, words=lambda word: word),
    field("payout", "Payout", money_lists.payout.reference, width=14),
    field("rule", "Rule", Commission.rule_label, width=14),
    field("rate", "Rate, per cent", Commission.rate_bp, width=7, words=_percent),
    currency(Commission.currency),
    amount("base", "Attributed", Commission.base_minor),
    amount("amount", "Amount", Commission.amount_minor),
)
_PAYOUTS: tuple[Field, ...] = (
    field("reference", "Payout", Payout.reference, width=14),
    field("partner", "Partner", money_lists.partner.name, width=16),
    field("partner_reference", "Partner number", money_lists.partner.reference, width=9),
    field("period_start", "Period from", Payout.period_start, Kind.DAY),
    field("period_end", "Period to", Payout.period_end, Kind.DAY),
    field("state", "Status", Payout.state, width=10, words=words_of(PayoutState)),
    field("is_held", "On hold", type_coerce(Payout.is_held, Integer), width=7, words=yes),
    field("note", "Note", Payout.note, width=14),
    field("payment_reference", "Payment reference", Payout.payment_reference, width=14),
    field("paid_on", "Paid on", Payout.paid_on, Kind.DAY),
    field("created_at", "Made at", Payout.created_at, Kind.INSTANT, 14),
    currency(Payout.currency),
    amount("gross", "Earned", Payout.gross_minor),
    amount("amount", "Net", Payout.amount_minor),
)


def _reconciliation(of: Listing) -> tuple[Field, ...]:
    c = of.query.selected_columns
    return (
        field("partner", "Partner", c.partner_name, width=20),
        field("partner_reference", "Partner number", c.partner_reference, width=10),
        field("commissions", "Commissions", c.commissions, Kind.NUMBER, 8),
        currency(c.currency),
        amount("owed", "Owed", c.owed_minor),
        amount("in_payouts", "In payouts", c.claimed_minor),
        amount("paid", "Paid", c.paid_minor),
        amount("outstanding", "Outstanding", c.outstanding_minor),
    )


#: Labels of the sums of each list and file.
SUMS: Mapping[str, tuple[tuple[str, str], ...]] = {
    COMMISSIONS: (("amount", "Amount"),),
    PAYOUTS: (("gross", "Earned"), ("amount", "Net")),
    RECONCILIATION: (("owed", "Owed"), ("claimed", "In payouts"), ("paid", "Paid"),
                     ("outstanding", "Outstanding")),
}  # fmt: skip
_TITLES = {
    COMMISSIONS: "Partners' commissions",
    PAYOUTS: "Partners' payouts",
    RECONCILIATION: "Reconciliation of partners",
}


@dataclass(frozen=True)
class Chosen:
    """A list as an address names it, and the words of its filter."""

    what: str
    listing: Listing
    words: str


def form_for(what: str, organisation: Organisation, args: MultiDict[str, str], today: date) -> ListFilter:
    """The form that reads the filter of a list."""
    values: dict[str, Any] = {"currency": organisation.currency, "locale": organisation.locale}
    if what == COMMISSIONS:
        return CommissionFilterForm(args, today=today, **values)
    return (PayoutFilterForm if what == PAYOUTS else ReconciliationFilterForm)(args, **values)


def listing_of(organisation_id: int, form: ListFilter) -> Listing:
    """The list of a filter that is valid."""
    if isinstance(form, CommissionFilterForm):
        return money_lists.commissions(organisation_id, form.chosen())
    if isinstance(form, PayoutFilterForm):
        return money_lists.payouts(organisation_id, form.chosen())
    return reconciling.per_partner(
        organisation_id,
        period=read_period(form["period"].data),
        partner=form["partner"].data or "",
        outstanding=form["state"].data or "",
    )


def choose(what: str, organisation: Organisation, args: MultiDict[str, str], today: date) -> Chosen:
    """The list that an address names. Raises Invalid where its filter cannot be read."""
    form = form_for(what, organisation, args, today)
    if not form.validate():
        wrong = next(field for field in form if field.errors)
        raise Invalid(wrong.name, str(wrong.errors[0]))
    return Chosen(what, listing_of(organisation.id, form), list_files.filter_words(form, args))


def table(chosen: Chosen, organisation: Organisation, sort: str | None, made_at: datetime) -> Table:
    """The file of a list, ready to be written in any format; its rows are read while it is."""
    of = chosen.listing
    fields = {COMMISSIONS: _COMMISSIONS, PAYOUTS: _PAYOUTS}.get(chosen.what) or _reconciliation(of)
    return list_files.table(
        of=of,
        sort=of.sort(sort),
        fields=fields,
        summed=SUMS[chosen.what],
        title=f"{_TITLES[chosen.what]}, {organisation.name}",
        words=chosen.words,
        made_at=made_at,
        is_letter=organisation.country in LETTER_COUNTRIES,
    )
