"""The sentences of the browser's script in the language of the page: app.js has them in English.

The layout writes them into the head of a page that is in another language; an English page carries none.
"""

from __future__ import annotations

import json

from flask import Flask

from webapp.web.i18n import ENGLISH, N_, gettext, language

#: Word for word as app.js says them; a test holds the two together.
WORDS = (
    N_("Cancel"), N_("Close"), N_("Copied."), N_("Dismiss"), N_("Go on"), N_("Keyboard shortcuts"), N_("Next row"),
    N_("No answer came back. We do not know if it went through. Check the status before you try again."),
    N_("Open the row"), N_("Previous row"), N_("Search"), N_("Select the row"), N_("Sign in again"),
    N_("Still working. You can leave this page."),
    N_("That record is not there any more. Reload the page."),
    N_("The browser does not let us copy. Select the text instead."),
    N_("The file is too large. Nothing was stored."),
    N_("The page could not be brought up to date. Try again in a minute."),
    N_("The request was not understood. Nothing was changed. Reload the page."),
    N_("The server cannot be reached. Try again."),
    N_("Too many tries. Wait a minute, then try again."),
    N_("We do not know if it went through. Check the status before you try again."),
    N_("What you wrote is kept until you are back."),
    N_("You are offline. Nothing is sent until the connection is back."),
    N_("You are offline. Nothing was sent."),
    N_("You were signed out, so this was not sent. What you wrote is here again: check it, then send it."),
    N_("Your role does not allow this. Nothing was changed."),
    N_("Your session has ended. Nothing was changed."),
)  # fmt: skip


def script_words() -> str:
    """A JSON object from each English sentence to that of the page's language; empty on English pages."""
    if language() == ENGLISH:
        return ""
    return json.dumps({text: gettext(text) for text in WORDS}, ensure_ascii=False, separators=(",", ":"))


def init_app(app: Flask) -> None:
    """Give templates `script_words`."""
    app.jinja_env.globals["script_words"] = script_words
