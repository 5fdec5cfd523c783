"""Payments, refunds and payouts of invoices by API: the guards, their codes, and what a second call gets."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select

from tests.api.conftest import Care
from tests.factories import clinic
from tests.factories.people import FACTORY
from webapp.database import db, transaction
from webapp.kernel.errors import BelowMinimum
from webapp.ledger import check
from webapp.ledger.models import JournalEntry
from webapp.payouts.models import Payout
from webapp.programs.clinic import paying, wallets
from webapp.programs.clinic.models import ClinicTransaction, Invoice


def _cad(amount: str) -> dict[str, str]:
    return {"currency": "CAD", "amount": amount}


def _count(model: Any) -> int:
    db.session.rollback()
    return int(db.session.scalar(select(func.count()).select_from(model)) or 0)


def _everything() -> tuple[int, int, int]:
    return _count(Payout), _count(ClinicTransaction), _count(JournalEntry)


def _clean(care: Care) -> None:
    db.session.rollback()
    assert check.run(care.organisation.id).findings == []


# ------------------------------------------------------------------ payments


def test_part_payments_come_to_the_whole_and_no_further(care: Care) -> None:
    number, api = clinic.invoice(care.organisation, [care.ana]).number, care.api()
    first = api.post(f"/invoices/{number}/payments", {"amount": _cad("40"), "method": "pos", "fee": _cad("1.20"),
                                                     "provider_reference": "T-1", "version": 1})  # fmt: skip
    assert first.status_code == 201, first.text
    assert (first.json["invoice"]["state"], first.json["invoice"]["remaining"]["amount"]) == (
        "partial",
        "60.00",
    )
    assert (first.json["transaction"]["fee"]["amount"], first.json["transaction"]["to_wallet"]) == (
        "1.20", "wallet:clinic",
    )  # fmt: skip
    above = api.post(f"/invoices/{number}/payments", {"amount": _cad("60.01"), "method": "cash"})
    assert (above.status_code, above.json["code"]) == (422, "invalid")
    error = above.json["errors"][0]
    assert (error["field"], error["example"]) == ("amount", "60.00")
    assert f"60.00 of {number} is left to pay" in error["message"]
    second = api.post(f"/invoices/{number}/payments", {"amount": _cad("60"), "method": "cash"})
    assert second.json["invoice"]["state"] == "paid_manual"
    third = api.post(f"/invoices/{number}/payments", {"amount": _cad("0.01"), "method": "cash"})
    assert (third.status_code, third.json["code"]) == (409, "conflict")
    assert clinic.holds(care.organisation) == 100_00
    assert [t["amount"]["amount"] for t in api.get(f"/invoices/{number}").json["transactions"]] == [
        "40.00",
        "60.00",
    ]
    _clean(care)


def test_a_payment_sent_twice_is_one(care: Care) -> None:
    number, api = clinic.invoice(care.organisation, [care.ana]).number, care.api()
    body = {"amount": _cad("40"), "method": "gateway", "provider_reference": "pi_1"}
    first = api.post(f"/invoices/{number}/payments", body, key="k")
    again = api.post(f"/invoices/{number}/payments", body, key="k")
    assert (again.status_code, again.json, again.headers["Idempotency-Replayed"]) == (201, first.json, "true")
    other_key = api.post(f"/invoices/{number}/payments", body)
    assert (other_key.status_code, other_key.json["code"]) == (409, "conflict")
    assert "recorded already, as TX-000001" in other_key.json["detail"]
    assert _count(ClinicTransaction) == 1
    assert clinic.holds(care.organisation) == 40_00


@pytest.mark.parametrize(("change", "field"), [
    ({"amount": _cad("0")}, "amount"), ({"amount": {"currency": "USD", "amount": "1"}}, "amount"),
    ({"method": "internal"}, "method"), ({"fee": _cad("41")}, "fee"), ({"method": "cash", "fee": _cad("1")}, "fee"),
    ({"happened_on": "2999-01-01"}, "happened_on"), ({"version": True}, "version"), ({"proof": "http://x"}, "proof"),
])  # fmt: skip
def test_payments_that_cannot_be(care: Care, change: dict[str, Any], field: str) -> None:
    number = clinic.invoice(care.organisation, [care.ana]).number
    body = {"amount": _cad("40"), "method": "gateway", **change}
    answer = care.api().post(f"/invoices/{number}/payments", body)
    assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, field)
    assert _count(ClinicTransaction) == 0


def test_a_payment_is_of_the_invoice_that_was_seen(care: Care) -> None:
    row = clinic.invoice(care.organisation, [care.ana])
    clinic.pay(row, 10_00)
    body = {"amount": _cad("40"), "method": "gateway", "version": 1}
    assert care.api().post(f"/invoices/{row.number}/payments", body).json["code"] == "stale"


def test_the_rest_is_written_off(care: Care) -> None:
    row, api = clinic.invoice(care.organisation, [care.ana]), care.api()
    clinic.pay(row, 30_00)
    assert api.post(f"/invoices/{row.number}/write-off", {}).status_code == 422
    done = api.post(f"/invoices/{row.number}/write-off", {"reason": "Moved away"}).json
    assert (done["state"], done["written_off"]["amount"], done["remaining"]["amount"]) == (
        "paid",
        "70.00",
        "0.00",
    )
    again = api.post(f"/invoices/{row.number}/write-off", {"reason": "Moved away"})
    assert (again.status_code, again.json["code"]) == (409, "conflict")


# ------------------------------------------------------------------ payouts


def test_a_payout_is_quoted_made_once_and_then_answered(care: Care) -> None:
    number, api = clinic.paid(care.organisation, [care.ana], 99_99).number, care.api()
    before = _everything()
    quote = api.get(f"/invoices/{number}/payout-quote").json
    assert quote["sentence"] == "Pay 89.99 to Dr Ana Souza and keep 10.00 (10 %)?"
    assert (quote["refusal"], quote["existing"], quote["base"]["amount"]) == (None, [], "99.99")
    assert [(p["commission"]["amount"], p["amount"]["amount"], p["rule"]) for p in quote["parts"]] == [
        ("10.00", "89.99", "Default")
    ]
    assert _everything() == before
    made = api.post(f"/invoices/{number}/create-payout", key="one")
    assert made.status_code == 201, made.text
    payout = made.json["payouts"][0]
    assert (made.json["is_repeat"], payout["state"], payout["net"]["amount"]) == (False, "paid", "89.99")
    assert made.headers["Location"] == f"/api/v1/payouts/{payout['reference']}"
    second = api.post(f"/invoices/{number}/create-payout", key="two")
    assert (second.status_code, second.json["is_repeat"]) == (200, True)
    assert second.json["payouts"] == made.json["payouts"]
    assert second.json["message"] == (
        f"{number} has its payout already: {payout['reference']}. Nothing was changed."
    )
    assert "Location" not in second.headers
    replayed = api.post(f"/invoices/{number}/create-payout", key="one")
    assert (replayed.status_code, replayed.json) == (201, made.json)
    assert api.get(f"/invoices/{number}/payout-quote").json["existing"] == made.json["payouts"]
    assert (_count(Payout), clinic.holds(care.organisation, care.ana), clinic.holds(care.organisation)) == (
        1, 89_99, 0,
    )  # fmt: skip
    own = api.get(f"/invoices/{number}").json["payouts"][0]
    assert (own["base"]["amount"], own["commission"]["amount"], own["percent"]) == ("99.99", "10.00", "10")
    _clean(care)


def _unpaid(care: Care) -> Invoice:
    row = clinic.invoice(care.organisation, [care.ana])
    clinic.pay(row, 30_00)
    return row


def _order(care: Care) -> Invoice:
    return clinic.paid(care.organisation, None)


def _nobody(care: Care) -> Invoice:
    return clinic.paid(care.organisation, clinic.appointment(care.organisation, []))


def _all_commission(care: Care) -> Invoice:
    clinic.rule(care.organisation, percent=100)
    return clinic.paid(care.organisation, [care.ana])


def _empty_wallet(care: Care) -> Invoice:
    row = clinic.paid(care.organisation, [care.ana])
    with transaction():
        wallets.adjust(
            organisation_id=care.organisation.id, amount_minor=-40_00, reason="To the bank", actor=FACTORY,
            now=clinic.WHEN,
        )  # fmt: skip
    return row


@pytest.mark.parametrize(("make", "code", "words"), [
    (_unpaid, "not-paid", "70.00 is still to be paid by the customer"),
    (_order, "not-an-appointment", "no practitioner is paid for it"),
    (_nobody, "no-practitioner", "has no primary practitioner"),
    (_all_commission, "nothing-left", "tax or commission is all of it"),
    (_empty_wallet, "wallet-too-low", "less than the"),
])  # fmt: skip
def test_each_guard_has_its_sentence_and_code(care: Care, make: Any, code: str, words: str) -> None:
    number, api = make(care).number, care.api()
    before = _everything()
    quote = api.get(f"/invoices/{number}/payout-quote")
    assert (quote.status_code, quote.json["refusal"]["code"], quote.json["parts"]) == (200, code, [])
    for _ in range(2):
        answer = api.post(f"/invoices/{number}/create-payout")
        assert (answer.status_code, answer.json["code"]) == (409, code)
        assert answer.mimetype == "application/problem+json"
        assert words in answer.json["detail"]
        assert answer.json["detail"] == quote.json["refusal"]["detail"]
    assert _everything() == before


def test_the_guards_answer_in_their_order(care: Care) -> None:
    """An order that is not paid: the first guard speaks. One with a payout and an empty wallet: the payout."""
    order = clinic.invoice(care.organisation)
    api = care.api()
    assert api.post(f"/invoices/{order.number}/create-payout").json["code"] == "not-paid"
    done = clinic.paid(care.organisation, [care.ana])
    clinic.pay_out(done)
    assert clinic.holds(care.organisation) == 0
    assert api.post(f"/invoices/{done.number}/create-payout").status_code == 200


def test_the_ledger_s_own_word_has_the_guard_s_code(care: Care, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody empties the wallet between the guard and the entry: nothing is made, and the code is the same."""
    number = clinic.paid(care.organisation, [care.ana]).number

    def emptied(**_: Any) -> None:
        raise BelowMinimum("The account holds 0.00.")

    monkeypatch.setattr(paying, "create_payout", emptied)
    answer = care.api().post(f"/invoices/{number}/create-payout")
    assert (answer.status_code, answer.json["code"]) == (409, "wallet-too-low")
    assert _count(Payout) == 0


