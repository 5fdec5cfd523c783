"""Every address, every method, everybody: who is let in, and what the others are told."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask, url_for

from tests.house import objects  # noqa: F401 - registers the example records
from tests.house.headers import check_headers
from tests.house.matrix import Entry, problems
from tests.house.town import PEOPLE, Town, arguments_of, portal_kind


def addresses(town: Town, entry: Entry) -> list[str]:
    """The addresses of an entry, with records of the home organisation where it names one."""
    rule = next(r for r in town.app.url_map.iter_rules(entry.endpoint) if entry.method in (r.methods or ()))
    cases = arguments_of(entry.endpoint, town.home) if rule.arguments else [{}]
    with town.app.test_request_context():
        return [url_for(entry.endpoint, **case) for case in cases]


def test_every_address_is_in_the_matrix(app: Flask) -> None:
    assert not (found := problems(app)), "\n".join(found)


def test_a_new_address_without_a_row_is_named(app: Flask) -> None:
    other = Flask("other")
    other.add_url_rule("/admin/new-page", "admin.new_page", lambda: "", methods=["GET", "POST"])
    found = problems(other)
    assert any("POST /admin/new-page (admin.new_page) has no row" in sentence for sentence in found)


def test_everybody_gets_what_the_matrix_says(
    town: Town, entry: Entry, fingerprint: Callable[..., str]
) -> None:
    kind = portal_kind(entry.endpoint)
    targets = addresses(town, entry)
    before = untouched = fingerprint()
    remembered = fingerprint(without_trail=True) if entry.is_remembered else ""
    let_in = {p: entry.expected(p) == entry.let_in for p in PEOPLE if p != "neighbour" or kind}
    # Those who are refused knock first: they must leave everything as it was.
    for person in sorted(let_in, key=lambda p: let_in[p]):
        if let_in[person] and (entry.is_unsafe or remembered) and before:
            assert fingerprint() == before, f"{entry}: somebody who was refused changed something"
            before = ""
        client = town.client(person, kind)
        for target in targets:
            response = client.open(target, method=entry.method, data=entry.form if entry.is_unsafe else None)
            assert response.status_code in entry.expected(person), f"{entry.method} {target} as {person}"
            check_headers(response, is_asset=entry.endpoint == "assets.serve", endpoint=entry.endpoint)
    if remembered:
        assert fingerprint(without_trail=True) == remembered, f"{entry}: reading changed more than the trail"
        assert fingerprint() != untouched, f"{entry}: nobody remembers who took it"
    elif before:
        assert fingerprint() == before, f"{entry}: reading, or being refused, changed something"


def test_anonymous_people_are_led_to_sign_in_and_back(town: Town, page_entry: Entry) -> None:
    if page_entry.who == "public":
        return
    for target in addresses(town, page_entry):
        response = town.client("anonymous").get(target)
        assert response.location.startswith("/sign-in?next=")
        assert town.client("anonymous").get(target, headers={"HX-Request": "true"}).status_code == 401
