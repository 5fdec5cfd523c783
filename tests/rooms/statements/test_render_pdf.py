"""The PDF: both standards, the same figures as the data, nothing loaded, the same bytes each time."""

from __future__ import annotations

import csv
import io
import socket
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import page
import pypdf
import pytest

from tests.rooms.statements.samples import DEDUCTIONS, earning, snapshot
from webapp.statements import engine, render_pdf
from webapp.statements.build import LineFacts, Snapshot, build


def draw(facts: Snapshot) -> bytes:
    return render_pdf.render(build(facts))


def text_of(content: bytes) -> str:
    return "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content)).pages)


def failures(content: bytes) -> dict[str, list[str]]:
    reports = {name: page.validate_pdf_bytes(content, profile=name) for name in ("3a", "ua1")}
    return {
        name: [f"{failure.rule_id}: {failure.message}" for failure in report.failures]
        for name, report in reports.items()
        if not report.is_compliant
    }


@pytest.mark.parametrize("state", ["paid", "approved", "failed", "rejected"])
def test_it_passes_both_standards(state: str) -> None:
    assert failures(draw(snapshot(earning(1), earning(2), *DEDUCTIONS, state=state, reason="closed"))) == {}


def test_text_and_attachment_say_what_the_data_says() -> None:
    content = draw(snapshot(earning(1), earning(2, 1_234_567), *DEDUCTIONS, replaces_number="RA-2026-000007"))
    text = text_of(content)
    for words in (
        "Solaria Field Services Inc.", "Tax no. 12-3456789", "Maya Okafor", "Payee no. TE-0007", "1–31 Oct 2026",
        "PO-2026-000123", "RA-2026-000042", "Replaces RA-2026-000007", "Issued 20 Nov 2026", "Paid", "$12,735.12",
        "On 3 Nov 2026 · to bank account ••4821 · payment reference SBX20261103000042", "12,345.67", "12,845.17",
        "−100.00", "−0.05", "−110.05", "9.99 kW × 50.00 USD = 499.50 USD", "Solar national (version 3)",
        "payouts@solaria.example", "Page 1 of 2", "seven hundred and thirty-five US dollars and 12/100",
    ):  # fmt: skip
        assert words in text, words
    reader = pypdf.PdfReader(io.BytesIO(content))
    ((name, files),) = reader.attachments.items()
    assert name == "RA-2026-000042-lines.csv"
    rows = list(csv.DictReader(io.StringIO(files[0].decode())))
    assert [row["amount"] for row in rows] == ["499.50", "12345.67", "-100.00", "-10.00", "-0.05"]
    assert rows[0]["date"] == "2026-10-02"
    assert {row["currency"] for row in rows} == {"USD"}
    assert reader.metadata is not None
    assert reader.metadata.title == "Payout statement RA-2026-000042 – Solaria Field Services Inc."


def test_the_same_snapshot_gives_the_same_bytes() -> None:
    assert draw(snapshot()) == draw(snapshot())
    assert draw(snapshot()) != draw(snapshot(number="RA-2026-000043"))


def test_many_lines_keep_their_head_and_carry_their_sum() -> None:
    lines = [earning(n) for n in range(120)]
    content = draw(snapshot(*lines, *DEDUCTIONS))
    assert failures(content) == {}
    reader = pypdf.PdfReader(io.BytesIO(content))
    pages = [each.extract_text() for each in reader.pages]
    assert len(pages) >= 4
    seen = 0
    for number, text in enumerate(pages, start=1):
        assert f"Page {number} of {len(pages)}" in text
        here = [n for n in range(120) if f"ISR-{n:04d}" in text]
        if not here:
            continue
        assert "Calculation" in text
        assert "Amount, USD" in text
        # A row is never on two pages: what it begins with and its formula stand together.
        assert text.count("9.99 kW") == len(here)
        assert here == list(range(seen, seen + len(here)))
        seen += len(here)
        carried = f"{seen * 499.5:,.2f}"
        if seen < 120:
            assert f"Carried forward {carried}" in text
            assert f"Brought forward {carried}" in pages[number]
    assert seen == 120
    assert "forward" not in pages[-1] or "Brought forward" in pages[-1]


def test_letter_for_the_united_states_and_a4_elsewhere() -> None:
    sizes = {}
    for country in ("US", "DE"):
        box = pypdf.PdfReader(io.BytesIO(draw(snapshot(country=country)))).pages[0].mediabox
        sizes[country] = (round(float(box.width)), round(float(box.height)))
    assert sizes == {"US": (612, 792), "DE": (595, 842)}


@pytest.mark.parametrize(
    ("currency", "locale", "amount", "expected"),
    [
        ("JPY", "ja_JP", 1_234_567, "1,234,567"),
        ("KWD", "en_US", 1_234_567, "1,234.567"),
        ("INR", "en_IN", 1_234_567_850, "1,23,45,678.50"),
        ("EUR", "de_DE", 1_234_567, "12.345,67"),
        ("USD", "ar_AE", 1_234_567, "12"),
    ],
)
def test_decimals_and_grouping_follow_currency_and_locale(
    currency: str, locale: str, amount: int, expected: str
) -> None:
    content = draw(snapshot(earning(1, amount), currency=currency, locale=locale, country="IN"))
    assert expected in text_of(content)
    assert failures(content) == {}


