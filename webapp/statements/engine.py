"""The layout engine for every kind of statement: PDF that is archive file (PDF/A-3a) and accessible (PDF/UA-1) at once.

WeasyPrint lays the page out and tags it; `pdf_accessible` adds what the second standard asks for. The same
content gives the same bytes: dates and identifiers come from it, never from the clock. Nothing is fetched:
templates have no addresses, and the fetcher refuses everything but data: and the packaged style sheet.
"""

from __future__ import annotations

import gc
import logging
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date
from babel.numbers import format_currency
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context

from webapp.kernel.errors import Unavailable
from webapp.kernel.money import Money
from webapp.kernel.words import day_range
from webapp.statements import pdf_accessible, sections

TEMPLATES = Path(__file__).resolve().parent.parent / "templates" / "statements"
STYLE_SHEET = "remittance.css"
PAGES = ("remittance.html", "monthly.html", "receipt.html")
# The words of a statement are English, its months too; grouping and symbols of amounts follow the locale.
WORDS = "en"
PANGO_MISSING = (
    "The PDF engine's libraries are missing on the worker's machine. "
    "Install them with: apt-get install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"
)


class EngineMissing(Unavailable):
    """Pango is not installed: no try will succeed until somebody installs it."""


@dataclass(frozen=True)
class Sheet:
    """What the engine is given: the page, its paper, the table that is attached, and what names the file."""

    html: str
    page_size: str
    title: str
    identity: str
    issued_at: datetime
    attachment_name: str
    attachment_words: str
    attachment: bytes


def draw(sheet: Sheet) -> bytes:
    """The bytes of the PDF. Raises EngineMissing without Pango; any other error is a fault of the template."""
    raw, missing = _draw(sheet, sheet.html)
    if missing:
        # An archive file must not hold the box of a missing character. Fonts for more scripts: fonts-noto-core.
        raw, _ = _draw(sheet, sheet.html.translate(dict.fromkeys(map(ord, missing), "?")))
    return pdf_accessible.finish(raw, title=sheet.title)


def _draw(sheet: Sheet, html: str) -> tuple[bytes, set[str]]:
    """The engine's PDF, and the characters that no installed font has."""
    made = engine()
    at = sheet.issued_at.astimezone(UTC)
    lines = made.weasyprint.Attachment(
        string=sheet.attachment,
        name=sheet.attachment_name,
        description=sheet.attachment_words,
        created=at,
        modified=at,
        relationship="Data",
        url_fetcher=made.fetcher,
    )
    page = made.weasyprint.HTML(string=html, url_fetcher=made.fetcher)
    watcher = _MissingCharacters()
    made.log.addHandler(watcher)
    try:
        raw = page.write_pdf(
            font_config=made.fonts,
            stylesheets=made.style_sheets[sheet.page_size],
            pdf_variant="pdf/a-3a",
            pdf_identifier=sha256(sheet.identity.encode()).digest()[:16],
            attachments=[lines],
        )
    finally:
        made.log.removeHandler(watcher)
    return raw, watcher.found


