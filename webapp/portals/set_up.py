"""What an organisation without a payout does first: steps of every organisation, and those of its programs.

A program registers its own steps; each knows by a condition on the database whether it is done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flask import url_for
from sqlalchemy import ColumnElement, exists, select

from webapp.database import db
from webapp.payouts import policies
from webapp.payouts.models import ApprovalPolicy, Payout
from webapp.people import members
from webapp.people.models import Organisation, Payee, PayoutMethod
from webapp.portals.tasks import Task

#: organisation id -> whether the step is done, as a condition that is asked together with the others.
Done = Callable[[int], ColumnElement[bool]]


@dataclass(frozen=True)
class Step:
    """One step; steps are shown in the order of `place`, those of a program in between."""

    place: int
    title: str
    text: str
    endpoint: str
    done: Done


RULES, PEOPLE, PAYEES, METHODS, WORK, FIRST_PAYOUT = 10, 20, 40, 50, 60, 90
_steps: dict[str, tuple[Step, ...]] = {}


def register_steps(program: str, steps: Sequence[Step]) -> None:
    """Let a program add its steps to the set-up of organisations that have it."""
    _steps[program] = tuple(steps)


def has_payout(organisation_id: int) -> ColumnElement[bool]:
    """Whether there is a payout: the end of every set-up."""
    return exists().where(Payout.organisation_id == organisation_id)


_SHARED = (
    Step(RULES, "Look at the approval rules", "Who must approve what.", "admin.policy.show",
         lambda organisation_id: exists().where(ApprovalPolicy.organisation_id == organisation_id)),
    Step(PAYEES, "Add the payees", "One by one, or from a CSV file.", "admin.payees.index",
         lambda organisation_id: exists().where(Payee.organisation_id == organisation_id)),
    Step(METHODS, "Add their payment details", "A bank account, a UPI address, or by hand.", "admin.payees.index",
         lambda organisation_id: exists().where(PayoutMethod.organisation_id == organisation_id)),
)  # fmt: skip


def _is_divided(organisation_id: int) -> bool:
    """Whether two people share the work; one alone who says so in the rules is divided well enough, too."""
    if len(members.active_admins(organisation_id)) > 1:
        return True
    return policies.current_policy(organisation_id)[0].single_operator.is_on


def steps(organisation: Organisation) -> list[Task]:
    """The steps of an organisation with their links, ticked where they are done. Four queries at most."""
    own = {p.program for p in organisation.programs}
    # Who has not chosen a program yet is shown where each of them would begin.
    programs = [name for name in _steps if name in own] or list(_steps)
    found = sorted(
        (*_SHARED, *(step for name in programs for step in _steps[name])), key=lambda step: step.place
    )
    done = db.session.execute(select(*(step.done(organisation.id) for step in found))).one()
    tasks = [
        _task(step.title, step.text, step.endpoint, bool(is_done))
        for step, is_done in zip(found, done, strict=True)
    ]
    divided = _task(
        "Invite a second admin",
        "Nobody approves what they made.",
        "admin.users.index",
        _is_divided(organisation.id),
    )
    after = sum(1 for step in found if step.place < PEOPLE)
    return [*tasks[:after], divided, *tasks[after:]]


def _task(title: str, text: str, endpoint: str, is_done: bool) -> Task:
    return Task(title, text, url_for(endpoint), tone="done" if is_done else "todo")
