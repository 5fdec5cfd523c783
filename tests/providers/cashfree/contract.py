"""Every request to the simulated Payouts V2, and every answer, held against the provider's own description."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from flask import Flask, Response, request
from openapi_core import OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_core.exceptions import OpenAPIError
from werkzeug.datastructures import Headers, ImmutableMultiDict

DOCUMENT = Path(__file__).resolve().parents[2] / "data" / "providers" / "cashfree" / "openapi-PO.strict.json"
SERVER = "https://sandbox.cashfree.com"
MOUNTED = "/cashfree"
# Answers that the document does not list, and that Cashfree gives all the same.
UNLISTED = frozenset({401, 422, 429, 502})


@cache
def described() -> OpenAPI:
    """The provider's description."""
    return OpenAPI.from_dict(json.loads(DOCUMENT.read_text()))


@dataclass
class Asked:
    """A request as the checker wants it."""

    method: str
    path: str
    body: bytes | None
    content_type: str
    parameters: RequestParameters
    host_url: str = SERVER


@dataclass
class Answered:
    """An answer as the checker wants it."""

    status_code: int
    data: bytes
    content_type: str
    headers: Headers


def asked(method: str, url: str, headers: Any, body: bytes) -> Asked:
    """A request to an address of the document, wherever its server is."""
    parts = urlsplit(url)
    query = ImmutableMultiDict(parse_qsl(parts.query, keep_blank_values=True))
    given = Headers(list(headers.items()))
    path = parts.path.removeprefix(MOUNTED)
    kind = given.get("content-type", "").lower()
    return Asked(
        method.lower(), path, body or None, kind, RequestParameters(query=query, header=given, path={})
    )


@dataclass
class Contract:
    """Looks on while an application answers; `broken` says what did not fit, `seen` counts what was looked at."""

    broken: list[str] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)

    def watch(self, app: Flask) -> None:
        """Look at every call of Payouts V2 from now on; before the application has answered its first one."""

        @app.after_request
        def look(response: Response) -> Response:
            path = request.path.removeprefix(MOUNTED)
            if path.startswith(("/payout/transfers", "/payout/beneficiary")):
                self._look(response)
            return response

    def _look(self, response: Response) -> None:
        wanted = asked(request.method, request.url, request.headers, request.get_data())
        name = f"{request.method} {wanted.path} {response.status_code}"
        self.seen[name] += 1
        try:
            described().validate_request(wanted)
        except OpenAPIError as error:
            self.broken.append(f"request {name}: {_why(error)} {request.get_data(as_text=True)}")
        if response.status_code in UNLISTED:
            body = json.loads(response.get_data())
            if set(body) != {"type", "code", "message"}:
                self.broken.append(f"answer {name}: {body}")
            return
        said = Answered(
            response.status_code, response.get_data(), response.content_type or "", response.headers
        )
        try:
            described().validate_response(wanted, said)
        except OpenAPIError as error:
            self.broken.append(f"answer {name}: {_why(error)} {response.get_data(as_text=True)}")


def _why(error: BaseException) -> str:
    inner = getattr(error, "schema_errors", None) or ([error.__cause__] if error.__cause__ else [])
    return f"{error} {[_why(e) if isinstance(e, OpenAPIError) else str(e)[:300] for e in inner]}"
