"""Instalments by API: charged once, one or many with an answer for each; what is done with an open repair."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Cab, usd
from tests.factories import repairs as factory
from tests.factories.repairs import sunday
from webapp.api.resources import instalments
from webapp.database import db
from webapp.ledger import check


def states(cab: Cab, reference: str) -> list[str]:
    """The states of the instalments of a repair, in their order."""
    return [each["state"] for each in cab.api().get(f"/repairs/{reference}").json["instalments"]]


def is_clean(cab: Cab) -> bool:
    """Whether the ledger's check finds nothing."""
    db.session.rollback()
    report = check.run(cab.organisation.id)
    assert report.findings == []
    return report.is_clean


def codes(answer: Any) -> dict[str, str]:
    """Reference -> code of the results of a call for many."""
    assert answer.status_code == 200, answer.text
    return {each["reference"]: each["code"] for each in answer.json["results"]}


def test_an_instalment_is_charged_once(cab: Cab) -> None:
    api, reference = cab.api(), f"{cab.repair()}-01"
    before = api.get(f"/instalments/{reference}").json
    assert (before["state"], before["is_due"], before["posted_for"], before["week_start"]) == (
        "scheduled", True, None, "2025-10-05",
    )  # fmt: skip
    done = api.post(f"/instalments/{reference}/post", key="once")
    assert (done.status_code, done.json["instalment"]["state"]) == (200, "posted")
    assert api.post(f"/instalments/{reference}/post", key="once").json == done.json
    twice = cab.api("approver").post(f"/instalments/{reference}/post")
    assert (twice.status_code, twice.json["code"]) == (409, "conflict")
    assert "charged already" in twice.json["detail"]
    owed = api.get(f"/drivers/{cab.ann.reference}/balances").json
    assert (owed["owed"]["amount"], owed["net"]["amount"]) == ("200.00", "-200.00")
    assert is_clean(cab)


def test_of_many_the_good_ones_are_charged_and_each_has_its_answer(cab: Cab) -> None:
    api, good, held, draft = cab.api(), cab.repair(), cab.repair("150"), cab.draft("150")
    api.post(f"/repairs/{held}/hold", {"reason": "The invoice is disputed."})
    api.post(f"/instalments/{good}-01/post")
    wanted = [f"{good}-01", f"{good}-02", f"{held}-01", f"{draft}-01", "RPR-1999-001-01", f"{good}-02"]
    answer = api.post("/instalments/post", {"instalments": wanted}, key="many")
    assert codes(answer) == {
        f"{good}-01": "conflict", f"{good}-02": "posted", f"{held}-01": "conflict", f"{draft}-01": "conflict",
        "RPR-1999-001-01": "not-found",
    }  # fmt: skip
    assert (answer.json["posted"], answer.json["refused"], answer.json["next_cursor"]) == (1, 4, None)
    said = {each["reference"]: each["message"] for each in answer.json["results"]}
    assert "on hold" in said[f"{held}-01"]
    assert "draft" in said[f"{draft}-01"]
    assert api.post("/instalments/post", {"instalments": wanted}, key="many").json == answer.json
    assert states(cab, good) == ["posted", "posted", "scheduled"]
    stranger = cab.stranger().post("/instalments/post", {"instalments": [f"{good}-03"]})
    assert codes(stranger) == {f"{good}-03": "not-found"}
    assert is_clean(cab)


def test_all_that_is_due_is_charged_as_the_weekly_run_does_it(
    cab: Cab, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = factory.lease(cab.ben)
    mine, other = cab.repair(), cab.repair("150", lease=theirs.reference)
    api = cab.api()
    due = api.get("/instalments/unposted?is_due=true").json["items"]
    assert [row["reference"] for row in due] == [f"{mine}-01", f"{other}-01", f"{mine}-02", f"{mine}-03"]
    monkeypatch.setattr(instalments, "DRIVERS_AT_ONCE", 1)
    first = api.post("/instalments/post", {"all_due": True})
    # Of a plan whose weeks were missed one instalment a week.
    assert codes(first) == {f"{mine}-01": "posted", f"{mine}-02": "conflict", f"{mine}-03": "conflict"}
    rest = api.post("/instalments/post", {"all_due": True, "cursor": first.json["next_cursor"]})
    assert codes(rest) == {f"{other}-01": "posted"}
    last = api.post("/instalments/post", {"all_due": True, "cursor": rest.json["next_cursor"]})
    assert (last.json["results"], last.json["next_cursor"]) == ([], None)
    again = api.post("/instalments/post", {"all_due": True, "driver": cab.ann.reference})
    assert set(codes(again).values()) == {"conflict"}
    factory.set_up(cab.organisation, is_one_a_week=False)
    every = api.post("/instalments/post", {"all_due": True, "driver": cab.ann.reference})
    assert codes(every) == {f"{mine}-02": "posted", f"{mine}-03": "posted"}
    assert is_clean(cab)


@pytest.mark.parametrize(("body", "field"), [
    ({}, "instalments"), ({"instalments": [], "all_due": False}, "instalments"),
    ({"instalments": ["RPR-2025-001-01"], "all_due": True}, "instalments"), ({"instalments": "all"}, "instalments"),
    ({"instalments": ["RPR-2025-001-01"], "driver": "PY-0001"}, "all_due"), ({"all_due": 1}, "all_due"),
    ({"instalments": ["x"] * 1001}, "instalments"), ({"all_due": True, "cursor": "zz"}, "cursor"),
])  # fmt: skip
def test_calls_for_many_that_cannot_be(cab: Cab, body: dict[str, Any], field: str) -> None:
    answer = cab.api().post("/instalments/post", body)
    assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, field), answer.text


