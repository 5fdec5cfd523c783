"""Every action in every state, on the real database: what the table allows happens, all else changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from flask import Flask

from tests import factories
from tests.factories.payouts import payout, payout_ready, payout_sent
from webapp.database import db, transaction
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict, IllegalTransition
from webapp.ledger import check
from webapp.ledger.models import JournalEntry
from webapp.outbox.models import OutboxMessage
from webapp.payouts import service, settlement
from webapp.payouts.models import Payout, Transfer
from webapp.payouts.states import PAYOUT_TRANSITIONS, PayoutAction, PayoutState
from webapp.people.models import Organisation
from webapp.providers.ports import Answer, Outcome

_S, _A = PayoutState, PayoutAction


def _answer(payout_id: int, answer: Answer, now: datetime) -> None:
    row = db.session.query(Transfer).filter_by(payout_id=payout_id).order_by(Transfer.n.desc()).first()
    with transaction():
        found, transfer = settlement.lock_transfer(row.id)
        settlement.apply(found, transfer, answer, now)


def bring_to(state: PayoutState, organisation: Organisation, now: datetime) -> Payout:
    """A payout in a state, by the way that payouts take to it."""
    common: dict[str, Any] = {"organisation_id": organisation.id, "now": now}
    if state in (_S.PENDING_APPROVAL, _S.REJECTED):
        payee = factories.payee(organisation)
        factories.method(payee)
        made = payout(organisation, payee)
    elif state in (_S.APPROVED, _S.CANCELLED):
        made = payout_ready(organisation)
    else:
        made = payout_sent(organisation)
    payout_id, reference = made.id, made.reference
    with transaction():
        person = factories.actor_of(factories.user(organisation=organisation, role="admin"))
    if state is _S.REJECTED:
        with transaction():
            service.reject(reference=reference, reason="wrong", actor=person, **common)
    if state is _S.CANCELLED:
        with transaction():
            service.cancel(reference=reference, reason="wrong", actor=person, **common)
    if state is _S.FAILED:
        _answer(payout_id, Answer(Outcome.FAILED, code="ACCOUNT_CLOSED"), now)
    if state is _S.RETRY_SCHEDULED:
        _answer(payout_id, Answer(Outcome.FAILED, code="BANK_UNAVAILABLE"), now)
    if state in (_S.PAID, _S.REVERSED):
        _answer(payout_id, Answer(Outcome.SUCCEEDED, utr=f"U{payout_id}"), now)
    if state is _S.REVERSED:
        _answer(payout_id, Answer(Outcome.REVERSED), now)
    db.session.expire_all()
    found = db.session.get_one(Payout, payout_id)
    assert found.state == state
    return found


ACTIONS: dict[PayoutAction, tuple[Callable[..., Any], dict[str, Any]]] = {
    _A.EDIT: (service.edit, {"note": "something else"}),
    _A.APPROVE: (service.approve, {}),
    _A.REJECT: (service.reject, {"reason": "wrong size"}),
    _A.CANCEL: (service.cancel, {"reason": "paid twice"}),
    _A.HOLD: (service.hold, {"reason": "complaint"}),
    _A.RELEASE: (service.release, {}),
    _A.SUBMIT: (service.submit, {}),
    _A.MARK_PAID: (service.mark_paid, {"payment_reference": "CHQ-1", "paid_on": None}),
    _A.RETRY: (service.retry, {}),
    _A.REVERSE: (service.reverse, {"reason": "returned", "on": None}),
    _A.REISSUE: (service.reissue, {}),
}


def _snapshot() -> tuple[Any, ...]:
    db.session.expire_all()
    rows = [(p.state, p.version, p.is_held, p.note) for p in db.session.query(Payout)]
    counts = [db.session.query(model).count() for model in (JournalEntry, OutboxMessage, Transfer)]
    db.session.rollback()
    return rows, counts


def _act(action: PayoutAction, found: Payout, actor: Actor, now: datetime) -> Any:
    function, arguments = ACTIONS[action]
    given = {k: (now.date() if v is None else v) for k, v in arguments.items()}
    with transaction():
        return function(
            organisation_id=found.organisation_id, reference=found.reference, actor=actor, now=now, **given
        )


# Allowed by the table, refused by a rule of its own: a return over this rail is the bank's to report.
BY_THE_BANK = {(_S.PAID, _A.REVERSE)}


def _try(state: PayoutState, action: PayoutAction, found: Payout, actor: Actor, now: datetime) -> None:
    before = _snapshot()
    if (state, action) in BY_THE_BANK:
        with pytest.raises(Conflict):
            _act(action, found, actor, now)
        assert _snapshot() == before
    elif (state, action) in PAYOUT_TRANSITIONS:
        result = _act(action, found, actor, now)
        assert result.payout.state == PAYOUT_TRANSITIONS[state, action]
    else:
        with pytest.raises(IllegalTransition) as refused:
            _act(action, found, actor, now)
        assert state.label.lower() in refused.value.message
        assert action.label.lower() in refused.value.message
        assert _snapshot() == before


@pytest.mark.parametrize("state", list(PayoutState))
def test_every_action_does_what_the_table_says_or_nothing(
    database: Flask, now: datetime, state: PayoutState
) -> None:
    organisation = factories.organisation()
    for action in ACTIONS:
        found = bring_to(state, organisation, now)
        actor = factories.actor_of(factories.user(organisation=organisation, role="admin"))
        _try(state, action, found, actor, now)
    assert check.run(organisation.id).findings == []


ANSWERS = [o for o in Outcome if o is not Outcome.NOT_SENT]
STANDING = {
    _S.PROCESSING: {
        Outcome.SUCCEEDED: _S.PAID,
        Outcome.FAILED: _S.FAILED,
        Outcome.REVERSED: _S.REVERSED,
    },
    _S.PAID: {Outcome.REVERSED: _S.REVERSED},
}


@pytest.mark.parametrize("state", [_S.PROCESSING, _S.PAID, _S.FAILED, _S.REVERSED])
def test_an_answer_of_the_bank_moves_only_what_the_table_allows(
    database: Flask, now: datetime, state: PayoutState
) -> None:
    for answer in ANSWERS:
        organisation = factories.organisation()
        found = bring_to(state, organisation, now)
        for _ in range(2):  # a repeated answer changes nothing more
            _answer(found.id, Answer(answer, code="ACCOUNT_CLOSED" if answer is Outcome.FAILED else ""), now)
            db.session.expire_all()
            assert found.state == STANDING.get(state, {}).get(answer, state)
            assert check.run(organisation.id).findings == []
            db.session.rollback()


def test_every_state_is_reachable_by_the_tests(database: Flask, now: datetime) -> None:
    organisation = factories.organisation()
    assert [bring_to(s, organisation, now).state for s in PayoutState] == list(PayoutState)
