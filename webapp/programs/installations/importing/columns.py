"""Which column of a file means what. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from webapp.kernel.errors import Invalid
from webapp.programs.installations.importing.reading import Table

TEMPLATES: dict[str, tuple[str, ...]] = {
    "technicians": ("external_ref", "name", "email", "phone", "address", "country"),
    "rates": (
        "external_ref", "name", "installation_type", "capacity_unit", "min_size", "max_size", "rate_type",
        "rate", "bonus", "priority", "active", "effective_from", "effective_to",
    ),
    "installations": (
        "external_ref", "installation_type", "size", "capacity_unit", "customer_name", "site", "order_value",
        "status", "commissioned_on", "quality_check", "technicians", "shares",
    ),
}  # fmt: skip
EXAMPLES: dict[str, tuple[str, ...]] = {
    "technicians": ("T-100", "Maya Fernandez", "maya@example.com", "+1 555 0100", "1 Harbour Road", "US"),
    "rates": ("solar-a", "Solar A", "solar", "kW", "0", "10", "per_unit", "50.00", "", "1", "yes", "", ""),
    "installations": (
        "JOB-1", "solar", "9.99", "kW", "Lee family", "12 Hill Street", "25000.00", "commissioned",
        "2026-10-31", "passed", "T-100; T-101", "60; 40",
    ),
}  # fmt: skip
OPTIONAL: dict[str, tuple[str, ...]] = {
    "technicians": (),
    "rates": ("currency",),
    "installations": ("currency",),
}
REQUIRED: dict[str, tuple[str, ...]] = {
    "technicians": ("name",),
    "rates": ("name", "rate_type", "rate"),
    "installations": ("external_ref",),
}
_ALIASES: dict[str, dict[str, tuple[str, ...]]] = {
    "technicians": {
        "external_ref": ("id", "technician_id", "external_reference", "reference"),
        "name": ("technician", "technician_name", "full_name", "installer", "installer_clean"),
        "email": ("e_mail", "email_address", "mail"),
        "phone": ("telephone", "mobile"),
    },
    "rates": {
        "external_ref": ("id", "external_reference"),
        "installation_type": ("type",),
        "capacity_unit": ("unit",),
        "min_size": ("min_capacity", "from_size", "min"),
        "max_size": ("max_capacity", "to_size", "max"),
        "rate": ("rate_amount", "amount"),
        "bonus": ("quality_bonus", "bonus_amount"),
        "active": ("is_active",),
    },
    "installations": {
        "external_ref": ("id", "external_reference", "project_id", "job", "job_id", "program1projectid"),
        "installation_type": ("type", "job_type"),
        "size": ("system_size", "system_size_kw", "systemsizeindcstc_kw", "capacity"),
        "capacity_unit": ("unit",),
        "customer_name": ("customer",),
        "site": ("site_address", "address"),
        "order_value": ("installed_price", "totalinstalledcost", "price"),
        "commissioned_on": ("installation_date", "commissioned_at", "commissioned", "ptodate_orproxy"),
        "quality_check": ("quality",),
        "technicians": ("technician", "installer", "installer_clean"),
        "shares": ("share",),
    },
}


@dataclass(frozen=True)
class Origin:
    """A published list whose columns are known: what they leave unsaid, and what stands for "missing"."""

    name: str
    needs: frozenset[str]
    defaults: Mapping[str, str] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()
    site: tuple[str, ...] = ()


_SOLAR = {"installation_type": "solar", "capacity_unit": "kW", "currency": "USD", "status": "commissioned"}
ORIGINS = (
    Origin(
        "a list of solar installations in the columns of Tracking the Sun",
        frozenset({"project_id", "installation_date", "system_size_kw", "installer"}),
        _SOLAR,
        site=("city", "state", "zip"),
    ),
    Origin(
        "Tracking the Sun in its original columns",
        frozenset({"program1projectid", "ptodate_orproxy", "systemsizeindcstc_kw", "installer_clean"}),
        _SOLAR,
        frozenset({"-1", "-1.0", "NaT"}),
        ("hostcustomercity", "state", "hostcustomerzip_4"),
    ),
)


@dataclass(frozen=True)
class Row:
    """One row with the cells that were understood, trimmed; absent and empty cells are ""."""

    line: int
    cells: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        return self.cells.get(name, "")


@dataclass(frozen=True)
class Mapped:
    """The rows of a file under our names, and the file's own name of each."""

    rows: tuple[Row, ...]
    columns: Mapping[str, str]
    wrong_width: tuple[tuple[int, int], ...]
    width: int
    origin: Origin | None
    ignored: tuple[str, ...]

    def has(self, name: str) -> bool:
        """Whether the file (or its known origin) says anything about a column."""
        return name in self.columns or (self.origin is not None and name in self.origin.defaults)


