"""The part of the admins' home that says why payments stand still, what waits for it, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import url_for

from webapp.payouts.brakes import alerts
from webapp.payouts.brakes.alerts import EVERY_RAIL, HALTS, AlertKind
from webapp.payouts.brakes.models import Alert
from webapp.web import filters


@dataclass(frozen=True)
class Stop:
    """One entry: as it stands in the task list."""

    title: str
    text: str
    href: str
    count: str | None
    tone: str


def stops(organisation_id: int, halted: Sequence[tuple[str, str]], now: datetime) -> list[Stop]:
    """Every cause that stands, the rails that are halted first; `halted` are their names and reasons."""
    causes = alerts.standing(organisation_id)
    waits = alerts.all_waits(organisation_id, causes, now)
    by_rail = {cause.rail: cause for cause in causes if cause.kind in HALTS}
    found = [_halt(rail, reason, by_rail.get(rail), waits) for rail, reason in halted]
    return found + [_other(cause, waits[cause.id]) for cause in causes if cause.kind not in HALTS]


def _halt(rail: str, reason: str, cause: Alert | None, waits: dict[int, list[alerts.Waiting]]) -> Stop:
    name = "all" if rail == EVERY_RAIL else rail
    waiting = waits[cause.id] if cause is not None else []
    to_do = AlertKind(cause.kind).sentence if cause is not None else ""
    return Stop(
        f"Payments are halted: {name}",
        _text(reason, waiting, to_do),
        url_for("admin.policy.show"),
        _count(waiting),
        "failed",
    )


def _other(cause: Alert, waiting: list[alerts.Waiting]) -> Stop:
    kind = AlertKind(cause.kind)
    is_unknown = kind is AlertKind.UNKNOWN
    title = kind.label if is_unknown else f"{kind.label}: {cause.rail}"
    href = url_for("admin.payouts.index", status="processing") if is_unknown else url_for("admin.policy.show")
    return Stop(title, _text(cause.reason, waiting, kind.sentence), href, _count(waiting), kind.tone)


def _count(waiting: list[alerts.Waiting]) -> str | None:
    n = sum(part.count for part in waiting)
    return f"{n:,}" if n else None


def _text(reason: str, waiting: list[alerts.Waiting], to_do: str) -> str:
    said = " and ".join(
        f"{part.count:,} {part.noun}{'' if part.count == 1 else 's'}, {filters.money(part.total)}"
        for part in waiting
    )
    reason = reason if reason.endswith(".") else f"{reason}."
    return " ".join(part for part in (reason, f"Waits: {said}." if said else "", to_do) if part)
