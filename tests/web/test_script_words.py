"""The sentences of the browser's script: word for word those of app.js, in the language of the page, inert."""

from __future__ import annotations

import json
import re
from html import unescape

import pytest
from flask import Flask

from webapp.web import i18n, script_words
from webapp.web.assets import STATIC_FOLDER

SCRIPT = (STATIC_FOLDER / "app.js").read_text(encoding="utf-8")


def _meta(html: str) -> dict[str, str] | None:
    found = re.search(r'<meta name="script-words" content="([^"]*)">', html)
    return None if found is None else json.loads(unescape(found[1]))


def test_every_sentence_of_the_script_is_known() -> None:
    said = set(re.findall(r'\bsay\("((?:[^"\\]|\\.)*)"\)', SCRIPT))
    assert said == set(script_words.WORDS)


def test_no_sentence_of_the_script_is_said_past_the_catalogue() -> None:
    # What people read begins with a capital and has a blank or ends a label; it always goes through `say`.
    bare = re.sub(
        r'\bsay\("(?:[^"\\]|\\.)*"\)', "", re.sub(r"^\s*(//|/\*).*$", "", SCRIPT, flags=re.MULTILINE)
    )
    assert re.findall(r'"[A-Z][a-z]+ [^"]+"', bare) == []
    assert re.findall(r'(?:textContent|text): "[^"]+"', bare) == []
    assert re.findall(r'tell\("', bare) == []


def test_hindi_page_carries_the_words_and_an_english_one_none(database: Flask) -> None:
    client = database.test_client()
    assert _meta(client.get("/sign-in").text) is None
    words = _meta(client.get("/sign-in", headers={"Accept-Language": "hi"}).text)
    assert words is not None
    assert set(words) == set(script_words.WORDS)
    assert words["Cancel"] == "रद्द करें"
    assert all(text != words[text] for text in words)


def test_words_of_a_translation_cannot_leave_their_attribute(
    database: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Bad(i18n.NullTranslations):
        def gettext(self, message: str) -> str:
            return '"><script>alert(1)</script>' if message == "Cancel" else message

        ugettext = gettext

    monkeypatch.setattr(i18n, "catalogue", lambda name: Bad())
    html = database.test_client().get("/sign-in", headers={"Accept-Language": "hi"}).text
    words = _meta(html)
    assert words is not None
    assert words["Cancel"] == '"><script>alert(1)</script>'
    assert "<script>alert" not in html
