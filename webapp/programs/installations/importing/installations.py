"""Installations from a file, their technicians found by reference, e-mail or name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from webapp.database import db
from webapp.imports.cells import Cells, Neutral, same
from webapp.imports.columns import Mapped, Row
from webapp.imports.payees import key_of_name
from webapp.imports.values import parse_currency, parse_day
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Invalid
from webapp.people.models import Organisation, Payee, Role
from webapp.programs.installations import queries, service
from webapp.programs.installations.drafts import (
    MAXIMUM_SIZE,
    PLACES,
    InstallationDraft,
    ShareDraft,
    parse_decimal,
)
from webapp.programs.installations.importing.values import parse_minor
from webapp.programs.installations.models import (
    CAPACITY_UNITS,
    Installation,
    InstallationStatus,
    QualityCheck,
)

# A field that was refused, so that the others can be looked at.
_NEUTRAL: Neutral[InstallationDraft] = {
    "capacity_unit": same(capacity_unit=CAPACITY_UNITS[0]),
    "size": same(size=None),
    "order_value": same(order_value_minor=None),
    "customer_name": same(customer_name=""),
    "site": same(site=""),
    "external_ref": same(external_ref=None),
    "status": same(status=InstallationStatus.PENDING.value),
    "quality_check": same(quality_check=QualityCheck.NOT_DONE.value),
    "commissioned_on": same(commissioned_on=None, status=InstallationStatus.PENDING.value),
    "shares": same(shares=()),
}


class InstallationImport:
    """Applies rows one by one; columns that the file lacks keep what is stored."""

    def __init__(self, organisation: Organisation, mapped: Mapped, actor: Actor, now: datetime) -> None:
        self.organisation, self.mapped, self.actor, self.now = organisation, mapped, actor, now
        self.seen: dict[str, Row] = {}
        self.remarks: list[tuple[str, int]] = []
        self.types = set(dict(queries.types_of(organisation.id)))
        self.today = service.today_of(organisation.id, now)
        self.stored: dict[str, Installation] = {}
        self.technicians = _technicians(organisation.id)

    def prepare(self, rows: Sequence[Row]) -> None:
        """The stored installations that these rows are about, with their shares."""
        wanted = {row["external_ref"] for row in rows} - {""}
        query = (
            select(Installation)
            .where(
                Installation.organisation_id == self.organisation.id,
                Installation.external_ref.in_(wanted),
            )
            .options(selectinload(Installation.shares))
        )
        self.stored = {row.external_ref or "": row for row in db.session.scalars(query)}

    def remember(self, row: Row) -> None:
        """Stored by an earlier turn."""
        self.seen[row["external_ref"]] = row

    def is_repeat(self, row: Row) -> bool:
        """Every row is one of its own."""
        return False

    def apply(self, row: Row) -> str:
        """Store one row; answers created, updated or unchanged. Raises PaydeskError."""
        reference = row["external_ref"]
        existing = self.stored.get(reference)
        cells = Cells(row)
        draft = self._read(row, existing, cells)
        cells.finish()
        if draft.size is not None and _is_rounded(row["size"], draft.size):
            # Sizes computed elsewhere come with nine decimals; that they were rounded is said, not hidden.
            self.remarks.append((f"Sizes are kept to {PLACES} decimals; rounded on line", row.line))
        outcome = self._create(draft) if existing is None else self._update(existing, draft)
        self.seen[reference] = row
        return outcome

    def check(self, row: Row) -> tuple[Invalid, ...]:
        """What is wrong with the cells of a row, one error for each."""
        cells = Cells(row)
        self._read(row, self.stored.get(row["external_ref"]), cells)
        return cells.errors

    def _read(self, row: Row, existing: Installation | None, cells: Cells) -> InstallationDraft:
        """The installation that a row describes, and in `cells` all that is wrong with it."""
        reference = row["external_ref"]
        if not reference:
            reason = "There is no reference; without one a second import cannot find it."
            cells.add(Invalid("external_ref", reason, "JOB-1"))
        elif reference in self.seen:
            reason = f"Line {self.seen[reference].line} has the same reference."
            cells.add(Invalid("external_ref", reason, "JOB-2"))
        draft = self._draft(row, existing, cells)
        types = self.types | ({existing.installation_type} if existing else set())
        neutral = {**_NEUTRAL, "installation_type": same(installation_type=min(types, default=""))}
        cells.examine(draft, lambda each: each.check(types=types, today=self.today), neutral)
        return draft

    def _create(self, draft: InstallationDraft) -> str:
        service.create_installation(
            organisation_id=self.organisation.id,
            draft=draft,
            actor=self.actor,
            now=self.now,
            is_audited=False,
            is_checked=True,
        )
        return "created"

    def _update(self, existing: Installation, draft: InstallationDraft) -> str:
        before = existing.version
        if existing.status != draft.status:
            service.change_status(
                organisation_id=self.organisation.id,
                reference=existing.reference,
                status=draft.status,
                commissioned_on=draft.commissioned_on,
                actor=self.actor,
                now=self.now,
            )
        service.update_installation(
            organisation_id=self.organisation.id,
            reference=existing.reference,
            draft=draft,
            expected_version=None,
            actor=self.actor,
            now=self.now,
        )
        return "unchanged" if existing.version == before else "updated"

    def _draft(self, row: Row, existing: Installation | None, cells: Cells) -> InstallationDraft:
        home = existing.currency if existing else self.organisation.currency
        currency = cells.read(home, parse_currency, row["currency"], home)
        day = cells.read(None, parse_day, "commissioned_on", row["commissioned_on"])
        if existing is not None and not self.mapped.has("commissioned_on"):
            day = existing.commissioned_on
        return InstallationDraft(
            external_ref=row["external_ref"],
            installation_type=cells.read("", self._type, row, existing),
            capacity_unit=self._text("capacity_unit", row, existing),
            size=cells.read(None, self._size, row, existing),
            currency=currency,
            customer_name=self._text("customer_name", row, existing),
            site=self._text("site", row, existing),
            order_value_minor=cells.read(None, self._order_value, row, existing, currency),
            status=self._status(row, existing, day),
            commissioned_on=day,
            quality_check=self._text("quality_check", row, existing).casefold().replace(" ", "_")
            or "not_done",
            shares=self._shares(row, existing, cells),
        )

    def _text(self, name: str, row: Row, existing: Installation | None) -> str:
        if existing is None or name in row.cells:
            return row[name]
        return str(getattr(existing, name))

    def _type(self, row: Row, existing: Installation | None) -> str:
        code = row["installation_type"].casefold().replace(" ", "_")
        if code:
            return code
        if existing is not None:
            return existing.installation_type
        raise Invalid("installation_type", "There is no type.", "solar")

    def _size(self, row: Row, existing: Installation | None) -> Decimal | None:
        if existing is not None and not self.mapped.has("size"):
            return existing.size
        if not row["size"]:
            return None
        size = parse_decimal("size", row["size"])
        if abs(size) > MAXIMUM_SIZE:
            return size  # refused with its reason when the draft is checked
        return round(size, PLACES)

    def _order_value(self, row: Row, existing: Installation | None, currency: str) -> int | None:
        if existing is not None and not self.mapped.has("order_value"):
            return existing.order_value_minor
        return parse_minor("order_value", row["order_value"], currency)

    def _status(self, row: Row, existing: Installation | None, day: date | None) -> str:
        given = row["status"].casefold().replace(" ", "_").replace("-", "_")
        if existing is not None:
            # A list that always says "commissioned" does not take back what went on here since.
            is_default = "status" not in self.mapped.columns
            return existing.status if is_default or not given else given
        return given or (InstallationStatus.COMMISSIONED.value if day else InstallationStatus.PENDING.value)

    def _shares(self, row: Row, existing: Installation | None, cells: Cells) -> tuple[ShareDraft, ...]:
        if existing is not None and not self.mapped.has("technicians"):
            return tuple(ShareDraft(share.payee_id, share.weight) for share in existing.shares)
        names = [name.strip() for name in row["technicians"].split(";") if name.strip()]
        nobody: list[int] = []
        ids = cells.read(nobody, lambda: [self._technician(name) for name in names])
        given = [share.strip().rstrip("% ") for share in row["shares"].split(";") if share.strip()]
        weights = cells.read(nobody, percent_weights, given, len(names)) if given else [1] * len(names)
        # One of the two may be at fault; the row is refused then.
        return tuple(ShareDraft(ident, weight) for ident, weight in zip(ids, weights, strict=False))

    def _technician(self, name: str) -> int:
        found = self.technicians.get(name.casefold()) or self.technicians.get(key_of_name(name))
        if not found:
            raise Invalid(
                "technicians",
                f"There is no technician {name!r}. Import the technicians first.",
                "T-100; T-101",
            )
        if len(found) > 1:
            raise Invalid("technicians", f"{name!r} fits several technicians; give the reference.", "T-100")
        return next(iter(found))


def _is_rounded(text: str, size: Decimal) -> bool:
    return bool(text) and parse_decimal("size", text) != size


def percent_weights(texts: list[str], count: int) -> list[int]:
    """Percentages as whole weights (hundredths of a per cent). Raises Invalid unless they add up to 100."""
    if len(texts) != count:
        raise Invalid("shares", f"There are {count} technicians and {len(texts)} shares.", "60; 40")
    weights = []
    for text in texts:
        scaled = parse_decimal("shares", text, "60; 40") * 100
        if scaled != scaled.to_integral_value() or scaled <= 0:
            raise Invalid("shares", "A share is above zero and has at most two decimals.", "60; 40")
        weights.append(int(scaled))
    if sum(weights) != 10_000:
        total = Decimal(sum(weights)) / 100
        raise Invalid("shares", f"The shares add up to {total:f}, not to 100.", "60; 40")
    return weights


def _technicians(organisation_id: int) -> dict[str, set[int]]:
    """Payee ids by everything a file may call a technician."""
    found: dict[str, set[int]] = {}
    query = select(Payee.id, Payee.reference, Payee.external_ref, Payee.email, Payee.name).where(
        Payee.organisation_id == organisation_id, Payee.kind == Role.TECHNICIAN.value
    )
    for ident, reference, external_ref, email, name in db.session.execute(query):
        for called in (reference, external_ref or "", email, key_of_name(name)):
            if called:
                found.setdefault(called.casefold(), set()).add(ident)
    return found
