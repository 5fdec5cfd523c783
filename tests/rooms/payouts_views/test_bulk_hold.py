"""Stopping many at once: the panel after a bulk approval, holding, releasing, who is left out and why."""

from __future__ import annotations

import re
from html import unescape

import pytest
from sqlalchemy import select

from tests.factories import people
from tests.factories.pages import Place, counted_queries
from tests.rooms.payouts_views.conftest import HOUR
from webapp.database import db, transaction
from webapp.payouts import policies, service
from webapp.payouts.models import Payout
from webapp.people import accounts
from webapp.runs import service as runs
from webapp.runs.models import Run, RunRow

CHECK = "/admin/approvals/check"
REASON = "The file of this week is wrong."


def _work() -> str:
    """Have the newest run done; its reference."""
    run = db.session.scalars(select(Run).order_by(Run.id.desc())).first()
    assert run is not None
    run_id, reference = run.id, run.reference
    db.session.rollback()
    runs.step(run_id=run_id, clock=lambda: HOUR)
    return reference


def _approve(place: Place, *payouts: Payout) -> str:
    client = place.client(place.approver)
    answer = client.post(CHECK, data={"act": "approve", "ids": [p.id for p in payouts]})
    assert client.post(answer.headers["Location"]).status_code == 303
    return _work()


def _rules(place: Place, **changes: object) -> None:
    with transaction():
        rules, version = policies.current_policy(place.organisation.id)
        service.change_policy(
            organisation_id=place.organisation.id,
            rules=rules.model_dump(mode="json") | changes,
            actor=people.actor_of(place.maker),
            now=HOUR,
            expected_version=version,
        )


def _hold(place: Place, reference: str) -> None:
    with transaction():
        service.hold(
            organisation_id=place.organisation.id,
            reference=reference,
            reason="A complaint",
            actor=people.actor_of(place.maker),
            now=HOUR,
        )


def _held() -> set[int]:
    query = select(Payout.id).where(Payout.is_held.is_(True))
    return set(db.session.scalars(query))


def _panel(html: str) -> str:
    found = re.search(
        r'<section class="panel" aria-labelledby="after-heading">.*?</section>', html, re.DOTALL
    )
    assert found is not None
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", found[0])))


def test_panel_says_what_was_approved_when_it_leaves_and_how_it_is_stopped(place: Place) -> None:
    reference = _approve(place, place.payout(amount=10_000), place.payout(place.other, 20_000))
    html = place.client(place.approver).get(f"/admin/runs/{reference}").text
    assert f'href="/admin/payouts?run={reference}&amp;status=approved"' in html
    words = _panel(html)
    for text in (
        "2 payouts approved",
        "$300.00",
        reference,
        "2 payouts leave when an admin sends them. Rail: Sandbox bank.",
        "Hold them…",
        "2 can still be stopped.",
    ):
        assert text in words, text


def test_panel_names_the_cut_off_of_what_leaves_by_itself(place: Place) -> None:
    _rules(place, paid_by_itself=["installations"], cut_off={"installations": "17:30"})
    reference = _approve(place, place.payout(amount=10_000))
    words = _panel(place.client(place.approver).get(f"/admin/runs/{reference}").text)
    assert "1 payout leaves by itself at 17:30 " in words
    assert "You can hold it until then." in words
    _rules(place, cut_off={})
    words = _panel(place.client(place.approver).get(f"/admin/runs/{reference}").text)
    assert "1 payout leaves by itself within minutes" in words


def test_panel_counts_apart_what_left_what_is_held_and_what_needs_another_person(place: Place) -> None:
    _rules(place, tiers=[{"up_to_minor": 100_000, "approvals": 1}, {"up_to_minor": None, "approvals": 2}])
    by_hand = people.payee(place.organisation, name="By hand")
    people.method(by_hand, accounts.by_hand())
    payouts = [place.payout(amount=n) for n in (1_000, 2_000, 200_000)] + [place.payout(by_hand, 3_000)]
    gone, held = payouts[0].reference, payouts[1].reference
    reference = _approve(place, *payouts)
    with transaction():
        service.submit(
            organisation_id=place.organisation.id,
            reference=gone,
            rail="sandbox",
            actor=people.actor_of(place.maker),
            now=HOUR,
        )
    _hold(place, held)
    words = _panel(place.client(place.maker).get(f"/admin/runs/{reference}").text)
    for text in (
        "3 payouts approved",
        "$60.00",
        "1 payout is paid by hand",
        "1 payout is on hold.",
        "1 payout has left already.",
        "1 more needs another person's approval.",
        "Hold it…",
    ):
        assert text in words, text


def test_page_of_a_run_asks_the_same_few_questions_for_many_rows(place: Place) -> None:
    reference = _approve(place, place.payout())
    more = _approve(place, *[place.payout(place.other, 1_000 + n) for n in range(40)])
    client = place.client(place.approver)
    with counted_queries() as few:
        client.get(f"/admin/runs/{reference}")
    with counted_queries() as many:
        assert "40 payouts approved" in client.get(f"/admin/runs/{more}").text
    assert len(many) == len(few)
    assert len(many) <= 20, many


def test_panel_comes_with_the_last_poll_and_not_while_the_run_works(place: Place) -> None:
    payouts = [place.payout(), place.payout(place.other)]
    client = place.client(place.approver)
    answer = client.post(CHECK, data={"act": "approve", "ids": [p.id for p in payouts]})
    client.post(answer.headers["Location"])
    run = db.session.scalars(select(Run)).one()
    run_id, address = run.id, f"/admin/runs/{run.reference}"
    db.session.rollback()
    runs.step(run_id=run_id, clock=lambda: HOUR, chunk=1)
    assert "after-heading" not in client.get(address).text
    assert "after-heading" not in client.get(f"{address}/progress").text
    runs.step(run_id=run_id, clock=lambda: HOUR)
    last = client.get(f"{address}/progress")
    assert last.status_code == 286
    assert 'id="run-after" data-hx-swap-oob="true"' in last.text
    assert "2 payouts approved" in last.text


