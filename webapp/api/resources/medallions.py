"""Medallions: the licences that vehicles drive under."""

from __future__ import annotations

from webapp.api import paging, repairs_queries
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.schemas.fleet import MedallionCreate, MedallionOut, MedallionPage, MedallionQuery
from webapp.kernel.clock import utc_now
from webapp.people.access.tokens import Scope
from webapp.programs.repairs import fleet
from webapp.programs.repairs.models import Medallion

resource = Resource(
    "medallions",
    "/medallions",
    title="Medallions",
    about="Each by its number; leases name the one they are under.",
)
_read, _write = {"scope": Scope.FLEET_READ}, {"scope": Scope.FLEET_WRITE}


def _out(row: Medallion) -> MedallionOut:
    return MedallionOut(number=row.number, created_at=row.created_at)


@resource.get("", summary="List medallions", query=MedallionQuery, answers=MedallionPage, **_read)
def index(who: Caller, query: MedallionQuery) -> MedallionPage:
    """The medallions that match, the newest first."""
    found = repairs_queries.medallions(who.organisation_id, (query.search or "").strip())
    rows, following = paging.page(found, Medallion.id, limit=query.limit, cursor=query.cursor)
    return MedallionPage(items=[_out(row) for row in rows], next_cursor=following)


@resource.get("/<number>", summary="Get a medallion", answers=MedallionOut, **_read)
def show(who: Caller, number: str) -> MedallionOut:
    """One medallion."""
    return _out(repairs_queries.medallion(who.organisation_id, number))


@resource.post("", summary="Add a medallion", body=MedallionCreate, answers=MedallionOut, status=201,
               location="/medallions/{number}", **_write)  # fmt: skip
def create(who: Caller, body: MedallionCreate) -> MedallionOut:
    """A number that is there already answers 422."""
    made = fleet.create_medallion(
        organisation_id=who.organisation_id, number=body.number, actor=who.actor, now=utc_now()
    )
    return _out(made)
