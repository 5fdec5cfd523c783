"""Hostile JSON to every operation of the API: never an error of ours, nothing undocumented, inert in every page.

The operations are those of the table that views and document are made from, so that a new one is here by itself.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from itertools import cycle, islice
from typing import Any
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from tests.factories import stored as committed
from tests.factories.tokens import headers, token
from tests.house.town import EXAMPLES, Town
from tests.security.event_schema import problems
from tests.security.inert import ALL_AT_ONCE, OTHERS, SHORT, element_problems, file_problems, stored
from tests.security.walk import Visitors, Walk
from webapp.api import mount, openapi
from webapp.api.operations import Operation
from webapp.audit.models import AuditEvent
from webapp.database import db

assert mount.RESOURCES  # the operations are those of what is mounted
OPERATIONS = {f"{o.method} {o.rule}": o for o in openapi.operations()}
WITH_BODY = [name for name, operation in OPERATIONS.items() if operation.body is not None]
DEEP = 100_000
RAW = {
    "nothing": b"",
    "a space": b" ",
    "an array": b"[]",
    "an object in an array": b'[{"name": "x"}]',
    "a text": b'"name"',
    "a number": b"1",
    "null": b"null",
    "true": b"true",
    "NaN": b'{"version": NaN}',
    "infinity": b'{"version": -Infinity}',
    "a number without end": b'{"version": 1' + b"0" * 5_000 + b"}",
    "a large number": b'{"version": 1' + b"0" * 400 + b"}",
    "a large exponent": b'{"version": 1e999}',
    "half a sign": b'{"note": "\\ud800"}',
    "half a sign as a name": b'{"\\udfff": 1}',
    "NUL as it is": b'{"note": "\x00"}',
    "NUL as a name": b'{"\\u0000": 1}',
    "not UTF-8": b'{"note": "\xff\xfe"}',
    "a sign written too long": b'{"note": "\xc0\xaf"}',
    "UTF-16": '{"note": "x"}'.encode("utf-16"),
    "a mark before it": b'\xef\xbb\xbf{"note": "x"}',
    "deep arrays": b"[" * DEEP + b"]" * DEEP,
    "deep objects": b'{"a":' * DEEP,
    "deep, but whole": b'{"a":' * 400 + b"1" + b"}" * 400,
    "a field twice": b'{"version": 1, "version": 2}',
    "a field twice, deep inside": b'{"shares": [{"weight": 1, "weight": 2}]}',
    "the beginning": b'{"version"',
    "two": b"{}{}",
    "a remark": b"/* */ {}",
    "a comma too many": b'{"version": 1,}',
    "another's fields": b'{"__proto__": {"is_admin": true}, "constructor": 1, "__class__": "x"}',
}
DEEP_LIST: list[Any] = []
for _ in range(200):
    DEEP_LIST = [DEEP_LIST]
TEXTS = (ALL_AT_ONCE, SHORT, *OTHERS, "", " ", "\u2028", "\u0661\u0662")
NO_TEXTS: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 2**31, 2**63, 2**64, -(2**63) - 1, 10**400, 1e308, -0.0, [], {}, [None], [[1]],
    DEEP_LIST, ["x"] * 1_001, {"a": 1}, {"$ne": None}, {"amount": "1", "currency": "USD", "more": 1},
)  # fmt: skip
# Every field meets these; the others take turns over the fields, so that each meets many fields.
ALWAYS: tuple[Any, ...] = (
    ALL_AT_ONCE,
    "x" * 10_000,
    "NUL\x00here",
    "\u202eabc",
    "\ud800",
    None,
    True,
    1.5,
    2**63,
    [],
    {},
)
TURNS = [value for value in (*TEXTS, *NO_TEXTS) if repr(value) not in {repr(one) for one in ALWAYS}]


def _arguments(town: Town, operation: Operation) -> dict[str, Any]:
    """A real record of the address, made anew."""
    if "<" not in operation.rule:
        return {}
    with committed():
        name = f"api.{operation.group}"
        return EXAMPLES.get(f"{name}.{operation.name}", EXAMPLES[name])(town.home, "")[0]


def _path(operation: Operation, arguments: dict[str, Any]) -> str:
    path = openapi.PREFIX + openapi._ARGUMENT.sub(r"{\2}", operation.rule)
    return path.format(**{name: quote(str(value), safe="") for name, value in arguments.items()})


def _document(operation: Operation) -> dict[str, Any]:
    path = openapi.PREFIX + openapi._ARGUMENT.sub(r"{\2}", operation.rule)
    return openapi.document()["paths"][path][operation.method.lower()]


def _example(operation: Operation) -> dict[str, Any]:
    return _document(operation)["requestBody"]["content"]["application/json"]["example"]


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place of a body, the whole branches too."""
    if path:
        yield path
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        yield from _leaves(inner, (*path, step))


