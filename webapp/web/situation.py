"""What every text of a page depends on, asked once in a request: language, locale, time zone, home currency."""

from __future__ import annotations

from typing import Any, NamedTuple

from flask import g, has_app_context

from webapp.web import i18n

_NAME = "situation_of_texts"


class Situation(NamedTuple):
    """Equal situations write equal texts."""

    language: str
    locale: str
    zone: str
    # The currency that needs no code beside an amount; empty where there is no organisation.
    currency: str


def _found() -> Situation:
    locale = i18n.locale_name()
    organisation = g.get("organisation") if g else None
    return Situation(i18n.language(), locale, i18n.zone_name(), getattr(organisation, "currency", ""))


def situation() -> Situation:
    """The situation of the present request, of the organisation in work, or of nobody.

    It is kept as long as the same organisation and the same chosen locale are set: they change when a person is
    looked up for the first time, and where several organisations are worked on one after the other.
    """
    if not has_app_context():
        return _found()
    present: dict[str, Any] = vars(g._get_current_object())
    kept = present.get(_NAME)
    if kept is not None and kept[0] is present.get("organisation") and kept[1] == present.get("locale"):
        found: Situation = kept[2]
        return found
    found = _found()
    # Before anybody has been looked up there is no organisation in `g`, and nothing to hold on to.
    if "organisation" in present:
        present[_NAME] = (present["organisation"], present.get("locale"), found)
    return found
