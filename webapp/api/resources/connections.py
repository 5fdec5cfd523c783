"""Connections to providers: which there are, and whether they work. Keys are entered on their page, never here."""

from __future__ import annotations

from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.schemas.providers import Connection, Connections, NothingIn, Tested
from webapp.connections import queries, testing
from webapp.connections.rules import PROVIDERS, Provider
from webapp.connections.testing import Asked
from webapp.kernel.clock import utc_now
from webapp.people.access.tokens import Scope
from webapp.providers.models import ProviderAccount

resource = Resource(
    "connections",
    "/connections",
    title="Connections",
    about="The organisation's own accounts at payment providers. Their keys are entered by an admin on a page, and are "
    "never answered.",
)
_read = {"scope": Scope.CONNECTIONS_READ}


def _out(provider: Provider, account: ProviderAccount | None) -> Connection:
    return Connection.model_validate(
        {
            "provider": provider.name,
            "label": provider.label,
            "purpose": provider.purpose,
            "is_connected": account is not None,
            "is_enabled": account is not None and account.is_enabled,
            "environment": account.environment if account else "",
            "client_id": account.masked if account else "",
            "tested_at": account.tested_at if account else None,
            "test_problem": account.test_problem if account else "",
            "changed_at": account.changed_at if account else None,
            "version": account.version if account else 0,
        }
    )


@resource.get("", summary="List connections", answers=Connections, **_read)
def index(who: Caller) -> Connections:
    """Every provider, with the organisation's account there."""
    accounts = queries.accounts(who.organisation_id)
    return Connections(items=[_out(provider, accounts.get(name)) for name, provider in PROVIDERS.items()])


@resource.get("/<name>", summary="Get a connection", answers=Connection, **_read)
def show(who: Caller, name: str) -> Connection:
    """One provider, with the organisation's account there."""
    return _out(queries.provider_of(name), queries.find(who.organisation_id, name))


def _ask(who: Caller, name: str, body: NothingIn) -> Asked:
    return testing.ask(who.organisation_id, name)


@resource.post("/<name>/test", summary="Test a connection", body=NothingIn, answers=Tested, before=_ask,
               scope=Scope.CONNECTIONS_TEST)  # fmt: skip
def test(who: Caller, name: str, body: NothingIn, prepared: Asked) -> Tested:
    """Ask the provider something harmless with the stored keys. Nothing moves."""
    testing.keep(prepared, who.actor, utc_now())
    verdict = prepared.verdict
    return Tested(
        works=not verdict.problem, problem=verdict.problem, said=verdict.said,
        connection=_out(queries.provider_of(name), queries.find(who.organisation_id, name)),
    )  # fmt: skip
