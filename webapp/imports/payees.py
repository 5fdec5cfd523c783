"""Payees from a file: of one kind that the program knows, or of the kind that each row names."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select

from webapp.database import db
from webapp.imports.cells import BadCells, Cells
from webapp.imports.columns import Mapped, Row
from webapp.imports.kinds import Field, Kind, register
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Invalid
from webapp.people import service as people
from webapp.people.models import PAYEE_KINDS, Organisation, Payee

FIELDS = ("name", "email", "phone", "address", "country")
Key = tuple[str, str]


def key_of_name(name: str) -> str:
    """The external reference of a payee whom a file knows by name only."""
    return " ".join(name.split()).casefold()[:120]


def payee_fields(ref: str, noun: str, **aliases: tuple[str, ...]) -> tuple[Field, ...]:
    """The columns of a list of payees; `ref` is an example reference, `noun` what one of them is called."""
    return (
        Field(
            "external_ref", "Your reference",
            f"The number of the {noun} in your other system. The next import finds the {noun} by it; "
            "without this column, by name.",
            ref, aliases=("id", "external_reference", "reference", *aliases.get("external_ref", ())),
        ),
        Field("name", "Name", "As it stands on statements.", "Maya Fernandez", is_required=True,
              aliases=("full_name", *aliases.get("name", ()))),
        Field("email", "E-mail address", "Where notices go.", "maya@example.com",
              aliases=("e_mail", "email_address", "mail")),
        Field("phone", "Phone", "Not used by Paydesk itself.", "+1 555 0100", aliases=("telephone", "mobile")),
        Field("address", "Address", "In one cell.", "1 Harbour Road"),
        Field("country", "Country", "Two letters.", "US"),
    )  # fmt: skip


class PayeeImport:
    """Applies rows one by one; knows what is there and what this file has brought."""

    def __init__(
        self,
        organisation: Organisation,
        mapped: Mapped,
        actor: Actor,
        now: datetime,
        payee_kind: str = "",
    ) -> None:
        self.organisation_id, self.mapped, self.actor, self.now = organisation.id, mapped, actor, now
        self.payee_kind = payee_kind
        self.seen: dict[Key, Row] = {}
        self.remarks: list[tuple[str, int]] = []
        self.has_references = mapped.has("external_ref")
        self.names: dict[Key, int] = {} if self.has_references else self._names()
        self.stored: dict[int, Payee] = {}
        self.by_reference: dict[Key, Payee] = {}
        # Whom the row that was stored last is about.
        self.payee: Payee | None = None

    def _names(self) -> dict[Key, int]:
        query = select(Payee.kind, Payee.name, Payee.id).where(Payee.organisation_id == self.organisation_id)
        if self.payee_kind:
            query = query.where(Payee.kind == self.payee_kind)
        return {(kind, key_of_name(name)): ident for kind, name, ident in db.session.execute(query)}

    def prepare(self, rows: Sequence[Row]) -> None:
        """The stored payees that these rows are about."""
        keys = {self._key(row) for row in rows if not row.problems}
        ids = {self.names[key] for key in keys if key in self.names}
        query = select(Payee).where(
            Payee.organisation_id == self.organisation_id,
            or_(Payee.external_ref.in_({ref for _, ref in keys if ref}), Payee.id.in_(ids)),
        )
        self.stored = {payee.id: payee for payee in db.session.scalars(query)}
        self.by_reference = {(p.kind, p.external_ref): p for p in self.stored.values() if p.external_ref}

    def _kind(self, row: Row) -> str:
        if self.payee_kind:
            return self.payee_kind
        said = row["kind"].casefold()
        return next((str(k) for k in PAYEE_KINDS if said in (str(k), k.label.casefold())), "")

    def _key(self, row: Row) -> Key:
        return self._kind(row), row["external_ref"] if self.has_references else key_of_name(row["name"])

    def is_repeat(self, row: Row) -> bool:
        """Without references a name stands once for each job: its repeats are no rows of their own."""
        return not self.has_references and self._key(row) in self.seen

    def remember(self, row: Row) -> None:
        """Stored by an earlier turn."""
        self.seen[self._key(row)] = row

    def apply(self, row: Row) -> str:
        """Store one row; answers created, updated or unchanged. Raises BadCells, Invalid."""
        errors = self.check(row)
        if errors:
            raise BadCells(errors)
        key = self._key(row)
        outcome = self._store(row, key)
        self.seen[key] = row
        return outcome

    def check(self, row: Row) -> tuple[Invalid, ...]:
        """What is wrong with the cells of a row, one error for each."""
        cells, key = Cells(row), self._key(row)
        if not row["name"]:
            cells.add(Invalid("name", "There is no name.", "Maya Fernandez"))
        if not key[0]:
            known = ", ".join(str(kind) for kind in PAYEE_KINDS)
            cells.add(
                Invalid("kind", f"{row['kind']!r} is not a kind of payee ({known}).", str(PAYEE_KINDS[0]))
            )
        for name in (*FIELDS, "external_ref"):
            if row[name]:
                cells.read(None, people.check_payee_field, name, row[name])
        if self.has_references and not key[1]:
            reason = "There is no reference; without one a second import cannot find it."
            cells.add(Invalid("external_ref", reason, "T-100"))
        elif self.has_references and key in self.seen:
            reason = f"Line {self.seen[key].line} has the same reference."
            cells.add(Invalid("external_ref", reason, "T-101"))
        return cells.errors

    def _find(self, key: Key) -> Payee | None:
        found = self.by_reference.get(key)
        return found or self.stored.get(self.names.get(key, 0))

    def _store(self, row: Row, key: Key) -> str:
        payee = self._find(key)
        given: dict[str, Any] = {
            name: row[name] for name in FIELDS if name in self.mapped.columns and row[name]
        }
        self.payee = payee
        if payee is None:
            self.payee = people.create_payee(
                organisation_id=self.organisation_id,
                kind=key[0],
                external_ref=key[1],
                actor=self.actor,
                now=self.now,
                **given,
            )
            return "created"
        wanted = {n: v.upper() if n == "country" else v for n, v in given.items()}
        wanted = {n: v.lower() if n == "email" else v for n, v in wanted.items()}
        if not self.has_references:
            wanted.pop("name", None)
        changes = {n: v for n, v in wanted.items() if getattr(payee, n) != v}
        if not changes:
            return "unchanged"
        people.update_payee(
            organisation_id=self.organisation_id,
            payee_id=payee.id,
            expected_version=payee.version,
            changes=changes,
            actor=self.actor,
            now=self.now,
        )
        return "updated"


_KIND_FIELD = Field(
    "kind",
    "Kind",
    "What the payee is: " + ", ".join(str(kind) for kind in PAYEE_KINDS) + ".",
    str(PAYEE_KINDS[0]),
    is_required=True,
    aliases=("type", "role", "payee_kind"),
)

PAYEES = register(
    Kind(
        code="payees",
        label="Payees",
        text="Anybody you pay, each row with the kind of payee. Payment details are not part of it: a payee's "
        "bank account is entered on their page, where a second person verifies changes.",
        fields=(_KIND_FIELD, *payee_fields("P-100", "payee", name=("payee", "payee_name"))),
        importer=PayeeImport,
        following=("admin.payees.index", "See the payees"),
        order=10,
    )
)
