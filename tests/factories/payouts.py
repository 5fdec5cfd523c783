"""Payouts for tests, made through the service and committed; inside a `transaction()` they join it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from itertools import count
from typing import Any

from tests.factories import people
from tests.factories.people import FACTORY, stored
from webapp.kernel.actor import Actor
from webapp.payouts import service
from webapp.payouts.drafts import LineDraft, SourceDraft
from webapp.payouts.models import Payout
from webapp.people.models import Organisation, Payee, User

_numbers = count(1)
WHEN = datetime.fromisoformat("2026-11-20T12:00:00+00:00")


def line(amount: int = 49_950, **values: Any) -> LineDraft:
    """An earning of `amount` minor units for one installation."""
    n = next(_numbers)
    defaults: dict[str, Any] = {
        "kind": "earning",
        "description": f"Installation {n}",
        "amount_minor": amount,
        "occurred_on": date(2026, 11, 3),
        "source_type": "installation_assignment",
        "source_id": 1_000_000 + n,
        "source_label": f"ISR-{n:04d}",
    }
    return LineDraft(**{**defaults, **values})


def payout(
    organisation: Organisation,
    payee: Payee,
    amount: int = 49_950,
    *,
    lines: Sequence[LineDraft] | None = None,
    actor: Actor = FACTORY,
    now: datetime = WHEN,
    **values: Any,
) -> Payout:
    """A payout that waits for approval, created by nobody in particular unless `actor` says otherwise."""
    drafts = list(lines) if lines is not None else [line(amount)]
    defaults: dict[str, Any] = {
        "program": "installations",
        "currency": organisation.currency,
        "sources": [SourceDraft(d.source_type, d.source_id) for d in drafts if d.source_id],
        "period_start": date(2026, 11, 1),
        "period_end": date(2026, 11, 30),
        "cost_account": "expense:installations",
    }
    with stored():
        return service.create(
            organisation_id=organisation.id,
            payee_id=payee.id,
            lines=drafts,
            actor=actor,
            now=now,
            **{**defaults, **values},
        )


def payout_ready(
    organisation: Organisation,
    payee: Payee | None = None,
    amount: int = 49_950,
    *,
    approver: User | None = None,
    account: str | None = None,
    now: datetime = WHEN,
    **values: Any,
) -> Payout:
    """An approved payout whose payee has a bank account; `account` is the account's number."""
    with stored():
        payee = payee or people.payee(organisation)
        if payee.current_method is None or account:
            # Numbers of the sandbox bank's rules end in 0001 and so on; this one has none.
            people.method(payee, people.destination(account or f"55{next(_numbers):08d}77"))
        approver = approver or people.user(organisation=organisation, role="admin")
        made = payout(organisation, payee, amount, now=now, **values)
        while made.state == "pending_approval":
            service.approve(
                organisation_id=organisation.id,
                reference=made.reference,
                actor=people.actor_of(approver),
                now=now,
            )
            approver = people.user(organisation=organisation, role="admin")
    return made


def payout_sent(organisation: Organisation, now: datetime = WHEN, **values: Any) -> Payout:
    """A payout whose transfer is queued for the sandbox bank."""
    with stored():
        made = payout_ready(organisation, now=now, **values)
        service.submit(organisation_id=organisation.id, reference=made.reference, actor=FACTORY, now=now)
    return made
