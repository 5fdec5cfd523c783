"""Connections: the keys at payment providers, whether they work, and where providers send their messages."""

from __future__ import annotations

from flask import Blueprint, current_app, flash, g, render_template, url_for
from flask.typing import ResponseReturnValue

from webapp.config import Settings
from webapp.connections import forms, queries, service, testing
from webapp.connections.rules import PROVIDERS, InvalidKeys, Provider
from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict
from webapp.people.views.fresh import needs_fresh_sign_in
from webapp.people.views.numbers import number
from webapp.people.views.session import actor, may_change, require_change
from webapp.providers.models import ProviderAccount
from webapp.web.htmx import see_other

blueprint = Blueprint("connections", __name__, url_prefix="/settings/connections")


def _settings() -> Settings:
    found: Settings = current_app.config["SETTINGS"]
    return found


def _is_trial() -> bool:
    return _settings().environment != "production"


def _hook_address(account: ProviderAccount | None) -> str:
    """Where the provider sends its messages; empty while there is no account, or when it sends none."""
    if account is None or not PROVIDERS[account.provider].webhook_hint:
        return ""
    path = url_for("public.hooks.receive", provider=account.provider, uid=account.uid)
    return f"{_settings().public_url}{path}"


@blueprint.get("")
def index() -> ResponseReturnValue:
    """Every provider: connected or not, on or off, how the last test went."""
    accounts = queries.accounts(g.organisation.id)
    rows = [
        {"provider": provider, "account": accounts.get(name), "hook": _hook_address(accounts.get(name))}
        for name, provider in PROVIDERS.items()
    ]
    return render_template("connections/index.html", rows=rows, may_change=may_change())


@blueprint.get("/<name>")
@needs_fresh_sign_in
def edit(name: str) -> ResponseReturnValue:
    """The keys of one provider: which there are, and fields for new ones."""
    require_change()
    provider = queries.provider_of(name)
    account = queries.find(g.organisation.id, name)
    shown = queries.shown(account, provider)
    form = forms.filled(
        provider, shown, account.environment if account else "sandbox", account.version if account else 0
    )
    return _page(provider, form, 200)


def _page(
    provider: Provider, form: forms.KeysForm, code: int, conflict: str | None = None
) -> ResponseReturnValue:
    account = queries.find(g.organisation.id, provider.name)
    forms.mark_needed(form, provider)
    page = render_template(
        "connections/edit.html",
        provider=provider,
        account=account,
        form=form,
        addresses=provider.addresses(is_trial=_is_trial()),
        set_secrets=queries.shown(account, provider).secrets,
        field_name=forms.field_name,
        conflict=conflict,
        has_errors=code >= 400,
    )
    return page, code


@blueprint.post("/<name>")
@needs_fresh_sign_in
def save(name: str) -> ResponseReturnValue:
    """Keep new keys; 422 with every problem at its field, 409 when somebody was faster or money is on its way."""
    provider = queries.provider_of(name)
    form = forms.FORMS[name]()
    if not form.validate():
        return _page(provider, form, 422)
    try:
        _save(provider, form)
    except InvalidKeys as error:
        forms.attach_all(form, provider, error)
        return _page(provider, form, 422)
    except Conflict as error:
        return _page(provider, form, 409, error.message)
    flash("The keys are saved. Test the connection before anything is sent through it.", "success")
    return see_other(url_for(".index"))


def _save(provider: Provider, form: forms.KeysForm) -> None:
    with transaction():
        service.save(
            organisation_id=g.organisation.id,
            provider=provider.name,
            environment=form.environment.data or "" if provider.has_environments else "",
            credentials=forms.typed(form, provider),
            removed=forms.removed(form, provider),
            expected_version=number(form.version.data),
            is_trial=_is_trial(),
            is_demo=_settings().is_demo,
            actor=actor(),
            now=utc_now(),
        )


@blueprint.post("/<name>/test")
@needs_fresh_sign_in
def test(name: str) -> ResponseReturnValue:
    """Ask the provider something harmless with the stored keys."""
    provider = queries.provider_of(name)
    verdict = testing.try_out(organisation_id=g.organisation.id, provider=name, actor=actor())
    if verdict.problem:
        flash(f"{provider.label}: {verdict.problem}", "error")
    else:
        flash(f"{provider.label} answers. {verdict.said}".strip(), "success")
    return see_other(url_for(".index"))


@blueprint.post("/<name>/switch/<any(on, off):kind>")
@needs_fresh_sign_in
def switch(name: str, kind: str) -> ResponseReturnValue:
    """Switch a connection "on" or "off"."""
    provider = queries.provider_of(name)
    with transaction():
        service.switch(
            organisation_id=g.organisation.id,
            provider=name,
            is_on=kind == "on",
            actor=actor(),
            now=utc_now(),
        )
    if kind == "on":
        flash(f"The connection to {provider.label} is on.", "success")
    else:
        flash(
            f"The connection to {provider.label} is off. Nothing is sent or asked through it; messages are kept.",
            "success",
        )
    return see_other(url_for(".index"))
