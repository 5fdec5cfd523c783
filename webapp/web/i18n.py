"""The language of a page, and its texts: catalogues are compiled from their .po files in memory, once a process.

Two things are told apart. The *locale* (hi_IN, en_GB) is what a person chose, else the organisation's; numbers,
days and the direction of writing follow it everywhere. The *language* is that of the texts: the locale's where
there is a catalogue and the page is translated, else English. `docs/decisions/0012-translations.md` says why.
"""

from __future__ import annotations

from functools import cache, lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

from babel import Locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from babel.support import NullTranslations, Translations
from flask import Flask, current_app, g, has_request_context, request
from flask_babel import Babel, Domain
from flask_login import current_user
from jinja2 import pass_eval_context
from jinja2.nodes import EvalContext
from markupsafe import Markup
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]

FOLDER = Path(__file__).resolve().parent.parent / "translations"
ENGLISH = "en"
DEFAULT_LOCALE = "en_US"
# What a browser may ask for before anybody is signed in, and the locale that it gets.
OFFERED = {"en": DEFAULT_LOCALE, "hi": "hi_IN"}
# Parts of the site that are not translated: a page is in one language as a whole.
ENGLISH_PARTS = ("/admin", "/api", "/demo")


def N_(text: str) -> str:
    """Mark a text for the catalogue; it is translated where it is shown."""
    return text


_EXAMPLE = " Example: "
# Words of the form library and of the kernel that people may meet; they are translated where errors are shown.
LOWER_WORDS = (
    N_("Not a valid choice."), N_("This field is required."), N_("Not a valid date value."),
    N_("There is nothing at this address."),
)  # fmt: skip


def _is_known() -> bool:
    """Whether there is a request whose person has been looked up."""
    if not has_request_context():
        return False
    if "organisation" not in g:
        _is_signed_in()
    return True


def _is_signed_in() -> bool:
    return hasattr(current_app, "login_manager") and bool(current_user.is_authenticated)


def locale_name() -> str:
    """The locale that the signed-in person chose, else the organisation's, else what the browser asks for."""
    is_request = _is_known()
    organisation = g.get("organisation") if g else None
    chosen = g.get("locale") if g else None
    if chosen or organisation is not None:
        return str(chosen or getattr(organisation, "locale", "") or DEFAULT_LOCALE)
    if is_request and not _is_signed_in():
        return OFFERED.get(request.accept_languages.best_match(tuple(OFFERED), ENGLISH), DEFAULT_LOCALE)
    return DEFAULT_LOCALE


@cache
def _parsed(name: str) -> Locale:
    return Locale.parse(name)


def language() -> str:
    """The language of this page's texts; English where no page is made, as in mails and files."""
    if not has_request_context() or request.path.startswith(ENGLISH_PARTS):
        return ENGLISH
    found = _parsed(locale_name()).language
    return found if found in languages() else ENGLISH


def direction() -> str:
    """ltr or rtl: the direction in which the chosen locale is written."""
    return str(_parsed(locale_name()).text_direction)


def zone_name() -> str:
    """The time zone of the organisation."""
    return str(getattr(g.get("organisation") if g else None, "timezone", "UTC"))


@cache
def languages() -> frozenset[str]:
    """Languages that there is a catalogue for."""
    return frozenset(path.parent.parent.name for path in FOLDER.glob("*/LC_MESSAGES/messages.po"))


@cache
def catalogue(name: str) -> NullTranslations:
    """The texts of a language, compiled from its .po file; English is what the sources say."""
    if name not in languages():
        return NullTranslations()
    with (FOLDER / name / "LC_MESSAGES" / "messages.po").open("rb") as source:
        compiled = BytesIO()
        write_mo(compiled, read_po(source, locale=name))
    compiled.seek(0)
    return Translations(compiled)


def _present() -> NullTranslations:
    """The texts of the present page; its language is asked for once in a request."""
    from webapp.web.situation import situation

    return catalogue(situation().language)


class _Catalogues(Domain):
    """The domain that flask-babel asks: it never looks for compiled files."""

    def get_translations(self) -> NullTranslations:
        return _present()


_domain = _Catalogues()


class _Babel(Babel):
    """flask-babel with catalogues that are compiled in memory."""

    @property
    def domain_instance(self) -> Domain:
        return _domain


def gettext(text: str, **values: Any) -> str:
    """A text of the sources in the language of the page, with its placeholders filled in."""
    found = _present().gettext(text)
    return str(found % values if values else found)


def ngettext(one: str, many: str, num: int, **values: Any) -> str:
    """The form of a text that a number asks for; `%(num)s` is the number."""
    return str(_domain.ngettext(one, many, num, **values))


def counted(count: str, one: str, many: str) -> str:
    """A count as lists have it ("1", "10,000+") in a marked text, as the locale groups it; `many` holds `%(count)s`."""
    if count == "1":
        return gettext(one)
    number = _grouped(int(count.rstrip("+").replace(",", "")), locale_name())
    return gettext(many, count=number + "+" * count.endswith("+"))


@lru_cache(maxsize=4_096)
def _grouped(number: int, locale: str) -> str:
    return str(format_decimal(number, locale=locale))


def translated(text: Any) -> Any:
    """A text that comes as data (a label, a refusal) in the language of the page; what no catalogue knows stays.

    The result is plain text, so it is escaped where it is shown; Markup and what is no text come back as they are.
    """
    if not text or isinstance(text, Markup) or not isinstance(text, str):
        return text
    words = str(text)
    found = gettext(words)
    if found == words and _EXAMPLE in words:
        # A refusal of `kernel.errors.Invalid`: a sentence, and an example that is the same in every language.
        sentence, _, example = words.partition(_EXAMPLE)
        return gettext("%(sentence)s Example: %(example)s", sentence=gettext(sentence), example=example)
    return found


def translate_choices(field: Any) -> str:
    """Put the choices of a select field into the language of the page; prints nothing."""
    if language() != ENGLISH:
        field.choices = [
            SelectChoice(choice.value, translated(choice.label), choice.render_kw, choice.optgroup)
            if isinstance(choice, SelectChoice)
            else choice
            for choice in field.choices or ()
        ]
    return ""


@lru_cache(maxsize=4_096)
def _said(texts: NullTranslations, text: str) -> Markup:
    # nosemgrep: no-markup-of-values - a text of our templates, as Jinja's own `gettext` takes it
    return Markup(texts.gettext(text)) % {}  # noqa: S704


@pass_eval_context
def _gettext(where: EvalContext, text: str, **values: Any) -> str:
    """Jinja's new-style `gettext`, without the way through the context: a page asks for dozens of texts."""
    texts = _present()
    if not where.autoescape:
        return texts.gettext(text) % values
    # A format even without values, so that a per cent sign is always written twice.
    # nosemgrep: no-markup-of-values - as above; what is put in is escaped
    return Markup(texts.gettext(text)) % values if values else _said(texts, text)  # noqa: S704


def init_app(app: Flask) -> None:
    """Give every template `_()`, `ngettext()`, `{% trans %}`, the filter |translated and the page's language."""
    # The form library's own languages are others than ours: a page would mix two.
    app.config["WTF_I18N_ENABLED"] = False
    _Babel().init_app(app, locale_selector=locale_name, timezone_selector=zone_name)
    app.jinja_env.filters["translated"] = translated
    app.jinja_env.globals.update(
        {"_": _gettext, "gettext": _gettext},
        page_language=language,
        page_direction=direction,
        translate_choices=translate_choices,
    )
