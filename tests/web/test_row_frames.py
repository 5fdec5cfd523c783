"""Rows of kept frames and values are those that the template would write; nothing gets out of its cell."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask, g
from jinja2 import DictLoader
from markupsafe import Markup, escape

from webapp.web import i18n, pieces, row_frames, templates
from webapp.web.row_frames import Places, Rows, framed
from webapp.web.templates import written

NASTY = (
    "plain", "", "<b onclick=a()>", 'a "quote" & \'one\'', "100% %s %(x)s %%", "{{ 7 * 7 }}", "𝛼 – ﷽\u202e",
    "\\1 \\g<0>", "9" * 30, "x00", "0",
)  # fmt: skip
ROW = (
    "{% macro _row(place, is_paid, tone) %}"
    '<tr><td class="{{ tone }}" title="{{ place.name }}">{{ place.name }} 5% of {{ "it: " ~ place.amount }}</td>'
    "{% if is_paid %}<td>{{ place.day }}</td>{% endif %}</tr>\n{% endmacro %}{% set rows = framed(_row) %}"
)


@pytest.fixture
def app() -> Iterator[Flask]:
    """An application whose templates are the two of these tests."""
    application = Flask("rows")
    templates.init_app(application)
    i18n.init_app(application)
    pieces.init_app(application)
    row_frames.init_app(application)
    page = '{% from "row.html" import rows as write %}{{ write(rows) }}'
    application.jinja_env.loader = DictLoader({"row.html": ROW, "page.html": page})
    with application.test_request_context("/"):
        g.organisation = None
        yield application


def _row(name: str, amount: str, day: str, is_paid: bool, tone: str) -> str:
    paid = f"<td>{escape(day)}</td>" if is_paid else ""
    cell = f'<td class="{escape(tone)}" title="{escape(name)}">{escape(name)} 5% of it: {escape(amount)}</td>'
    return f"<tr>{cell}{paid}</tr>\n"


def test_a_framed_row_is_the_row_that_a_template_writes(app: Flask) -> None:
    facts = [(is_paid, tone) for is_paid in (True, False) for tone in ("ok", '"><i>', "50%s")]
    lines = [((name, name[::-1], "today"), fact) for name in NASTY for fact in facts]
    rows = Rows(("name", "amount", "day"), [(fact, values) for values, fact in lines])
    template = app.jinja_env.get_template("page.html")
    for _ in range(2):
        assert template.render(rows=rows) == "".join(_row(*values, *fact) for values, fact in lines)


def test_equal_facts_are_written_once_and_each_situation_has_its_own(app: Flask) -> None:
    runs = []

    def macro(place: Places, tone: str) -> Markup:
        runs.append(tone)
        return Markup(f"<p>{place.name}{place.of}{tone}</p>")  # type: ignore[attr-defined]

    write = framed(macro)
    rows = Rows(("name", "of"), [(("a",), ("1", "<")), (("b",), ("2", "2")), (("a",), ("3", "3"))])
    assert write(rows) == "<p>1&lt;a</p><p>22b</p><p>33a</p>"
    assert write(rows).endswith("<p>33a</p>")
    assert runs == ["a", "b"]
    g.locale = "hi_IN"
    write(rows)
    assert runs == ["a", "b", "a", "b"]


@pytest.mark.parametrize("used", [0, 1])
def test_a_frame_may_use_few_of_the_values(app: Flask, used: int) -> None:
    write = framed(lambda place, sign: Markup("<p>{}%</p>").format(place.name if used else sign))
    rows = Rows(("other", "name"), [(("-",), ("<a>", "<b>"))])
    assert write(rows) == ("<p>&lt;b&gt;%</p>" if used else "<p>-%</p>")
    assert len(rows) == 1
    assert not Rows(("name",), [])


def test_a_template_writes_values_as_they_are_escaped_everywhere(app: Flask) -> None:
    class Own:
        def __html__(self) -> str:
            return "<hr>"

        def __str__(self) -> str:
            return "not this"

    values = [*NASTY, *map(Markup, NASTY), 5, 1.5, None, True, Own(), escape("<"), ["<", Markup("<")]]
    template = app.jinja_env.from_string(
        "{{ value }}{{ value }}|{% set kept %}{{ value }}{% endset %}{{ kept }}"
    )
    for value in values:
        assert written(value) == escape(value)
        once = str(escape(value))
        assert template.render(value=value) == f"{once}{once}|{once}"