def test_who_made_the_invoice_does_not_approve_its_payout(care: Care) -> None:
    """Above the policy's limit it waits for a person who had no part in it."""
    api = care.api()
    visit = clinic.appointment(care.organisation, [care.ana])
    made = api.post("/invoices", {
        "customer": visit.customer.reference, "appointment": visit.reference,
        "lines": [{"description": "A long course", "unit_price": _cad("900000")}],
    })  # fmt: skip
    number = made.json["number"]
    api.post(f"/invoices/{number}/payments", {"amount": _cad("900000"), "method": "manual"})
    waiting = api.post(f"/invoices/{number}/create-payout").json["payouts"][0]
    assert waiting["state"] == "pending_approval"
    row = api.get(f"/payouts/{waiting['reference']}").json
    assert row["why_you_cannot_approve"]
    body = {"version": row["version"], "seen_details_version": 0}
    own = api.post(f"/payouts/{waiting['reference']}/approve", body)
    assert own.status_code == 409
    assert any(number in reason for reason in own.json["reasons"])
    assert care.api("ana").get(f"/payouts/{waiting['reference']}").status_code == 200
    assert care.api("ben").get(f"/payouts/{waiting['reference']}").status_code == 404
    # Asked again it is the answer, and a refund would cancel it.
    assert (
        api.post(f"/invoices/{number}/create-payout").json["payouts"][0]["reference"] == waiting["reference"]
    )
    assert api.get(f"/invoices/{number}/refund-quote").json["cancels"] == [waiting["reference"]]
    no = care.api("approver").post(
        f"/payouts/{waiting['reference']}/reject", {"reason": "Another practitioner"}
    )
    assert no.status_code == 200, no.text
    shown = api.get(f"/invoices/{number}").json
    assert (shown["offer"], [p["is_dropped"] for p in shown["payouts"]]) == ("blocked", [True])
    assert [row["number"] for row in api.get("/invoices?payout=blocked").json["items"]] == [number]
    assert api.post(f"/invoices/{number}/decide", {"is_offered": False}).status_code == 422
    decided = api.post(f"/invoices/{number}/decide", {"is_offered": False, "reason": "It was free"})
    assert decided.json["offer"] == "dismissed"
    offered = api.post(f"/invoices/{number}/decide", {"is_offered": True, "reason": "After all"})
    assert (offered.json["offer"], offered.json["payouts"]) == ("open", [])
    nothing = api.post(f"/invoices/{number}/decide", {"is_offered": True, "reason": "Again"})
    assert nothing.status_code == 409