def normal(name: str) -> str:
    """A column name without case, blanks and punctuation: "Installation Date" is installation_date."""
    return re.sub(r"[^a-z0-9]+", "_", name.strip().casefold()).strip("_")


def map_columns(kind: str, table: Table, chosen: Mapping[str, str] | None = None) -> Mapped:
    """Find our columns in a file: by the given mapping (theirs → ours), by our names, by names in common use.

    Raises Invalid("file", …) when a needed column is missing or a mapping names what is not there.
    """
    position = {normal(name): index for index, name in enumerate(table.header) if name}
    known = (*TEMPLATES[kind], *OPTIONAL[kind])
    found = _chosen(position, known, chosen or {})
    for name in known:
        candidates = (name, *_ALIASES[kind].get(name, ()))
        at = next(
            (position[c] for c in candidates if c in position and position[c] not in found.values()), None
        )
        if name not in found and at is not None:
            found[name] = at
    origin = next((o for o in ORIGINS if o.needs <= position.keys()), None)
    missing = [n for n in REQUIRED[kind] if n not in found]
    if missing:
        raise Invalid(
            "file",
            f"The file has no column {', '.join(missing)}. Its columns are {', '.join(table.header)}.",
            ",".join(TEMPLATES[kind]),
        )
    return _mapped(table, found, position, origin)


def _chosen(position: Mapping[str, int], known: tuple[str, ...], chosen: Mapping[str, str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for theirs, ours in chosen.items():
        if normal(theirs) not in position:
            raise Invalid("map", f"The file has no column {theirs!r}.", "their_column=external_ref")
        if ours not in known:
            raise Invalid(
                "map", f"{ours!r} is not a column here: {', '.join(known)}.", "project_id=external_ref"
            )
        found[ours] = position[normal(theirs)]
    return found


def _mapped(
    table: Table, found: Mapping[str, int], position: Mapping[str, int], origin: Origin | None
) -> Mapped:
    width = len(table.header)
    rows, wrong = [], []
    missing = origin.missing if origin else frozenset()
    parts = [position[name] for name in origin.site if name in position] if origin else []
    for line, cells in table.rows:
        if len(cells) != width:
            wrong.append((line, len(cells)))
            continue
        values = {name: _cell(cells[index], missing) for name, index in found.items()}
        for name, default in (origin.defaults if origin else {}).items():
            values[name] = values.get(name) or default
        if parts and "site" not in found:
            values["site"] = _place([_cell(cells[index], missing) for index in parts])
        rows.append(Row(line, values))
    used = {*found.values(), *parts}
    ignored = tuple(name for index, name in enumerate(table.header) if name and index not in used)
    columns = {name: table.header[index] for name, index in found.items()}
    return Mapped(tuple(rows), columns, tuple(wrong), width, origin, ignored)


def _cell(text: str, missing: frozenset[str]) -> str:
    trimmed = " ".join(text.split())
    return "" if trimmed in missing else trimmed


def _place(parts: list[str]) -> str:
    """City, state and zip as an address line: "Flushing, NY 11355"."""
    city, *rest = parts
    return ", ".join(piece for piece in (city, " ".join(p for p in rest if p)) if piece)
