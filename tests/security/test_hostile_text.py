"""Hostile text in every field of every form: no error of ours, and inert wherever it comes out again.

Every page of the matrix is opened by whom it is for; every form on it is sent once per text field and text, with
plausible words in the other fields. One text carries all that can be stored at once (markup, a template, a formula,
SQL, a right-to-left override, an emoji); those that cannot be stored, or only in part, take turns over the fields,
so that every field meets the storable one and one of the others, and every other one meets every page. Then every
page, file and e-mail is read again.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from itertools import cycle
from typing import Any

import pytest
from sqlalchemy import select

from tests.factories.tokens import headers, token
from tests.house.town import Town
from tests.proof.rounds import lift_halts
from tests.security.forms import Form, forms_of
from tests.security.inert import ALL_AT_ONCE, MARK, OTHERS, SHORT, element_problems, file_problems, stored
from tests.security.walk import Visitors, Walk
from webapp.database import db
from webapp.notices.models import Email

# What ends the visitor's own stay is not sent from the page of somebody who has more to visit.
NOT_SENT = ("/sign-out", "/account/sessions", "/demo/")


def _cases(forms: list[Form]) -> Iterator[tuple[str, dict[str, Any]]]:
    others = cycle(OTHERS)
    for form in forms:
        for name in form.texts:
            yield name, form.filled(name, ALL_AT_ONCE)
            yield name, form.filled(name, SHORT)
            text = next(others)
            # A browser cannot send a lone surrogate; it sends the sign for what cannot be read.
            yield name, form.filled(name, text.encode("utf-8", "replace").decode())


@pytest.fixture
def no_calls(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every connection that Python code tries to open meanwhile is refused and noted."""
    tried: list[Any] = []

    def refuse(self: socket.socket, address: Any) -> None:
        tried.append(address)
        raise ConnectionRefusedError(f"the test refuses a connection to {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    return tried


@pytest.mark.slow
def test_hostile_text_is_inert_everywhere(town: Town, no_calls: list[Any]) -> None:
    walk = Walk(town)
    visitors, pages, seen, wrong, sent = Visitors(town.client), walk.pages(), set(), [], 0
    for who, target in pages:
        answer = visitors.get(who, target)
        if answer.mimetype != "text/html" or answer.status_code != 200:
            continue
        forms = [
            f
            for f in forms_of(answer.text, target)
            if f.key not in seen and not f.action.startswith(NOT_SENT)
        ]
        seen.update(form.key for form in forms)
        for form in forms:
            for name, data in _cases([form]):
                given = visitors.post(who, form.action, data)
                sent += 1
                if given.status_code >= 500:
                    wrong.append(
                        f"{given.status_code} POST {form.action} with {name}={str(data[name])[:60]!r}"
                    )
                if given.mimetype == "text/html":
                    wrong += [f"answer to {form.action}, {name}: {p}" for p in element_problems(given.text)]
    assert not wrong, "\n".join(sorted(set(wrong)))
    assert sent > 150, f"only {sent} forms were sent"
    assert not no_calls, f"a page opened connections: {no_calls}"
    tables = {name.partition(".")[0] for name in stored()}
    assert tables >= {"payees", "users", "installations", "audit_events", "api_tokens", "payouts"}, tables
    wrong += _look_again(walk, visitors, pages)
    assert not wrong, "\n".join(sorted(set(wrong)))


def _look_again(walk: Walk, visitors: Visitors, pages: list[tuple[str, str]]) -> list[str]:
    wrong, shown = [], 0
    for who, target in pages:
        answer = visitors.get(who, target)
        shown += MARK.encode() in answer.data
        if answer.status_code >= 500:
            wrong.append(f"{answer.status_code} GET {target}")
        problems = element_problems(answer.text) if answer.mimetype == "text/html" else file_problems(answer)
        wrong += [f"{target}: {problem}" for problem in problems]
    assert shown > 3, "the text was shown nowhere: the test looks at nothing"
    # One of the forms halted payments; records that the API names are made of payments that flow.
    lift_halts(walk.town.home.organisation.id)
    return wrong + _mails() + _api(walk)


def _mails() -> list[str]:
    wrong = []
    for mail in db.session.scalars(select(Email)):
        if "\n" in mail.subject or "\r" in mail.subject:
            wrong.append(f"the subject of a mail has a line break: {mail.subject!r}")
        wrong += [f"mail {mail.notice}: {p}" for p in element_problems(mail.body_html or "")]
    db.session.rollback()
    return wrong


def _api(walk: Walk) -> list[str]:
    wrong = []
    town = walk.town
    text = token(town.home.users["admin"], town.home.organisation)
    client = town.app.test_client()
    for entry in walk.entries:
        if entry.is_api and not entry.is_unsafe:
            for target in walk.addresses(entry):
                answer = client.get(target, headers=headers(text))
                if answer.status_code >= 500:
                    wrong.append(f"{answer.status_code} GET {target}")
                elif "csv" not in answer.mimetype:
                    json.loads(answer.data)
    return wrong
