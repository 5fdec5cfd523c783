"""Statistics of repairs by API: overall, by driver, by lease, by days."""

from __future__ import annotations

from typing import Any

from tests.api.conftest import Cab
from tests.factories import repairs as factory
from tests.factories.repairs import sunday


def counted(rows: list[dict[str, Any]]) -> dict[str, tuple[int, str]]:
    """State -> count and amount, of states that have any."""
    return {row["state"]: (row["count"], row["amount"]["amount"]) for row in rows if row["count"]}


def test_figures_are_counted_overall_by_driver_lease_and_days(cab: Cab) -> None:
    theirs = factory.lease(cab.ben)
    cab.repair("500.50")
    cab.draft("200")
    cab.repair("150", lease=theirs.reference, invoice_date="2025-10-03")
    factory.run(cab.organisation, sunday(0))
    api = cab.api("accountant")

    def figures(query: str = "") -> dict[str, Any]:
        answer = api.get(f"/repairs/statistics{query}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json)

    found = figures()
    assert counted(found["repairs"]) == {"draft": (1, "200.00"), "open": (2, "650.50")}
    # Those of a draft are scheduled, and are not due before it is confirmed.
    assert counted(found["instalments"]) == {
        "posted": (2, "350.00"), "due": (2, "300.50"), "scheduled": (1, "200.00"),
    }  # fmt: skip
    posting = found["posting"]
    assert (posting["charged"], posting["backlog"], posting["backlog_amount"]["amount"]) == (2, 2, "300.50")
    assert (posting["success_percent"], posting["failures"]) == ("50", 0)
    # The lease's week before: 500.00, and nothing earned.
    assert (found["receipts"]["charges"]["amount"], found["receipts"]["paid"]["amount"]) == ("500.00", "0.00")
    for query in (
        f"?driver={cab.ben.reference}",
        f"?lease={theirs.reference}",
        "?date_from=2025-10-02&date_to=2025-10-03",
    ):
        assert counted(figures(query)["repairs"]) == {"open": (1, "150.00")}, query
    nothing = figures("?driver=PY-9999")
    assert (counted(nothing["repairs"]), nothing["posting"]["success_percent"]) == ({}, None)
    elsewhere = cab.stranger().get("/repairs/statistics").json
    assert counted(elsewhere["repairs"]) == counted(elsewhere["instalments"]) == {}
    assert cab.api("ann").get("/repairs/statistics").status_code == 403
