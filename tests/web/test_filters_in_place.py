"""A filter that cannot be read: while it is typed, what is wrong comes in place of the rows; no page in the page."""

from __future__ import annotations

import pytest
import tinyhtml5
from flask import Flask

from tests.factories.pages import place as make_place

ASKED = {
    "/admin/payouts": "amount_from=lots",
    "/admin/approvals": "amount_from=lots",
    "/admin/installations": "commissioned_from=yesterday",
    "/admin/runs": "state=flying",
    "/admin/statements": "kind=flying",
    "/admin/rentals/rents": "due_from=yesterday",
    "/admin/rentals/payments": "begun_from=yesterday",
    "/admin/activity": "from=yesterday",
}


@pytest.mark.parametrize("address", ASKED)
def test_what_is_wrong_comes_in_place_of_the_rows(database: Flask, address: str) -> None:
    place = make_place(database)
    client = place.client(place.maker)
    answer = client.get(f"{address}?{ASKED[address]}", headers={"HX-Request": "true"})
    assert answer.status_code == 422
    tree = tinyhtml5.parse(answer.text, namespace_html_elements=False)
    assert {"h1", "nav"} & {
        node.tag for node in tree.iter() if node.get("aria-label") != "Views of the queue"
    } == set()
    assert "The filter cannot be read" in answer.text
    assert "<!doctype" not in answer.text.lower()
    assert "autofocus" not in answer.text
    field = ASKED[address].partition("=")[0]
    assert f'href="#{field}"' in answer.text


@pytest.mark.parametrize("address", ASKED)
def test_the_whole_page_marks_the_field(database: Flask, address: str) -> None:
    place = make_place(database)
    page = place.client(place.maker).get(f"{address}?{ASKED[address]}")
    assert page.status_code == 422
    assert "<h1" in page.text
    assert "aria-invalid" in page.text
