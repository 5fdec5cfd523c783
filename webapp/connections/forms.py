"""The forms of the keys. A secret is never shown again: its field is always empty."""

from __future__ import annotations

from typing import Any

from flask_wtf import FlaskForm
from wtforms import (
    BooleanField,
    Field,
    HiddenField,
    PasswordField,
    RadioField,
    SelectField,
    StringField,
    TextAreaField,
)
from wtforms.validators import Length, Optional

from webapp.connections.queries import Shown
from webapp.connections.rules import ENVIRONMENTS, OLD_SECRET, PROVIDERS, SANDBOX, InvalidKeys, Part, Provider
from webapp.web.fields import options

# Managers of passwords must not fill the keys of a provider in, or keep them.
_QUIET = {"autocomplete": "off", "spellcheck": "false"}


class KeysForm(FlaskForm):
    """What every provider's form has; the fields of its parts come from the list of parts.

    Whether a needed part may be left empty depends on what is stored: the service says so.
    """

    version = HiddenField()
    environment = RadioField("Environment", choices=options(ENVIRONMENTS.items()), default=SANDBOX)


class _Hidden(TextAreaField):
    """A secret of several lines: always drawn empty, as a password is."""

    def _value(self) -> str:
        return ""


def _field(part: Part) -> Field:
    checks = [Optional(), Length(max=3000, message="This is too long.")]
    if part.choices:
        return SelectField(
            part.label, checks, choices=options(part.choices, "Choose…"), validate_choice=False
        )
    if part.name == "public_key":
        return _Hidden(part.label, checks, render_kw=_QUIET)
    if part.is_secret:
        return PasswordField(part.label, checks, render_kw={**_QUIET, "autocomplete": "new-password"})
    return StringField(part.label, checks, render_kw=_QUIET)


def field_name(part: Part) -> str:
    """The name of a part's field. Forms that wait for a proof do not keep fields called password, so none is."""
    return part.name.replace("password", "word")


def mark_needed(form: KeysForm, provider: Provider) -> None:
    """Say "optional" only where it is true."""
    for name in provider.required:
        form[field_name(provider.part(name))].flags.optional = False


def _form_of(provider: Provider) -> type[KeysForm]:
    fields: dict[str, Any] = {}
    for part in provider.parts:
        fields[field_name(part)] = _field(part)
        if part.is_secret and not part.is_required:
            fields[f"remove_{field_name(part)}"] = BooleanField(f"Remove: {part.label.lower()}")
    if provider.name == "cashfree":
        fields[f"remove_{OLD_SECRET}"] = BooleanField("Forget the client secret from before")
    if not provider.has_environments:
        fields["environment"] = None
    return type(f"{provider.name.capitalize()}Form", (KeysForm,), fields)


FORMS: dict[str, type[KeysForm]] = {name: _form_of(provider) for name, provider in PROVIDERS.items()}


def filled(provider: Provider, shown: Shown, environment: str, version: int) -> KeysForm:
    """The form of an account as it is, without its secrets."""
    values = {field_name(p): shown.values.get(p.name, "") for p in provider.parts if not p.is_secret}
    if "client_version" in values:
        values["client_version"] = values["client_version"] or "1"
    return FORMS[provider.name](formdata=None, environment=environment, version=str(version), **values)


def typed(form: KeysForm, provider: Provider) -> dict[str, str]:
    """What was typed, by the names of the parts."""
    return {part.name: form[field_name(part)].data or "" for part in provider.parts}


def removed(form: KeysForm, provider: Provider) -> set[str]:
    """Names of the optional secrets that are to go."""
    names = {part.name: f"remove_{field_name(part)}" for part in provider.parts}
    names[OLD_SECRET] = f"remove_{OLD_SECRET}"
    return {name for name, box in names.items() if box in form and form[box].data}


def attach_all(form: KeysForm, provider: Provider, error: InvalidKeys) -> None:
    """Put every problem at its field."""
    names = {part.name: field_name(part) for part in provider.parts}
    for problem in error.problems:
        field = form[names.get(problem.field, problem.field)]
        field.errors = [*field.errors, problem.message]
