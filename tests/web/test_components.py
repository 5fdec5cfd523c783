"""The shared look: assets, layouts and macros, rendered alone with sample data and read back as HTML."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace as Thing
from typing import Any
from xml.etree.ElementTree import Element

import html5lib
import pytest
from flask import Flask, flash, render_template_string, session
from flask_wtf import CSRFProtect, FlaskForm
from jinja2 import StrictUndefined
from werkzeug.datastructures import MultiDict
from wtforms import (
    BooleanField,
    DateField,
    DecimalField,
    HiddenField,
    RadioField,
    SelectField,
    StringField,
    TextAreaField,
)
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]
from wtforms.validators import DataRequired, Optional

from webapp.portals.context import Link
from webapp.web import assets, charts, i18n, pieces

TEMPLATES = Path(assets.__file__).resolve().parent.parent / "templates"
NOW = datetime(2026, 11, 20, 14, 2, tzinfo=UTC)


class RateForm(FlaskForm):
    """One field of every kind."""

    name = StringField("Name on account", [DataRequired("Enter the name on the account.")])
    amount = DecimalField("Rate", [DataRequired("Enter an amount like 1,234.50.")])
    kind = SelectField(
        "Job type", choices=[SelectChoice("solar", "Solar"), SelectChoice("battery", "Battery")]
    )
    method = RadioField(
        "Pay by",
        choices=[SelectChoice("bank", "Bank"), SelectChoice("upi", "UPI")],
        validators=[DataRequired("Choose one.")],
    )
    start = DateField("From", [Optional()])
    note = TextAreaField("Note", [Optional()], description="Shown to the technician.")
    sure = BooleanField("I called the number on file", [DataRequired("Confirm the call.")])
    version = HiddenField()


@pytest.fixture
def app() -> Iterator[Flask]:
    """The templates and assets with nothing of the product behind them."""
    application = Flask("components", template_folder=str(TEMPLATES))
    application.config.update(SECRET_KEY="for tests alone", TESTING=True)
    application.jinja_env.undefined = StrictUndefined
    application.jinja_env.filters.update(
        money=lambda value: f"${value / 100:,.2f}".replace("$-", "−$"),
        date=lambda value: value.strftime("%d %b %Y"),
        datetime=lambda value: value.strftime("%d %b %Y, %H:%M UTC"),
    )
    CSRFProtect(application)
    assets.init_app(application)
    i18n.init_app(application)
    pieces.init_app(application)
    with application.test_request_context("/"):
        yield application


def page(source: str, **context: Any) -> str:
    """Render a template given as text."""
    return render_template_string(source, **context)


def read(html: str, *, whole: bool = False) -> Element:
    """Parse strictly: one mistake of syntax fails the test."""
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    parsed: Element = parser.parse(html) if whole else parser.parseFragment(html)
    ids = Counter(node.get("id") for node in parsed.iter() if isinstance(node.tag, str) and node.get("id"))
    assert not [name for name, times in ids.items() if times > 1]
    for node in parsed.iter():
        tag: Any = node.tag
        if not isinstance(tag, str):  # a comment
            continue
        node.tag = node.tag.rpartition("}")[2]  # pictures come with their namespace
        bad = [name for name in node.attrib if name in ("style",) or name.startswith(("on", "hx-"))]
        assert not bad, f"{node.tag} carries {bad}"
    return parsed


def words(node: Element) -> str:
    """The text of an element, with single spaces."""
    return " ".join("".join(node.itertext()).split())


def by_id(root: Element, name: str) -> Element:
    """The element with this id."""
    return next(node for node in root.iter() if node.get("id") == name)


# ---- assets ---------------------------------------------------------------------------------------


def test_asset_is_served_compressed_for_a_year(app: Flask) -> None:
    client = app.test_client()
    address = assets.asset_url("app.css")
    answer = client.get(address, headers={"Accept-Encoding": "gzip"})
    plain = client.get(address)
    assert answer.status_code == plain.status_code == 200
    assert answer.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert gzip.decompress(answer.data) == plain.data
    assert "immutable" in answer.headers["Cache-Control"]
    assert "max-age=31536000" in answer.headers["Cache-Control"]
    assert answer.headers["ETag"] != plain.headers["ETag"]
    again = client.get(address, headers={"If-None-Match": plain.headers["ETag"]})
    assert again.status_code == 304


@pytest.mark.parametrize("name", ["bootstrap.min.css", "htmx.min.js", "app.css", "app.js", "favicon.svg"])
def test_integrity_and_address_follow_the_bytes_served(app: Flask, name: str) -> None:
    body = app.test_client().get(assets.asset_url(name)).data
    digest = base64.b64encode(hashlib.sha384(body).digest()).decode()
    assert assets.asset_integrity(name) == f"sha384-{digest}"
    assert hashlib.sha256(body).hexdigest()[:8] in assets.asset_url(name)


@pytest.mark.parametrize(
    "address", ["/assets/00000000/app.css", "/assets/{digest}/../app.py", "/assets/x/secret.txt"]
)
def test_other_files_and_old_versions_are_not_found(app: Flask, address: str) -> None:
    digest = assets.asset_url("app.css").split("/")[2]
    assert app.test_client().get(address.format(digest=digest)).status_code == 404


def test_htmx_is_the_second_line(app: Flask) -> None:
    assert b'version:"2.0.' in app.extensions["assets"]["htmx.min.js"].content


def test_first_load_is_light(app: Flask) -> None:
    sizes = {name: len(asset.compressed) for name, asset in app.extensions["assets"].items()}
    assert sizes["app.css"] <= 12 * 1024
    assert sizes["app.js"] <= 12 * 1024
    first = sum(size for name, size in sizes.items() if name not in assets.LATER_FILES)
    assert first <= 60 * 1024, "a page of 4 KiB must fit into 64 KiB with everything it needs"


def test_own_files_can_be_squeezed_without_harm() -> None:
    style = (assets.STATIC_FOLDER / "app.css").read_text()
    script = "".join((assets.STATIC_FOLDER / name).read_text() for name in ("app.js", "passkeys.js"))
    assert "`" not in script, "a template literal could lose its indentation"
    for quoted in re.findall(r'"[^"\n]*"', style + script):
        assert "/*" not in quoted
        assert "*/" not in quoted
    squeezed = assets.squeeze(style, ".css")
    assert "/*" not in squeezed
    assert squeezed.count("{") == style.count("{")
    assert squeezed.count("}") == style.count("}")
    assert assets.squeeze("  // note\n  a();\n\n/* long\n note */\nb(); // c\n", ".js") == "a();\nb(); // c\n"
    assert assets.squeeze("<svg/>", ".svg") == "<svg/>"


def test_own_files_ask_nobody_else() -> None:
    for name in assets.OWN_FILES.values():
        text = (assets.STATIC_FOLDER / name).read_text()
        addresses = set(re.findall(r"https?://[\w./-]+", text)) - {"http://www.w3.org/2000/svg"}
        assert not addresses
        assert "eval(" not in text
        assert "new Function" not in text
        assert "innerHTML =" not in text


def test_a_missing_file_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="missing"):
        assets.load_asset("app.css", tmp_path / "app.css")


# ---- layouts --------------------------------------------------------------------------------------

PAGE = """{% extends "layouts/portal.html" %}
{% block title %}Approvals{% endblock %}
{% block content %}<p>Here</p>{% endblock %}"""


def test_portal_renders_with_nothing_set(app: Flask) -> None:
    root = read(page(PAGE), whole=True)
    assert words(next(root.iter("title"))) == "Approvals – Paydesk"
    assert words(next(root.iter("h1"))) == "Approvals"
    assert by_id(root, "main").get("tabindex") == "-1"
    assert {"dialog", "drawer", "toasts", "alerts"} <= {node.get("id") for node in root.iter()}


def test_portal_renders_with_everything_set(app: Flask) -> None:
    user = Thing(
        is_authenticated=True, email="admin@solaria.example", name="Mara <b>Okafor</b>",
        hides_amounts=False, has_shortcuts=True,
    )  # fmt: skip
    flash("44 payouts approved.", "success")
    html = page(
        PAGE,
        current_user=user,
        organisation=Thing(name="Solaria", slug="solaria", currency="USD"),
        portal="admin",
        navigation=(Link("Home", "/admin"), Link("Approvals", "/admin/approvals", is_current=True, count=44)),
        banners=[Thing(tone="warn", text="Alone here.", href="/admin/people", link="Invite someone")],
        demo_mode=True,
        demo_accounts=[
            Thing(label="Admin", email="admin@solaria.example"),
            Thing(label="Approver", email="b@x.example"),
        ],
        demo_switch_url="/demo/switch",
        demo_links=[Thing(label="Outbox", href="/demo/outbox")],
        sign_out_url="/sign-out",
        account_url="/account",
        organisations_url="/organisations",
        help_url="/help",
    )
    root = read(html, whole=True)
    assert "<b>Okafor" not in html
    current = [node for node in root.iter("a") if node.get("aria-current") == "page"]
    assert [words(node) for node in current] == ["Approvals 44"]
    posts = [node for node in root.iter("form") if node.get("method") == "post"]
    assert {form.get("action") for form in posts} == {"/demo/switch", "/sign-out"}
    assert all(any(field.get("name") == "csrf_token" for field in form.iter("input")) for form in posts)
    result = next(node for node in root.iter("div") if "result" in (node.get("class") or "").split())
    assert words(result) == "44 payouts approved."
    assert result.get("tabindex") == "-1"
    assert "autofocus" in result.attrib
    chosen = [node.get("value") for node in root.iter("option") if "selected" in node.attrib]
    assert chosen == ["admin@solaria.example"]


def test_demo_bar_is_absent_outside_demo_mode(app: Flask) -> None:
    assert "No money moves" not in page(
        PAGE, demo_mode=False, demo_switch_url="/demo/switch", demo_accounts=[]
    )


def test_title_says_error(app: Flask) -> None:
    assert "<title>Error: Approvals – Paydesk</title>" in page(PAGE, has_errors=True)


def test_one_template_is_page_and_dialog(app: Flask) -> None:
    source = PAGE.replace('"layouts/portal.html"', "layout")
    root = read(page(source, layout="layouts/dialog.html"))
    heading = by_id(root, "dialog-heading")
    assert (heading.tag, words(heading), heading.get("tabindex")) == ("h2", "Approvals", "-1")
    assert (
        by_id(read(page(source, layout="layouts/dialog.html", dialog_id="drawer")), "drawer-heading").tag
        == "h2"
    )
    assert page(source, layout="layouts/fragment.html").strip() == "<p>Here</p>"


@pytest.mark.parametrize("code", [400, 401, 403, 404, 405, 409, 413, 422, 429, 500, 503, 418])
def test_error_page_says_what_to_do(app: Flask, code: int) -> None:
    root = read(page('{% extends "errors/error.html" %}', code=code), whole=True)
    assert f"Error {code}" in words(root)
    sentence = next(node for node in root.iter("p") if "data-error-message" in node.attrib)
    assert words(sentence).endswith(".")


def test_error_page_takes_its_words_from_the_handler(app: Flask) -> None:
    html = page(
        '{% extends "errors/error.html" %}',
        code=409,
        title="Already approved",
        message="Anna approved it at 14:02.",
        action_href="/admin/approvals",
        action_label="Back to the list",
        reference="a1b2",
    )
    root = read(html, whole=True)
    assert words(next(root.iter("h1"))) == "Already approved"
    assert "Anna approved it at 14:02." in words(root)
    assert "a1b2" in words(root)


# ---- macros ---------------------------------------------------------------------------------------

FORM = """{% from "components/forms.html" import field, error_summary, csrf, hidden, submit %}
<form method="post" novalidate>{{ error_summary(form) }}{{ csrf() }}{{ hidden(form) }}
{{ field(form.name, hint="As the bank writes it.") }}
{{ field(form.amount, example="1,234.50", data_hx_get="/preview") }}
{{ field(form.kind) }}
{{ field(form.method) }}
{{ field(form.start) }}
{{ field(form.note) }}
{{ field(form.sure) }}
{{ submit("Save", name="act", value="save", busy="Saving…", key="s") }}</form>"""


def test_every_field_has_a_label_and_its_hint(app: Flask) -> None:
    root = read(page(FORM, form=RateForm(version="7")))
    labelled = {node.get("for") for node in root.iter("label")}
    for tag in ("input", "select", "textarea"):
        for control in root.iter(tag):
            if control.get("type") != "hidden":
                assert control.get("id") in labelled
                assert "aria-invalid" not in control.attrib
    assert by_id(root, "name").get("aria-describedby") == "name-hint"
    assert words(by_id(root, "amount-hint")) == "For example, 1,234.50"
    amount = by_id(root, "amount")
    assert (amount.get("type"), amount.get("inputmode"), amount.get("data-hx-get")) == (
        "text",
        "decimal",
        "/preview",
    )
    assert "step" not in amount.attrib
    assert words(by_id(root, "note-hint")) == "Shown to the technician."
    assert "(optional)" in words(root)
    assert words(root).count("(optional)") == 2
    hidden = {
        node.get("name"): node.get("value") for node in root.iter("input") if node.get("type") == "hidden"
    }
    assert hidden["version"] == "7"
    assert hidden["csrf_token"]
    assert not [node for node in root.iter("div") if "error-summary" in (node.get("class") or "")]


def test_errors_are_summed_up_and_tied_to_their_fields(app: Flask) -> None:
    form = RateForm(formdata=MultiDict({"kind": "solar", "name": "", "amount": "ten"}), meta={"csrf": False})
    assert not form.validate()
    root = read(page(FORM, form=form))
    summary = next(node for node in root.iter("div") if node.get("role") == "alert")
    assert summary.get("tabindex") == "-1"
    targets = {link.get("href", "")[1:]: words(link) for link in summary.iter("a")}
    assert targets["name"] == "Enter the name on the account."
    assert {"name", "amount", "method", "sure"} <= set(targets)
    for name in targets:
        assert by_id(root, name) is not None
    field = by_id(root, "name")
    assert (field.get("aria-invalid"), field.get("aria-describedby")) == ("true", "name-hint name-error")
    assert by_id(root, "amount").get("value") == "ten"
    assert by_id(root, "method").get("aria-describedby") == "method-error"


def test_form_errors_without_a_field_are_said_too(app: Flask) -> None:
    form = RateForm(meta={"csrf": False})
    form.form_errors.append("Now 803 payouts. Check again.")
    html = page('{% from "components/forms.html" import error_summary %}{{ error_summary(form) }}', form=form)
    assert "Now 803 payouts. Check again." in words(read(html))


def test_post_button_is_a_form_with_a_token(app: Flask) -> None:
    source = """{% from "components/forms.html" import post_button %}
{{ post_button("/x?a=1&b=2", "Retry", {"id": "<7>"}, confirm="Sure?") }}"""
    form = next(read(page(source)).iter("form"))
    fields = {node.get("name"): node.get("value") for node in form.iter("input")}
    assert (form.get("method"), form.get("action"), form.get("data-confirm")) == (
        "post",
        "/x?a=1&b=2",
        "Sure?",
    )
    assert fields["id"] == "<7>"
    assert fields["csrf_token"]
    assert session["csrf_token"]


@pytest.mark.parametrize(
    "tone", ["waiting", "todo", "ok", "progress", "done", "failed", "returned", "rejected", "cancelled"]
)
def test_status_is_shape_and_word(app: Flask, tone: str) -> None:
    source = """{% from "components/status.html" import status %}
{{ status(tone, "Word", sentence="Who acts <next>.") }}"""
    html = page(source, tone=tone)
    chip = next(node for node in read(html).iter("span"))
    assert words(chip) == "Word"
    assert chip.get("class") == f"status status-{tone}"
    assert next(chip.iter("svg")).get("aria-hidden") == "true"
    assert "Who acts &lt;next&gt;." in html


def test_every_tone_has_its_own_shape(app: Flask) -> None:
    source = '{% from "components/icons.html" import icon %}{{ icon(tone) }}'
    tones = ["waiting", "todo", "ok", "progress", "done", "failed", "returned", "rejected", "cancelled"]
    drawn = {re.sub(r'class="[^"]*"', "", page(source, tone=tone)) for tone in tones}
    assert len(drawn) == len(tones)


def test_table_has_caption_scopes_and_sort(app: Flask) -> None:
    source = """{% from "components/tables.html" import data_table %}
{% from "components/forms.html" import select_all, select_row %}
    {% call data_table("Payouts", [{"select": select_all("p")}, {"label": "Reference", "key": "ref"}, "Payee",
    {"label": "Net", "key": "net", "numeric": true}, {"label": "Actions", "hidden": true}], sort=sort, foot=foot) %}
    <tr><td class="col-select">{{ select_row("p", "1", "Select PO-1") }}</td><th scope="row">PO-1</th><td>R</td>
