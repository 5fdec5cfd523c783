"""Deciding about changes of commission rules, and ending a rule: small pages that say what they do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import g, url_for
from flask.typing import ResponseReturnValue

from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, NotAllowed
from webapp.payouts.views.program_pages import act_page, form_of, today
from webapp.people.views.fresh import needs_fresh_sign_in
from webapp.people.views.session import actor, require_change
from webapp.programs.partners import commission_rules
from webapp.programs.partners.rule_forms import CheckForm, EndForm, ReasonForm
from webapp.programs.partners.views.area import AREA
from webapp.programs.partners.views.rule_words import gives
from webapp.web.form_fields import ActForm


def _decision(
    rule_id: int, form: ActForm, decide: Callable[..., Any], *, said: str, waiting: bool = True, **page: Any
) -> ResponseReturnValue:
    """A page of one decision; `decide` gets what every service gets."""
    rule = commission_rules.get_rule(g.organisation.id, rule_id)
    version = (commission_rules.proposed(rule) if waiting else None) or commission_rules.current(rule)

    def call() -> str:
        try:
            decide(organisation_id=g.organisation.id, rule_id=rule_id, actor=actor(), now=utc_now())
        except NotAllowed as error:
            raise Conflict(" ".join(error.reasons)) from error
        return said

    facts = [("Rule", version.name), ("What it gives", gives(version))] if version else []
    return act_page(
        AREA, form, call=call, facts=facts, back=(url_for(".rule", rule_id=rule_id), "the rule"),
        crumbs=[(url_for(".rules"), "Rules")], **page,
    )  # fmt: skip


@needs_fresh_sign_in
def accept(rule_id: int) -> ResponseReturnValue:
    """A second admin's yes."""
    require_change()
    return _decision(
        rule_id, form_of(CheckForm), commission_rules.accept, title="Accept this change?", button="Accept it",
        said="It counts from its first day.",
    )  # fmt: skip


def refuse(rule_id: int) -> ResponseReturnValue:
    """A second admin's no, with a reason."""
    require_change()
    form: ReasonForm = form_of(ReasonForm)

    def decide(**who: Any) -> None:
        commission_rules.refuse(reason=form.reason.data or "", **who)

    return _decision(
        rule_id, form, decide, title="Refuse this change?", button="Refuse it", tone="danger",
        said="It is refused; what counted goes on.",
    )  # fmt: skip


def withdraw(rule_id: int) -> ResponseReturnValue:
    """Taken back by who asked for it."""
    require_change()
    return _decision(
        rule_id, form_of(CheckForm), commission_rules.withdraw, title="Withdraw this change?", button="Withdraw it",
        said="It is withdrawn.",
    )  # fmt: skip


@needs_fresh_sign_in
def end(rule_id: int) -> ResponseReturnValue:
    """A last day."""
    require_change()
    form: EndForm = form_of(EndForm)

    def decide(**who: Any) -> None:
        commission_rules.end_rule(last_day=form.last_day.data or today(), **who)

    return _decision(
        rule_id, form, decide, waiting=False, title="End this rule?", button="End it", tone="danger",
        explains="Deals that are won after this day go by the next rule that fits. What is earned already stays.",
        said="Its end is saved; where there is another admin, it waits for them.",
    )  # fmt: skip
