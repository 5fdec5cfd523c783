"""Every page of the house, as each person who may see it gets it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.house.headers import LETTERS
from tests.house.matrix import Entry
from tests.house.pages import problems
from tests.house.test_access import addresses
from tests.house.town import PEOPLE, Town, portal_kind

TEMPLATES = Path(__file__).resolve().parents[2] / "webapp" / "templates"
# Letters and documents carry their style with them; they are never answered as pages.
DOCUMENTS = ("emails", "statements")


def test_every_page_is_sound(town: Town, page_entry: Entry, with_csrf: None) -> None:
    kind = portal_kind(page_entry.endpoint)
    for target in addresses(town, page_entry):
        for person in PEOPLE:
            if person == "neighbour" and not kind:
                continue
            client = town.client(person, kind)
            response = client.get(target, follow_redirects=True)
            is_letter = page_entry.endpoint in LETTERS and response.status_code == 200
            if response.mimetype != "text/html" or is_letter:
                continue
            is_fragment = "<!doctype" not in response.text[:100].lower()
            assert not (found := problems(response.text, is_fragment=is_fragment)), (
                f"{target} as {person}: {found}"
            )


def test_every_page_is_a_fragment_for_htmx_or_whole(town: Town, page_entry: Entry, with_csrf: None) -> None:
    kind = portal_kind(page_entry.endpoint)
    person = kind or "admin"
    for target in addresses(town, page_entry):
        response = town.client(person, kind).get(
            target, headers={"HX-Request": "true", "HX-Target": "results"}
        )
        is_letter = page_entry.endpoint in LETTERS and response.status_code == 200
        if response.mimetype == "text/html" and response.text and not is_letter:
            is_fragment = "<!doctype" not in response.text[:100].lower()
            assert not (found := problems(response.text, is_fragment=is_fragment)), f"{target}: {found}"


def test_forms_that_were_refused_are_sound(town: Town, unsafe_entry: Entry) -> None:
    kind = portal_kind(unsafe_entry.endpoint)
    for target in addresses(town, unsafe_entry):
        response = town.client(kind or "admin", kind).open(target, method=unsafe_entry.method)
        if response.mimetype == "text/html" and response.text:
            is_fragment = "<!doctype" not in response.text[:100].lower()
            # Tokens are switched off here, so forms have none.
            found = [
                p for p in problems(response.text, is_fragment=is_fragment) if not p.endswith("has no token")
            ]
            assert not found, f"{target}: {found}"


@pytest.mark.parametrize("address", ["/nothing", "/admin/nothing", "/healthz/x"])
def test_pages_that_are_not_there_are_sound(client: FlaskClient, address: str) -> None:
    response = client.get(address)
    assert response.status_code == 404
    assert not problems(response.text)


def test_navigation_leads_somewhere(town: Town, app: Flask) -> None:
    for person in PEOPLE[1:-2]:
        client = town.client(person)
        start = client.get("/me", follow_redirects=True)
        links = re.findall(
            r'<a href="(/[^"]*)"', start.text[start.text.find("<nav") : start.text.find("</nav")]
        )
        assert len(links) >= 4, person
        for link in links:
            response = client.get(link)
            assert response.status_code == 200, f"{link} as {person}"
            assert 'aria-current="page"' in response.text, f"{link} does not say that one is there"


def _templates() -> list[Path]:
    return [
        p for p in sorted(TEMPLATES.rglob("*.html")) if p.relative_to(TEMPLATES).parts[0] not in DOCUMENTS
    ]


RULES = {
    r"(?<![\w-])hx-[a-z]": "write data-hx-…, which is valid HTML",
    r"(?<!['\"])\|\s*safe\b": "only a constant is marked safe, and |format escapes what goes in",
    r"autoescape\s+false": "escaping stays on",
    r"(?<![\w-])style=": "styles are in app.css",
    r"<style": "styles are in app.css",
    r"<script(?![^>]*\bsrc=)": "scripts are in app.js",
    r"(?<![\w-])on(click|load|change|submit|input|error|focus|blur)\s*=": "handlers are in app.js",
    r"data-hx-on|js:": "htmx runs no script from attributes",
    r"javascript:": "links are addresses",
}


@pytest.mark.parametrize("path", _templates(), ids=lambda path: str(path.relative_to(TEMPLATES)))
def test_templates_keep_to_the_rules(path: Path) -> None:
    # What stands in {# … #} is for the people who write templates.
    text = re.sub(r"\{#.*?#\}", "", path.read_text(), flags=re.S)
    found = [
        f"{m.group()!r}: {words}" for pattern, words in RULES.items() for m in re.finditer(pattern, text)
    ]
    assert not found, found


def test_the_check_of_pages_finds_what_is_wrong() -> None:
    bad = """<!doctype html><html><head><title> – Paydesk</title></head><body>
    <h1>One</h1><h1>Two</h1><h3>Three</h3><p style="x" onclick="y" hx-get="/"><p><div></p>
    <input name="a"><button></button><form method="post"></form><table><tr><th>x</th></tr></table>
    <script>1</script><a href="javascript:1">x</a><i id="d"></i><i id="d"></i><label for="none">l</label>
    </body></html>"""
    found = " ".join(problems(bad))
    for part in ("language", "one title", "one h1", "h3", "attribute style", "attribute onclick", "attribute hx-get",
                 "no label", "without words", "no token", "caption", "scope", "inline script", "script in href",
                 "2 times", "not there", "line "):  # fmt: skip
        assert part in found, part
    good = """<!doctype html><html lang="en"><head><title>A – Paydesk</title></head><body><h1>One</h1></body></html>"""
    assert problems(good) == []
