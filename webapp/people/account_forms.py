"""The forms of accounts: forgotten and new passwords, invitations, the roles of people."""

from __future__ import annotations

from collections.abc import Iterable

from flask_wtf import FlaskForm
from wtforms import Field, Form, HiddenField, PasswordField, SelectField, SelectMultipleField, StringField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]
from wtforms.validators import EqualTo, InputRequired, Length, ValidationError
from wtforms.widgets import CheckboxInput, ListWidget

from webapp.kernel.errors import Invalid
from webapp.people import passwords, service
from webapp.people.models import PAYEE_KINDS, Role

# Roles that an admin gives; those of payees come with being a payee.
STAFF_ROLES = (Role.ADMIN, Role.ACCOUNTANT)
ROLE_HINTS = {
    Role.ADMIN.value: "Admin: changes records, approves and pays, invites people",
    Role.ACCOUNTANT.value: "Accountant: sees and exports everything, changes nothing",
}
_ADDRESS = {"type": "email", "inputmode": "email"}
_TOO_LONG = f"Use at most {passwords.MAXIMUM} characters."


def _is_address(_form: Form, field: Field) -> None:
    """Said together with what else is wrong in the form, not only once the rest is right."""
    try:
        service.check_email(field.data or "")
    except Invalid as error:
        raise ValidationError(error.message) from error


class ForgotForm(FlaskForm):
    """Whose password is forgotten."""

    email = StringField(
        "E-mail address",
        [InputRequired("Enter your e-mail address."), Length(max=254)],
        render_kw={**_ADDRESS, "autocomplete": "username"},
    )


class NewPasswordForm(FlaskForm):
    """A new password, twice: it is not shown, so a slip of the finger would lock its owner out."""

    password = PasswordField(
        "New password",
        [InputRequired("Choose a password."), Length(max=passwords.MAXIMUM, message=_TOO_LONG)],
        render_kw={"autocomplete": "new-password"},
    )
    again = PasswordField(
        "New password again",
        [EqualTo("password", "The two passwords differ. Type them again.")],
        render_kw={"autocomplete": "new-password"},
    )


class ChangePasswordForm(NewPasswordForm):
    """The same for somebody who is signed in."""

    present = PasswordField(
        "Present password",
        [InputRequired("Enter your present password."), Length(max=1000)],
        render_kw={"autocomplete": "current-password"},
    )


class AcceptForm(FlaskForm):
    """Nothing but the token against forged requests."""


class CheckboxesField(SelectMultipleField):
    """Several of a few choices, each with a box."""

    widget = ListWidget(prefix_label=False)
    option_widget = CheckboxInput()


def role_choices(roles: Iterable[str]) -> list[SelectChoice]:
    """The roles with what they allow."""
    return [SelectChoice(str(role), ROLE_HINTS.get(str(role), Role(role).label)) for role in roles]


class InviteForm(FlaskForm):
    """Who is to be let in, and as what."""

    email = StringField(
        "E-mail address",
        [InputRequired("Enter the e-mail address."), Length(max=254), _is_address],
        render_kw={**_ADDRESS, "autocomplete": "off"},
    )
    name = StringField(
        "Name",
        [InputRequired("Enter the name."), Length(max=120, message="Use at most 120 characters.")],
        render_kw={"autocomplete": "off"},
    )
    roles = CheckboxesField(
        "Roles", [InputRequired("Choose at least one role.")], choices=role_choices(STAFF_ROLES)
    )


class PayeeInviteForm(FlaskForm):
    """The address at which a payee is invited; who they are is known."""

    email = StringField(
        "E-mail address",
        [InputRequired("Enter the e-mail address."), Length(max=254), _is_address],
        render_kw={**_ADDRESS, "autocomplete": "off"},
    )


class RolesForm(FlaskForm):
    """The roles of one person, and those that the page showed."""

    roles = CheckboxesField(
        "Roles", [InputRequired("Choose at least one role, or remove the person from the organisation.")]
    )
    seen = HiddenField()

    def offer(self, held: Iterable[str]) -> None:
        """Offer the staff roles, and those of a payee that the person holds."""
        kept = [kind for kind in PAYEE_KINDS if kind.value in set(held)]
        self.roles.choices = role_choices((*STAFF_ROLES, *kept))


class UserFilterForm(FlaskForm):
    """Filter of the list of people; sent with GET, so it carries no token."""

    class Meta:
        """A reading form."""

        csrf = False

    search = StringField("Search", render_kw={"type": "search", "autocomplete": "off"})
    role = SelectField(
        "Role", choices=[SelectChoice("", "Every role"), *(SelectChoice(r.value, r.label) for r in Role)]
    )
