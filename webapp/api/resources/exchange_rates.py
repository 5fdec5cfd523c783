"""Exchange rates: what other currencies are worth in the organisation's own, from a day on."""

from __future__ import annotations

from webapp.api import paging, partners_queries
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.schemas.partner_money import ExchangeRateOut, ExchangeRatePage, ExchangeRateQuery
from webapp.people.access.tokens import Scope
from webapp.programs.partners.models_rates import ExchangeRate

resource = Resource(
    "exchange_rates",
    "/exchange-rates",
    title="Exchange rates",
    about="A rate counts from its day until a later one. They are entered and imported in the pages; none is ever "
    "edited, a correction is the next version of its day.",
)
_AS_IT_IS = ("id", "currency", "base", "rate", "valid_from", "version", "is_current", "note", "created_at")


@resource.get("", summary="List exchange rates", query=ExchangeRateQuery, answers=ExchangeRatePage,
              scope=Scope.RATES_READ)  # fmt: skip
def index(who: Caller, query: ExchangeRateQuery) -> ExchangeRatePage:
    """The rates that match, the newest first; corrected ones, too."""
    found = partners_queries.exchange_rates(who.organisation_id)
    if query.currency:
        found = found.where(ExchangeRate.currency == query.currency)
    if query.is_current:
        found = found.where(ExchangeRate.is_current.is_(query.is_current == "true"))
    if query.on:
        found = found.where(ExchangeRate.id.in_(partners_queries.rate_ids_on(who.organisation_id, query.on)))
    rows, following = paging.page(found, ExchangeRate.id, limit=query.limit, cursor=query.cursor)
    items = [
        ExchangeRateOut(**{name: getattr(row, name) for name in _AS_IT_IS}, created_by=row.created_by_label)
        for row in rows
    ]
    return ExchangeRatePage(items=items, next_cursor=following)
