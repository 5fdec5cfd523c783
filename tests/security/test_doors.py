"""Somebody tries the doors: half a sign-in, tokens of people who left, fields that no form has, other hosts."""

from __future__ import annotations

import ast
from pathlib import Path

from flask import Flask
from sqlalchemy import Integer, String, select

from tests.factories import organisation, user
from tests.factories.tokens import headers, token
from tests.house.town import Town
from tests.security.forms import forms_of
from tests.security.walk import Visitors, Walk, visitor
from webapp.database import Base, db, transaction
from webapp.kernel.clock import utc_now
from webapp.people import sessions
from webapp.people.models import User, UserSession
from webapp.people.views.session import COOKIE_KEY

ROOT = Path(__file__).resolve().parents[2]
CANARY_NUMBER, CANARY = 987_654_321, "canary-7f3a"
# The modules that speak to the network, and with whom; everything else has no way to be made to.
SPEAKERS = {
    "webapp/providers/http.py": "payment providers, at the addresses of an organisation's account",
    "webapp/webhooks/sending.py": "the internet alone, at the addresses of an organisation's endpoints",
    "webapp/providers/smtp.py": "the mail server of SMTP_URL",
    "webapp/providers/storage_s3.py": "the endpoint of STORAGE_URL",
    "webapp/demo/run.py": "our own /healthz",
    "webapp/simulator/calls.py": "cuts connections that were made to it, as one of its faults",
    "webapp/simulator/webhooks.py": "the address of messages that its control was given; a program of its own",
    "webapp/embedded/supervisor.py": "its own children, by a socket pair",
}
NETWORK = {"requests", "httpx", "urllib3", "aiohttp", "http.client", "urllib.request", "ftplib", "smtplib", "boto3",
           "httpcore", "socket", "telnetlib", "websocket", "xmlrpc.client"}  # fmt: skip


def test_half_a_sign_in_opens_no_address(town: Town) -> None:
    """After a right password, and before the second factor, a browser is nobody everywhere."""
    walk, admin = Walk(town), town.home.users["admin"]
    closed = [e for e in walk.entries if e.who not in ("public", "nobody") and not e.is_api]
    targets = [(entry, walk.addresses(entry)[0]) for entry in closed]
    with transaction():
        secret, _ = sessions.start(
            user_id=admin.id, organisation_id=town.home.organisation.id, ip="", user_agent="", now=utc_now(),
            is_pending=True,
        )  # fmt: skip
    client = town.app.test_client()
    with client.session_transaction() as cookie:
        cookie[COOKIE_KEY] = secret
    for entry, target in targets:
        answer = client.open(target, method=entry.method)
        assert answer.status_code == (401 if entry.is_unsafe else 302), f"{entry}: {answer.status_code}"
        if not entry.is_unsafe:
            assert answer.location.startswith("/sign-in?next=")
    assert len(targets) > 100


def test_a_token_ends_with_its_person(town: Town) -> None:
    admin, client = town.home.users["admin"], town.app.test_client()
    text = token(admin, town.home.organisation)
    assert client.get("/api/v1/payouts", headers=headers(text)).status_code == 200
    with transaction():
        db.session.get_one(User, admin.id).is_active = False
    assert client.get("/api/v1/payouts", headers=headers(text)).status_code == 401


def _own_columns(names: set[str]) -> dict[str, str]:
    """Values for columns that no form may fill: those that no field of any page is named after."""
    values: dict[str, str] = {}
    for table in Base.metadata.sorted_tables:
        for column in table.columns:
            if column.name not in names:
                is_number = isinstance(column.type, Integer) or "INT" in str(column.type)
                values[column.name] = str(CANARY_NUMBER) if is_number else CANARY
    return values


def _canaries() -> list[str]:
    found = []
    for table in Base.metadata.sorted_tables:
        for column in table.columns:
            wanted = CANARY if isinstance(column.type, String) else CANARY_NUMBER
            # A decimal is kept as a whole number of its smallest part; the finest ones hold less than the canary.
            fits = CANARY_NUMBER * 10 ** getattr(column.type, "places", 0) < 2**63
            can_hold = isinstance(column.type, String) or ("INT" in str(column.type).upper() and fits)
            if can_hold and db.session.scalar(select(column).where(column == wanted).limit(1)) is not None:
                found.append(f"{table.name}.{column.name}")
    db.session.rollback()
    return found


def test_no_form_fills_a_column_that_it_has_no_field_for(town: Town) -> None:
    """Every form of every page, and every other address that changes something, with the columns of all tables."""
    walk, visitors = Walk(town), Visitors(town.client)
    forms = {}
    for who, target in walk.pages():
        answer = visitors.get(who, target)
        if answer.mimetype == "text/html" and answer.status_code == 200:
            for form in forms_of(answer.text, target):
                if not form.action.startswith(("/sign-out", "/account/sessions", "/demo/")):
                    forms.setdefault((who, form.key), form)
    unsafe = [(visitor(e), t, dict(e.form)) for e in walk.entries if e.is_unsafe and not e.is_api
              for t in walk.addresses(e)]  # fmt: skip
    names = {name for form in forms.values() for name in form.values}
    # Fields that only some answers have, or that addresses read by themselves.
    names |= {"reason", "note", "status", "name", "email", "kind", "version", "state", "code", "query", "endpoint",
              "scopes", "roles", "number", "at", "hash", "sha256"}  # fmt: skip
    extra = _own_columns(names)
    assert {"organisation_id", "user_id", "password_hash", "created_by_id"} <= set(extra)
    sent = 0
    for (who, _), form in forms.items():
        first = form.texts[0] if form.texts else ""
        data = form.filled(first, "Plain words") if first else form.values
        answer = visitors.post(who, form.action, {**extra, **data})
        assert answer.status_code < 500, form.action
        sent += 1
    for who, target, data in unsafe:
        assert visitors.post(who, target, {**extra, **data}).status_code < 500, target
        sent += 1
    assert sent > 150
    assert not _canaries()


def test_few_modules_speak_to_the_network() -> None:
    found = set()
    for path in [*(ROOT / "webapp").rglob("*.py"), *(ROOT / "jobs").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            imported = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                imported = [node.module]
            speaks = NETWORK & set(imported)
            if speaks and not (speaks == {"socket"} and _only_names_its_host(path)):
                found.add(str(path.relative_to(ROOT)))
    assert found == set(SPEAKERS)


def _only_names_its_host(path: Path) -> bool:
    """Whether a module takes nothing but gethostname and exceptions from the module socket."""
    nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)]
    used = {node.attr for node in nodes if isinstance(node.value, ast.Name) and node.value.id == "socket"}
    return used <= {"gethostname", "gaierror"}


def test_a_browser_signed_in_elsewhere_has_no_session_here(database: Flask) -> None:
    """The secret in the cookie is worth nothing without our signature, and the row's hash is no secret."""
    home = organisation()
    person = user("ana@x.example", organisation=home, role="admin")
    with transaction():
        sessions.start(user_id=person.id, organisation_id=home.id, ip="", user_agent="", now=utc_now())
    stored = db.session.scalars(select(UserSession.token_hash)).one()
    client = database.test_client()
    with client.session_transaction() as cookie:
        cookie[COOKIE_KEY] = stored
    assert client.get("/account").status_code == 302
    client.set_cookie("paydesk", "eyJzZXNzaW9uIjoieCJ9.aaaa.bbbb")
    assert client.get("/account").status_code == 302
