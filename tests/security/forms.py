"""Finds the forms of pages and fills them in, as somebody would who types the same text everywhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from xml.etree.ElementTree import Element

from tests.house.pages import SPACE, parse

_numbers = count(1)
TEXTS = {"text", "search", "email", "tel", "url", "password", "number", "date", "month", "time", ""}


@dataclass
class Form:
    """A form that changes something: where it goes, what it holds, and which of its fields take text."""

    action: str
    values: dict[str, list[str]] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)
    has_file: bool = False

    @property
    def key(self) -> tuple[str, ...]:
        """What makes it another form than the one on the page before."""
        return (self.action, *sorted(self.values))

    def filled(self, name: str, text: str) -> dict[str, list[str]]:
        """Everything as the page has it, plausible words where it is empty, and `text` in one field."""
        usual = {n: v if any(v) else [_usual(n)] if n in self.texts else v for n, v in self.values.items()}
        return {**usual, name: [text]}


def _usual(name: str) -> str:
    """What a person might type into a field that must not be empty."""
    for word, text in (
        ("email", f"someone{next(_numbers)}@x.example"),
        ("ref", f"R-{next(_numbers)}"),
        ("effective_to", "2027-10-01"),
        ("min", "1"),
        ("max", "9"),
        ("value", "100.00"),
        ("percent", "100"), ("phone", "+1 202 555 0100"), ("month", "2026-10"),
        ("date", "2026-10-01"), ("_on", "2026-10-01"), ("from", "2026-10-01"), ("amount", "10.00"),
        ("routing", "021000021"), ("account", "123456789012"), ("size", "5"), ("rate", "10"), ("bonus", "1"),
        ("days", "30"), ("hours", "24"), ("currency", "USD"), ("country", "US"),
    ):  # fmt: skip
        if word in name:
            return text
    return "Plain words"


def _name(element: Element) -> str:
    return str(element.tag).removeprefix(SPACE)


def _options(select: Element) -> list[str]:
    options = [e for e in select.iter() if _name(e) == "option"]
    chosen = [e for e in options if e.get("selected") is not None] or [
        e for e in options if (e.get("value") or "").strip()
    ][:1]
    return [e.get("value") or "" for e in chosen[:1]]


def _take(form: Form, element: Element) -> None:
    name, kind = element.get("name") or "", (element.get("type") or "").lower()
    if not name or element.get("disabled") is not None:
        return
    if _name(element) == "select":
        form.values[name] = _options(element)
    elif _name(element) == "textarea":
        form.values[name] = [element.text or ""]
        form.texts.append(name)
    elif kind == "file":
        form.has_file = True
    elif kind in ("checkbox", "radio"):
        if element.get("checked") is not None or name not in form.values:
            form.values[name] = [element.get("value") or "on"]
    elif kind not in ("submit", "button", "image", "reset"):
        form.values[name] = [element.get("value") or ""]
        if kind in TEXTS:
            form.texts.append(name)


def forms_of(page: str, address: str) -> list[Form]:
    """The forms of a page that are posted, with the fields that belong to them by their place or by `form=`."""
    root, _ = parse(page)
    found: dict[Element, Form] = {}
    by_id: dict[str, Form] = {}
    for element in root.iter():
        if _name(element) == "form" and (element.get("method") or "").lower() == "post":
            form = Form(element.get("action") or address)
            found[element] = form
            if element.get("id"):
                by_id[str(element.get("id"))] = form
    for place, form in found.items():
        for element in place.iter():
            if _name(element) in ("input", "select", "textarea") and not element.get("form"):
                _take(form, element)
    for element in root.iter():
        if _name(element) in ("input", "select", "textarea") and element.get("form") in by_id:
            _take(by_id[str(element.get("form"))], element)
    return list(found.values())
