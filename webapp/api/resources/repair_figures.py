"""Statistics of repairs: counts and amounts by state, how charging goes, what weekly receipts came to."""

from __future__ import annotations

from typing import Any

from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.resources.repair_words import today_of
from webapp.api.schemas.common import Amount
from webapp.api.schemas.repair_figures import RepairStatistics, RepairStatisticsQuery
from webapp.kernel.money import Money
from webapp.people.access.tokens import Scope
from webapp.programs.repairs import statistics
from webapp.programs.repairs.statistics import Statistics, StatisticsFilter

resource = Resource(
    "repair_figures",
    "/repairs/statistics",
    title="Statistics of repairs",
    about="Overall, or of a driver, a lease, a range of days.",
)


def _amount(money: Money) -> Amount:
    return Amount.of(money.amount, money.currency)


@resource.get("", summary="Get the statistics of repairs", query=RepairStatisticsQuery, answers=RepairStatistics,
              scope=Scope.FLEET_READ)  # fmt: skip
def show(who: Caller, query: RepairStatisticsQuery) -> RepairStatistics:
    """The figures as they are now."""
    chosen = StatisticsFilter(
        driver=query.driver or "", lease=query.lease or "", date_from=query.date_from, date_to=query.date_to
    )
    found = statistics.statistics(who.organisation_id, who.currency, today_of(who), chosen)
    return RepairStatistics.model_validate(_fields(found))


def _fields(found: Statistics) -> dict[str, Any]:
    posting = found.posting
    return {
        "currency": found.currency,
        "repairs": [
            {
                "state": each.state,
                "count": each.count,
                "amount": _amount(each.amount),
                "paid": _amount(each.paid),
                "outstanding": _amount(each.outstanding),
            }
            for each in found.repairs
        ],
        "instalments": [
            {"state": each.state, "count": each.count, "amount": _amount(each.amount)}
            for each in found.instalments
        ],
        "posting": {
            "charged": posting.charged,
            "backlog": posting.backlog,
            "backlog_amount": _amount(posting.backlog_amount),
            "failures": posting.failures,
            "success_percent": posting.success_percent,
        },
        "receipts": {
            "count": found.receipts,
            **{name: _amount(money) for name, money in found.receipt_sums.items()},
        },
    }
