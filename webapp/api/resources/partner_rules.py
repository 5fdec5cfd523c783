"""Commission rules of partners: versions that a second admin accepts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from webapp.api import paging, partners_queries
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
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
    RuleAccept,
    RuleEnd,
    RuleQuery,
    RuleRefuse,
    RuleWithdraw,
)
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import StaleVersion
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
_write = {"scope": Scope.COMMISSION_WRITE, "answers": PartnerRuleDetail}
_AS_IT_IS = (
    "version", "state", "name", "partner_type", "tier", "product", "currency", "months", "priority", "valid_from",
    "is_active", "note", "created_at", "decided_at", "decision_note",
)  # fmt: skip


def _version(row: PartnerRuleVersion, programs: Mapping[int, str]) -> PartnerRuleVersionOut:
    def money(minor: int | None) -> Amount | None:
        return None if minor is None else Amount.of(minor, row.currency)

    return PartnerRuleVersionOut(
        **{name: getattr(row, name) for name in _AS_IT_IS},
        program=None if row.program_id is None else programs[row.program_id],
        least_deal=money(row.least_deal_minor or None),
        percent=percent_of(row.rate_bp),
        floor=money(row.floor_minor),
        cap=money(row.cap_minor),
        retainer=money(row.retainer_minor or None),
        created_by=row.created_by_label,
        decided_by=row.decided_by_label,
    )


def _fields(rule: PartnerRule, programs: Mapping[int, str]) -> dict[str, Any]:
    counts, waits = commission_rules.current(rule), commission_rules.proposed(rule)
    return {
        "id": rule.id,
        "external_ref": rule.external_ref,
        "newest_version": rule.current_version,
        "counts": _version(counts, programs) if counts else None,
        "waits": _version(waits, programs) if waits else None,
    }


def _detail(who: Caller, rule_id: int) -> PartnerRuleDetail:
    rule = commission_rules.get_rule(who.organisation_id, rule_id)
    programs = partners_queries.program_references(who.organisation_id)
    versions = [_version(version, programs) for version in rule.versions]
    return PartnerRuleDetail(**_fields(rule, programs), versions=versions)


@resource.get(
    "", summary="List commission rules of partners", query=RuleQuery, answers=PartnerRulePage, **_read
)
def index(who: Caller, query: RuleQuery) -> PartnerRulePage:
    """Every rule, the newest first; also those that ended or were refused."""
    found = partners_queries.rules(who.organisation_id)
    rows, following = paging.page(found, PartnerRule.id, limit=query.limit, cursor=query.cursor)
    programs = partners_queries.program_references(who.organisation_id)
    items = [PartnerRuleOut(**_fields(row, programs)) for row in rows]
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


@resource.post("", summary="Add a commission rule of partners", body=PartnerRuleCreate, status=201,
               location="/partner-commission-rules/{id}", **_write)  # fmt: skip
def create(who: Caller, body: PartnerRuleCreate) -> PartnerRuleDetail:
    """A new rule. Where there is another admin it waits for their yes; who sets it does not approve what it pays."""
    made = commission_rules.create_rule(
        organisation_id=who.organisation_id,
        draft=_draft(who, body),
        external_ref=body.external_ref,
        actor=who.actor,
        now=utc_now(),
    )
    return _detail(who, made.rule_id)


@resource.put("/<int:rule_id>", summary="Save the next version of a rule of partners", body=PartnerRuleRevision,
              **_write)  # fmt: skip
def update(who: Caller, rule_id: int, body: PartnerRuleRevision) -> PartnerRuleDetail:
    """The next version, from its first day on; those before it stay. Without a difference none is made."""
    commission_rules.revise_rule(
        organisation_id=who.organisation_id,
        rule_id=rule_id,
        draft=_draft(who, body),
        expected_version=body.version,
        actor=who.actor,
        now=utc_now(),
    )
    return _detail(who, rule_id)


@resource.post("/<int:rule_id>/end", summary="End a commission rule of partners", body=RuleEnd, **_write)
def end(who: Caller, rule_id: int, body: RuleEnd) -> PartnerRuleDetail:
    """Its last day; a next version says so, and waits for another admin where there is one."""
    commission_rules.end_rule(
        organisation_id=who.organisation_id,
        rule_id=rule_id,
        last_day=body.last_day,
        actor=who.actor,
        now=utc_now(),
    )
    return _detail(who, rule_id)


def _decide(
    who: Caller, rule_id: int, seen: int, call: Callable[..., PartnerRuleVersion], **values: Any
) -> PartnerRuleDetail:
    """A word on the version that waits, and on no other one than the caller saw. Raises StaleVersion."""
    done = call(
        organisation_id=who.organisation_id, rule_id=rule_id, actor=who.actor, now=utc_now(), **values
    )
    if done.version != seen:
        raise StaleVersion(f"Version {done.version} waits, not {seen}. Look at it; nothing was done.")
    return _detail(who, rule_id)


@resource.post(
    "/<int:rule_id>/accept", summary="Accept a change of a rule of partners", body=RuleAccept, **_write
)
def accept(who: Caller, rule_id: int, body: RuleAccept) -> PartnerRuleDetail:
    """A second admin's yes: the version counts from its first day. Who asked for it cannot give it."""
    return _decide(who, rule_id, body.version, commission_rules.accept, note=body.note)


@resource.post(
    "/<int:rule_id>/refuse", summary="Refuse a change of a rule of partners", body=RuleRefuse, **_write
)
def refuse(who: Caller, rule_id: int, body: RuleRefuse) -> PartnerRuleDetail:
    """A second admin's no; what counted goes on."""
    return _decide(who, rule_id, body.version, commission_rules.refuse, reason=body.reason)


@resource.post("/<int:rule_id>/withdraw", summary="Withdraw a change of a rule of partners", body=RuleWithdraw,
               **_write)  # fmt: skip
def withdraw(who: Caller, rule_id: int, body: RuleWithdraw) -> PartnerRuleDetail:
    """Taken back by who asked for it."""
    return _decide(who, rule_id, body.version, commission_rules.withdraw)