class _MissingCharacters(logging.Handler):
    """Listens for the engine's word that a character is in none of the fonts."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.found: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        if str(record.msg).startswith(".notdef") and isinstance(record.args, tuple):
            self.found.add(str(record.args[0]))


@cache
def warm() -> None:
    """Pay the costs of the first document in advance, once: imports, fonts, style sheet, template.

    Workers call it before they fork, so that each child starts warm. Raises EngineMissing without Pango.
    """
    made = engine()
    sample = "<title>.</title><p>Warm 0123456789 – ₹ € $</p>"
    made.weasyprint.HTML(string=sample, url_fetcher=made.fetcher).render(
        font_config=made.fonts, stylesheets=made.style_sheets["A4"]
    ).write_pdf()
    for name in PAGES:
        environment().get_template(name)
    gc.collect()
    # Later collections then skip what lives as long as the process.
    gc.freeze()


class Engine:
    """WeasyPrint with the things that are the same for every statement."""

    def __init__(self) -> None:
        try:
            import weasyprint
        except OSError as error:
            raise EngineMissing(PANGO_MISSING) from error
        from weasyprint.text.fonts import FontConfiguration
        from weasyprint.urls import URLFetcher, URLFetcherResponse

        class ClosedFetcher(URLFetcher):
            """Opens data: addresses and the packaged style sheet; everything else is refused."""

            def fetch(self, url: str, headers: dict[str, str] | None = None) -> Any:
                if url == (TEMPLATES / STYLE_SHEET).as_uri():
                    return URLFetcherResponse(
                        url, (TEMPLATES / STYLE_SHEET).read_bytes(), {"Content-Type": "text/css"}
                    )
                if not url[:5].lower() == "data:":
                    raise ValueError("statements load nothing from outside")
                return super().fetch(url, headers)

        self.weasyprint = weasyprint
        self.log = logging.getLogger("weasyprint")
        self.fetcher = ClosedFetcher(allowed_protocols=("data",), allow_redirects=False)
        self.fonts = FontConfiguration()
        shared = self._css(url=(TEMPLATES / STYLE_SHEET).as_uri())
        self.style_sheets = {
            size: [shared, self._css(string=f"@page {{ size: {size} }}")] for size in ("A4", "Letter")
        }

    def _css(self, **source: str) -> Any:
        return self.weasyprint.CSS(url_fetcher=self.fetcher, font_config=self.fonts, **source)


@cache
def engine() -> Engine:
    """The engine of this process. Raises EngineMissing without Pango."""
    return Engine()


@cache
def environment() -> Environment:
    """The templates of documents, with filters that write figures as a file keeps them."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        money=_money,
        figure=_figure,
        minor=_minor,
        day=_day,
        period=_period,
        facts=_facts,
        w3c=_w3c,
        zone=_zone,
        section_sums=sections.sums,
    )
    return made


def _of(context: Context) -> Any:
    """What the page is about; it has `locale`, `home_currency`, `currency`, `period_start`, `period_end`."""
    return context["statement"]


@pass_context
def _money(context: Context, value: Money) -> str:
    statement = _of(context)
    text = value.format(statement.locale)
    is_clear = value.currency == statement.home_currency or value.currency in text
    return text if is_clear else f"{text} {value.currency}"


@pass_context
def _figure(context: Context, value: Money) -> str:
    """An amount without its symbol: the head of the column names the currency."""
    locale = Locale.parse(_of(context).locale)
    pattern = locale.currency_formats["standard"].pattern.replace("¤", "")
    pattern = ";".join(part.strip("\u00a0\u202f\u200f\u200e ") for part in pattern.split(";"))
    text = format_currency(value.decimal, value.currency, format=pattern, locale=locale)
    return str(text).replace("-", "\N{MINUS SIGN}")


@pass_context
def _minor(context: Context, value: int) -> str:
    """An amount of minor units in the statement's currency, without its symbol."""
    return _figure(context, Money(value, _of(context).currency))


def _day(value: date | None) -> str:
    return "" if value is None else str(format_date(value, "d MMM y", locale=WORDS))


@pass_context
def _period(context: Context, value: Any) -> str:
    """1–31 Oct 2026; what both ends share is said once."""
    statement = _of(context)
    return day_range(statement.period_start, statement.period_end, WORDS)


@pass_context
def _facts(context: Context, value: Any) -> str:
    """Where, when and under which reference the money went."""
    statement = _of(context)
    paid = statement.paid_on is not None
    parts = [f"On {_day(statement.paid_on)}"] if paid else []
    if statement.destination:
        where = statement.destination if statement.destination == "by hand" else f"to {statement.destination}"
        parts.append(where if paid else where[:1].upper() + where[1:])
    if statement.payment_reference:
        parts.append(f"payment reference {statement.payment_reference}")
    return " · ".join(parts)


def _w3c(value: datetime) -> str:
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _zone(name: str) -> str:
    """ "America/New York time": the zone that decides which day something belongs to."""
    ZoneInfo(name)
    return name.replace("_", " ") + ("" if name == "UTC" else " time")
