"""Exchange rates: the list, entering, correcting, withdrawing one; what payouts in other currencies cost more."""

from __future__ import annotations

from typing import Any

from flask import g, request, url_for
from flask.typing import ResponseReturnValue

from webapp.audit.views.files import remember
from webapp.kernel.clock import utc_now
from webapp.kernel.money import Money
from webapp.payouts.views import listing as addresses
from webapp.payouts.views import program_lists as pages
from webapp.payouts.views.program_pages import act_page, form_of, list_page, money, today
from webapp.people.views.session import actor, require_change
from webapp.programs.partners import exchange, exchange_rates, rate_files, rate_lists
from webapp.programs.partners.exchange_rates import RateDraft
from webapp.programs.partners.models_rates import ExchangeRate
from webapp.programs.partners.rate_forms import (
    CorrectForm,
    DifferenceFilterForm,
    RateFilterForm,
    RateForm,
    WithdrawForm,
)
from webapp.programs.partners.states import DifferenceState
from webapp.programs.partners.views.area import AREA, PREFIX
from webapp.programs.partners.views.links import href_of
from webapp.web import filters, table_files


def _form(kind: Any) -> Any:
    return form_of(kind, formdata=request.args)


def _links(what: str) -> list[tuple[str, str]]:
    endpoint = f"{PREFIX}.{what}_file"
    return [(name.upper(), addresses.address(endpoint, format=name)) for name in table_files.FORMATS]


def index() -> ResponseReturnValue:
    """The rates that count, the latest day first; and what waits for one."""
    form: RateFilterForm = _form(RateFilterForm)
    is_valid = form.validate()
    here = g.organisation.id
    found = rate_lists.rates(here, form.chosen()) if is_valid else None
    context = pages.list_context(AREA, found, "rates", "rate", files=_links("rates"))
    rows = [{"row": row, "rate": f"{row.rate:f}"} for row in context["page"].items]
    return list_page(
        AREA, "partners/rates.html", form, "rates", is_valid=is_valid, rows=rows, wanted=rate_lists.wanted(here),
        **context,
    )  # fmt: skip


def totals() -> ResponseReturnValue:
    """How many rates a filter finds, by currency."""
    form: RateFilterForm = _form(RateFilterForm)
    found = rate_lists.rates(g.organisation.id, form.chosen()) if form.validate() else None
    return pages.totals_page(AREA, found, form, "rates", (), "Rates")


def _file(what: str, format: str) -> ResponseReturnValue:
    here = g.organisation
    chosen = rate_files.choose(what, here, request.args)
    remember(f"partners:{what}:exported", "partners_exchange_rate", format.upper())
    table = rate_files.table(chosen, here, request.args.get("sort"), utc_now())
    return table_files.response(table, format, f"partners-{what}-{here.slug}.{format}")


def rates_file(format: str) -> ResponseReturnValue:
    """The rates of exactly the page's filter, in its order."""
    return _file(rate_files.RATES, format)


def differences_file(format: str) -> ResponseReturnValue:
    """The differences of exactly the page's filter, in its order."""
    return _file(rate_files.DIFFERENCES, format)


def _enter(draft: RateDraft, reason: str = "") -> str:
    now = utc_now()
    row, outcome = exchange_rates.enter(
        organisation_id=g.organisation.id, draft=draft, reason=reason, actor=actor(), now=now
    )
    words = f"1 {row.currency} = {row.rate:f} {row.base} from {filters.day(row.valid_from)}"
    if outcome == "unchanged":
        return f"That is the rate already: {words}. Nothing was changed."
    exchange.ask_all(g.organisation.id, now)
    return f"The rate is {'entered' if outcome == 'created' else 'corrected'}: {words}."


def create() -> ResponseReturnValue:
    """Enter the rate of a day."""
    require_change()
    form: RateForm = form_of(RateForm)

    def fill() -> None:
        form.valid_from.data = today()
        form.code.data = request.args.get("currency", "")[:3]

    return act_page(
        AREA, form, title="Enter a rate", button="Enter it", back=(url_for(".rates"), "the rates"),
        call=lambda: _enter(form.draft()), fill=fill, crumbs=[(url_for(".rates"), "Exchange rates")],
        explains=f"What one unit of the other currency is worth in {g.organisation.currency}.",
    )  # fmt: skip


