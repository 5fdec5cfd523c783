"""The calls of Zoho: consent, tokens, and one way to call the books, whose answers all have a `code`: 0 for yes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from webapp.kernel.clock import utc_now
from webapp.providers import accounts, http
from webapp.providers.accounts import Access, Token
from webapp.providers.bookkeeping import BooksError, Trouble
from webapp.providers.http import Reply
from webapp.providers.ports import mask
from webapp.providers.zoho.places import CENTRES, SCOPES

PROVIDER = "zoho"
# Part of the stored keys that nobody types: what the consent gave.
REFRESH_TOKEN = "refresh_token"  # noqa: S105 - a name
PURPOSE = "books"
_MARGIN = timedelta(minutes=5)
# How long the other workers wait for the one that fetches a token: Zoho gives few.
PATIENCE = timedelta(seconds=15)
_YOUNG = timedelta(minutes=1)
_BUSY_SECONDS = 20.0
_TOO_MANY = {"43": 60.0, "44": 60.0, "45": 3600.0, "1070": 20.0}
_TAKEN = frozenset({"1001", "3062", "13011"})
_MISSING = "1002"
_NOT_ALLOWED = "57"
_LONGEST_WAIT = 24 * 3600.0
_LONGEST_MESSAGE = 400


def accounts_server(access: Access) -> str:
    """Where consent and tokens come from."""
    return (access.get("accounts_url") or CENTRES[access.get("data_centre") or "us"].accounts).rstrip("/")


def books_server(access: Access) -> str:
    """Where the books are called."""
    return (access.get("books_url") or CENTRES[access.get("data_centre") or "us"].books).rstrip("/")


def consent_address(access: Access, redirect_uri: str, state: str) -> str:
    """Where a person says yes to what Paydesk may do."""
    asked = {
        "scope": ",".join(SCOPES), "client_id": access.get("client_id"), "response_type": "code",
        "access_type": "offline", "prompt": "consent", "redirect_uri": redirect_uri, "state": state,
    }  # fmt: skip
    return f"{accounts_server(access)}/oauth/v2/auth?{urlencode(asked)}"


@dataclass(frozen=True)
class Granted:
    """What a consent gave: a token that lasts, and one for now."""

    refresh_token: str
    token: Token


def exchange(access: Access, code: str, redirect_uri: str) -> Granted:
    """The tokens of a code of consent, which is good once and for two minutes. Raises BooksError."""
    reply = _ask_token(
        access, {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
    )
    token, refresh = _token_of(reply), reply.body.get("refresh_token")
    if token is None or not isinstance(refresh, str) or not 10 < len(refresh) <= 300:
        raise _token_trouble(reply)
    return Granted(refresh, token)


def fetch_token(access: Access) -> Token:
    """A new access token. Raises BooksError."""
    reply = _ask_token(access, {"grant_type": "refresh_token", "refresh_token": access.get(REFRESH_TOKEN)})
    token = _token_of(reply)
    if token is None:
        raise _token_trouble(reply)
    return token


def _ask_token(access: Access, more: Mapping[str, str]) -> Reply:
    keys = {"client_id": access.get("client_id"), "client_secret": access.get("client_secret")}
    return http.call("POST", f"{accounts_server(access)}/oauth/v2/token", headers={}, form={**keys, **more})


def _token_of(reply: Reply) -> Token | None:
    value, seconds = reply.body.get("access_token"), reply.body.get("expires_in")
    if not reply.is_ok or not isinstance(value, str) or not value:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int) or not 0 < seconds <= 86_400:
        return None
    return Token(value, utc_now() + timedelta(seconds=seconds))


def _token_trouble(reply: Reply) -> BooksError:
    """Errors of the token endpoint come under 200, too: no token is a failure."""
    name = str(reply.body.get("error") or "")[:60]
    if name == "access_denied":
        return BooksError(
            Trouble.THROTTLED, "Zoho gives no more tokens for some minutes (access_denied).", code=name,
            wait_seconds=600,
        )  # fmt: skip
    if name:
        words = f"Zoho gives no token: {name}. An admin must connect Zoho Books again."
        return BooksError(Trouble.NO_ACCESS, words, code=name)
    return _no_answer(reply)


def _no_answer(reply: Reply) -> BooksError:
    status = f" (HTTP {reply.status})" if reply.status else ""
    return BooksError(
        Trouble.UNKNOWN, f"{reply.problem or 'Zoho gives no readable answer.'}{status}"[:_LONGEST_MESSAGE]
    )


def call(
    access: Access,
    method: str,
    path: str,
    *,
    organisation: str = "",
    body: Mapping[str, Any] | None = None,
    before: Callable[[], None] = lambda: None,
    **query: str,
) -> Mapping[str, Any]:
    """One call of the books with the shared token; an older one that is not taken is replaced, once. Raises BooksError.

    `before` is asked before anything is sent, and may raise BooksError itself: limits are kept there.
    """
    params = {**query, **({"organization_id": organisation} if organisation else {})}
    content = http.exact_json(body) if body is not None else None
    for attempt in (1, 2):
        before()
        token = _token(access)
        reply = http.call(
            method, f"{books_server(access)}/books/v3/{path}", params=params, content=content,
            headers={"authorization": f"Zoho-oauthtoken {token}"},
        )  # fmt: skip
        if reply.status == 401 and attempt == 1:
            # One that was fetched a moment ago is not the reason: another would be refused, too.
            old = utc_now() - _YOUNG
            if accounts.forget_token(access.account_id, PURPOSE, seen=token, fetched_before=old):
                continue
        return _read(reply)
    raise AssertionError("the loop returns")


def _token(access: Access) -> str | None:
    """The token that all workers share. Raises BooksError."""
    try:
        return accounts.shared_token(
            access, PURPOSE, lambda: fetch_token(access), now=utc_now(), margin=_MARGIN, patience=PATIENCE
        )
    except accounts.Busy as error:
        raise BooksError(
            Trouble.BUSY, "Another worker fetches the token.", wait_seconds=_BUSY_SECONDS
        ) from error


def _read(reply: Reply) -> Mapping[str, Any]:
    """The body of a yes. Raises BooksError for everything else."""
    code = reply.body.get("code")
    if reply.is_ok and code == 0 and not isinstance(code, bool):
        return reply.body
    code = "" if code is None else str(code)[:20]
    words = str(mask(str(reply.body.get("message") or "")))[:_LONGEST_MESSAGE].strip()
    said = f"{words or 'No message.'} (code {code or 'none'}, HTTP {reply.status})"
    if reply.status == 429 or code in _TOO_MANY:
        return _refuse(Trouble.THROTTLED, said, code, _wait(reply, code))
    if reply.status == 401 or code == _NOT_ALLOWED:
        return _refuse(Trouble.NO_ACCESS, said, code)
    if code == _MISSING or (reply.status == 404 and code):
        return _refuse(Trouble.MISSING, said, code)
    if code in _TAKEN:
        return _refuse(Trouble.TAKEN, said, code)
    # A definite no has a readable code under a 4xx; a page of a proxy and a strange word under a 2xx have not.
    if 400 <= reply.status < 500 and code:
        return _refuse(Trouble.REFUSED, said, code)
    raise _no_answer(reply) if not code else BooksError(Trouble.UNKNOWN, said, code=code)


def _refuse(trouble: Trouble, said: str, code: str, wait: float = 0) -> Mapping[str, Any]:
    raise BooksError(trouble, said, code=code, wait_seconds=wait)


def _wait(reply: Reply, code: str) -> float:
    """How long Zoho wants to be left alone; most of its answers do not say."""
    for name in ("retry-after", "x-rate-limit-reset"):
        given = reply.headers.get(name, "")
        if given.isascii() and given.isdigit():
            seconds = float(given[:20])
            if name == "x-rate-limit-reset" and seconds > _LONGEST_WAIT:
                # An instant, not how long.
                seconds -= utc_now().timestamp()
            return min(_LONGEST_WAIT, max(1.0, seconds))
    return _TOO_MANY.get(code, 60.0)
