"""Vehicles, medallions and drivers' leases by API; and what drivers' own tokens see."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Cab, usd
from tests.api.test_driver_money import charge, earning
from tests.factories import repairs as factory
from tests.factories.repairs import sunday
from webapp.people.access.tokens import Scope, allowed_scopes


def test_vehicles_and_medallions_are_added_and_found(cab: Cab) -> None:
    api = cab.api()
    made = api.post("/vehicles", {"plate": " t900001c ", "vin": "1fadp3f29jl212345"})
    assert (made.status_code, made.json["plate"], made.json["vin"]) == (201, "T900001C", "1FADP3F29JL212345")
    assert made.headers["Location"] == "/api/v1/vehicles/T900001C"
    assert api.get("/vehicles/t900001c").json == made.json
    assert [row["plate"] for row in api.get("/vehicles?search=1FADP3").json["items"]] == ["T900001C"]
    twice = api.post("/vehicles", {"plate": "T900001C"})
    assert (twice.status_code, twice.json["errors"][0]["field"]) == (422, "plate")
    leased = api.get(f"/vehicles/{cab.lease.vehicle.plate}").json
    assert leased["leases"] == [cab.lease.reference]
    number = api.post("/medallions", {"number": "5y21"})
    assert (number.status_code, number.json["number"]) == (201, "5Y21")
    assert api.get("/medallions/5Y21").json == number.json
    assert api.get("/medallions?search=5Y").json["items"] == [number.json]
    assert api.post("/medallions", {"number": "5Y21"}).json["errors"][0]["field"] == "number"
    stranger = cab.stranger()
    for address in ("/vehicles/T900001C", "/medallions/5Y21"):
        assert stranger.get(address).status_code == 404


def lease(cab: Cab, plate: str, **values: Any) -> dict[str, Any]:
    """The body of a lease of Ben's."""
    body = {"driver": cab.ben.reference, "vehicle": plate, "weekly": usd("450.00"), "starts_on": "2025-10-05"}
    return {**body, **values}


def test_a_lease_is_begun_gets_another_vehicle_and_ends(cab: Cab) -> None:
    api = cab.api()
    for plate in ("T900001C", "T900002C"):
        api.post("/vehicles", {"plate": plate})
    api.post("/medallions", {"number": "5Y21"})
    made = api.post("/driver-leases", lease(cab, "T900001C", medallion="5Y21", external_ref="MC-1"))
    assert made.status_code == 201, made.text
    reference = made.json["reference"]
    assert (made.json["weekly"]["amount"], made.json["medallion"], made.json["driver"]["name"]) == (
        "450.00", "5Y21", "Ben Ortiz",
    )  # fmt: skip
    taken = api.post("/driver-leases", lease(cab, "T900002C"))
    assert (taken.status_code, reference in taken.json["detail"]) == (409, True)
    repair = cab.repair("150", lease=reference, invoice_date="2025-10-06")
    swapped = api.post(
        f"/driver-leases/{reference}/swap-vehicle",
        {"vehicle": "T900002C", "from_on": "2025-10-20", "version": 1},
    )
    assert [(v["plate"], v["from_on"], v["until_on"]) for v in swapped.json["vehicles"]] == [
        ("T900001C", "2025-10-05", "2025-10-19"), ("T900002C", "2025-10-20", None),
    ]  # fmt: skip
    # The debt stays with the driver when the vehicle changes.
    kept = api.get(f"/repairs/{repair}").json
    assert (kept["driver"]["name"], kept["vehicle"], kept["state"]) == ("Ben Ortiz", "T900001C", "open")
    why = api.get(f"/driver-leases/{reference}/chargeable?vehicle=T900001C&invoice_date=2025-10-21").json
    assert (why["is_chargeable"], "not on this lease" in why["reason"]) == (False, True)
    ended = api.post(f"/driver-leases/{reference}/end", {"last_day": "2025-11-15", "reason": "Moved away."})
    assert (ended.json["ends_on"], ended.json["version"]) == ("2025-11-15", 3)
    twice = api.post(f"/driver-leases/{reference}/end", {"last_day": "2025-11-15", "reason": "x"})
    assert (twice.status_code, "ends on" in twice.json["detail"]) == (409, True)
    stale = api.post(
        f"/driver-leases/{reference}/end", {"last_day": "2025-11-01", "reason": "x", "version": 1}
    )
    assert stale.json["code"] == "stale"
    for query, expected in (
        ("state=running", [cab.lease.reference]), ("state=ended", [reference]), ("state=coming", []),
        ("vehicle=T900002C", [reference]), (f"driver={cab.ann.reference}", [cab.lease.reference]),
        ("", [reference, cab.lease.reference]),
    ):  # fmt: skip
        found = api.get(f"/driver-leases?{query}").json["items"]
        assert [row["reference"] for row in found] == expected, query