def _facts(row: ExchangeRate) -> list[tuple[str, Any]]:
    facts = [("Rate", f"1 {row.currency} = {row.rate:f} {row.base}"), ("From", filters.day(row.valid_from))]
    if n := rate_lists.booked_with(row.id):
        facts.append(
            ("Booked with it", f"{n:,} exchange difference{'' if n == 1 else 's'}, which stay as they are")
        )
    return facts


def correct(rate_id: int) -> ResponseReturnValue:
    """Another rate for the same day; the wrong one stays in the list."""
    require_change()
    row = exchange_rates.get_rate(g.organisation.id, rate_id)
    form: CorrectForm = form_of(CorrectForm)
    currency, day, rate = row.currency, row.valid_from, row.rate

    def call() -> str:
        exchange_rates.need_current(exchange_rates.get_rate(g.organisation.id, rate_id))
        return _enter(RateDraft(currency, form.rate.number, day), form.reason.data or "")

    def fill() -> None:
        form.rate.data = f"{rate:f}"

    return act_page(
        AREA, form, title=f"Correct the rate of {currency}", button="Correct it", facts=_facts(row), call=call,
        fill=fill, back=(url_for(".rates"), "the rates"), crumbs=[(url_for(".rates"), "Exchange rates")],
    )  # fmt: skip


def withdraw(rate_id: int) -> ResponseReturnValue:
    """A rate that should not be there; the one before it counts again."""
    require_change()
    row = exchange_rates.get_rate(g.organisation.id, rate_id)
    form: WithdrawForm = form_of(WithdrawForm)

    def call() -> str:
        gone = exchange_rates.withdraw(
            organisation_id=g.organisation.id, rate_id=rate_id, reason=form.reason.data or "", actor=actor(),
            now=utc_now(),
        )  # fmt: skip
        return f"The rate of {exchange_rates.label_of(gone)} counts no more."

    return act_page(
        AREA, form, title=f"Withdraw the rate of {row.currency}", button="Withdraw it", facts=_facts(row), call=call,
        tone="danger", back=(url_for(".rates"), "the rates"), crumbs=[(url_for(".rates"), "Exchange rates")],
        explains="The rate of the day before it counts again. It stays in the list.",
    )  # fmt: skip


def differences() -> ResponseReturnValue:
    """What payouts in other currencies cost more or less than they were worth at their approval."""
    form: DifferenceFilterForm = _form(DifferenceFilterForm)
    is_valid = form.validate()
    here = g.organisation.id
    found = rate_lists.differences(here, form.chosen()) if is_valid else None
    context = pages.list_context(AREA, found, "differences", "difference", files=_links("differences"))
    rows = [_difference(row) for row in context["page"].items]
    return list_page(
        AREA, "partners/differences.html", form, "differences", is_valid=is_valid, rows=rows,
        wanted=rate_lists.wanted(here), **context,
    )  # fmt: skip


def _in_base(minor: int | None, base: str) -> Money | None:
    return None if minor is None else money(minor, base)


def _difference(row: Any) -> dict[str, Any]:
    return {
        "row": row,
        "state": DifferenceState(row.state),
        "amount": money(row.amount_minor, row.currency),
        "approved": _in_base(row.approved_value_minor, row.base),
        "paid": _in_base(row.paid_value_minor, row.base),
        "difference": _in_base(row.difference_minor, row.base),
        "approved_rate": "" if row.approved_rate is None else f"{row.approved_rate:f}",
        "paid_rate": "" if row.paid_rate is None else f"{row.paid_rate:f}",
        "partner_href": href_of("partner", reference=row.partner_reference),
    }


def differences_totals() -> ResponseReturnValue:
    """Count and sum of a filter, in the organisation's currency."""
    form: DifferenceFilterForm = _form(DifferenceFilterForm)
    found = rate_lists.differences(g.organisation.id, form.chosen()) if form.validate() else None
    sums = rate_files.SUMS[rate_files.DIFFERENCES]
    return pages.totals_page(AREA, found, form, "differences", sums, "Differences")
