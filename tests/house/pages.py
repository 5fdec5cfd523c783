"""What every page must be: valid HTML, one heading, a title, labelled fields, nothing inline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from tinyhtml5.parser import HTMLParser

SPACE = "{http://www.w3.org/1999/xhtml}"
# Hidden parts that are filled, or copied, by the script.
APART = {"template", "dialog"}
UNLABELLED = {"hidden", "submit", "button", "image", "reset"}


def parse(text: str) -> tuple[Element, list[str]]:
    """The tree of a page, and where it breaks the rules of HTML."""
    parser = HTMLParser()
    root = parser.parse(text)
    return root, [f"line {place[0]}, column {place[1]}: {code} {data}" for place, code, data in parser.errors]


def _name(element: Element) -> str:
    return element.tag.removeprefix(SPACE) if isinstance(element.tag, str) else ""


def _walk(element: Element, *, without: frozenset[str] = frozenset()) -> Iterator[Element]:
    yield element
    for child in element:
        if _name(child) not in without:
            yield from _walk(child, without=without)


def text_of(element: Element) -> str:
    """All text inside an element, in one line."""
    return " ".join("".join(element.itertext()).split())


def problems(text: str, *, is_fragment: bool = False) -> list[str]:
    """Sentences about everything that is wrong with a page; a fragment has no heading of its own."""
    if is_fragment:
        text = f'<!doctype html><html lang="en"><head><title>t</title></head><body><h1>h</h1>{text}</body></html>'
    root, found = parse(text)
    everything = list(_walk(root))
    shown = list(_walk(root, without=frozenset(APART)))
    found += _frame(root, shown)
    found += _nothing_inline(everything)
    found += _ids(shown)
    found += _fields(shown)
    found += _forms(shown)
    found += _tables(shown)
    return found


def _frame(root: Element, shown: list[Element]) -> Iterator[str]:
    if not root.get("lang"):
        yield "the page does not say its language"
    titles = [
        text_of(e) for e in shown if _name(e) == "title" and "{http://www.w3.org/2000/svg}" not in str(e.tag)
    ]
    if len(titles) != 1 or len(titles[0].replace("– Paydesk", "").strip()) < 1:
        yield f"the page needs one title, it has {titles}"
    headings = [e for e in shown if _name(e) == "h1"]
    if len(headings) != 1 or not text_of(headings[0]):
        yield f"the page needs one h1 with words, it has {len(headings)}"
    level = 0
    for element in shown:
        name = _name(element)
        if len(name) == 2 and name[0] == "h" and name[1].isdigit():
            if int(name[1]) > level + 1:
                yield f"{name} ({text_of(element)!r}) follows h{level}"
            level = int(name[1])


def _nothing_inline(everything: list[Element]) -> Iterator[str]:
    for element in everything:
        name = _name(element)
        if name == "style" or (name == "script" and not element.get("src")):
            yield f"an inline {name} element"
        for attribute, value in element.attrib.items():
            if attribute == "style" or attribute.startswith(("on", "hx-")):
                yield f"{name} has the attribute {attribute}"
            if value.strip().lower().startswith("javascript:"):
                yield f"{name} has a script in {attribute}"
            if attribute in ("src", "href") and value.startswith(("http://", "https://", "//")):
                yield f"{name} reaches out to {value}"


def _ids(shown: list[Element]) -> Iterator[str]:
    ids = Counter(e.get("id") for e in shown if e.get("id") is not None)
    yield from (f"the id {i!r} is there {n} times" for i, n in ids.items() if n > 1)
    for element in shown:
        for attribute in ("aria-labelledby", "aria-describedby", "aria-controls", "for", "form"):
            for target in (element.get(attribute) or "").split():
                if target not in ids:
                    yield f"{_name(element)} points with {attribute} at {target!r}, which is not there"


def _fields(shown: list[Element]) -> Iterator[str]:
    labelled = {e.get("for") for e in shown if _name(e) == "label"}
    inside = {child for e in shown if _name(e) == "label" for child in e.iter()}
    for element in shown:
        name = _name(element)
        if name in ("input", "select", "textarea") and element.get("type") not in UNLABELLED:
            is_named = element.get("aria-label") or element.get("aria-labelledby") or element in inside
            if not is_named and element.get("id") not in labelled:
                yield f"the field {element.get('name')!r} has no label"
        if name in ("button", "a") and not (text_of(element) or element.get("aria-label")):
            yield f"a {name} without words: {element.attrib}"
        if name == "img" and element.get("alt") is None:
            yield f"an image without alternative text: {element.get('src')}"


def _forms(shown: list[Element]) -> Iterator[str]:
    for form in (e for e in shown if _name(e) == "form"):
        names = [e.get("name") for e in form.iter()]
        is_post = (form.get("method") or "get").lower() == "post"
        if is_post and "csrf_token" not in names:
            yield f"the form to {form.get('action')!r} has no token"
        if not is_post and "csrf_token" in names:
            yield f"the form to {form.get('action')!r} puts its token into the address"
        if is_post and names.count("csrf_token") > 1:
            yield f"the form to {form.get('action')!r} has {names.count('csrf_token')} tokens"


def _tables(shown: list[Element]) -> Iterator[str]:
    for table in (e for e in shown if _name(e) == "table"):
        parts = [_name(e) for e in table.iter()]
        if "caption" not in parts:
            yield "a table without caption"
        if any(_name(e) == "th" and not e.get("scope") for e in table.iter()):
            yield "a table header without scope"
