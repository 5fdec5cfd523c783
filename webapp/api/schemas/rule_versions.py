"""Rules in versions that a second admin accepts, whatever a program's rules say: as the API shows and takes them.

Fields of several bases stand in the order of the bases from right to left.
"""

from __future__ import annotations

from datetime import date
from typing import Generic, Literal, TypeVar

from pydantic import Field

from webapp.api.schemas.common import Day, In, Instant, Note, Out, PageQuery, Reason, Text, Version

RuleWord = Literal["proposed", "in_force", "refused", "withdrawn"]
V = TypeVar("V", bound=Out)


class Versioned(Out):
    """From when a version counts, who asked for it and who decided; what it says stands before."""

    valid_from: date | None = Field(examples=["2026-12-01"])
    is_active: bool = Field(description="False: the rule ends with its first day.", examples=[True])
    note: str = Field(examples=[""])
    created_by: str
    created_at: Instant = Field(examples=["2026-11-21T09:00:00.000Z"])
    decided_by: str
    decided_at: Instant | None = Field(examples=[None])
    decision_note: str = Field(examples=[""])


class RuleOf(Out, Generic[V]):
    """A rule: the version that counts (or will), and the one that waits for a second admin."""

    id: int = Field(examples=[7])
    external_ref: str | None = Field(examples=["R-7"])
    newest_version: int = Field(description="Whatever its state.", examples=[1])
    counts: V | None
    waits: V | None


class RuleDetailOf(RuleOf[V], Generic[V]):
    """A rule with every version, the newest first."""

    versions: list[V]


class RuleQuery(PageQuery):
    """Which page of the rules."""


class RuleFirst(In):
    """What a new rule says beside its first version."""

    external_ref: Text | None = Field(None, min_length=1, max_length=120, examples=["R-7"])


class RuleNext(In):
    """What the next version of a rule says beside itself."""

    version: Version = Field(description="`newest_version` as you saw it; another one answers 409.")


class RuleEnd(In):
    """When a rule ends."""

    last_day: Day = Field(description="Its last day.", examples=["2026-12-31"])


class RuleAccept(In):
    """A second admin's yes to what was looked at."""

    version: Version = Field(description="The version that waits, as you saw it; another one answers 409.")
    note: Note = Field("", examples=["Agreed with the practitioners."])


class RuleRefuse(In):
    """A second admin's no."""

    version: Version = Field(description="The version that waits, as you saw it; another one answers 409.")
    reason: Reason = Field(examples=["We agreed on 12 %."])


class RuleWithdraw(In):
    """Taken back by who asked for it."""

    version: Version = Field(description="The version that waits, as you saw it; another one answers 409.")
