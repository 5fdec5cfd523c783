"""One API address: what it reads, what it answers, which scope it needs. The view and the OpenAPI document are
both made from this, so they cannot disagree."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

from flask import Blueprint, Response, request
from pydantic import BaseModel, ValidationError

from webapp.api import idempotency
from webapp.api.bearer import caller
from webapp.api.problems import Problem, field_error
from webapp.database import db
from webapp.people.access.tokens import Scope

PREFIX = "/api/v1"
MAXIMUM_BODY = 1024 * 1024
JSON_TYPE = "application/json"
CREATED, REPEATED = 201, 200
View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True)
class Operation:
    """A method at an address, as code and document see it."""

    group: str
    name: str
    method: str
    # As Flask writes it, under /api/v1.
    rule: str
    summary: str
    description: str
    # None: any living token.
    scope: Scope | None
    answers: type[BaseModel] | None
    status: int = 200
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    # A body of bytes instead of JSON.
    media_type: str = JSON_TYPE
    # Where what was made is read, under /api/v1; fields of the answer are filled in.
    location: str = ""
    # Its answer says `is_repeat`: what was there already is answered with 200 instead of 201.
    repeats: bool = False

    @property
    def is_unsafe(self) -> bool:
        """Whether it may change something."""
        return self.method != "GET"


class Resource:
    """The addresses of one kind of record: a blueprint, and what the document says about it."""

    registered: list[Resource] = []

    def __init__(self, name: str, path: str, *, title: str, about: str) -> None:
        self.name, self.path, self.title, self.about = name, path, title, about
        self.blueprint = Blueprint(name, __name__, url_prefix=path)
        self.operations: list[Operation] = []
        Resource.registered.append(self)

    def get(self, rule: str, **values: Any) -> Callable[[View], View]:
        """A reading address; see `_add` for what describes it."""
        return self._add("GET", rule, **values)

    def post(self, rule: str, **values: Any) -> Callable[[View], View]:
        """An address that acts. Its view is the work: it runs inside the one transaction and answers a model."""
        return self._add("POST", rule, **values)

    def put(self, rule: str, **values: Any) -> Callable[[View], View]:
        """An address that replaces; as `post`."""
        return self._add("PUT", rule, **values)

    def patch(self, rule: str, **values: Any) -> Callable[[View], View]:
        """An address that changes the fields it is sent; as `post`."""
        return self._add("PATCH", rule, **values)

    def _add(
        self,
        method: str,
        rule: str,
        *,
        scope: Scope | None,
        summary: str,
        answers: type[BaseModel] | None,
        status: int = 200,
        query: type[BaseModel] | None = None,
        body: type[BaseModel] | None = None,
        media_type: str = JSON_TYPE,
        location: str = "",
        repeats: bool = False,
        before: Callable[..., Any] | None = None,
    ) -> Callable[[View], View]:
        if (status == CREATED) != bool(location):
            raise ValueError(
                f"{self.path}{rule}: what is made (201) says where it is read, nothing else does"
            )

        def register(view: View) -> View:
            operation = Operation(
                self.name, view.__name__, method, self.path + rule, summary,
                " ".join((view.__doc__ or "").split()), scope, answers, status, query, body, media_type, location,
                repeats,
            )  # fmt: skip
            self.operations.append(operation)
            handler = _handler(operation, view, before)
            self.blueprint.add_url_rule(rule, view.__name__, handler, methods=[method])
            return view

        return register


def _handler(
    operation: Operation, view: Callable[..., Any], before: Callable[..., Any] | None = None
) -> Callable[..., Response]:
    """The view of an operation. What `before` answers, outside any transaction, is given to it as `prepared`."""

    @wraps(view)
    def handle(**arguments: Any) -> Response:
        who = caller()
        if operation.scope is not None:
            who.require(operation.scope)
        key = idempotency.key_of_request() if operation.is_unsafe else ""
        sent: Any = None
        query = read_query(operation.query)
        if query is not None:
            arguments["query"] = query
        if operation.body is not None:
            arguments["body"], sent = read_body(operation.body)
        if not operation.is_unsafe:
            result = view(who, **arguments)
            return result if isinstance(result, Response) else _json(operation.status, result)

        def work() -> tuple[int, Any]:
            answer = view(who, **arguments)
            status = REPEATED if operation.repeats and answer.is_repeat else operation.status
            return status, answer.model_dump(mode="json")

        def prepare() -> None:
            if before is not None:
                prepared = before(who, **arguments)
                # No transaction stands open when the work begins one.
                db.session.rollback()
                arguments["prepared"] = prepared

        return _located(
            operation, idempotency.perform(who=who, key=key, body=sent, work=work, before=prepare)
        )

    return handle


def _located(operation: Operation, response: Response) -> Response:
    """Say where the new record is; a repeated answer says it, too."""
    if operation.location and response.status_code == CREATED:
        response.headers["Location"] = PREFIX + operation.location.format_map(json.loads(response.get_data()))
    return response


def _json(status: int, model: BaseModel) -> Response:
    return Response(model.model_dump_json(), status, mimetype=JSON_TYPE)


def read_query(kind: type[BaseModel] | None) -> Any:
    """The query string as a model. Raises Problem 422 for what is unknown, repeated or wrong."""
    known = set(kind.model_fields) if kind else set()
    problems = [
        field_error(name, "This parameter is not known here.") for name in request.args if name not in known
    ]
    problems += [
        field_error(name, "Give this parameter once.")
        for name in request.args
        if name in known and len(request.args.getlist(name)) > 1
    ]
    if problems:
        raise _invalid(problems)
    if kind is None:
        return None
    try:
        return kind.model_validate(request.args.to_dict())
    except ValidationError as error:
        raise _invalid(_errors(error, kind)) from None


def read_body(kind: type[BaseModel]) -> tuple[Any, Any]:
    """The body as a model, and as it was sent. Raises Problem 413, 415, 400 or 422."""
    if request.mimetype != JSON_TYPE:
        raise Problem("unsupported-type")
    if (request.content_length or 0) > MAXIMUM_BODY:
        raise Problem("too-large")
    raw = request.get_data(cache=False)
    if len(raw) > MAXIMUM_BODY:
        raise Problem("too-large")
    try:
        sent = json.loads(raw.decode(), object_pairs_hook=_no_twins, parse_constant=_no_constant)
        json.dumps(sent, ensure_ascii=False).encode()
    except (UnicodeError, RecursionError, ValueError) as error:
        known = isinstance(error, _Unreadable)
        raise Problem("unreadable", str(error) if known else "The body is no JSON in UTF-8.") from None
    try:
        return kind.model_validate_json(raw), sent
    except ValidationError as error:
        raise _invalid(_errors(error, kind)) from None


class _Unreadable(ValueError):
    """JSON that two readers would read differently."""


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Unreadable("The body names a field twice.")
    return found


def _no_constant(name: str) -> Any:
    raise _Unreadable(f"{name} is no JSON.")


def _invalid(errors: list[dict[str, str | None]]) -> Problem:
    detail = " ".join(f"{e['field'] or 'body'}: {e['message']}" for e in errors[:5])
    return Problem("invalid", detail, members={"errors": errors})


_WORDS = {
    "missing": "This field is needed.",
    "extra_forbidden": "This field is not known here.",
    "string_type": "This must be a text.",
    "int_type": "This must be a whole number.",
    "bool_type": "This must be true or false.",
    "list_type": "This must be a list.",
    "tuple_type": "This must be a list.",
    "model_type": "This must be an object.",
    "model_attributes_type": "This must be an object.",
    "date_type": "This must be a day, written as text.",
    "date_parsing": "This is not a day as YYYY-MM-DD.",
    "date_from_datetime_parsing": "This is not a day as YYYY-MM-DD.",
    "datetime_type": "This must be an instant, written as text.",
    "datetime_parsing": "This is not an instant as YYYY-MM-DDTHH:MM:SSZ.",
    "datetime_from_date_parsing": "This is not an instant as YYYY-MM-DDTHH:MM:SSZ.",
}


def _errors(error: ValidationError, kind: type[BaseModel]) -> list[dict[str, str | None]]:
    """Each refusal with its field and, where the field has one, an example of right."""
    found = []
    for item in error.errors(include_url=False, include_input=False)[:50]:
        path = [str(part) for part in item["loc"]]
        words = _WORDS.get(item["type"]) or _sentence(item["msg"])
        found.append(field_error(".".join(path), words, _example(kind, path)))
    return found


def _sentence(message: str) -> str:
    text = message.removeprefix("Value error, ")
    return text if text.endswith(".") else f"{text}."


def _example(kind: type[BaseModel], path: list[str]) -> str | None:
    field = kind.model_fields.get(path[0]) if path else None
    if field is None:
        return None
    examples = field.examples
    if not examples:
        return None
    first = examples[0]
    return first if isinstance(first, str) else json.dumps(first, ensure_ascii=False)
