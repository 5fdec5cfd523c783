"""Messages of providers: what came, what became of it, and looking again."""

from __future__ import annotations

from typing import Any

from webapp.api import paging
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.schemas.providers import Message, MessageDetail, MessagePage, MessageQuery, ReplayIn
from webapp.inbox import queries, service
from webapp.inbox.models import WebhookMessage
from webapp.kernel.clock import utc_now
from webapp.people.access.tokens import Scope

resource = Resource(
    "messages",
    "/provider-messages",
    title="Messages of providers",
    about="What payment providers sent. A message is a hint: the provider is asked, and its answer takes effect.",
)
_read = {"scope": Scope.MESSAGES_READ}


def _fields(row: WebhookMessage) -> dict[str, Any]:
    return {name: getattr(row, name) for name in Message.model_fields}


@resource.get("", summary="List messages", query=MessageQuery, answers=MessagePage, **_read)
def index(who: Caller, query: MessageQuery) -> MessagePage:
    """The messages that match, the newest first."""
    chosen = queries.MessageFilter(
        state=query.state or "", provider=query.provider or "", text=query.search or ""
    )
    found = queries.messages(who.organisation_id, chosen)
    rows, following = paging.page(found, WebhookMessage.id, limit=query.limit, cursor=query.cursor)
    return MessagePage(items=[Message(**_fields(row)) for row in rows], next_cursor=following)


@resource.get("/<int:message_id>", summary="Get a message", answers=MessageDetail, **_read)
def show(who: Caller, message_id: int) -> MessageDetail:
    """One message and what it says, masked."""
    row = queries.get_message(who.organisation_id, message_id)
    return MessageDetail(**_fields(row), body=queries.body_of(row))


@resource.post("/<int:message_id>/replay", summary="Look at a message again", body=ReplayIn, answers=Message,
               scope=Scope.MESSAGES_REPLAY)  # fmt: skip
def replay(who: Caller, message_id: int, body: ReplayIn) -> Message:
    """The provider is asked anew about what it names. What has had its effect already does nothing."""
    row = service.replay(
        organisation_id=who.organisation_id,
        message_id=message_id,
        note=body.note,
        actor=who.actor,
        now=utc_now(),
    )
    return Message(**_fields(row))
