"""Who calls: the token of the Authorization header, and nothing else. Cookies are never looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import structlog
from flask import Response, g, request
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from webapp.api import limits
from webapp.api.problems import Problem
from webapp.api.queries import Viewer
from webapp.database import db, transaction
from webapp.kernel.actor import Actor
from webapp.kernel.clock import utc_now
from webapp.people.access import tokens
from webapp.people.access.models import ApiToken
from webapp.people.access.tokens import Scope
from webapp.people.models import Payee, Role

log = structlog.get_logger()
# Who may look at every record of the organisation; everybody else sees their own.
SEES_ALL = frozenset({Role.ADMIN.value, Role.ACCOUNTANT.value})


@dataclass(frozen=True)
class Caller:
    """The person behind a call, in one organisation: plain values, good in any transaction."""

    token_id: int
    user_id: int
    email: str
    organisation_id: int
    currency: str
    timezone: str
    roles: frozenset[str]
    # What the token was given, and what is left of it under the present roles.
    granted: frozenset[Scope]
    scopes: frozenset[Scope]
    # The payees that the person is; only looked at where they do not see all.
    payee_ids: tuple[int, ...]
    actor: Actor

    @property
    def sees_all(self) -> bool:
        """Whether every record of the organisation is theirs to see."""
        return bool(self.roles & SEES_ALL)

    @property
    def viewer(self) -> Viewer:
        """Whose records the caller may read."""
        ids = None if self.sees_all else self.payee_ids
        return Viewer(self.organisation_id, self.currency, self.timezone, ids)

    def require(self, scope: Scope) -> None:
        """Refuse a call that the token does not allow. Raises Problem (403) that names the scope."""
        if scope in self.scopes:
            return
        why = (
            f"The roles of {self.email} in this organisation do not allow {scope.value}."
            if scope in self.granted
            else f"This token does not have the scope {scope.value}."
        )
        raise Problem("scope-missing", why, members={"scope": scope.value})


def caller() -> Caller:
    """Who makes the present call."""
    return cast(Caller, g.api_caller)


def gate(view: Callable[..., Any] | None) -> None:
    """Let in a call with a living token, or one to a public page of the API. Raises Problem 401 or 429."""
    if getattr(view, "is_public", False):
        return
    now = utc_now()
    row = tokens.find(token=_token(), now=now)
    if row is None:
        limits.count_refused(request.remote_addr or "")
        raise Problem("unauthenticated")
    g.api_caller = _caller(row)
    if row.last_used_at is None or now - row.last_used_at >= tokens.TOUCH_EVERY:
        g.api_touch = (row.id, now)
    limits.count(row.id)


def _token() -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Problem("unauthenticated")
    return token.strip()


def _caller(row: ApiToken) -> Caller:
    roles = frozenset(m.role for m in row.user.memberships if m.organisation_id == row.organisation_id)
    granted = tokens.scopes_of(row)
    own: tuple[int, ...] = ()
    if not roles & SEES_ALL:
        query = select(Payee.id).where(
            Payee.organisation_id == row.organisation_id, Payee.user_id == row.user_id, Payee.kind.in_(roles)
        )
        own = tuple(db.session.scalars(query))
    return Caller(
        token_id=row.id,
        user_id=row.user_id,
        email=row.user.email,
        organisation_id=row.organisation_id,
        currency=row.organisation.currency,
        timezone=row.organisation.timezone,
        roles=roles,
        granted=granted,
        scopes=granted & tokens.allowed_scopes(roles),
        payee_ids=own,
        actor=Actor(
            row.user_id,
            row.user.email,
            request.remote_addr or "",
            f"API token {row.hint}… ({row.name})"[:300],
        ),
    )


def touch(response: Response) -> Response:
    """Note, after the answer, that the token was used; the answer stands whether or not this works."""
    noted: tuple[int, datetime] | None = g.pop("api_touch", None)
    if noted:
        try:
            with transaction():
                tokens.touch(token_id=noted[0], now=noted[1])
        except OperationalError:
            log.warning("api_token.not_touched", token=noted[0])
    return response
