"""Commission rules of partners: versions that a second admin accepts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from webapp.api import paging, partners_queries
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.resources import rule_versions
from webapp.api.resources.amounts import minor_in
from webapp.api.resources.partner_words import basis_points, percent_of
from webapp.api.schemas.common import Amount, AmountIn
from webapp.api.schemas.partner_rules import (
    PartnerRuleCreate,
    PartnerRuleDetail,
    PartnerRuleOut,
    PartnerRulePage,
    PartnerRuleRevision,
    PartnerRuleValues,
    PartnerRuleVersionOut,
)
from webapp.api.schemas.rule_versions import RuleQuery
from webapp.people.access.tokens import Scope
from webapp.programs.partners import commission_rules, events
from webapp.programs.partners.drafts import RuleDraft
from webapp.programs.partners.models import PartnerRule, PartnerRuleVersion

resource = Resource(
    "partner_rules",
    "/partner-commission-rules",
    title="Commission rules of partners",
    about="What partners get: the lowest priority number is asked first, the first rule that fits counts, and without "
    "one the partner's own rate. A change is the next version, and counts once another admin has accepted it.",
)
_read = {"scope": Scope.COMMISSION_READ}
_CONDITIONS = ("partner_type", "tier", "product", "currency", "months")


def _version(row: PartnerRuleVersion, programs: Mapping[int, str]) -> PartnerRuleVersionOut:
    def money(minor: int | None) -> Amount | None:
        return None if minor is None else Amount.of(minor, row.currency)

    return PartnerRuleVersionOut(
        **rule_versions.said_by(row),
        **{name: getattr(row, name) for name in _CONDITIONS},
        program=None if row.program_id is None else programs[row.program_id],
        least_deal=money(row.least_deal_minor or None),
        percent=percent_of(row.rate_bp),
        floor=money(row.floor_minor),
        cap=money(row.cap_minor),
        retainer=money(row.retainer_minor or None),
    )


def _shown(who: Caller) -> Callable[[PartnerRuleVersion], PartnerRuleVersionOut]:
    return partial(_version, programs=partners_queries.program_references(who.organisation_id))


def _detail(who: Caller, rule_id: int) -> PartnerRuleDetail:
    rule = commission_rules.get_rule(who.organisation_id, rule_id)
    return PartnerRuleDetail(**rule_versions.with_versions(rule, _shown(who)))


@resource.get(
    "", summary="List commission rules of partners", query=RuleQuery, answers=PartnerRulePage, **_read
)
def index(who: Caller, query: RuleQuery) -> PartnerRulePage:
    """Every rule, the newest first; also those that ended or were refused."""
    found = partners_queries.rules(who.organisation_id)
    rows, following = paging.page(found, PartnerRule.id, limit=query.limit, cursor=query.cursor)
    shown = _shown(who)
    items = [PartnerRuleOut(**rule_versions.fields(row, shown)) for row in rows]
    return PartnerRulePage(items=items, next_cursor=following)


@resource.get(
    "/<int:rule_id>", summary="Get a commission rule of partners", answers=PartnerRuleDetail, **_read
)
def show(who: Caller, rule_id: int) -> PartnerRuleDetail:
    """One rule with every version."""
    return _detail(who, rule_id)


def _draft(who: Caller, body: PartnerRuleValues) -> RuleDraft:
    """A version whose amounts are all in its currency. Raises Invalid."""
    amounts: dict[str, AmountIn | None] = {
        name: getattr(body, name) for name in ("least_deal", "floor", "cap", "retainer")
    }
    said = [each.currency for each in amounts.values() if each is not None]
    currency = body.currency or (said[0] if said else "")
    minor = {name: None if each is None else minor_in(each, currency, name) for name, each in amounts.items()}
    draft = RuleDraft(
        name=body.name,
        rate_bp=basis_points(body.percent),
        program_id=events.find_program(who.organisation_id, body.program) if body.program else None,
        partner_type=body.partner_type or "",
        tier=body.tier or "",
        product=body.product,
        currency=currency,
        least_deal_minor=minor["least_deal"] or 0,
        months=body.months,
        floor_minor=minor["floor"],
        cap_minor=minor["cap"],
        retainer_minor=minor["retainer"] or 0,
        priority=body.priority,
        valid_from=body.valid_from,
        note=body.note,
    )
    draft.check()
    return draft


rule_versions.add_addresses(
    resource,
    rule_versions.Rules(
        service=commission_rules,
        draft=_draft,
        detail=_detail,
        answers=PartnerRuleDetail,
        one="a commission rule of partners",
        briefly="a rule of partners",
    ),
    first=PartnerRuleCreate,
    following=PartnerRuleRevision,
)