# ------------------------------------------------------------------ refunds


def test_a_refund_is_quoted_and_takes_back_at_the_payout_s_rate(care: Care) -> None:
    row, api = clinic.paid(care.organisation, [care.ana]), care.api()
    clinic.pay_out(row)
    before = _everything()
    quote = api.get(f"/invoices/{row.number}/refund-quote?amount=50.00").json
    amounts = {name: quote[name]["amount"] for name in ("amount", "to_customer", "from_clinic", "commission",
                                                        "from_practitioners")}  # fmt: skip
    assert amounts == {"amount": "50.00", "to_customer": "50.00", "from_clinic": "0.00", "commission": "5.00",
                       "from_practitioners": "45.00"}  # fmt: skip
    assert [
        (p["amount"]["amount"], p["from_wallet"]["amount"], p["carried"]["amount"]) for p in quote["parts"]
    ] == [("45.00", "45.00", "0.00")]
    assert api.get(f"/invoices/{row.number}/refund-quote").json["amount"]["amount"] == "100.00"
    assert _everything() == before
    with transaction():
        wallets.adjust(
            organisation_id=care.organisation.id, payee_id=care.ana.id, amount_minor=-70_00, reason="Rent",
            actor=FACTORY, now=clinic.WHEN,
        )  # fmt: skip
    body = {"amount": _cad("50.00"), "reason": "She was ill"}
    done = api.post(f"/invoices/{row.number}/refunds", body, key="r")
    assert done.status_code == 201, done.text
    taken = done.json["transaction"]["taken_back"][0]
    assert (taken["amount"]["amount"], taken["from_wallet"]["amount"], taken["carried"]["amount"]) == (
        "45.00", "20.00", "25.00",
    )  # fmt: skip
    assert (done.json["invoice"]["refunded"]["amount"], done.json["invoice"]["state"]) == ("50.00", "paid")
    assert api.post(f"/invoices/{row.number}/refunds", body, key="r").json == done.json
    wallet = care.api("ana").get(f"/wallets/{care.ana.reference}").json
    assert (wallet["balance"]["amount"], wallet["owed"]["amount"]) == ("0.00", "25.00")
    assert [debt["left"]["amount"] for debt in wallet["debts"]] == ["25.00"]
    assert api.get(f"/invoices/{row.number}").json["payouts"][0]["taken_back"]["amount"] == "45.00"
    _clean(care)


