"""Every kind of event fits the schema of the trail, in the code and in what is stored; none holds a secret."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from tests import factories
from tests.factories import PASSWORD, installations
from tests.factories.tokens import Api, token
from tests.security.event_schema import SOURCES, TAG, problems, secret_names
from webapp.audit.models import AuditEvent
from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.people import service as people
from webapp.people.access import links

ROOT = Path(__file__).resolve().parents[2]
#: Writes for every program, by the word that the program gave it.
TRAIL = "webapp/audit/changes.py"
CODE = [*(ROOT / "webapp").rglob("*.py"), *(ROOT / "jobs").rglob("*.py")]


def _texts(node: ast.expr | None) -> Iterator[str]:
    """The texts that an expression can be; a part that is not known is one word."""
    match node:
        case ast.Constant(value=str() as text):
            yield text
        case ast.IfExp(body=first, orelse=second):
            yield from _texts(first)
            yield from _texts(second)
        case ast.JoinedStr(values=parts):
            yield "".join(p.value if isinstance(p, ast.Constant) else "word" for p in parts)  # type: ignore[misc]


def _logged() -> list[tuple[str, ast.Call, str]]:
    """Place, call and tag of everything that writes to the trail by a tag of its own."""
    found = []
    for path in CODE:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            given = {k.arg: k.value for k in node.keywords}
            if "tag" in given and "actor" in given:
                place = f"{path.relative_to(ROOT)}:{node.lineno}"
                found += [(place, node, tag) for tag in _texts(given["tag"]) if ":" in tag]
    return found


def test_every_tag_in_the_code_is_source_subject_action() -> None:
    logged = _logged()
    assert len(logged) > 40
    wrong = [f"{place}: {tag}" for place, _, tag in logged
             if not TAG.fullmatch(tag) or (tag.partition(":")[0] not in SOURCES
             and not place.startswith(TRAIL))]  # fmt: skip
    assert not wrong, wrong


def test_a_program_s_trail_has_the_program_s_word() -> None:
    said = {path.parent.name: path.read_text() for path in (ROOT / "webapp/programs").glob("*/trail.py")}
    assert len(said) >= 3
    assert all("Trail(PROGRAM)" in text for text in said.values())
    words = {name: import_module(f"webapp.programs.{name}.drafts").PROGRAM for name in said}
    assert words == {name: name for name in said}
    assert set(words) <= SOURCES


def test_every_event_names_actor_time_organisation_and_subject() -> None:
    needed = {"tag", "actor", "now", "organisation_id", "subject_type"}
    wrong = [
        f"{place}: {tag} lacks {sorted(missing)}"
        for place, call, tag in _logged()
        if all(k.arg is not None for k in call.keywords)
        and ast.unparse(call.func).endswith(("audit.record", "record"))
        and (missing := needed - {k.arg for k in call.keywords if k.arg})
    ]
    assert not wrong, wrong


def _changes_in(path: Path) -> Iterator[ast.expr]:
    """What is given as `changes=`, or kept under that name before."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.keyword | ast.Assign):
            continue
        names = [node.arg] if isinstance(node, ast.keyword) else [ast.unparse(t) for t in node.targets]
        if "changes" in names:
            yield node.value


def _literal_fields() -> Iterator[tuple[str, str]]:
    """Names of fields that are written out in dictionaries of changes."""
    for path in CODE:
        for given in _changes_in(path):
            dictionaries = [inner for inner in ast.walk(given) if isinstance(inner, ast.Dict)]
            for key in (key for inner in dictionaries for key in inner.keys):
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    yield f"{path.relative_to(ROOT)}:{key.lineno}", key.value


def test_no_field_of_the_changes_is_a_secret() -> None:
    fields = list(_literal_fields())
    assert len(fields) > 30
    assert not (wrong := [f"{place}: {name}" for place, name in fields if secret_names([name])]), wrong


@pytest.mark.parametrize(
    "name", ["password_hash", "totp_secret", "account_number", "iban", "details_encrypted", "recovery_code", "vpa"]
)  # fmt: skip
def test_names_of_secrets_are_known_as_such(name: str) -> None:
    assert secret_names([name])
    assert not secret_names(
        ["state", "fingerprint", "api_tokens_revoked", "payment reference", "shipping", "masked"]
    )


def test_what_is_stored_fits_and_holds_no_secret(database: Flask) -> None:
    home = factories.organisation("solaria")
    admin = factories.user("maya@solaria.example", organisation=home, role="admin", password=PASSWORD)
    other = factories.user("ravi@solaria.example", organisation=home, role="admin", password=PASSWORD)
    payee = factories.payee(home)
    account = "111122224821"
    factories.method(payee, factories.destination(account))
    with transaction():
        installations.rate(home)
        links.create_reset(user_id=admin.id, actor=factories.FACTORY, now=utc_now())
        people.set_password(
            user_id=admin.id, password="seven green umbrellas sing", actor=factories.FACTORY, now=utc_now()
        )
    text = token(other, home)
    api = Api(database, text)
    due = installations.installation(home, payee).reference
    made = api.post("/payouts", {"payee": payee.reference, "installations": [due]}).json
    api.post(f"/payouts/{made['reference']}/hold", {"reason": "Look."})
    api.post(f"/payouts/{made['reference']}/reject", {"reason": "Wrong size."})
    client = database.test_client()
    client.post("/sign-in", data={"email": "maya@solaria.example", "password": "wrong password here"})
    client.post("/sign-in", data={"email": "maya@solaria.example", "password": "seven green umbrellas sing"})
    db.session.rollback()
    events = db.session.scalars(select(AuditEvent)).all()
    kinds = {event.tag for event in events}
    assert len(kinds) >= 12, kinds
    assert not (wrong := [p for event in events for p in problems(event)]), wrong
    everything = " ".join(f"{e.changes} {e.note} {e.subject_label}" for e in events)
    for secret in (text, account, PASSWORD, "wrong password here", "seven green umbrellas sing"):
        assert secret not in everything
    assert re.search(r"pd_\w{8}…", everything), "the token is named by its first signs"
