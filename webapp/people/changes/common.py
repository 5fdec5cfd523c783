"""What the changes of payment details have in common: words that are needed, times in words, who is told."""

from __future__ import annotations

from datetime import datetime

from webapp.kernel.errors import Invalid
from webapp.outbox import service as outbox


def need_words(field: str, text: str, message: str, example: str) -> str:
    """The text, trimmed; a few signs are no explanation. Raises Invalid."""
    text = text.strip()
    if len(text) < 5:
        raise Invalid(field, message, example)
    return text[:2000]


def tell(kind: str, reference_id: int, organisation_id: int, now: datetime, part: str = "") -> None:
    """Have the people concerned told by e-mail, with the commit."""
    outbox.ask_mail(kind=kind, reference_id=reference_id, organisation_id=organisation_id, now=now, part=part)
