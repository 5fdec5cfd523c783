"""Programs of partners: how deals are attributed, how long commissions wait, when they are paid. Read alone."""

from __future__ import annotations

from webapp.api import paging, partners_queries
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.schemas.common import Amount
from webapp.api.schemas.partners import ProgramOut, ProgramPage, ProgramQuery, RoleWeight
from webapp.people.access.tokens import Scope
from webapp.programs.partners import record_lists
from webapp.programs.partners.models import PartnerProgram
from webapp.programs.partners.rules import ROLE_WEIGHTS
from webapp.programs.partners.states import Model

resource = Resource(
    "partner_programs",
    "/partner-programs",
    title="Programs of partners",
    about="Each has one model of attribution and its own holding period. They are set up in the pages.",
)
_read = {"scope": Scope.PARTNERS_READ}
_AS_IT_IS = (
    "reference", "external_ref", "name", "model", "period", "holding_days", "final_days", "partners_may_request",
    "is_automatic", "is_active", "version",
)  # fmt: skip


def _out(row: PartnerProgram) -> ProgramOut:
    model = Model(row.model)
    weights = (row.role_weights or ROLE_WEIGHTS) if model is Model.ROLE else {}
    return ProgramOut.model_validate(
        {
            **{name: getattr(row, name) for name in _AS_IT_IS},
            "model_words": model.sentence,
            "role_weights": [
                RoleWeight.model_validate({"type": kind, "weight": weight})
                for kind, weight in weights.items()
            ],
            "minimums": [Amount.of(int(least), currency) for currency, least in row.minimums.items()],
        }
    )


@resource.get("", summary="List programs", query=ProgramQuery, answers=ProgramPage, **_read)
def index(who: Caller, query: ProgramQuery) -> ProgramPage:
    """The programs that match, the newest first."""
    found = partners_queries.programs(who.organisation_id)
    if query.is_active:
        found = found.where(PartnerProgram.is_active.is_(query.is_active == "true"))
    rows, following = paging.page(found, PartnerProgram.id, limit=query.limit, cursor=query.cursor)
    return ProgramPage(items=[_out(row) for row in rows], next_cursor=following)


@resource.get("/<reference>", summary="Get a program", answers=ProgramOut, **_read)
def show(who: Caller, reference: str) -> ProgramOut:
    """One program."""
    return _out(record_lists.find_program(who.organisation_id, reference))
