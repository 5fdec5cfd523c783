"""The files of exchange rates and exchange differences: with exactly a page's filter and order, and their sums."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Integer, String, cast, type_coerce
from werkzeug.datastructures import MultiDict

from webapp.kernel.errors import Invalid
from webapp.kernel.money import Money
from webapp.people.models import Organisation
from webapp.programs.partners import rate_lists
from webapp.programs.partners.models_rates import ExchangeDifference, ExchangeRate
from webapp.programs.partners.rate_forms import DifferenceFilterForm, RateFilterForm
from webapp.programs.partners.states import DifferenceState
from webapp.statements.build import LETTER_COUNTRIES
from webapp.web import list_files
from webapp.web.list_files import Field, amount, currency, field, words_of, yes
from webapp.web.listing import Listing
from webapp.web.table_files import Kind, Table

RATES, DIFFERENCES = "rates", "differences"
_D = ExchangeDifference


def _rate(value: Decimal | None) -> str:
    return "" if value is None else f"{value:f}"


def _amount(text: str) -> str:
    minor, code = text.split()
    return f"{Money(int(minor), code).plain} {code}"


_RATES: tuple[Field, ...] = (
    currency(ExchangeRate.currency),
    field("base", "In", ExchangeRate.base, width=6),
    field("valid_from", "Day", ExchangeRate.valid_from, Kind.DAY),
    field("rate", "Rate", ExchangeRate.rate, width=12, words=_rate),
    field("counts", "Counts", type_coerce(ExchangeRate.is_current, Integer), width=6, words=yes),
    field("version", "Version", ExchangeRate.version, width=6, words=str),
    field("note", "Note", ExchangeRate.note, width=20),
    field("entered_by", "Entered by", ExchangeRate.created_by_label, width=16),
    field("entered_at", "Entered at", ExchangeRate.created_at, Kind.INSTANT, 14),
)
_DIFFERENCES: tuple[Field, ...] = (
    field("payout", "Payout", rate_lists.payout.reference, width=14),
    field("partner", "Partner", rate_lists.partner.name, width=16),
    field("paid", "Payout's amount", cast(_D.amount_minor, String) + " " + _D.currency, words=_amount),
    field("approved_on", "Approved on", _D.approved_on, Kind.DAY),
    field("approved_rate", "Rate then", rate_lists.approved_rate.rate, width=10, words=_rate),
    field("paid_on", "Paid on", _D.paid_on, Kind.DAY),
    field("paid_rate", "Rate on that day", rate_lists.paid_rate.rate, width=10, words=_rate),
    field("state", "State", _D.state, width=9, words=words_of(DifferenceState)),
    currency(_D.base),
    amount("difference", "Cost more", rate_lists.BOOKED),
)
#: Labels of the sums of each list and file.
SUMS: Mapping[str, tuple[tuple[str, str], ...]] = {
    RATES: (),
    DIFFERENCES: (("difference", "Cost more"),),
}
_LISTS: Mapping[str, tuple[Any, Any, tuple[Field, ...], str]] = {
    RATES: (RateFilterForm, rate_lists.rates, _RATES, "Exchange rates"),
    DIFFERENCES: (
        DifferenceFilterForm,
        rate_lists.differences,
        _DIFFERENCES,
        "Exchange differences of payouts",
    ),
}


@dataclass(frozen=True)
class Chosen:
    """A list as an address names it, and the words of its filter."""

    what: str
    listing: Listing
    words: str


def choose(what: str, organisation: Organisation, args: MultiDict[str, str]) -> Chosen:
    """The list that an address names. Raises Invalid where its filter cannot be read."""
    kind, listed, _, _ = _LISTS[what]
    form = kind(args, currency=organisation.currency, locale=organisation.locale)
    if not form.validate():
        wrong = next(each for each in form if each.errors)
        raise Invalid(wrong.name, str(wrong.errors[0]))
    return Chosen(what, listed(organisation.id, form.chosen()), list_files.filter_words(form, args))


def table(chosen: Chosen, organisation: Organisation, sort: str | None, made_at: datetime) -> Table:
    """The file of a list, ready to be written in any format; its rows are read while it is."""
    _, _, fields, title = _LISTS[chosen.what]
    return list_files.table(
        of=chosen.listing,
        sort=chosen.listing.sort(sort),
        fields=fields,
        summed=SUMS[chosen.what],
        title=f"{title}, {organisation.name}",
        words=chosen.words,
        made_at=made_at,
        is_letter=organisation.country in LETTER_COUNTRIES,
    )