<td>1</td>
<td>x</td></tr>
    {% endcall %}"""
    sort = {
        "ref": {"href": "?sort=ref", "direction": None},
        "net": {"href": "?sort=-net", "direction": "descending"},
    }
    root = read(page(source, sort=sort, foot=None))
    region = next(node for node in root.iter("div") if node.get("role") == "region")
    assert (region.get("tabindex"), region.get("aria-label")) == ("0", "Payouts")
    assert words(next(root.iter("caption"))) == "Payouts"
    heads = [node for node in root.iter("th") if node.get("scope") == "col"]
    assert [node.get("aria-sort") for node in heads] == [None, None, None, "descending", None]
    assert [link.get("href") for node in heads for link in node.iter("a")] == ["?sort=ref", "?sort=-net"]
    boxes = list(root.iter("input"))
    assert all(box.get("aria-label") for box in boxes)
    assert boxes[1].get("data-select") == boxes[0].get("data-select-all") == "p"


def test_pages_chips_and_empty_lists(app: Flask) -> None:
    source = """{% from "components/tables.html" import pagination, filter_chips, empty %}
    {% from "components/tables.html" import definition_list, stats, filter_form %}
    {{ pagination(page) }}
{{ filter_chips(chips, "?") }}
{{ filter_chips([]) }}
{{ empty("All done", "Next run Friday.") }}
    {{ definition_list([("Net", "$1.00")]) }}{{ stats([{"label": "Paid", "value": "$2.00"}]) }}
    {% call filter_form("/list", target="#results") %}<input type="search" name="q" aria-label="Text">{% endcall %}"""
    root = read(
        page(
            source,
            page=Thing(previous_href=None, next_href="?after=9", count_label="Rows 1 to 50 of 1,204"),
            chips=[Thing(label="Paid", remove_href="?x=1")],
        )
    )
    links = {node.get("href"): node for node in root.iter("a")}
    assert links["?after=9"].get("rel") == "next"
    assert links["?x=1"].get("aria-label") == "Remove filter Paid"
    assert not [node for node in root.iter("a") if node.get("rel") == "prev"]
    form = next(root.iter("form"))
    assert (form.get("method"), form.get("data-hx-target"), form.get("data-hx-get")) == (
        "get",
        "#results",
        "/list",
    )


def test_money_is_isolated_and_an_absent_amount_is_said(app: Flask) -> None:
    source = """{% from "components/money.html" import money, day, instant, code %}
{{ money(123450) }}
{{ money(none) }}
{{ money(1, code="USD") }}
{{ day(d) }}
{{ instant(t) }}
{{ code("UTR9", copy=true) }}"""
    root = read(page(source, d=date(2026, 10, 31), t=NOW))
    amounts = list(root.iter("bdi"))
    assert words(amounts[0]) == "$1,234.50"
    assert words(amounts[1]) == "$0.01 USD"
    assert "No amount" in words(root)
    assert next(root.iter("time")).get("datetime") == "2026-10-31"
    button = next(root.iter("button"))
    assert (button.get("data-copy"), button.get("aria-label")) == ("UTR9", "Copy UTR9")


def test_progress_polls_until_it_is_finished(app: Flask) -> None:
    source = '{% from "components/steps.html" import progress, refresh_without_script %}{{ progress(run) }}'
    run = Thing(
        id="run-1",
        label="Approving 44 payouts",
        done=31,
        total=44,
        is_finished=False,
        href="/runs/1",
        sentence=None,
        counts=[Thing(label="approved", n=31, tone="ok")],
    )
    block = by_id(read(page(source, run=run)), "run-1")
    assert (block.get("data-hx-get"), block.get("data-hx-trigger")) == ("/runs/1", "every 2s")
    bar = next(block.iter("progress"))
    assert (bar.get("value"), bar.get("max")) == ("31", "44")
    run.is_finished, run.total = True, 0
    block = by_id(read(page(source, run=run)), "run-1")
    assert "data-hx-get" not in block.attrib
    assert next(block.iter("progress")).get("max") == "1"
    head = '{% from "components/steps.html" import refresh_without_script %}{{ refresh_without_script(run) }}'
    assert page(head, run=run) == ""
    assert "refresh" in page(head, run=Thing(is_finished=False))


def test_tasks_and_time_line(app: Flask) -> None:
    source = """{% from "components/steps.html" import task_list, timeline %}
{{ task_list(tasks) }}
{{ timeline(events) }}"""
    tasks = [
        Thing(title="44 to approve", text=None, href="/a", count=44, tone="todo"),
        Thing(title="Done", text="x", href=None, count=0, tone="done"),
    ]
    events = [Thing(at=NOW, title="Approved", who="Anna", text=None, tone="ok")]
    root = read(page(source, tasks=tasks, events=events))
    assert next(words(node) for node in root.iter("li")) == "44 to approve44"
    assert words(next(root.iter("ol"))) == "Approved 20 Nov 2026, 14:02 UTC · Anna"


@pytest.mark.parametrize("in_dialog", [False, True])
def test_check_step_is_one_form_for_page_and_dialog(app: Flask, in_dialog: bool) -> None:
    source = """{% from "components/dialog.html" import check %}
{% call check("/approve", "Approve 44 payouts ($2,315.10)",
    in_dialog=in_dialog, facts=[("Total", "$2,315.10")], fields={"draft": "d1"}, back_href="/approvals",
    warning="New bank details.") %}
    <p>2 left out.</p>{% endcall %}"""
    form = next(read(page(source, in_dialog=in_dialog)).iter("form"))
    assert (form.get("method"), form.get("action")) == ("post", "/approve")
    assert form.get("data-hx-post") == ("/approve" if in_dialog else None)
    assert {node.get("name") for node in form.iter("input")} == {"csrf_token", "draft"}
    cancels = [node for node in form.iter("button") if "data-close" in node.attrib]
    assert len(cancels) == (1 if in_dialog else 0)
    assert [node.get("href") for node in form.iter("a")] == ([] if in_dialog else ["/approvals"])


def test_links_into_dialog_and_drawer_are_links_first(app: Flask) -> None:
    source = """{% from "components/dialog.html" import link_to_dialog, link_to_drawer %}
{{ link_to_dialog("/c", "Approve…", "primary", key="a") }}
{{ link_to_drawer("/d", "PO-1", push="/l?open=PO-1") }}"""
    first, second = read(page(source)).iter("a")
    assert (first.get("href"), first.get("data-hx-target"), first.get("data-key")) == ("/c", "#dialog", "a")
    assert (second.get("href"), second.get("data-hx-push-url")) == ("/d", "/l?open=PO-1")


def _figures() -> dict[str, tuple[str, Any]]:
    def say(value: int) -> str:
        return f"${value}"

    same: dict[str, Any] = {"title": "A & B", "finding": "It grows <fast>.", "say": say}
    two = [charts.Series("Solar", (1, 2)), charts.Series("Battery", (3, -1))]
    return {
        "bar_chart": ("a", charts.bars(key="a", categories=["Jun", "Jul"], series=two, **same)),
        "waterfall": (
            "b",
            charts.waterfall(key="b", start=("Gross", 9), changes=[("Tax", -2)], end_label="Net", **same),
        ),
        "horizontal_bars": ("c", charts.ranking(key="c", items=[("New", 3), ("Old", -1)], **same)),
        "steps": ("d", charts.steps(key="d", points=[("1 Jan", 0, 5), ("1 Feb", 31, 6)], until=60, **same)),
    }


@pytest.mark.parametrize("macro", ["bar_chart", "waterfall", "horizontal_bars", "steps"])
def test_picture_has_a_name_a_finding_and_its_numbers(app: Flask, macro: str) -> None:
    key, figure = _figures()[macro]
    source = f'{{% from "components/charts.html" import {macro} %}}{{{{ {macro}(figure, numbers=numbers) }}}}'
    html = page(source, figure=figure, numbers=True)
    root = read(html)
    picture = next(node for node in root.iter("svg") if node.get("role") == "img")
    assert picture.get("aria-labelledby") == f"{key}-title"
    assert words(by_id(root, f"{key}-title")) == "A & B"
    assert words(next(root.iter("figcaption"))) == "It grows <fast>."
    rows = [[words(cell) for cell in row] for row in next(root.iter("tbody"))]
    assert rows == [list(row) for row in figure.table.rows]
    patterns = {node.get("id") for node in root.iter("pattern")}
    used = set(re.findall(r"url\(#([\w-]+)\)", html))
    assert used <= patterns
    assert all(node.get("fill") for node in root.iter("rect")), "a PDF has no style sheet for it"
    assert not list(read(page(source, figure=figure, numbers=False)).iter("table"))
