"""What is kept between requests is what would be written anew; addresses made once are those of `url_for`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from types import SimpleNamespace

import pytest
from flask import Flask, g, render_template_string, url_for
from jinja2 import Environment, pass_context
from jinja2.runtime import Context
from markupsafe import Markup
from wtforms import Form, SelectField, StringField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]

from webapp.web import addresses, exports, i18n, pieces, templates, texts
from webapp.web.situation import situation


@pytest.fixture
def app() -> Iterator[Flask]:
    """Templates with the pieces, and two addresses."""
    application = Flask("pieces")
    application.config.update(SECRET_KEY="for tests alone", TESTING=True)
    i18n.init_app(application)
    pieces.init_app(application)
    application.add_url_rule("/list", "list")
    application.add_url_rule("/of/<name>/end", "of")
    application.add_url_rule("/number/<int:number>", "number")
    with application.test_request_context("/"):
        g.organisation = None
        yield application


def test_a_remembered_macro_runs_once_for_equal_facts(app: Flask) -> None:
    runs = []

    def macro(text: object, tone: object = None) -> str:
        runs.append(text)
        return f"{text}/{tone}"

    piece = pieces.remembered(macro)
    assert [piece("a"), piece("a"), piece("a", tone="b")] == ["a/None", "a/None", "a/b"]
    assert len(runs) == 2
    # What is no plain value is never kept: it may change.
    changing = ["x"]
    assert piece(changing) == "['x']/None"
    changing.append("y")
    assert piece(changing) == "['x', 'y']/None"


def test_safe_text_is_never_taken_for_the_same_words_unsafe(app: Flask) -> None:
    source = (
        "{% macro _b(t) %}<b>{{ t }}</b>{% endmacro %}{% set b = remembered(_b) %}{{ b(safe) }}{{ b(raw) }}"
    )
    app.jinja_env.autoescape = True
    html = render_template_string(source, safe=Markup("<i>"), raw="<i>")
    assert html == "<b><i></b><b>&lt;i&gt;</b>"


def test_another_locale_is_another_piece(app: Flask) -> None:
    piece = pieces.remembered(lambda day: f"{day} {situation().locale}")
    g.organisation = SimpleNamespace(locale="en_IN", currency="INR", timezone="Asia/Kolkata")
    assert piece(date(2026, 1, 2)) == "2026-01-02 en_IN"
    g.organisation = SimpleNamespace(locale="de_DE", currency="EUR", timezone="Europe/Berlin")
    assert piece(date(2026, 1, 2)) == "2026-01-02 de_DE"
    assert situation().currency == "EUR"
    g.locale = "fr_FR"
    assert piece(date(2026, 1, 2)) == "2026-01-02 fr_FR"


class Filter(Form):
    """A filter of a list."""

    q = StringField("Search")
    status = SelectField(
        "Status", choices=[SelectChoice("", "All"), SelectChoice("a", "A")], validate_choice=False
    )


def test_a_kept_part_follows_what_was_typed(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    from werkzeug.datastructures import MultiDict

    source = '{% call kept_part("part", facts_of(form)) %}{{ form.q }}{{ form.status }}{% endcall %}'

    def page(**typed: str) -> str:
        return render_template_string(source, form=Filter(MultiDict(typed)))

    app.jinja_env.autoescape = True
    first = page(q="<x>")
    assert 'value="&lt;x&gt;"' in first
    assert page(q="<x>") == first
    assert 'value="other"' in page(q="other")
    assert "selected" in page(status="a") != page(status="")
    monkeypatch.setattr(pieces, "_PART_KEEPS", 1)
    assert page(q="<x>") == first


def test_addresses_of_rows_are_those_of_url_for(app: Flask) -> None:
    one, two = addresses.each("of", "name", more="1 2"), addresses.each("list", "open", q="a&b")
    for value in ("PO-2026-000123", "a b/c?d=e&f", "தமிழ்"):
        assert app.url_map.bind("").match(one(value).partition("?")[0].replace("%2F", "+"))[0] == "of"
        with app.test_request_context(two(value)) as context:
            assert context.request.args.to_dict() == {"q": "a&b", "open": value}
    assert one("PO-2026-000123") == url_for("of", name="PO-2026-000123", more="1 2")
    assert addresses.each("number", "number")(42) == url_for("number", number=42)


def test_fixed_addresses_follow_the_place_of_the_application(app: Flask) -> None:
    assert addresses.fixed("list") == "/list"
    with app.test_request_context("/", environ_overrides={"SCRIPT_NAME": "/pay"}):
        assert addresses.fixed("list") == "/pay/list"
    assert addresses.fixed("list") == "/list"


@pytest.mark.parametrize(
    "cells",
    [
        ["Ana", "O'Neil", None, ""],
        ["Ana", "=1+1"], ["  =1", "b"], ["\t=1"], ["a\x00b"], ["＝x"], ["-5.20", "@x"], ["\r\n+x", None], ["(x)"],
    ],
)  # fmt: skip
def test_columns_are_defused_as_cells_are(cells: list[str | None]) -> None:
    assert [value or "" for value in texts.safe(cells)] == [exports.defuse(value) for value in cells]


def test_amounts_have_the_decimals_of_their_currency() -> None:
    amounts = texts.Amounts()
    assert amounts.column([0, 5, -5, 123456, -100], ["USD"] * 5) == [
        "0.00",
        "0.05",
        "-0.05",
        "1234.56",
        "-1.00",
    ]
    assert amounts.column([5, -7, 12], ["KWD", "JPY", "USD"]) == ["0.005", "-7", "0.12"]
    for value in (1, 99, 100, -12_345):
        assert Decimal(amounts.column([value], ["USD"])[0] or "") == Decimal(value) / 100


@pytest.mark.parametrize("name", ["q", "a b", "ä&="])
@pytest.mark.parametrize("value", ["x", "", "a b", "ä/&=?#%+", "1,2", "it's", None, 5, "PO-2026-1"])
def test_an_address_with_a_query_is_that_of_url_for(app: Flask, name: str, value: object) -> None:
    values = {name: value, "view": "ready", "none": None, "size": 25}
    assert addresses.with_query("list", values.items()) == url_for("list", **values)
    assert addresses.with_query("list", []) == url_for("list")
    assert addresses.with_query("list", [("a", "1"), ("a", "2")]) == url_for("list", a=["1", "2"])
    assert addresses.with_query("of", {"name": "x y", **values}.items()) == url_for(
        "of", name="x y", **values
    )


def test_templates_call_macros_and_functions_as_jinja_does(app: Flask) -> None:
    def stopping() -> None:
        raise StopIteration

    @pass_context
    def seen(context: Context, name: str) -> object:
        return context.resolve(name)

    source = (
        "{% macro say(what, end='.') %}{{ what }}{{ end }}{{ caller() if caller else '' }}{% endmacro %}"
        "{% for n in [1, 2] %}{{ say(n, end=f(n)) }}{{ seen('n') }}{% endfor %}{% call say('<') %}|{% endcall %}"
        "{{ kind(5) }}{{ stopping() is defined }}"
    )
    values = {"f": lambda n: n * 2, "seen": seen, "kind": str, "stopping": stopping}
    expected = Environment(autoescape=True).from_string(source).render(**values)
    assert templates.PageEnvironment(app, autoescape=True).from_string(source).render(**values) == expected
    assert expected.endswith("&lt;.|5False")
