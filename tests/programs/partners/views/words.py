"""What the tests of the pages share: the words of a page."""

from __future__ import annotations

import html
import re


def text_of(page: str) -> str:
    """The words of a page, without its tags."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())
