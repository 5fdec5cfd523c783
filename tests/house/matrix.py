"""Reads the table of who may do what, and says what each person must be answered."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from flask import Flask

from tests.house.town import KINDS, PEOPLE, ROLES, generic, portal_kind

SAFE, UNSAFE = ("GET",), ("POST", "PUT", "PATCH", "DELETE")
# Who may call an address of the API, by the roles of the token's person.
TOKEN_CLASSES = {
    "token": (*ROLES, "stranger", "neighbour"),
    "token_technician": ("admin", "accountant", "technician", "stranger", "neighbour"),
    "token_practitioner": ("admin", "accountant", "practitioner", "stranger", "neighbour"),
    "token_driver": ("admin", "accountant", "driver", "stranger", "neighbour"),
    "token_partner": ("admin", "accountant", "partner", "stranger", "neighbour"),
    "token_registrar": ("admin", "partner", "stranger", "neighbour"),
    "token_or_404": (*ROLES, "stranger", "neighbour"),
    "token_withdrawer": ("admin", "practitioner", "stranger", "neighbour"),
    "token_staff": ("admin", "accountant", "stranger"),
    "token_admin": ("admin", "stranger"),
}
CLASSES = ("public", "signed_in", "own", "staff", "admin", "payee", "desk", "nobody", *TOKEN_CLASSES)
DEFAULT = {"get": (200,), "post": (200, 303, 409, 422)}


@dataclass(frozen=True)
class Entry:
    """One address with one method."""

    endpoint: str
    method: str
    who: str
    let_in: tuple[int, ...]
    names_a_record: bool
    overrides: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)
    # Sent by mail programs without a session or a form's token: a signature in the address is the proof.
    has_signed_address: bool = False
    # Who takes it is written to the trail: all that reading it changes.
    is_remembered: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.endpoint}"

    @property
    def is_unsafe(self) -> bool:
        """Whether it may change something."""
        return self.method in UNSAFE

    @property
    def is_api(self) -> bool:
        """Whether a token opens it, and no cookie does."""
        return self.who in TOKEN_CLASSES

    @property
    def api_kind(self) -> str:
        """Whose records an address of the API names, and of whom its neighbour is one."""
        ours = ("token_practitioner", "token_withdrawer", "token_or_404")
        if self.who == "token_driver":
            return "driver"
        if self.who in ("token_partner", "token_registrar"):
            return "partner"
        return "practitioner" if self.who in ours else "technician"

    def expected_with_token(self, person: str) -> tuple[int, ...]:
        """The statuses that the token of a person may be answered; records are those of `api_kind`."""
        if person in self.overrides:
            return self.overrides[person]
        if person not in TOKEN_CLASSES[self.who]:
            return (403,)
        is_theirs = person in ("admin", "accountant", self.api_kind)
        return self.let_in if is_theirs or not self.names_a_record else (404,)

    def admits(self, person: str) -> bool:
        """Whether the person is let in as far as their role goes."""
        if self.is_api:
            return False
        if self.who == "public":
            return True
        if self.who == "nobody" or person == "anonymous":
            return False
        if self.who == "signed_in":
            return True
        kind = portal_kind(self.endpoint)
        roles = {"staff": ("admin", "accountant", "stranger"), "admin": ("admin", "stranger"), "own": ("admin",),
                 "desk": ("admin", "stranger"), "payee": (kind, "neighbour")}  # fmt: skip
        return person in roles[self.who]

    def expected(self, person: str) -> tuple[int, ...]:
        """The statuses that the person may be answered."""
        if person in self.overrides:
            return self.overrides[person]
        if self.is_api:
            return (401,)
        if self.admits(person):
            is_theirs = person not in ("stranger", "neighbour") or self.who in ("public", "signed_in")
            return self.let_in if is_theirs or not self.names_a_record else (404,)
        if self.who == "nobody":
            return (404,)
        if person == "anonymous":
            return (401,) if self.is_unsafe else (302,)
        return (404,) if self.who in ("own", "desk") else (403,)


def table() -> dict[str, dict[str, object]]:
    """The table as written: generic endpoint -> its row."""
    files = ("matrix.toml", "matrix_api.toml")
    read = tomllib.loads("\n".join(Path(__file__).with_name(name).read_text() for name in files))
    rows: dict[str, dict[str, object]] = {}

    def walk(node: dict[str, object], path: str) -> None:
        for key, value in node.items():
            assert isinstance(value, dict), f"matrix.toml: {path}.{key} is not a table"
            name = f"{path}.{key}".lstrip(".")
            if any(method in value for method in (*SAFE, *UNSAFE)):
                rows[name] = value
            else:
                walk(value, name)

    walk(read, "")
    return rows


def problems(app: Flask) -> list[str]:
    """Sentences about addresses without a row, rows without an address, and rows that say nonsense."""
    rows, found, seen = table(), [], set()
    for rule in app.url_map.iter_rules():
        name = generic(rule.endpoint)
        seen.add(name)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            if name not in rows:
                found.append(
                    f"{method} {rule.rule} ({rule.endpoint}) has no row {name} in tests/house/matrix.toml"
                )
            elif method not in rows[name]:
                found.append(f"{method} {rule.rule}: the row {name} does not say who may {method}")
            elif rows[name][method] not in CLASSES:
                found.append(f"the row {name} names nobody: {rows[name][method]!r}")
    found += [f"the row {name} has no address" for name in sorted(set(rows) - seen)]
    return found


def entries(app: Flask) -> list[Entry]:
    """Every address and method that has a row."""
    rows, made = table(), []
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.endpoint):
        row = rows.get(generic(rule.endpoint), {})
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            if method in row:
                key = "get" if method in SAFE else "post"
                let_in = tuple(row.get(key, DEFAULT[key]))  # type: ignore[call-overload]
                named = bool(rule.arguments - {"format", "digest", "name", "kind"})
                overrides = {p: tuple(row[p]) for p in PEOPLE if p in row}  # type: ignore[call-overload]
                made.append(
                    Entry(
                        rule.endpoint,
                        method,
                        str(row[method]),
                        let_in,
                        named,
                        overrides,
                        dict(row.get("form", {})),
                        bool(row.get("signed_address", False)),
                        bool(row.get("remembered", False)),
                    )
                )  # type: ignore[call-overload]
    return made


__all__ = ["KINDS", "ROLES", "Entry", "entries", "problems", "table"]
