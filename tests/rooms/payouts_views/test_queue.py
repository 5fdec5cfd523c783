"""The approvals queue: whose turn it is, flags, the check step, confirming it as a run."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest
from sqlalchemy import select, update

from tests.factories import people
from tests.factories.ledger import NOW
from tests.factories.pages import Place, counted_queries
from tests.rooms.payouts_views.conftest import HOUR
from webapp.database import db, transaction
from webapp.kernel.actor import SCHEDULER
from webapp.payouts import approval_queue, lists, policies, service
from webapp.payouts.drafts import ExclusionDraft
from webapp.payouts.flags import Flag, flags_of, is_flagged
from webapp.payouts.models import Payout
from webapp.people.models import PayoutMethod
from webapp.runs.models import Run, RunRow

CHECK = "/admin/approvals/check"
HTMX = {"HX-Request": "true", "HX-Target": "dialog"}


def _shown(html: str) -> set[str]:
    return set(re.findall(r'<a href="/admin/payouts/(PO-2026-\d{6})"', html))


def _hidden(html: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', html)
    assert found is not None
    return found[1]


def test_views_say_whose_turn_it_is(place: Place) -> None:
    mine = place.payout()
    theirs = place.payout(place.other, actor=people.actor_of(place.approver))
    client = place.client(place.maker)
    ready = client.get("/admin/approvals").text
    blocked = client.get("/admin/approvals?view=blocked").text
    assert _shown(ready) == {theirs.reference}
    assert _shown(blocked) == {mine.reference}
    assert "You created this payout; a different person must approve it." in blocked
    assert _shown(place.client(place.approver).get("/admin/approvals").text) == {mine.reference}


def test_rows_show_what_an_approver_needs(place: Place) -> None:
    place.payout(place.other, 123_450, actor=SCHEDULER)
    html = place.client(place.approver).get("/admin/approvals").text
    for text in ("Ana Souza", "1–30 Nov 2026", "••", "$1,234.50", "20 Nov 2026", "First payout"):
        assert text in html


def _blocked_by_sql(who: approval_queue.Approver) -> set[str]:
    query = approval_queue.in_view(who, lists.PayoutFilter(), "blocked")
    return {payout.reference for payout in db.session.scalars(query)}


def _blocked_by_policy(who: approval_queue.Approver) -> set[str]:
    query = lists.with_approval_facts(approval_queue.in_view(who, lists.PayoutFilter(), ""))
    payouts = db.session.scalars(query).unique().all()
    assert len(payouts) >= 8
    return {payout.reference for payout in payouts if approval_queue.reasons(who, payout)}


def _keys(who: approval_queue.Approver, view: str) -> set[int]:
    query, values = approval_queue.keys_in_view(who, lists.PayoutFilter(), view)
    return set(db.session.scalars(query, values))


def test_the_kept_query_of_a_view_goes_by_the_clock_of_its_page(place: Place) -> None:
    """Who entered the payment details lately is blocked, and some days later is not: by the same kept query."""
    waiting = place.payout(actor=SCHEDULER)
    method = db.session.scalars(
        select(PayoutMethod).where(
            PayoutMethod.payee_id == waiting.payee_id, PayoutMethod.is_current.is_(True)
        )
    ).one()
    with transaction():
        db.session.execute(
            update(PayoutMethod)
            .where(PayoutMethod.id == method.id)
            .values(created_by_id=place.approver.id, created_at=NOW)
        )
    here = place.organisation
    now, later = NOW + timedelta(hours=1), NOW + timedelta(days=400)
    before, after = (
        approval_queue.approver(organisation=here, user_id=place.approver.id, now=at) for at in (now, later)
    )
    assert _keys(before, "blocked") == {waiting.id}
    assert _keys(before, "ready") == set()
    assert _keys(after, "blocked") == set()
    assert _keys(after, "ready") == {waiting.id}
    assert (
        approval_queue.keys_in_view(before, lists.PayoutFilter(), "ready")[0]
        is (approval_queue.keys_in_view(after, lists.PayoutFilter(), "ready")[0])
    )


def test_what_depends_on_the_clock_or_asks_first_is_put_together_each_time(place: Place) -> None:
    def query(filters: lists.PayoutFilter, days: int = 0) -> object:
        at = NOW + timedelta(days=days)
        found = lists.listing(organisation_id=place.organisation.id, currency="USD", now=at, filters=filters)
        return found.query

    kept, by_age = lists.PayoutFilter(status="paid"), lists.PayoutFilter(waiting_days=3)
    assert query(kept) is query(kept, days=1)
    assert query(by_age) is not query(by_age, days=1)
    for asking in (lists.PayoutFilter(payee="Ana"), lists.PayoutFilter(approver="a")):
        assert query(asking) is not query(asking)
    assert query(lists.PayoutFilter(period_to=NOW.date())) is not query(
        lists.PayoutFilter(period_to=NOW.date())
    )


def _every_case(place: Place) -> None:
    """A payout for each reason for which somebody may not approve, and one for none."""
    place.payout()
    place.payout(actor=SCHEDULER)
    place.payout(actor=people.actor_of(place.approver))
    exclusion = ExclusionDraft(place.approver.id, "imported the installation")
    place.payout(place.other, exclusions=[exclusion])
    own = people.payee(place.organisation, name="Ravi himself", user=place.approver)
    people.method(own)
    place.payout(own)
    entered = people.payee(place.organisation, name="Changed lately")
    people.method(entered, actor=people.actor_of(place.approver), now=HOUR - timedelta(days=2))
    place.payout(entered)
    bare = people.payee(place.organisation, name="No method")
    place.payout(bare, 700_000_00)
    big = place.payout(place.other, 200_000_00)
    with transaction():
        service.approve(
            organisation_id=place.organisation.id,
            reference=big.reference,
            actor=people.actor_of(place.approver),
            now=HOUR,
        )
    place.payout(place.other, 90_000_00, now=HOUR - timedelta(hours=30))


@pytest.mark.parametrize("is_solo", [False, True])
def test_condition_in_sql_agrees_with_the_policy(place: Place, is_solo: bool) -> None:
    _every_case(place)
    if is_solo:
        rules = policies.current_policy(place.organisation.id)[0].rules
        rules["single_operator"] = {"is_on": True, "delay_hours": 24, "daily_cap_minor": 80_000_00}
        place.approved(people.payee(place.organisation, name="Approved today"), 2_000_00)
        with transaction():
            service.change_policy(
                organisation_id=place.organisation.id, rules=rules, actor=people.FACTORY, now=HOUR
            )
    for person in (place.approver, place.maker):
        who = approval_queue.approver(organisation=place.organisation, user_id=person.id, now=HOUR)
        by_policy = _blocked_by_policy(who)
        assert _blocked_by_sql(who) == by_policy
        counts = approval_queue.views(who=who, filters=lists.PayoutFilter())
        assert counts.blocked == len(by_policy) > 0
        assert counts.ready == approval_queue.ready_count(who)


def _flagged() -> set[int]:
    """The payouts that wait and have a flag, as the view of the queue has them."""
    waits = Payout.state == "pending_approval"
    found = set(db.session.scalars(select(Payout.id).where(waits, is_flagged())))
    for organisation_id in db.session.scalars(select(Payout.organisation_id).where(waits).distinct()).all():
        here = (waits, Payout.organisation_id == organisation_id)
        by_payee = db.session.scalars(select(Payout.id).where(*here, is_flagged(organisation_id)))
        assert set(by_payee) == found & set(db.session.scalars(select(Payout.id).where(*here)))
    return found


def test_flags_tell_the_unusual(place: Place) -> None:
    for amount in (10_000, 11_000, 12_000):
        paid = place.approved(amount=amount, period_end=date(2026, 11, amount // 1000 - 9))
        with transaction():
            service.mark_paid(
                organisation_id=place.organisation.id,
                reference=paid.reference,
                payment_reference=f"CHQ-{amount}",
                paid_on=date(2026, 11, 20),
                actor=people.actor_of(place.maker),
                now=HOUR,
            )
    usual = place.payout(amount=33_000, period_end=date(2026, 11, 10))
    large = place.payout(amount=33_001, period_end=date(2026, 11, 11))
    first, again = place.payout(place.other, 5_000), place.payout(place.other, 5_000)
    flags = flags_of([usual.id, large.id, first.id, again.id])
    assert flags[usual.id] == []
    assert flags[large.id] == [Flag.UNUSUAL]
    assert flags[first.id] == flags[again.id] == [Flag.FIRST, Flag.DUPLICATE]
    assert _flagged() == {large.id, first.id, again.id}
    people.method(place.payee)
    assert flags_of([usual.id])[usual.id] == [Flag.NEW_DETAILS]
    assert _flagged() >= {usual.id, large.id}
    with transaction() as session:
        session.execute(update(PayoutMethod).values(is_current=False))
    assert flags_of([usual.id])[usual.id] == []
    assert _flagged() == {large.id, first.id, again.id}
    html = place.client(place.approver).get("/admin/approvals?view=flagged&flag=duplicate").text
    assert _shown(html) == {first.reference, again.reference}


def test_queue_asks_the_same_few_questions_for_one_row_and_for_fifty(place: Place) -> None:
    client = place.client(place.approver)
    place.payout()
    with counted_queries() as few:
        client.get("/admin/approvals")
    for _ in range(49):
        payee = people.payee(place.organisation)
        people.method(payee)
        place.payout(payee)
    with counted_queries() as many:
        assert len(_shown(client.get("/admin/approvals").text)) == 50
    assert len(many) == len(few)
    assert len(many) <= 12, many


def _confirm_address(place: Place, answer: object) -> str:
    location = answer.headers["Location"]  # type: ignore[attr-defined]
    assert location.startswith(f"{CHECK}/BA-")
    return str(location)


def test_check_step_and_run_without_javascript(place: Place) -> None:
    ready = [place.payout(amount=10_000), place.payout(place.other, 20_000)]
    own = place.payout(actor=people.actor_of(place.approver))
    client = place.client(place.approver)
    answer = client.post(CHECK, data={"act": "approve", "ids": [p.id for p in [*ready, own]]})
    assert answer.status_code == 303
    page = client.get(_confirm_address(place, answer)).text
    assert "Approve 2 payouts ($300.00)" in page
    assert "Not included (1)" in page
    assert "You created this payout" in page
    assert "USD, bank account" in page
    assert {p.state for p in db.session.scalars(select(Payout))} == {"pending_approval"}
    confirmed = client.post(answer.headers["Location"])
    assert confirmed.status_code == 303
    run = db.session.scalars(select(Run)).one()
    assert confirmed.headers["Location"] == f"/admin/runs/{run.reference}"
    assert (run.state, run.kind, run.total) == ("queued", "payouts.approve", 2)
    assert client.post(answer.headers["Location"]).status_code == 303
    assert len(db.session.scalars(select(Run)).all()) == 1


def test_check_step_in_the_dialog_is_a_fragment(place: Place) -> None:
    payout = place.payout()
    client = place.client(place.approver)
    html = client.post(CHECK, data={"act": "approve", "ids": payout.id}, headers=HTMX).text
    assert "<html" not in html
    assert 'id="dialog-heading"' in html
    assert "Approve 1 payout ($499.50)" in html
    run = db.session.scalars(select(Run)).one()
    done = client.post(f"{CHECK}/{run.reference}", headers=HTMX)
    assert done.headers["HX-Redirect"] == f"/admin/runs/{run.reference}"


def test_all_that_match_is_the_filter_not_the_page(place: Place) -> None:
    for _ in range(30):
        place.payout(place.other, 1_000)
    place.payout(place.payee, 99_999)
    client = place.client(place.approver)
    assert 'href="/admin/approvals/counts?payee=ana&amp;size=25&amp;view=ready"' in (
        client.get("/admin/approvals?payee=ana&size=25").text
    )
    html = client.get(
        "/admin/approvals/counts?payee=ana&size=25&view=ready", headers={"HX-Request": "true"}
    ).text
    assert "All 30 that match ($300.00)" in html
    data = {"act": "approve", "everything": "1", "view": "ready", "payee": "ana"}
    answer = client.post(CHECK, data={**data, "expected": _hidden(html, "expected")})
    page = client.get(_confirm_address(place, answer)).text
    assert "Approve 30 payouts ($300.00)" in page


def test_counts_follow_the_rows_and_are_a_page_without_javascript(place: Place) -> None:
    place.payout(place.other, 1_000)
    place.payout(place.other, 2_500, actor=people.actor_of(place.approver))
    client = place.client(place.approver)
    assert 'class="count"' not in client.get("/admin/approvals").text
    html = client.get("/admin/approvals/counts").text
    assert re.findall(r'class="count">([^<]*)<', html) == ["1", "0", "1", "2", "1"]
    assert "Ready: 1 payout, $10.00." in html
    data = {"act": "approve", "everything": "1", "view": "ready", "expected": _hidden(html, "expected")}
    assert (
        "Approve 1 payout ($10.00)" in client.get(_confirm_address(place, client.post(CHECK, data=data))).text
    )
    fragment = client.get("/admin/approvals/counts?view=blocked", headers={"HX-Request": "true"}).text
    assert "<html" not in fragment
    assert 'id="matching" data-hx-swap-oob="true"' in fragment
    assert "All 1 that match ($25.00)" in fragment
    accountant = people.user(organisation=place.organisation, role="accountant")
    looked = place.client(accountant).get("/admin/approvals/counts", headers={"HX-Request": "true"}).text
    assert 'id="matching"' not in looked


def test_counts_of_a_filter_that_cannot_be_read_are_not_asked(place: Place) -> None:
    place.payout()
    answer = place.client(place.approver).get("/admin/approvals/counts?amount_from=lots")
    assert answer.status_code == 422


def test_counts_say_when_more_wait_than_were_looked_at(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approval_queue, "LOOKED_AT", 2)
    for _ in range(2):
        place.payout(place.other, 1_000)
    client = place.client(place.approver)
    assert ' class="count">2<' in client.get("/admin/approvals/counts").text
    place.payout(place.other, 1_000)
    html = client.get("/admin/approvals/counts").text
    assert ' class="count">3+<' in html
    assert "Ready: 3 payouts, $30.00." in html


def test_empty_queue_tells_what_others_must_do_from_nothing_at_all(place: Place) -> None:
    client = place.client(place.maker)
    assert "All done" in client.get("/admin/approvals").text
    place.payout()
    assert "Nothing for you to approve" in client.get("/admin/approvals").text


def test_all_that_match_asks_again_when_the_set_has_changed(place: Place) -> None:
    place.payout(place.other, 1_000)
    client = place.client(place.approver)
    expected = _hidden(client.get("/admin/approvals/counts").text, "expected")
    place.payout(place.other, 2_000)
    data = {"act": "approve", "everything": "1", "view": "ready", "expected": expected}
    answer = client.post(CHECK, data=data)
    assert answer.status_code == 409
    assert "Now 2 payouts match, $30.00." in answer.text
    assert db.session.scalars(select(Run)).all() == []
    again = client.post(CHECK, data={**data, "expected": _hidden(answer.text, "expected")})
    assert again.status_code == 303


def test_payout_that_changed_after_the_check_stops_the_confirmation(place: Place) -> None:
    first, second = place.payout(amount=10_000), place.payout(place.other, 20_000)
    client = place.client(place.approver)
    address = _confirm_address(
        place, client.post(CHECK, data={"act": "approve", "ids": [first.id, second.id]})
    )
    with transaction():
        service.reject(
            organisation_id=place.organisation.id,
            reference=first.reference,
            reason="Wrong size",
            actor=people.actor_of(place.maker),
            now=HOUR,
        )
    answer = client.post(address)
    assert answer.status_code == 409
    assert "1 of 2 payouts changed since you checked. Now 1 can be approved by you, $200.00." in answer.text
    assert db.session.scalars(select(Run)).one().state == "draft"
    data = {"act": "approve", "draft": _hidden(answer.text, "draft")}
    again = client.get(_confirm_address(place, client.post(CHECK, data=data))).text
    assert "Approve 1 payout ($200.00)" in again
    assert "Not included (1)" in again


def test_rows_can_be_left_out_of_the_draft(place: Place) -> None:
    first, second = place.payout(amount=10_000), place.payout(place.other, 20_000)
    client = place.client(place.approver)
    ids = [first.id, second.id]
    answer = client.post(CHECK, data={"act": "approve", "ids": ids})
    draft = answer.headers["Location"].rpartition("/")[2]
    less = client.post(CHECK, data={"act": "approve", "draft": draft, "leave_out": second.id})
    assert "Approve 1 payout ($100.00)" in client.get(_confirm_address(place, less)).text
    none = client.post(CHECK, data={"act": "approve", "draft": draft, "leave_out": ids})
    assert none.status_code == 422


def test_rejection_needs_a_reason_and_keeps_it(place: Place) -> None:
    payout = place.payout()
    client = place.client(place.approver)
    address = _confirm_address(place, client.post(CHECK, data={"act": "reject", "ids": payout.id}))
    refused = client.post(address, data={"reason": "  "})
    assert refused.status_code == 422
    assert "Write a reason" in refused.text
    assert "<title>Error: " in refused.text
    assert client.post(address, data={"reason": "Wrong size"}).status_code == 303
    run = db.session.scalars(select(Run)).one()
    assert run.parameters["reason"] == "Wrong size"
    assert db.session.scalars(select(RunRow)).one().subject_version == payout.version


@pytest.mark.parametrize("data", [{"act": "approve"}, {"act": "steal", "ids": "1"}, {}])
def test_nothing_chosen_is_said(place: Place, data: dict[str, str]) -> None:
    place.payout()
    answer = place.client(place.approver).post(CHECK, data=data)
    assert answer.status_code == 422
    assert "Tick the payouts" in answer.text or "Press Approve or Reject" in answer.text


def test_nothing_eligible_makes_no_draft(place: Place) -> None:
    payout = place.payout()
    answer = place.client(place.maker).post(CHECK, data={"act": "approve", "ids": payout.id})
    assert answer.status_code == 422
    assert "You created this payout" in answer.text
    assert db.session.scalars(select(Run)).all() == []


def test_draft_belongs_to_who_made_it(place: Place) -> None:
    payout = place.payout(actor=SCHEDULER)
    address = _confirm_address(
        place, place.client(place.approver).post(CHECK, data={"act": "approve", "ids": payout.id})
    )
    other = place.client(place.maker)
    assert other.get(address).status_code == 404
    assert other.post(address).status_code == 404
    assert db.session.scalars(select(Run)).one().state == "draft"


def test_accountant_looks_and_changes_nothing(place: Place) -> None:
    payout = place.payout()
    accountant = people.user(organisation=place.organisation, role="accountant")
    client = place.client(accountant)
    html = client.get("/admin/approvals").text
    assert payout.reference in html
    assert 'name="ids"' not in html
    assert client.post(CHECK, data={"act": "approve", "ids": payout.id}).status_code == 403


def test_ids_of_another_organisation_are_not_there(place: Place) -> None:
    payout = place.payout()
    elsewhere = people.organisation("nova")
    stranger = people.user(organisation=elsewhere, role="admin")
    answer = place.client(stranger, elsewhere).post(CHECK, data={"act": "approve", "ids": payout.id})
    assert answer.status_code == 422
    assert payout.reference not in answer.text


# ---- The drawer ------------------------------------------------------------------------------------


def test_drawer_is_a_fragment_of_few_facts(place: Place) -> None:
    payout = place.payout()
    client = place.client(place.approver)
    html = client.get(
        f"/admin/payouts/{payout.reference}", headers={"HX-Request": "true", "HX-Target": "drawer"}
    ).text
    assert "<!doctype" not in html.lower()
    assert 'id="drawer-heading"' in html
    assert html.count("<dt>") <= 6
    assert f'href="/admin/payouts/{payout.reference}"' in html


def test_rows_open_in_the_drawer_and_keep_their_place_in_the_address(place: Place) -> None:
    payout = place.payout()
    html = place.client(place.approver).get("/admin/approvals?view=ready&size=25").text
    assert 'data-hx-target="#drawer"' in html
    assert f"view=ready&amp;size=25&amp;open={payout.reference}" in html