def test_an_instalment_whose_week_has_not_begun_waits(cab: Cab) -> None:
    today = str(cab.api().get("/repairs/calculate-installments?amount=1").json["invoice_date"])
    reference = f"{cab.repair(invoice_date=today, start='NEXT')}-01"
    answer = cab.api().post(f"/instalments/{reference}/post")
    assert (answer.status_code, "Its week begins" in answer.json["detail"]) == (409, True)
    assert cab.api().get("/instalments/unposted?is_due=true").json["items"] == []
    assert len(cab.api().get("/instalments/unposted").json["items"]) == 3


def test_instalments_are_found_by_every_filter(cab: Cab) -> None:
    mine, lent = cab.repair(), factory.loan(cab.ben).reference
    api = cab.api("accountant")
    cab.api().post(f"/instalments/{mine}-01/post")

    def found(query: str) -> list[str]:
        answer = api.get(f"/instalments{query}")
        assert answer.status_code == 200, answer.text
        return [item["reference"] for item in answer.json["items"]]

    all_of_loan = [f"{lent}-0{n}" for n in range(1, 6)]
    for query, expected in (
        ("?state=posted", [f"{mine}-01"]), (f"?repair={mine}&sort=-week", [f"{mine}-03", f"{mine}-02", f"{mine}-01"]),
        (f"?driver={cab.ben.reference}", all_of_loan), (f"?vehicle={cab.lease.vehicle.plate}&state=due", [
            f"{mine}-02", f"{mine}-03"]), ("?amount_from=251.97", all_of_loan[:1]),
        ("?due_from=2025-11-15", all_of_loan[4:]), ("?due_to=2025-10-11", [f"{mine}-01"]),
        (f"/unposted?search={lent}&limit=2", all_of_loan[:2]),
        (f"/unposted?repair={mine}", [f"{mine}-02", f"{mine}-03"]),
        ("?state=skipped", []), (f"?lease={cab.lease.reference}&state=posted", [f"{mine}-01"]),
        (f"?search={mine}&sort=amount", [f"{mine}-03", f"{mine}-01", f"{mine}-02"]),
    ):  # fmt: skip
        assert found(query) == expected, query
    row = api.get(f"/instalments/{lent}-01").json
    assert (row["loan"], row["repair"], row["amount"]["amount"], row["interest"]["amount"]) == (
        lent, None, "251.97", "1.97",
    )  # fmt: skip


def test_on_hold_nothing_is_charged_and_what_was_missed_moves(cab: Cab) -> None:
    api, reference = cab.api(), cab.repair()
    factory.run(cab.organisation, sunday(0))
    held = api.post(f"/repairs/{reference}/hold", {"reason": "The invoice is disputed."})
    assert (held.json["state"], held.json["reason"]) == ("hold", "The invoice is disputed.")
    assert api.post(f"/repairs/{reference}/hold", {"reason": "x"}).status_code == 409
    assert api.post(f"/repairs/{reference}/hold", {"reason": ""}).status_code == 422
    assert api.get("/instalments/unposted").json["items"] == []
    today = api.get("/repairs/calculate-installments?amount=1").json["invoice_date"]
    released = api.post(f"/repairs/{reference}/release", {})
    assert (released.json["state"], released.json["reason"]) == ("open", "")
    weeks = [each["week_start"] for each in released.json["instalments"]]
    assert weeks[0] == "2025-10-05"
    assert today <= weeks[1] < weeks[2]
    assert api.post(f"/repairs/{reference}/release", {}).status_code == 409


def test_an_instalment_moves_to_the_end(cab: Cab) -> None:
    api, reference = cab.api(), cab.repair()
    made = api.post(f"/instalments/{reference}-01/skip", {"reason": "The driver was ill this week."})
    assert made.status_code == 201, made.text
    assert (made.json["reference"], made.json["week_start"]) == (f"{reference}-04", "2025-10-26")
    assert made.headers["Location"] == f"/api/v1/instalments/{reference}-04"
    assert states(cab, reference) == ["skipped", "scheduled", "scheduled", "scheduled"]
    again = api.post(f"/instalments/{reference}-01/skip", {"reason": "x"})
    assert (again.status_code, "moved to the end already" in again.json["detail"]) == (409, True)


