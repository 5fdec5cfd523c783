"""Lists that a person keeps under a name: the filters of one page, theirs alone."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import bindparam, select
from sqlalchemy.exc import IntegrityError

from webapp.database import ask, db
from webapp.kernel.errors import Invalid, NotFound
from webapp.people.access.models import SavedView

MOST = 12
LONGEST_NAME = 60


# Built once: every list asks this.
_MINE = (
    SavedView.user_id == bindparam("user_id"),
    SavedView.organisation_id == bindparam("organisation_id"),
    SavedView.endpoint == bindparam("endpoint"),
)
_OF_A_LIST = select(SavedView).where(*_MINE).order_by(SavedView.name)
_SHOWN = select(SavedView.id, SavedView.name, SavedView.query).where(*_MINE).order_by(SavedView.name)


class ShownView(NamedTuple):
    """What a list shows of a saved view."""

    id: int
    name: str
    query: str


def shown(*, user_id: int, organisation_id: int, endpoint: str) -> list[ShownView]:
    """The person's views of one list, by name, to be shown above it."""
    values = {"user_id": user_id, "organisation_id": organisation_id, "endpoint": endpoint}
    return [ShownView._make(row) for row in ask(_SHOWN, values)]


def saved_views(*, user_id: int, organisation_id: int, endpoint: str) -> list[SavedView]:
    """The person's views of one list, by name."""
    values = {"user_id": user_id, "organisation_id": organisation_id, "endpoint": endpoint}
    return list(db.session.scalars(_OF_A_LIST, values))


def save(
    *, user_id: int, organisation_id: int, endpoint: str, name: str, query: str, now: datetime
) -> SavedView:
    """Keep a list's filters under a name; a name that is there already gets the new filters. Raises Invalid."""
    name = " ".join(name.split())
    if not name or len(name) > LONGEST_NAME:
        raise Invalid("name", f"Give the view a name of at most {LONGEST_NAME} characters.", "Late in Texas")
    if not query or len(query) > 2000:
        raise Invalid("name", "Filter the list first, then save it as a view.")
    mine = saved_views(user_id=user_id, organisation_id=organisation_id, endpoint=endpoint)
    same = next((view for view in mine if view.name == name), None)
    if same is not None:
        same.query = query
        return same
    if len(mine) >= MOST:
        raise Invalid("name", f"A list has at most {MOST} views. Remove one first.")
    view = SavedView(
        user_id=user_id,
        organisation_id=organisation_id,
        endpoint=endpoint,
        name=name,
        query=query,
        created_at=now,
    )
    try:
        with db.session.begin_nested():
            db.session.add(view)
    except IntegrityError as error:
        raise Invalid("name", "You have just saved a view of this name.") from error
    return view


def remove(*, user_id: int, organisation_id: int, view_id: int) -> SavedView:
    """Forget one of the person's views, and return what it was. Raises NotFound for anybody else's."""
    view = db.session.scalar(
        select(SavedView).where(
            SavedView.id == view_id,
            SavedView.user_id == user_id,
            SavedView.organisation_id == organisation_id,
        )
    )
    if view is None:
        raise NotFound
    db.session.delete(view)
    return view
