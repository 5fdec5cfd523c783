"""Commission rules of a clinic: versions that a second admin accepts, and what they would have changed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from functools import partial

from webapp.api import clinic_queries, paging
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.resources import rule_versions
from webapp.api.resources.amounts import minor_in, minor_of
from webapp.api.schemas.commission import (
    EffectOut,
    EffectQuery,
    QuoteOut,
    QuoteQuery,
    RuleCreate,
    RuleDetail,
    RuleEffectAsk,
    RuleOut,
    RulePage,
    RuleRevision,
    RuleValues,
    RuleVersionOut,
    TierOut,
)
from webapp.api.schemas.common import Amount, PayeeRef
from webapp.api.schemas.rule_versions import RuleQuery
from webapp.kernel.clock import local_date, utc_now
from webapp.kernel.money import Money
from webapp.people.access.tokens import Scope
from webapp.programs.clinic import commission_rules, effect
from webapp.programs.clinic.drafts import RuleDraft
from webapp.programs.clinic.effect import Effect
from webapp.programs.clinic.models import CommissionRule, CommissionRuleVersion
from webapp.programs.clinic.planning import volume_before
from webapp.programs.clinic.rules import cut, find_rule

resource = Resource(
    "commission_rules",
    "/commission-rules",
    title="Commission rules",
    about="What the clinic keeps: the highest priority is asked first, the first rule that matches counts, and without "
    "one it is 10 %. A change is the next version, and counts once another admin has accepted it.",
)
_read = {"scope": Scope.COMMISSION_READ}


def _version(row: CommissionRuleVersion, currency: str) -> RuleVersionOut:
    def money(minor: int | None) -> Amount | None:
        return None if minor is None else Amount.of(minor, currency)

    return RuleVersionOut(
        **rule_versions.said_by(row),
        category=row.category,
        percent=row.percent,
        practitioner=PayeeRef.of(row.payee) if row.payee else None,
        flat=Amount.of(row.flat_minor, currency),
        floor=money(row.floor_minor),
        cap=money(row.cap_minor),
        tiers=[
            TierOut(below=money(tier[0]), percent=tier[1])
            for tier in commission_rules.draft_of(row).tiers
        ],
    )  # fmt: skip


def _shown(who: Caller) -> Callable[[CommissionRuleVersion], RuleVersionOut]:
    return partial(_version, currency=who.currency)


def _detail(who: Caller, rule_id: int) -> RuleDetail:
    rule = commission_rules.get_rule(who.organisation_id, rule_id)
    return RuleDetail(**rule_versions.with_versions(rule, _shown(who)))


@resource.get("", summary="List commission rules", query=RuleQuery, answers=RulePage, **_read)
def index(who: Caller, query: RuleQuery) -> RulePage:
    """Every rule, the newest first; also those that ended or were refused."""
    found = clinic_queries.rules(who.organisation_id)
    rows, following = paging.page(found, CommissionRule.id, limit=query.limit, cursor=query.cursor)
    items = [RuleOut(**rule_versions.fields(row, _shown(who))) for row in rows]
    return RulePage(items=items, next_cursor=following)


@resource.get(
    "/quote", summary="See what would be kept of an amount", query=QuoteQuery, answers=QuoteOut, **_read
)
def quote(who: Caller, query: QuoteQuery) -> QuoteOut:
    """Commission and payout of an amount by the rules as they are; rounded half-up, the rest is the payout."""
    currency = query.currency or who.currency
    base = Money(minor_of(query.amount, currency, "amount"), currency)
    on = query.on or local_date(utc_now(), who.timezone)
    payee_id = 0
    if query.practitioner:
        ids = clinic_queries.practitioner_ids(who.organisation_id, [query.practitioner], "practitioner")
        payee_id = ids[query.practitioner]
    rules = commission_rules.load_rules(who.organisation_id)
    rule = find_rule(rules, payee_id=payee_id, category=query.category or "", on=on)
    volume = volume_before(payee_id, currency, on) if payee_id and rule.commission.tiers else 0
    found = cut(base, rule.commission, volume_minor=volume)
    return QuoteOut(
        on=on,
        base=Amount.of(base.amount, currency),
        commission=Amount.of(found.commission.amount, currency),
        payout=Amount.of(found.amount.amount, currency),
        percent=found.percent,
        rule=rule.label,
    )


@resource.get("/<int:rule_id>", summary="Get a commission rule", answers=RuleDetail, **_read)
def show(who: Caller, rule_id: int) -> RuleDetail:
    """One rule with every version."""
    return _detail(who, rule_id)


def _draft(who: Caller, body: RuleValues) -> RuleDraft:
    """A version in the organisation's currency. Raises Invalid."""
    payee_id, currency = None, who.currency
    if body.practitioner:
        ids = clinic_queries.practitioner_ids(who.organisation_id, [body.practitioner], "practitioner")
        payee_id = ids[body.practitioner]
    draft = RuleDraft(
        name=body.name,
        percent=body.percent,
        payee_id=payee_id,
        category=body.category,
        flat_minor=minor_in(body.flat, currency, "flat"),
        floor_minor=minor_in(body.floor, currency, "floor") if body.floor else None,
        cap_minor=minor_in(body.cap, currency, "cap") if body.cap else None,
        tiers=tuple(
            (minor_in(tier.below, currency, "tiers") if tier.below else None, tier.percent)
            for tier in body.tiers
        ),
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
        answers=RuleDetail,
        one="a commission rule",
        briefly="a commission rule",
    ),
    first=RuleCreate,
    following=RuleRevision,
)


def _month(who: Caller, month: str | None) -> date:
    if month is not None:
        return date.fromisoformat(f"{month}-01")
    return local_date(utc_now(), who.timezone).replace(day=1) - timedelta(days=1)


def _effect(found: Effect) -> EffectOut:
    return EffectOut(
        first_day=found.first_day,
        last_day=found.last_day,
        payouts=found.looked_at,
        changed=found.changed,
        commission_before=Amount.of(found.before.amount, found.before.currency),
        commission_after=Amount.of(found.after.amount, found.after.currency),
    )


@resource.get("/<int:rule_id>/effect", summary="See what a change would have done", query=EffectQuery,
              answers=EffectOut, **_read)  # fmt: skip
def effect_of(who: Caller, rule_id: int, query: EffectQuery) -> EffectOut:
    """The payouts of a month cut again, as if the version that waits (or else the newest) had counted all month."""
    rule = commission_rules.get_rule(who.organisation_id, rule_id)
    version = commission_rules.proposed(rule) or rule.versions[0]
    found = effect.of_draft(
        organisation_id=who.organisation_id,
        draft=commission_rules.draft_of(version),
        month=_month(who, query.month),
        rule_id=rule.id,
    )
    return _effect(found)


@resource.post("/effect", summary="See what a version would have done before it is saved", body=RuleEffectAsk,
               answers=EffectOut, scope=Scope.COMMISSION_READ)  # fmt: skip
def effect_of_draft(who: Caller, body: RuleEffectAsk) -> EffectOut:
    """The same for values that are not stored; nothing is stored now either."""
    rule_id = None
    if body.rule is not None:
        rule_id = commission_rules.get_rule(who.organisation_id, body.rule).id
    found = effect.of_draft(
        organisation_id=who.organisation_id,
        draft=_draft(who, body),
        month=_month(who, body.month),
        rule_id=rule_id,
    )
    return _effect(found)
