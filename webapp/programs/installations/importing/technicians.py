"""Technicians from a file: one row each, or the distinct names of a list of jobs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select

from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Invalid
from webapp.people import service as people
from webapp.people.models import Organisation, Payee, Role
from webapp.programs.installations.importing.columns import Mapped, Row

FIELDS = ("name", "email", "phone", "address", "country")


def key_of_name(name: str) -> str:
    """The external reference of a technician whom a file knows by name only."""
    return " ".join(name.split()).casefold()[:120]


class TechnicianImport:
    """Applies rows one by one; knows what is there and what this file has brought."""

    def __init__(self, organisation: Organisation, mapped: Mapped, actor: Actor, now: datetime) -> None:
        self.organisation, self.mapped, self.actor, self.now = organisation, mapped, actor, now
        self.seen: dict[str, Row] = {}
        self.has_references = mapped.has("external_ref")
        stored = db.session.scalars(
            select(Payee).where(Payee.organisation_id == organisation.id, Payee.kind == Role.TECHNICIAN.value)
        ).all()
        self.by_reference = {payee.external_ref: payee for payee in stored if payee.external_ref}
        self.by_name = {key_of_name(payee.name): payee for payee in stored}

    def is_repeat(self, row: Row) -> bool:
        """Without references a name stands once for each job: its repeats are no rows of their own."""
        return not self.has_references and key_of_name(row["name"]) in self.seen

    def notes(self) -> list[str]:
        """Nothing to say about the file as a whole."""
        return []

    def apply(self, row: Row) -> str:
        """Store one row; answers created, updated or unchanged. Raises Invalid."""
        name = row["name"]
        if not name:
            raise Invalid("name", "There is no name.", "Maya Fernandez")
        key = row["external_ref"] if self.has_references else key_of_name(name)
        if not key:
            raise Invalid(
                "external_ref", "There is no reference; without one a second import cannot find it.", "T-100"
            )
        if key in self.seen:
            raise Invalid("external_ref", f"Line {self.seen[key].line} has the same reference.", "T-101")
        outcome = self._store(row, key)
        self.seen[key] = row
        return outcome

    def _store(self, row: Row, key: str) -> str:
        payee = self.by_reference.get(key) or (None if self.has_references else self.by_name.get(key))
        given: dict[str, Any] = {
            name: row[name] for name in FIELDS if name in self.mapped.columns and row[name]
        }
        if payee is None:
            made = people.create_payee(
                organisation_id=self.organisation.id,
                kind=Role.TECHNICIAN.value,
                external_ref=key,
                actor=self.actor,
                now=self.now,
                **given,
            )
            self.by_reference[key] = made
            return "created"
        wanted = {n: v.upper() if n == "country" else v for n, v in given.items()}
        wanted = {n: v.lower() if n == "email" else v for n, v in wanted.items()}
        if not self.has_references:
            wanted.pop("name", None)
        changes = {n: v for n, v in wanted.items() if getattr(payee, n) != v}
        if not changes:
            return "unchanged"
        people.update_payee(
            organisation_id=self.organisation.id,
            payee_id=payee.id,
            expected_version=payee.version,
            changes=changes,
            actor=self.actor,
            now=self.now,
        )
        return "updated"