def _with(body: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    made: Any = copy.deepcopy(body)
    place = made
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return made


class Caller:
    """A program of the admin that notes every answer that is not as it should be."""

    def __init__(self, town: Town) -> None:
        admin = town.home.users["admin"]
        self.client: FlaskClient = town.app.test_client()
        self.text = token(admin, town.home.organisation)
        self.wrong: list[str] = []
        self.codes: set[int] = set()

    def send(self, operation: Operation, path: str, what: str, **values: Any) -> Any:
        """One call; `what` says what is hostile in it."""
        answer = self.client.open(path, method=operation.method, headers=headers(self.text), **values)
        self.codes.add(answer.status_code)
        name = f"{answer.status_code} {operation.method} {operation.rule}, {what[:80]}"
        if answer.status_code >= 500:
            self.wrong.append(name)
        elif str(answer.status_code) not in _document(operation)["responses"]:
            self.wrong.append(f"{name}: not documented")
        elif answer.mimetype not in ("application/json", "application/problem+json", operation.media_type):
            self.wrong.append(f"{name}: {answer.mimetype}")
        elif answer.mimetype.endswith("json"):
            json.loads(answer.data)
        return answer


@pytest.mark.parametrize("name", WITH_BODY)
def test_what_is_no_body_is_refused(town: Town, name: str) -> None:
    operation, caller = OPERATIONS[name], Caller(town)
    path = _path(operation, _arguments(town, operation))
    for what, data in RAW.items():
        answer = caller.send(operation, path, what, data=data, content_type="application/json")
        assert answer.status_code in (400, 422), f"{what}: {answer.status_code} {answer.text[:200]}"
        assert answer.mimetype == "application/problem+json"
    kinds = ("text/plain", "application/x-www-form-urlencoded", "application/json5", "")
    for kind in kinds:
        answer = caller.send(operation, path, kind, data=b"{}", content_type=kind)
        assert answer.status_code == 415, kind
    large = b'{"note": "' + b"x" * 1_100_000 + b'"}'
    assert (
        caller.send(operation, path, "large", data=large, content_type="application/json").status_code == 413
    )
    assert not caller.wrong, "\n".join(caller.wrong)


@pytest.mark.parametrize("name", WITH_BODY)
def test_hostile_values_in_every_field(town: Town, name: str) -> None:
    operation, caller = OPERATIONS[name], Caller(town)
    path, example = _path(operation, _arguments(town, operation)), _example(operation)
    leaves = list(_leaves(example))
    takes_something = bool(operation.body and operation.body.model_fields)
    assert bool(leaves) is takes_something
    others = cycle(TURNS)
    for leaf in leaves:
        for value in (*ALWAYS, *islice(others, 8)):
            # As ASCII with escapes, so that half a sign can be sent, too.
            data = json.dumps(_with(example, leaf, value))
            what = f"{'.'.join(map(str, leaf))} = {value!r:.60}"
            caller.send(operation, path, what, data=data, content_type="application/json")
    for key in TEXTS:
        data = json.dumps({**example, key: 1})
        answer = caller.send(
            operation, path, f"a field {key!r:.60}", data=data, content_type="application/json"
        )
        assert answer.status_code in (400, 422)
    refusals = {400, 422} if takes_something else {422}
    assert refusals <= caller.codes, "nothing was refused: the values do not reach the fields"
    assert not caller.wrong, "\n".join(caller.wrong)


@pytest.mark.parametrize("name", OPERATIONS)
def test_hostile_texts_in_the_address(town: Town, name: str) -> None:
    operation, caller = OPERATIONS[name], Caller(town)
    arguments = _arguments(town, operation)
    values = {"json": _example(operation)} if operation.body is not None else {}
    texts = [text.encode("utf-8", "replace").decode() for text in TEXTS if text]
    for argument in arguments:
        for text in texts:
            caller.send(
                operation,
                _path(operation, {**arguments, argument: text}),
                f"{argument} = {text!r:.60}",
                **values,
            )
    names = list(operation.query.model_fields) if operation.query is not None else []
    for parameter in (*names, "nothing"):
        for text in texts:
            query = {parameter: text}
            what = f"?{parameter}={text!r:.60}"
            caller.send(operation, _path(operation, arguments), what, query_string=query, **values)
    bad = _path(operation, arguments) + "?limit=%ff&%00=%00"
    caller.send(operation, bad, "bytes that are no text", **values)
    assert not caller.wrong, "\n".join(caller.wrong)


def _storable(town: Town, operation: Operation) -> dict[str, Any]:
    """The example, fit to be taken by a fresh record of the town."""
    body = copy.deepcopy(_example(operation))
    for name in ("version", "seen_details_version", "confirm_details_version"):
        if name in body and operation.body is not None:
            if operation.body.model_fields[name].is_required():
                body[name] = 1
            else:
                del body[name]
    technician = town.home.payees["technician"].reference
    if "shares" in body:
        body["shares"] = [{"technician": technician, "weight": 1}]
    return body


@pytest.mark.slow
def test_what_the_api_stores_is_inert_in_every_page(town: Town) -> None:
    caller, wrong, taken = Caller(town), [], 0
    for name in WITH_BODY:
        operation = OPERATIONS[name]
        example = _storable(town, operation)
        texts = [leaf for leaf in _leaves(example) if _is_text(example, leaf)]
        for leaf in texts:
            for value in (ALL_AT_ONCE, SHORT):
                data = _with(example, leaf, value)
                path = _path(operation, _arguments(town, operation))
                answer = caller.send(operation, path, ".".join(map(str, leaf)), json=data)
                taken += answer.status_code < 300
    assert not caller.wrong, "\n".join(caller.wrong)
    assert taken > 12, f"only {taken} texts were stored"
    tables = {name.partition(".")[0] for name in stored()}
    assert tables >= {"payees", "payouts", "installations", "rate_versions", "audit_events"}, tables
    events = db.session.scalars(select(AuditEvent)).all()
    wrong += [problem for event in events for problem in problems(event)]
    db.session.rollback()
    walk, visitors, shown = Walk(town), Visitors(town.client), 0
    for who, target in walk.pages():
        answer = visitors.get(who, target)
        shown += b"x-canary" in answer.data
        if answer.status_code >= 500:
            wrong.append(f"{answer.status_code} GET {target}")
        is_page = answer.mimetype == "text/html"
        wrong += [
            f"{target}: {p}" for p in (element_problems(answer.text) if is_page else file_problems(answer))
        ]
    assert shown > 3, "the text was shown nowhere: the test looks at nothing"
    assert not wrong, "\n".join(sorted(set(wrong)))


def _is_text(body: Any, leaf: tuple[Any, ...]) -> bool:
    for step in leaf:
        body = body[step]
    return isinstance(body, str)