def test_what_was_just_approved_is_held_without_javascript(place: Place) -> None:
    payouts = [place.payout(amount=10_000), place.payout(place.other, 20_000), place.payout(amount=500)]
    ids, gone = [p.id for p in payouts], payouts[2].reference
    reference = _approve(place, *payouts)
    with transaction():
        service.submit(
            organisation_id=place.organisation.id,
            reference=gone,
            rail="sandbox",
            actor=people.actor_of(place.maker),
            now=HOUR,
        )
    client = place.client(place.maker)
    answer = client.post(CHECK, data={"act": "hold", "run": reference})
    assert answer.status_code == 303
    page = client.get(answer.headers["Location"]).text
    assert "Hold 2 payouts ($300.00)" in page
    assert f'href="/admin/runs/{reference}"' in page
    refused = client.post(answer.headers["Location"], data={"reason": " "})
    assert refused.status_code == 422
    assert "Write a reason" in refused.text
    assert client.post(answer.headers["Location"], data={"reason": REASON}).status_code == 303
    _work()
    assert _held() == set(ids[:2])
    assert set(db.session.scalars(select(Payout.hold_reason).where(Payout.is_held.is_(True)))) == {REASON}
    again = client.post(CHECK, data={"act": "hold", "run": reference})
    assert again.status_code == 422
    assert "All that was approved has left, or is on hold." in again.text


def test_hold_does_not_wait_for_those_that_leave_meanwhile(place: Place) -> None:
    stays, leaves = place.approved(amount=1_000), place.approved(place.other, 2_000)
    ids, gone = (stays.id, leaves.id), leaves.reference
    client = place.client(place.maker)
    answer = client.post(CHECK, data={"act": "hold", "ids": list(ids)})
    with transaction():
        service.submit(
            organisation_id=place.organisation.id,
            reference=gone,
            rail="sandbox",
            actor=people.actor_of(place.maker),
            now=HOUR,
        )
    assert client.post(answer.headers["Location"], data={"reason": REASON}).status_code == 303
    _work()
    outcomes = {row.subject_id: row.outcome for row in db.session.scalars(select(RunRow))}
    assert outcomes == {ids[0]: "done", ids[1]: "skipped"}
    assert _held() == {ids[0]}


def test_hold_leaves_out_what_cannot_be_held_with_the_reason(place: Place) -> None:
    ready, waiting, held = place.approved(), place.payout(place.other), place.approved(amount=777)
    _hold(place, held.reference)
    client = place.client(place.maker)
    answer = client.post(CHECK, data={"act": "hold", "ids": [ready.id, waiting.id, held.id]})
    page = client.get(answer.headers["Location"]).text
    assert "Hold 1 payout ($499.50)" in page
    assert "Not included (2)" in page
    assert "only approved and failed payouts can be put on hold" in page
    assert "It is on hold already: A complaint." in page


def test_all_held_of_the_list_are_released_by_a_run(place: Place) -> None:
    payouts = [place.approved(amount=1_000), place.approved(place.other, 2_000)]
    for payout in payouts:
        _hold(place, payout.reference)
    client = place.client(place.maker)
    html = client.get("/admin/payouts?status=held").text
    assert "Release…" in html
    assert "Pay…" not in html
    expected = re.search(r'name="expected" value="([^"]*)"', html)
    assert expected is not None
    data = {"act": "release", "everything": "1", "status": "held", "expected": expected[1]}
    answer = client.post(CHECK, data=data)
    assert "Release 2 payouts ($30.00)" in client.get(answer.headers["Location"]).text
    client.post(answer.headers["Location"])
    _work()
    assert _held() == set()


@pytest.mark.parametrize(
    ("status", "labels"),
    [("approved", ["Pay…", "Hold…"]), ("failed", ["Pay…", "Hold…"]), ("open", ["Hold…", "Release…"]),
     ("held", ["Release…"]), ("pending_approval", []), ("paid", []), ("", [])],
)  # fmt: skip
def test_bar_offers_what_the_status_allows(place: Place, status: str, labels: list[str]) -> None:
    ready = place.approved()
    place.payout(place.other)
    _hold(place, ready.reference)
    place.approved(place.other, 1_234)
    html = place.client(place.maker).get(f"/admin/payouts?status={status}").text
    shown = re.findall(r'name="act" value="\w+"[^>]*>([^<]+)<', html)
    assert shown == (labels if status != "failed" else [])


def test_holding_asks_nobody_who_they_are_and_releasing_does(place: Place) -> None:
    payout = place.approved()
    client = place.client(place.maker)
    with transaction():
        db.session.execute(
            db.text("UPDATE user_sessions SET reauthenticated_at = '2026-11-21 08:00:00.000000'")
        )
    assert client.post(CHECK, data={"act": "hold", "ids": payout.id}).status_code == 303
    assert client.post(CHECK, data={"act": "release", "ids": payout.id}).status_code == 403


def test_accountants_and_other_organisations_hold_nothing(place: Place) -> None:
    reference = _approve(place, place.payout())
    accountant = people.user(organisation=place.organisation, role="accountant")
    looked = place.client(accountant)
    assert "Hold it…" not in looked.get(f"/admin/runs/{reference}").text
    assert looked.post(CHECK, data={"act": "hold", "run": reference}).status_code == 403
    nova = people.organisation("nova")
    stranger = people.user(organisation=nova, role="admin")
    answer = place.client(stranger, nova).post(CHECK, data={"act": "hold", "run": reference})
    assert answer.status_code == 404