@pytest.mark.parametrize(("change", "status"), [
    ({"driver": "PY-9999"}, 404), ({"vehicle": "NOWHERE"}, 404), ({"medallion": "none"}, 404),
    ({"weekly": {"currency": "EUR", "amount": "1"}}, 422), ({"weekly": {"currency": "USD", "amount": "1.005"}}, 422),
    ({"ends_on": "2025-10-01"}, 422), ({"shift": "evening"}, 422), ({"starts_on": "soon"}, 422),
])  # fmt: skip
def test_leases_that_cannot_be(cab: Cab, change: dict[str, Any], status: int) -> None:
    cab.api().post("/vehicles", {"plate": "T900001C"})
    answer = cab.api().post("/driver-leases", {**lease(cab, "T900001C"), **change})
    assert answer.status_code == status, answer.text
    stranger = cab.stranger()
    assert stranger.post("/driver-leases", lease(cab, "T900001C")).status_code == 404
    ends = {"last_day": "2025-11-15", "reason": "x"}
    assert stranger.post(f"/driver-leases/{cab.lease.reference}/end", ends).status_code == 404
    swap = {"vehicle": "T900001C", "from_on": "2025-11-15"}
    assert stranger.post(f"/driver-leases/{cab.lease.reference}/swap-vehicle", swap).status_code == 404


# ------------------------------------------------------------------ a driver's own token


def test_a_driver_sees_their_own_and_nothing_else(cab: Cab) -> None:
    theirs = factory.lease(cab.ben, 300_00).reference
    mine, other = cab.repair(), cab.repair("150", lease=theirs)
    for payee in (cab.ann, cab.ben):
        name, rows = payee.reference, {"driver": payee.reference}
        cab.api().post("/driver-charges", {"charges": [charge(cab, **rows)]})
        cab.api().post("/driver-earnings", {"earnings": [earning(cab, name, **rows)]})
        credit = {**rows, "amount": usd("5"), "reason": "Waited"}
        assert cab.api().post("/driver-adjustments/credits", credit).status_code == 201
        factory.loan(payee)
    for n in (0, 1):
        factory.run(cab.organisation, sunday(n))
    ann, staff = cab.api("ann"), cab.api("accountant")
    for address in ("/repairs", "/instalments", "/instalments/unposted", "/driver-charges", "/driver-earnings",
                    "/driver-adjustments", "/driver-loans", "/driver-leases", "/weekly-receipts"):  # fmt: skip
        everything = staff.get(f"{address}?limit=200").json["items"]
        own = ann.get(f"{address}?limit=200").json["items"]
        assert own, address
        assert own == [each for each in everything if each["driver"]["reference"] == cab.ann.reference], (
            address
        )
        assert len(own) < len(everything), address
        assert ann.get(f"{address}?driver={cab.ben.reference}").json.get("items") == [], address
        page = ann.get(f"{address}?limit=1").json
        assert page["items"] == own[:1]
    assert {row["driver"]["name"] for row in ann.get("/instalments?search=Ben").json["items"]} == set()
    for address, foreign in (
        (f"/repairs/{mine}", f"/repairs/{other}"), (f"/instalments/{mine}-01", f"/instalments/{other}-01"),
        (f"/repairs/{mine}/settlement", f"/repairs/{other}/settlement"),
        (f"/drivers/{cab.ann.reference}/balances", f"/drivers/{cab.ben.reference}/balances"),
        (f"/drivers/{cab.ann.reference}/ledger", f"/drivers/{cab.ben.reference}/ledger"),
        (f"/drivers/{cab.ann.reference}/postings", f"/drivers/{cab.ben.reference}/postings"),
        (f"/driver-leases/{cab.lease.reference}", f"/driver-leases/{theirs}"),
    ):  # fmt: skip
        assert ann.get(address).status_code == 200, address
        assert ann.get(foreign).status_code == 404, foreign
    for address, name in (
        ("/weekly-receipts", "number"),
        ("/driver-loans", "reference"),
        ("/driver-adjustments", "reference"),
    ):
        for row in staff.get(address).json["items"]:
            is_mine = row["driver"]["reference"] == cab.ann.reference
            assert ann.get(f"{address}/{row[name]}").status_code == (200 if is_mine else 404)
    detail = ann.get(f"/repairs/{mine}").json
    assert detail["created_by"] is None
    assert staff.get(f"/repairs/{mine}").json["created_by"] == "admin@cab.example"
    assert ann.get("/repairs/calculate-installments?amount=500.50").status_code == 200


def test_a_driver_s_token_only_reads(cab: Cab) -> None:
    acting = {scope for scope in allowed_scopes(["driver"]) if not scope.endswith(":read")}
    assert acting == set()
    assert Scope.REPAIRS_READ in allowed_scopes(["driver"])
    reference, ann = cab.repair(), cab.api("ann")
    for address, body in (
        (f"/repairs/{reference}/hold", {"reason": "x"}), (f"/instalments/{reference}-01/post", None),
        ("/instalments/post", {"all_due": True}), ("/driver-charges", {"charges": [charge(cab)]}),
        ("/driver-earnings", {"earnings": [earning(cab, "a")]}), ("/weekly-runs", {"week": "2025-10-05"}),
    ):  # fmt: skip
        assert ann.post(address, body).status_code == 403, address
    for address in (
        "/vehicles",
        "/medallions",
        "/weekly-runs",
        f"/driver-leases/{cab.lease.reference}/chargeable",
    ):
        assert ann.get(address).status_code == 403, address
