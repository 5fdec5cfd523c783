"""Rules in versions that a second admin accepts: the addresses at which any program's are made, changed and decided.

What a rule says is the program's; `webapp.people.rule_book` keeps its versions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.resources.acts import act_of
from webapp.api.schemas.rule_versions import RuleAccept, RuleEnd, RuleRefuse, RuleWithdraw
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import StaleVersion
from webapp.people.access.tokens import Scope
from webapp.people.rule_book import current, proposed

V = TypeVar("V", bound=BaseModel)
D = TypeVar("D", bound=BaseModel)
_AS_IT_IS = (
    "version", "state", "name", "priority", "valid_from", "is_active", "note", "created_at", "decided_at",
    "decision_note",
)  # fmt: skip


@dataclass(frozen=True)
class Rules(Generic[D]):
    """A program's rules. `service` is its module that changes them: create_rule, revise_rule, end_rule, accept,
    refuse, withdraw; `draft` makes a version of a body; `detail` shows a rule. `one` and `briefly` are its words.
    """

    service: Any
    draft: Callable[[Caller, Any], Any]
    detail: Callable[[Caller, int], D]
    answers: type[D]
    one: str
    briefly: str

    @property
    def described(self) -> dict[str, Any]:
        """What every address that changes a rule needs and answers."""
        return {"scope": Scope.COMMISSION_WRITE, "answers": self.answers}


def said_by(row: Any) -> dict[str, Any]:
    """What a stored version says of itself, whatever the program; amounts and conditions are the program's."""
    values = {name: getattr(row, name) for name in _AS_IT_IS}
    return {**values, "created_by": row.created_by_label, "decided_by": row.decided_by_label}


def fields(rule: Any, shown: Callable[[Any], V]) -> dict[str, Any]:
    """A rule with the version that counts and the one that waits, each as `shown` has it."""
    counts, waits = current(rule), proposed(rule)
    return {
        "id": rule.id,
        "external_ref": rule.external_ref,
        "newest_version": rule.current_version,
        "counts": shown(counts) if counts else None,
        "waits": shown(waits) if waits else None,
    }


def with_versions(rule: Any, shown: Callable[[Any], V]) -> dict[str, Any]:
    """The same with every version, the newest first."""
    return {**fields(rule, shown), "versions": [shown(version) for version in rule.versions]}


def add_addresses(
    resource: Resource, rules: Rules[D], *, first: type[BaseModel], following: type[BaseModel]
) -> None:
    """The addresses that change rules; `first` and `following` are the bodies of a rule's versions."""
    _add_versions(resource, rules, first, following)
    _add_decisions(resource, rules)


def _add_versions(
    resource: Resource, rules: Rules[D], first: type[BaseModel], following: type[BaseModel]
) -> None:
    @resource.post("", summary=f"Add {rules.one}", body=first, status=201, location=resource.path + "/{id}",
                   **rules.described)  # fmt: skip
    def create(who: Caller, body: Any) -> D:
        """A new rule.

        Where there is another admin it waits for their yes; who sets it does not approve what it pays.
        """
        made = rules.service.create_rule(
            organisation_id=who.organisation_id,
            draft=rules.draft(who, body),
            external_ref=body.external_ref,
            actor=who.actor,
            now=utc_now(),
        )
        return rules.detail(who, made.rule_id)

    @resource.put("/<int:rule_id>", summary=f"Save the next version of {rules.briefly}", body=following,
                  **rules.described)  # fmt: skip
    def update(who: Caller, rule_id: int, body: Any) -> D:
        """The next version, from its first day on; those before it stay. Without a difference none is made."""
        rules.service.revise_rule(
            rule_id=rule_id,
            draft=rules.draft(who, body),
            **act_of(who, body.version),
        )
        return rules.detail(who, rule_id)

    @resource.post("/<int:rule_id>/end", summary=f"End {rules.one}", body=RuleEnd, **rules.described)
    def end(who: Caller, rule_id: int, body: RuleEnd) -> D:
        """Its last day; a next version says so, and waits for another admin where there is one."""
        rules.service.end_rule(
            organisation_id=who.organisation_id,
            rule_id=rule_id,
            last_day=body.last_day,
            actor=who.actor,
            now=utc_now(),
        )
        return rules.detail(who, rule_id)


def _add_decisions(resource: Resource, rules: Rules[D]) -> None:
    def decide(who: Caller, rule_id: int, seen: int, call: Callable[..., Any], **values: Any) -> D:
        """A word on the version that waits, and on no other one than the caller saw. Raises StaleVersion."""
        done = call(
            organisation_id=who.organisation_id, rule_id=rule_id, actor=who.actor, now=utc_now(), **values
        )
        if done.version != seen:
            raise StaleVersion(f"Version {done.version} waits, not {seen}. Look at it; nothing was done.")
        return rules.detail(who, rule_id)

    def address(word: str, body: type[BaseModel]) -> Callable[[Callable[..., D]], Callable[..., D]]:
        summary = f"{word.capitalize()} a change of {rules.briefly}"
        return resource.post(f"/<int:rule_id>/{word}", summary=summary, body=body, **rules.described)

    @address("accept", RuleAccept)
    def accept(who: Caller, rule_id: int, body: RuleAccept) -> D:
        """A second admin's yes: the version counts from its first day. Who asked for it cannot give it."""
        return decide(who, rule_id, body.version, rules.service.accept, note=body.note)

    @address("refuse", RuleRefuse)
    def refuse(who: Caller, rule_id: int, body: RuleRefuse) -> D:
        """A second admin's no; what counted goes on."""
        return decide(who, rule_id, body.version, rules.service.refuse, reason=body.reason)

    @address("withdraw", RuleWithdraw)
    def withdraw(who: Caller, rule_id: int, body: RuleWithdraw) -> D:
        """Taken back by who asked for it."""
        return decide(who, rule_id, body.version, rules.service.withdraw)