@pytest.mark.parametrize(
    "name",
    [
        "மாயா சுப்பிரமணியம்",
        "माया शर्मा",
        "مايا الخطيب",
        "מאיה כהן",
        "Nguyễn Thị Ánh Tuyết",
        "Constantinopolitana-Featherstonehaugh-Montgomery Wolfeschlegelsteinhausenbergerdorff III",
        "X" * 200,
        "Maya 🚀 Okafor",
    ],
)
def test_names_of_all_kinds_are_drawn(name: str) -> None:
    content = draw(snapshot(payee_name=name, payer_name=name))
    assert failures(content) == {}
    assert len(pypdf.PdfReader(io.BytesIO(content)).pages) == 1


HOSTILE = [
    '<img src="{target}">',
    '<style>@import url("{target}");</style>',
    '<link rel="stylesheet" href="{target}"><link rel="attachment" href="{target}">',
    '<svg><image href="{target}"/></svg>',
    '"><object data="{target}"></object>',
    "</title><script>document.location='{target}'</script>",
    "{{{{ 7 * 7 }}}} {{% include '{target}' %}}",
    '<a rel="attachment" href="{target}">x</a>',
]


@pytest.fixture
def canary() -> Iterator[tuple[str, list[str]]]:
    """A loopback server that counts who comes."""
    hits: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        stop = threading.Event()

        def listen() -> None:
            while not stop.is_set():
                try:
                    visitor, _ = server.accept()
                except TimeoutError:
                    continue
                hits.append("visit")
                visitor.close()

        thread = threading.Thread(target=listen)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/x", hits
        stop.set()
        thread.join()


def test_hostile_text_in_every_field_is_only_text(canary: tuple[str, list[str]], tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("THE-SECRET-OF-THE-HOUSE")
    address, hits = canary
    for target in (address, secret.as_uri()):
        for template in HOSTILE:
            bad = template.format(target=target)
            content = draw(
                snapshot(
                    earning(1, description=bad, formula=bad, source_label=bad, details={"rate": bad}),
                    payer_name=bad, payer_address=bad, payer_tax_id=bad, payer_email=bad, payee_name=bad,
                    payee_address=bad, payee_reference=bad, program=bad, payment_reference=bad, method_masked=bad,
                )
            )  # fmt: skip
            assert b"THE-SECRET" not in content
            assert "THE-SECRET" not in text_of(content)
            reader = pypdf.PdfReader(io.BytesIO(content))
            assert list(reader.attachments) == ["RA-2026-000042-lines.csv"]
            assert all("/Annots" not in each for each in reader.pages)
            assert "{{" not in template or "7 * 7" in text_of(content)
    assert hits == []


def test_the_fetcher_refuses_everything_from_outside() -> None:
    fetcher = render_pdf.engine().fetcher
    refused = (
        "http://localhost/",
        "https://localhost/",
        "file:///etc/passwd",
        "FILE:///etc/passwd",
        "ftp://x/",
        "x:",
    )
    for url in refused:
        with pytest.raises(ValueError, match="nothing from outside"):
            fetcher.fetch(url)
    assert fetcher.fetch("data:text/plain,ok").read() == b"ok"


def test_csv_cells_cannot_become_formulas() -> None:
    hostile = '=HYPERLINK("http://x")'
    statement = build(snapshot(earning(1, description=hostile, formula="+1", source_label="@x")))
    row = next(csv.DictReader(io.StringIO(render_pdf.lines_csv(statement))))
    assert row["item"] == f"'{hostile}"
    assert row["calculation"].startswith("'")
    assert row["source"].startswith("'")


def test_a_missing_pango_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import builtins

    real = builtins.__import__

    def without(name: str, *args: object, **kwargs: object) -> object:
        if name == "weasyprint":
            raise OSError("cannot load library 'libgobject-2.0-0'")
        return real(name, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(render_pdf.EngineMissing, match="apt-get install libpango"):
        engine.Engine()


def test_a_period_says_once_what_both_ends_share() -> None:
    for first, last, words in (
        (date(2026, 10, 1), date(2026, 10, 31), "1–31 Oct 2026"),
        (date(2026, 9, 28), date(2026, 10, 4), "28 Sep – 4 Oct 2026"),
        (date(2026, 12, 28), date(2027, 1, 3), "28 Dec 2026 – 3 Jan 2027"),
        (date(2026, 10, 5), date(2026, 10, 5), "5 Oct 2026"),
    ):
        html = render_pdf.to_html(build(snapshot(period_start=first, period_end=last)))
        assert f">{words}<" in html


def test_without_dates_there_is_no_date_column() -> None:
    line = LineFacts("earning", "Monthly fee", 10_000)
    html = render_pdf.to_html(build(snapshot(line)))
    assert ">Date<" not in html
    assert failures(draw(snapshot(line))) == {}