@pytest.mark.parametrize(
    ("posted", "owed", "credited"),
    [("keep", "200.00", "300.50"), ("reverse", "0.00", "500.50"), ("write_off", "0.00", "500.50")],
)
def test_a_cancelled_repair_keeps_takes_back_or_writes_off(
    cab: Cab, posted: str, owed: str, credited: str
) -> None:
    api, reference = cab.api(), cab.repair()
    factory.run(cab.organisation, sunday(0))
    done = api.post(f"/repairs/{reference}/cancel", {"reason": "Entered twice.", "posted": posted})
    # What was not charged is no debt either: it counts as taken back.
    assert (done.json["state"], done.json["credited"]["amount"]) == ("cancelled", credited)
    assert done.json["outstanding"]["amount"] == owed
    repairs = {
        each["category"]: each["owed"]["amount"]
        for each in api.get(f"/drivers/{cab.ann.reference}/balances").json["categories"]
    }
    assert repairs["repairs"] == owed
    assert [each["state"] for each in done.json["instalments"]][1:] == ["cancelled", "cancelled"]
    refused = api.post(f"/repairs/{reference}/confirm", {})
    assert (refused.status_code, "is cancelled" in refused.json["detail"]) == (409, True)
    assert is_clean(cab)


def test_a_repair_is_settled_with_exactly_what_is_left(cab: Cab) -> None:
    api, reference = cab.api(), cab.repair()
    api.post(f"/instalments/{reference}-01/post")
    rest = cab.api("accountant").get(f"/repairs/{reference}/settlement").json
    assert (rest["amount"]["amount"], rest["version"]) == ("500.50", 2)
    little = api.post(f"/repairs/{reference}/settle", {"amount": usd("500"), "method": "cash"})
    assert (little.status_code, little.json["errors"][0]["example"]) == (422, "500.50")
    done = api.post(f"/repairs/{reference}/settle", {"amount": usd("500.50"), "method": "cash"})
    assert (done.json["state"], done.json["paid"]["amount"], done.json["outstanding"]["amount"]) == (
        "closed", "500.50", "0.00",
    )  # fmt: skip
    assert api.post(f"/repairs/{reference}/settle", {"amount": usd("1"), "method": "cash"}).status_code == 409
    assert is_clean(cab)


def test_another_weekly_amount_counts_once_another_person_accepts_it(cab: Cab) -> None:
    api, reference = cab.api(), cab.repair()
    made = api.post(f"/repairs/{reference}/replans", {"weekly": usd("300"), "reason": "Works more."})
    assert (made.status_code, made.json["state"]) == (201, "proposed")
    address = f"/repairs/{reference}/replans/{made.json['id']}/decide"
    waiting = api.post(f"/repairs/{reference}/replans", {"weekly": usd("50"), "reason": "x"})
    assert (waiting.status_code, "waits for a decision" in waiting.json["detail"]) == (409, True)
    own = api.post(address, {"is_accepted": True})
    assert (own.status_code, own.json["code"]) == (403, "forbidden")
    other = cab.repair("150")
    foreign = f"/repairs/{other}/replans/{made.json['id']}/decide"
    assert cab.api("approver").post(foreign, {"is_accepted": True}).status_code == 404
    done = cab.api("approver").post(address, {"is_accepted": True, "note": "Agreed."})
    assert (done.json["weekly"]["amount"], done.json["replans"][0]["state"]) == ("300.00", "accepted")
    assert [
        each["amount"]["amount"] for each in done.json["instalments"] if each["state"] == "scheduled"
    ] == ["300.00", "200.50"]
    late = cab.api("approver").post(address, {"is_accepted": False})
    assert (late.status_code, "accepted already" in late.json["detail"]) == (409, True)
    zero = api.post(f"/repairs/{reference}/replans", {"weekly": usd("0"), "reason": "x"})
    assert zero.status_code == 422


def test_a_token_needs_the_scope_of_what_it_does(cab: Cab) -> None:
    reference = cab.repair()
    for scope, address, needed in (
        ("repairs:write", f"/instalments/{reference}-01/post", "repairs:post"),
        ("repairs:post", f"/repairs/{reference}/hold", "repairs:write"),
        ("repairs:write", "/driver-charges", "drivers:write"), ("drivers:write", "/driver-leases", "fleet:write"),
    ):  # fmt: skip
        answer = cab.api("admin", scope).post(address, {"reason": "x"})
        assert (answer.status_code, answer.json["scope"]) == (403, needed), address
    assert cab.api("accountant").post(f"/instalments/{reference}-01/post").status_code == 403
