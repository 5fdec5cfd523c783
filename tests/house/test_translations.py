"""The catalogues follow the sources, and pages of payees are in Hindi as a whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from babel.messages.catalog import Catalog
from flask import Flask
from flask.testing import FlaskClient

from tests.house.headers import LETTERS
from tests.house.matrix import entries
from tests.house.pages import SPACE, parse, problems
from tests.house.test_access import addresses
from tests.house.town import Town
from webapp.database import db
from webapp.web import catalogues, i18n

# Pages that everybody or a payee sees; the documentation of the API is for programmers.
PARTS = ("public.", "technician.")
# Written by people or by the form library for machines, so not translated: names, examples, identifiers.
DATA = re.compile(r"Solar A|Maya Fernandez|Google Authenticator|password manager|example")
# Signs that are the same in every language, and the name of the organisation in the town.
NAMES = {"CSV", "XLSX", "PDF", "IBAN", "IFSC", "Home"}
WORDS = re.compile(r"\b[a-z]{2,} [a-z]{2,} [a-z]{2,}\b")


@pytest.fixture(scope="module")
def texts() -> Catalog:
    """What the sources say."""
    return catalogues.extract()


def test_the_template_is_what_the_sources_say() -> None:
    assert catalogues.is_template_current(), "run ./paydesk translations update and translate what is new"


def test_every_text_is_translated_with_its_placeholders() -> None:
    assert not [str(problem) for problem in catalogues.problems()]


def test_there_is_something_to_translate(texts: Catalog) -> None:
    found = {str(entry.id) for entry in texts}
    # One of each way in which a text is found: template, label, sentence, field, refusal, marked text, constant.
    assert {
        "Your next payout", "To approve", "The money has left. Nothing more to do.", "E-mail address",
        "Enter your password.", "1 payout", "Page not found", "Payment details",
    } <= found  # fmt: skip
    assert not {"Approval policy", "Reject payouts"} & found


def test_what_is_wrong_with_a_translation_is_found() -> None:
    made = Catalog(locale="hi")

    def wrong(source: Any, text: Any, **more: Any) -> str:
        return catalogues._wrong(made.add(source, text, **more))

    assert wrong("To %(a)s", "%(a)s को") == ""
    assert wrong("Of %(a)s", "%(b)s का") == "other placeholders"
    assert wrong("At %(a)s", "पर") == "other placeholders"
    assert wrong("Nothing", "") == "not translated"
    assert wrong("Guess", "अंदाज़", flags=["fuzzy"]) == "only guessed"
    assert wrong("Plain", "<b>सादा</b>") == "signs of HTML that the source does not have"
    assert wrong(("%(num)s day", "%(num)s days"), ("एक दिन", "%(num)s दिन")) == ""
    assert wrong(("%(num)s hour", "%(num)s hours"), ("%(num)s घंटा", "")) == "not translated"


def _speak(town: Town, person: str, locale: str) -> FlaskClient:
    town.home.users[person].locale = locale
    db.session.commit()
    return town.client(person)


def _texts(root: Any) -> Iterator[str]:
    """Every piece of text of a page that people read, and the labels of its parts."""
    for element in root.iter():
        if not isinstance(element.tag, str) or element.tag.removeprefix(SPACE) in ("style", "script", "code"):
            continue
        pieces = [element.text, element.tail, *(element.get(name) for name in ("aria-label", "alt", "title"))]
        yield from (" ".join(piece.split()) for piece in pieces if piece and piece.strip())


def _in_english(page: str, english: set[str]) -> list[str]:
    """What a page in Hindi still says in English: texts of the catalogue, and anything like a sentence."""
    root, _ = parse(page)
    assert (root.get("lang"), root.get("dir")) == ("hi", "ltr")
    return [text for text in _texts(root) if text in english or WORDS.search(DATA.sub("", text))]


def test_pages_of_payees_are_in_hindi(town: Town, app: Flask, texts: Catalog, with_csrf: None) -> None:
    english = {str(m.id) for m in texts if isinstance(m.id, str) and m.id} - NAMES
    client, seen, found = _speak(town, "technician", "hi_IN"), 0, {}
    for entry in entries(app):
        if entry.is_unsafe or not entry.endpoint.startswith(PARTS) or entry.endpoint in LETTERS:
            continue
        for target in addresses(town, entry):
            answer = client.get(target, follow_redirects=True)
            if answer.mimetype != "text/html" or answer.request.path.startswith(i18n.ENGLISH_PARTS):
                continue
            seen += 1
            assert not (broken := problems(answer.text)), f"{target}: {broken}"
            if left := _in_english(answer.text, english):
                found[target] = left
    assert not found
    assert seen > 25


def test_pages_of_admins_are_in_one_language(town: Town) -> None:
    client = _speak(town, "admin", "hi_IN")
    page = client.get("/admin/payouts").text
    assert '<html lang="en"' in page
    assert not re.search(r"<h1>[^<]*[\u0900-\u097f]", page)


@pytest.mark.parametrize(
    ("asked", "language", "word"),
    [("hi-IN,hi;q=0.9,en;q=0.8", "hi", "पासवर्ड"), ("de-DE,de", "en", "Password"), ("", "en", "Password")],
)
def test_sign_in_speaks_as_the_browser_asks(
    client: FlaskClient, asked: str, language: str, word: str
) -> None:
    page = client.get("/sign-in", headers={"Accept-Language": asked} if asked else {}).text
    assert f'<html lang="{language}"' in page
    assert f">{word}<" in page


def test_a_chosen_language_wins_over_the_browser(town: Town) -> None:
    client = _speak(town, "technician", "en_GB")
    page = client.get("/technician/", headers={"Accept-Language": "hi"}).text
    assert '<html lang="en" dir="ltr"' in page


def test_right_to_left_where_the_organisation_writes_so(town: Town, with_csrf: None) -> None:
    town.home.organisation.locale = "ar_AE"
    client = _speak(town, "technician", "")
    for target in ("/technician/", "/technician/payouts", "/account"):
        page = client.get(target).text
        # There is no Arabic catalogue: the words are English and say so, the page runs from right to left.
        assert '<html lang="en" dir="rtl"' in page
        assert not problems(page)


def test_a_text_that_comes_as_data_stays_text(app: Flask) -> None:
    with app.test_request_context("/", headers={"Accept-Language": "hi"}):
        render = app.jinja_env.from_string
        assert render("{{ word|translated }}").render(word="<b>100%</b>") == "&lt;b&gt;100%&lt;/b&gt;"
        assert render("{{ word|translated }}").render(word="Paid") == "भुगतान हुआ"
        assert render("{{ word|translated }}").render(word="") == ""
        said = render('{{ _("To %(account)s.", account=word) }}').render(word="<i>x</i>")
        assert "&lt;i&gt;x&lt;/i&gt;" in said
        assert i18n.translated("Enter your password. Example: 1") == "अपना पासवर्ड डालें। उदाहरण: 1"


def test_mails_and_jobs_stay_in_english(app: Flask) -> None:
    with app.app_context():
        assert i18n.language() == "en"
        assert i18n.gettext("Paid") == "Paid"


def test_the_command_checks_and_updates(app: Flask) -> None:
    answer = app.test_cli_runner().invoke(catalogues.translations, ["check"])
    assert answer.exit_code == 0, answer.output
    assert "all translated" in answer.output
