"""Commission rules of a clinic: versions that a second admin accepts, and what they would have changed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from webapp.api import clinic_queries, paging
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.resources.amounts import minor_in, minor_of
from webapp.api.schemas.commission import (
    EffectOut,
    EffectQuery,
    QuoteOut,
    QuoteQuery,
    RuleAccept,
    RuleCreate,
    RuleDetail,
    RuleEffectAsk,
    RuleEnd,
    RuleOut,
    RulePage,
    RuleQuery,
    RuleRefuse,
    RuleRevision,
    RuleValues,
    RuleVersionOut,
    RuleWithdraw,
    TierOut,
)
from webapp.api.schemas.common import Amount, PayeeRef
from webapp.kernel.clock import local_date, utc_now
from webapp.kernel.errors import StaleVersion
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
_write = {"scope": Scope.COMMISSION_WRITE, "answers": RuleDetail}
_AS_IT_IS = (
    "version", "state", "name", "category", "percent", "priority", "valid_from", "is_active", "note", "created_at",
    "decided_at", "decision_note",
)  # fmt: skip


def _version(row: CommissionRuleVersion, currency: str) -> RuleVersionOut:
    def money(minor: int | None) -> Amount | None:
        return None if minor is None else Amount.of(minor, currency)

    return RuleVersionOut(
        **{name: getattr(row, name) for name in _AS_IT_IS},
        practitioner=PayeeRef.of(row.payee) if row.payee else None,
        flat=Amount.of(row.flat_minor, currency),
        floor=money(row.floor_minor),
        cap=money(row.cap_minor),
        tiers=[
            TierOut(below=money(tier[0]), percent=tier[1])
            for tier in commission_rules.draft_of(row).tiers
        ],
        created_by=row.created_by_label,
        decided_by=row.decided_by_label,
    )  # fmt: skip


def _fields(who: Caller, rule: CommissionRule) -> dict[str, Any]:
    counts, waits = commission_rules.current(rule), commission_rules.proposed(rule)
    return {
        "id": rule.id,
        "external_ref": rule.external_ref,
        "newest_version": rule.current_version,
        "counts": _version(counts, who.currency) if counts else None,
        "waits": _version(waits, who.currency) if waits else None,
    }


def _detail(who: Caller, rule_id: int) -> RuleDetail:
    rule = commission_rules.get_rule(who.organisation_id, rule_id)
    versions = [_version(version, who.currency) for version in rule.versions]
    return RuleDetail(**_fields(who, rule), versions=versions)


@resource.get("", summary="List commission rules", query=RuleQuery, answers=RulePage, **_read)
def index(who: Caller, query: RuleQuery) -> RulePage:
    """Every rule, the newest first; also those that ended or were refused."""
    found = clinic_queries.rules(who.organisation_id)
    rows, following = paging.page(found, CommissionRule.id, limit=query.limit, cursor=query.cursor)
    return RulePage(items=[RuleOut(**_fields(who, row)) for row in rows], next_cursor=following)


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


@resource.post("", summary="Add a commission rule", body=RuleCreate, status=201, location="/commission-rules/{id}",
               **_write)  # fmt: skip
def create(who: Caller, body: RuleCreate) -> RuleDetail:
    """A new rule. Where there is another admin it waits for their yes; who sets it does not approve what it pays."""
    made = commission_rules.create_rule(
        organisation_id=who.organisation_id,
        draft=_draft(who, body),
        external_ref=body.external_ref,
        actor=who.actor,
        now=utc_now(),
    )
    return _detail(who, made.rule_id)


@resource.put(
    "/<int:rule_id>", summary="Save the next version of a commission rule", body=RuleRevision, **_write
)
def update(who: Caller, rule_id: int, body: RuleRevision) -> RuleDetail:
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


@resource.post("/<int:rule_id>/end", summary="End a commission rule", body=RuleEnd, **_write)
def end(who: Caller, rule_id: int, body: RuleEnd) -> RuleDetail:
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
    who: Caller, rule_id: int, seen: int, call: Callable[..., CommissionRuleVersion], **values: Any
) -> RuleDetail:
    """A word on the version that waits, and on no other one than the caller saw. Raises StaleVersion."""
    done = call(
        organisation_id=who.organisation_id, rule_id=rule_id, actor=who.actor, now=utc_now(), **values
    )
    if done.version != seen:
        raise StaleVersion(f"Version {done.version} waits, not {seen}. Look at it; nothing was done.")
    return _detail(who, rule_id)


@resource.post(
    "/<int:rule_id>/accept", summary="Accept a change of a commission rule", body=RuleAccept, **_write
)
def accept(who: Caller, rule_id: int, body: RuleAccept) -> RuleDetail:
    """A second admin's yes: the version counts from its first day. Who asked for it cannot give it."""
    return _decide(who, rule_id, body.version, commission_rules.accept, note=body.note)


@resource.post(
    "/<int:rule_id>/refuse", summary="Refuse a change of a commission rule", body=RuleRefuse, **_write
)
def refuse(who: Caller, rule_id: int, body: RuleRefuse) -> RuleDetail:
    """A second admin's no; what counted goes on."""
    return _decide(who, rule_id, body.version, commission_rules.refuse, reason=body.reason)


@resource.post("/<int:rule_id>/withdraw", summary="Withdraw a change of a commission rule", body=RuleWithdraw,
               **_write)  # fmt: skip
def withdraw(who: Caller, rule_id: int, body: RuleWithdraw) -> RuleDetail:
    """Taken back by who asked for it."""
    return _decide(who, rule_id, body.version, commission_rules.withdraw)


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
