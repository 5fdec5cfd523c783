"""What every act on a record is told: in which organisation, on which version, by whom and when."""

from __future__ import annotations

from datetime import datetime
from typing import TypedDict

from webapp.api.bearer import Caller
from webapp.kernel.actor import Actor
from webapp.kernel.clock import utc_now


class Act(TypedDict):
    """The arguments of a service that all acts have."""

    organisation_id: int
    expected_version: int | None
    actor: Actor
    now: datetime


def act_of(who: Caller, version: int | None) -> Act:
    """An act of the caller, now, on the version that they saw; None: on whichever there is."""
    return Act(organisation_id=who.organisation_id, expected_version=version, actor=who.actor, now=utc_now())
