"""The token itself."""

from __future__ import annotations

from webapp.api import queries
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.schemas.common import PayeeRef
from webapp.api.schemas.people import Me
from webapp.people.access.tokens import Scope

resource = Resource("me", "/me", title="The token", about="Whose token it is, and what it may do.")


@resource.get("", summary="See whose token this is", answers=Me, scope=None)
def show(who: Caller) -> Me:
    """Good for a first call: it needs no scope."""
    token = queries.token(who.token_id)
    payees = [] if who.sees_all else queries.own_payees(who.viewer)
    return Me(
        email=who.email,
        organisation=token.organisation.slug,
        currency=who.currency,
        timezone=who.timezone,
        roles=sorted(who.roles),
        scopes=[scope.value for scope in Scope if scope in who.scopes],
        payees=[PayeeRef.of(payee) for payee in payees],
        token_expires_at=token.expires_at,
    )
