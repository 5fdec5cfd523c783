"""The words of the mails that are not about one payout: facts in, subject, text and HTML out. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from webapp.notices.compose import Words, one_line, render

# What stands for an address that only the mail itself may hold; put in while it is sent, see `marks`.
PERSONAL_LINK = "https://personal-link.invalid/"
UNSUBSCRIBE_LINK = "https://unsubscribe-link.invalid/"

NAME_LENGTH = 120
TEXT_LENGTH = 600
# The first that fits names the browser: every one of them also says it is Mozilla, most that they are Safari.
_BROWSERS = (
    (r"\bEdgA?/|\bEdge/", "Edge"),
    (r"\bOPR/|\bOpera", "Opera"),
    (r"\bSamsungBrowser/", "Samsung Internet"),
    (r"\bFirefox/|\bFxiOS/", "Firefox"),
    (r"\bCriOS/|\bChrome/|\bChromium/", "Chrome"),
    (r"\bSafari/", "Safari"),
)
_SYSTEMS = (
    (r"iPhone", "an iPhone"),
    (r"iPad", "an iPad"),
    (r"Android", "Android"),
    (r"Windows", "Windows"),
    (r"CrOS", "ChromeOS"),
    (r"Mac OS X|Macintosh", "a Mac"),
    (r"Linux", "Linux"),
)


@dataclass(frozen=True)
class Letter:
    """One mail before it is worded. `folder` names its templates; `values` are what they say beside the rest."""

    folder: str
    organisation: str
    # Whom it greets; `delivery.to_admins` puts in each admin's.
    name: str = ""
    # Where an answer goes; empty: the mail does not ask for one.
    contact: str = ""
    # What to name when asking, such as a reference.
    reference: str = ""
    # Label and value; the table of the mail.
    rows: tuple[tuple[str, str], ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    link: str = ""
    is_optional: bool = False


@dataclass(frozen=True)
class _Row:
    label: str
    value: str
    is_total: bool = False


def compose(letter: Letter) -> Words:
    """Word a letter. Text of people is on one line, of limited length, and inert."""
    return render(
        letter.folder,
        {
            **{key: _clean(value) for key, value in letter.values.items()},
            "organisation": _short(letter.organisation),
            "payee_name": _short(letter.name),
            "contact": _short(letter.contact, 254),
            "reference": _short(letter.reference),
            "rows": [_Row(_short(label), _short(value, TEXT_LENGTH)) for label, value in letter.rows if value],
            "link": letter.link,
            "is_optional": letter.is_optional,
            "unsubscribe_link": UNSUBSCRIBE_LINK if letter.is_optional else "",
        },
    )  # fmt: skip


def browser_in_words(user_agent: str) -> str:
    """“Firefox on Windows” out of what a browser says about itself; a guess, because it can say anything."""
    browser = next((name for pattern, name in _BROWSERS if re.search(pattern, user_agent)), "")
    system = next((name for pattern, name in _SYSTEMS if re.search(pattern, user_agent)), "")
    if browser and system:
        return f"{browser} on {system}"
    return browser or (f"A browser on {system}" if system else "A browser that does not say its name")


def _short(text: str, length: int = NAME_LENGTH) -> str:
    line = one_line(text)
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return _short(value, TEXT_LENGTH)
    if isinstance(value, Mapping):
        return {key: _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return value
