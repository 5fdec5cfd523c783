"""Saved views: one's own filters above a list."""

from __future__ import annotations

import pytest
import tinyhtml5
from flask import Flask

from tests.factories import people, sign_in, user
from tests.factories.pages import Place
from tests.factories.pages import place as make_place
from webapp.database import db
from webapp.people.access.models import SavedView

SAVE = "/admin/views"


@pytest.fixture
def place(database: Flask) -> Place:
    return make_place(database)


def _save(client, name: str = "Failed ones", query: str = "status=failed", on: str = "admin.payouts.index"):  # type: ignore[no-untyped-def]
    return client.post(SAVE, data={"list": on, "query": query, "name": name})


def test_filters_are_kept_under_a_name_and_stand_above_the_list(place: Place) -> None:
    client = place.client(place.maker)
    assert "Save this view" in client.get("/admin/payouts?status=failed").text
    assert _save(client).status_code == 303
    html = client.get("/admin/payouts").text
    assert "Failed ones" in html
    assert 'href="/admin/payouts?status=failed"' in html


def test_counts_are_asked_for_after_the_page(place: Place) -> None:
    client = place.client(place.maker)
    place.payout()
    _save(client, "Waiting", "status=pending_approval")
    assert 'data-hx-trigger="load"' in client.get("/admin/payouts").text
    html = client.get(f"{SAVE}?list=admin.payouts.index", headers={"HX-Request": "true"}).text
    assert '<span class="count">1</span>' in html


@pytest.mark.parametrize(
    ("on", "query"),
    [
        ("admin.payouts.index", "status=failed"), ("admin.approvals.index", "view=blocked"),
        ("admin.payees.index", "search=maya"), ("admin.installations.index", "q=texas"),
        ("admin.payouts.index", "amount_from=lots"),
    ],
)  # fmt: skip
def test_every_list_counts_its_views(place: Place, on: str, query: str) -> None:
    client = place.client(place.maker)
    _save(client, "Mine", query, on)
    assert client.get(f"{SAVE}?list={on}").status_code == 200


def test_position_and_size_are_not_part_of_a_view(place: Place) -> None:
    _save(place.client(place.maker), query="status=failed&after=99&size=25&csrf_token=x")
    assert db.session.scalar(db.select(SavedView.query)) == "status=failed"


@pytest.mark.parametrize(("name", "query"), [("", "status=failed"), ("x" * 61, "status=failed"), ("Ok", "")])
def test_bad_views_are_refused(place: Place, name: str, query: str) -> None:
    answer = _save(place.client(place.maker), name, query)
    assert answer.status_code == 422
    assert db.session.scalar(db.select(SavedView.id)) is None


def test_a_name_used_again_gets_the_new_filters(place: Place) -> None:
    client = place.client(place.maker)
    _save(client)
    _save(client, query="status=paid")
    assert db.session.scalars(db.select(SavedView.query)).all() == ["status=paid"]


def test_views_belong_to_one_person(place: Place) -> None:
    _save(place.client(place.maker))
    other = place.client(place.approver)
    assert "Failed ones" not in other.get("/admin/payouts").text
    view_id = db.session.scalar(db.select(SavedView.id))
    assert other.post(f"{SAVE}/{view_id}/remove").status_code == 404
    assert place.client(place.maker).post(f"{SAVE}/{view_id}/remove").status_code == 303


def test_a_removed_view_can_be_had_back(place: Place) -> None:
    client = place.client(place.maker)
    _save(client)
    view_id = db.session.scalar(db.select(SavedView.id))
    page = client.post(f"{SAVE}/{view_id}/remove", follow_redirects=True)
    assert db.session.scalar(db.select(SavedView.id)) is None
    [form] = [
        node
        for node in tinyhtml5.parse(page.text, namespace_html_elements=False).iter("form")
        if "".join(node.itertext()).strip() == "Undo"
    ]
    client.post(form.get("action"), data={node.get("name"): node.get("value") for node in form.iter("input")})
    assert db.session.scalar(db.select(SavedView.query)) == "status=failed"
    assert "Failed ones" in client.get("/admin/payouts").text
    assert "Undo" not in client.get("/admin/payouts").text


def test_views_stay_in_their_organisation(place: Place) -> None:
    _save(place.client(place.maker))
    elsewhere = people.organisation("elsewhere")
    people.membership(place.maker, elsewhere, "admin")
    client = place.client(place.maker)
    sign_in(client, place.maker, elsewhere)
    assert "Failed ones" not in client.get("/admin/payouts").text


def test_hostile_names_are_inert(place: Place) -> None:
    client = place.client(place.maker)
    _save(client, "<script>alert(1)</script>")
    assert "<script>alert" not in client.get("/admin/payouts").text


def test_unknown_list_is_not_found(place: Place) -> None:
    client = place.client(place.maker)
    assert client.get(f"{SAVE}?list=public.people.account").status_code == 404
    assert _save(client, on="admin.policy.show").status_code == 404


def test_accountant_is_not_offered_to_save(place: Place) -> None:
    client = place.client(user(organisation=place.organisation, role="accountant"))
    assert "Save this view" not in client.get("/admin/payouts?status=failed").text
