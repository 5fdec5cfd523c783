"""What upper rooms add to the page of a payout: documents, e-mails, sources. Registered at start-up.

A room above this one (statements, notices, a program) registers a loader and a template; the page asks every
loader and shows what it answers. So the page needs no knowledge of the rooms above.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from webapp.payouts.models import Payout, PayoutLine

ADMIN, PAYEE = "admin", "payee"

Loader = Callable[[Payout, datetime], "Mapping[str, Any] | None"]
#: portal name, payout ids -> address of the document of each payout that has one
DocumentLinks = Callable[[str, Sequence[int]], Mapping[int, str]]
#: portal name, line -> address of the record that the line pays for
SourceLink = Callable[[str, PayoutLine], "str | None"]
#: payout -> events (.at .title .tone .who .text) of the record it pays for, in the payee's words
Story = Callable[[Payout], "Sequence[Mapping[str, Any]]"]


@dataclass(frozen=True)
class Panel:
    """One section of the page: its name, the template that draws it, and where its data comes from."""

    name: str
    loader: Loader
    template: str
    audiences: frozenset[str]


@dataclass(frozen=True)
class LoadedPanel:
    """A section that has something to show."""

    name: str
    template: str
    data: Mapping[str, Any]


_panels: dict[str, Panel] = {}
_source_links: dict[str, SourceLink] = {}
_document_links: list[DocumentLinks] = []
_stories: dict[str, Story] = {}


def register_panel(name: str, loader: Loader, template: str, audiences: Sequence[str] = (ADMIN,)) -> None:
    """Add a section. `loader(payout, now)` answers the template's variable `panel`, or None for nothing to show.

    Registering a name again replaces the section. Raises ValueError for an unknown audience.
    """
    if unknown := set(audiences) - {ADMIN, PAYEE}:
        raise ValueError(f"A panel is for admin or payee, not {', '.join(sorted(unknown))}.")
    _panels[name] = Panel(name, loader, template, frozenset(audiences))


def register_source_link(source_type: str, link: SourceLink) -> None:
    """Say where lines of a source type lead, per portal; None where that portal does not show the record."""
    _source_links[source_type] = link


def register_story(source_type: str, story: Story) -> None:
    """Say what happened to the record behind a payout: it stands in the payee's time line with the payout's own."""
    _stories[source_type] = story


def story(payout: Payout) -> list[Mapping[str, Any]]:
    """What happened to the records that a payout pays for, as far as their rooms tell it."""
    told = dict.fromkeys(line.source_type for line in payout.lines if line.source_type in _stories)
    return [event for source_type in told for event in _stories[source_type](payout)]


def register_document_links(links: DocumentLinks) -> None:
    """Say where the documents of the payouts of one page are, in one query."""
    if links not in _document_links:
        _document_links.append(links)


def load(payout: Payout, audience: str, now: datetime) -> list[LoadedPanel]:
    """The sections that an audience sees of a payout, in the order of registration."""
    loaded = []
    for panel in _panels.values():
        if audience in panel.audiences and (data := panel.loader(payout, now)) is not None:
            loaded.append(LoadedPanel(panel.name, panel.template, data))
    return loaded


def source_href(portal: str, line: PayoutLine) -> str | None:
    """Where a line's source record is shown in a portal, if anywhere."""
    link = _source_links.get(line.source_type)
    return link(portal, line) if link else None


def document_hrefs(portal: str, payout_ids: Sequence[int]) -> dict[int, str]:
    """Addresses of the documents of a page of payouts."""
    found: dict[int, str] = {}
    for links in _document_links:
        found.update(links(portal, payout_ids))
    return found
