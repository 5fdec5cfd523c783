"""The one writer of the audit trail."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.audit.models import AuditEvent, AuditHead
from webapp.database import before_commit_hooks, db, insert_ignoring_conflict, insert_many
from webapp.kernel.actor import Actor
from webapp.kernel.ids import digest

FIRST_HASH = "0" * 64


def record(
    *,
    tag: str,
    actor: Actor,
    now: datetime,
    organisation_id: int | None,
    subject_type: str,
    subject_id: int | None = None,
    subject_label: str = "",
    changes: dict[str, Any] | None = None,
    note: str = "",
) -> None:
    """Remember that `actor` did `tag` (source:subject:action) to a record; written with the commit.

    `changes` maps a field to [before, after]; it must never hold secrets or unmasked account numbers.
    """
    db.session.info.setdefault("audit", []).append(
        {
            "chain": organisation_id or 0,
            "organisation_id": organisation_id,
            "at": now.astimezone(UTC),
            "actor_id": actor.user_id,
            "actor_label": actor.label[:254],
            "ip": actor.ip[:120],
            "user_agent": actor.user_agent[:300],
            "tag": tag,
            "subject_type": subject_type,
            "subject_id": subject_id,
            "subject_label": subject_label[:200],
            "note": note[:2000],
            "changes": changes or {},
        }
    )


def event_hash(values: dict[str, Any], seq: int, previous_hash: str) -> str:
    """Hash that chains an event to the one before it: SHA-256 over its content, number and predecessor."""
    content = {k: v for k, v in values.items() if k not in ("id", "hash", "previous_hash", "seq")}
    content["at"] = values["at"].strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return digest({**content, "seq": seq, "previous_hash": previous_hash})


def _write_chain(session: Session) -> None:
    """Append the transaction's events; locks the heads of their chains in order, so writers never deadlock."""
    pending = session.info.get("audit") or []
    session.info["audit"] = []
    for chain in sorted({values["chain"] for values in pending}):
        head = _locked_head(session, chain)
        events = []
        for values in (v for v in pending if v["chain"] == chain):
            seq = head.seq + 1
            link = event_hash(values, seq, head.hash)
            events.append({**values, "seq": seq, "previous_hash": head.hash, "hash": link})
            head.seq, head.hash = seq, link
        insert_many(session, AuditEvent, events)
    session.flush()


def _locked_head(session: Session, chain: int) -> AuditHead:
    head = session.scalar(
        select(AuditHead)
        .where(AuditHead.chain == chain)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if head is None:
        values = {"chain": chain, "seq": 0, "hash": FIRST_HASH}
        insert_ignoring_conflict(session, AuditHead, values)
        head = session.scalars(
            select(AuditHead)
            .where(AuditHead.chain == chain)
            .with_for_update()
            .execution_options(populate_existing=True)
        ).one()
    return head


before_commit_hooks.append(_write_chain)