def test_no_more_goes_back_than_was_paid(care: Care) -> None:
    row, api = clinic.invoice(care.organisation, [care.ana]), care.api()
    early = api.get(f"/invoices/{row.number}/refund-quote")
    assert (early.status_code, early.json["refusal"]["code"], early.json["amount"]) == (200, "conflict", None)
    nothing = api.post(f"/invoices/{row.number}/refunds", {"amount": _cad("1"), "reason": "x"})
    assert (nothing.status_code, nothing.json["detail"]) == (409, early.json["refusal"]["detail"])
    clinic.pay(row, 60_00)
    body = {"amount": _cad("60.01"), "reason": "Too much"}
    for answer in (
        api.post(f"/invoices/{row.number}/refunds", body),
        api.get(f"/invoices/{row.number}/refund-quote?amount=60.01"),
    ):
        assert answer.status_code == 422
        error = answer.json["errors"][0]
        assert (error["field"], error["example"]) == ("amount", "60.00")
        assert "At most" in error["message"]
    assert api.get(f"/invoices/{row.number}/refund-quote?amount=1.001").status_code == 422
    assert api.get(f"/invoices/{row.number}/refund-quote?amount=-1").status_code == 422
    assert _count(ClinicTransaction) == 1
    assert clinic.holds(care.organisation) == 60_00
