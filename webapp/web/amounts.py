"""A large amount that is typed into a form is said back in words beside its field: a zero too many is heard there.

The words come from here while a person types (htmx asks) and when a form comes back, so both say the same.
"""

from __future__ import annotations

import re

from flask import Blueprint, Flask, Response, g, make_response, request
from markupsafe import escape

from webapp.kernel.errors import Invalid
from webapp.kernel.money import parse_money
from webapp.kernel.words import in_words, is_large
from webapp.web.i18n import DEFAULT_LOCALE

blueprint = Blueprint("amounts", __name__)
_CODE = re.compile(r"[A-Z]{3}")
# A form refuses longer texts; nothing is read out of them here.
LONGEST = 60


def amount_in_words(text: str | None, currency: str | None) -> str:
    """A typed amount in words (rupees in lakh and crore); empty for what is small, unreadable or no currency.

    An amount that cannot be read is the form's business once it is sent; while it is typed it is only unfinished.
    """
    code = (currency or "").strip().upper()
    if not text or len(text) > LONGEST or not _CODE.fullmatch(code):
        return ""
    locale = getattr(g.get("organisation"), "locale", None) or DEFAULT_LOCALE
    try:
        amount = parse_money(text, code, locale)
    except Invalid:
        return ""
    return f"{in_words(amount, indian=code == 'INR')}." if is_large(amount) else ""


@blueprint.get("/amount-in-words")
def show() -> Response:
    """The words for one field: `field` names it, `currency` or the field that `currency_field` names says in what."""
    typed = request.args.get(request.args.get("field", ""))
    currency = request.args.get(request.args.get("currency_field", "")) or request.args.get("currency")
    return make_response(str(escape(amount_in_words(typed, currency))))


def init_app(app: Flask) -> None:
    """Mount the address and give templates `amount_in_words`."""
    app.register_blueprint(blueprint)
    app.jinja_env.globals["amount_in_words"] = amount_in_words
