"""The forms of sign-in, payees and payout methods. Every field is named here; nothing else is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask_wtf import FlaskForm
from wtforms import BooleanField, Field, HiddenField, PasswordField, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]
from wtforms.validators import InputRequired, Length, Optional, ValidationError

from webapp.kernel.errors import Invalid
from webapp.people import accounts
from webapp.people.accounts import Destination, Scheme
from webapp.people.models import PAYEE_KINDS, MethodKind
from webapp.web.fields import options


def attach(form: FlaskForm, error: Invalid) -> None:
    """Put a refusal at its field (or at the top of the form where it has none)."""
    if error.field in form:
        field = form[error.field]
        field.errors = [*field.errors, error.message]
    else:
        form.form_errors.append(error.message)


def typed(form: FlaskForm, *names: str) -> dict[str, Any]:
    """The values of the named fields, and of no others."""
    return {name: form[name].data for name in names}


def _kinds(nothing: str) -> list[SelectChoice]:
    """The kinds of payee, after the words for no choice."""
    return options([(str(kind), kind.label) for kind in PAYEE_KINDS], nothing)


class SignInForm(FlaskForm):
    """E-mail address and password."""

    email = StringField(
        "E-mail address",
        [InputRequired("Enter your e-mail address."), Length(max=254)],
        render_kw={"type": "email", "autocomplete": "username", "inputmode": "email"},
    )
    password = PasswordField(
        "Password",
        [InputRequired("Enter your password."), Length(max=1000)],
        render_kw={"autocomplete": "current-password"},
    )
    next = HiddenField()


_CODE = {"autocomplete": "one-time-code", "inputmode": "numeric", "spellcheck": "false"}


class ProofForm(FlaskForm):
    """Who is there? Any one of the fields is enough. What was typed is never shown again."""

    proof_password = PasswordField("Password", render_kw={"autocomplete": "current-password"})
    proof_code = StringField("Code from your authenticator app", render_kw=_CODE)


class CodeForm(FlaskForm):
    """The first code of an authenticator app that is being set up."""

    code = StringField(
        "Code from the app",
        [InputRequired("Enter the six digits that the app shows."), Length(max=40)],
        render_kw=_CODE,
    )


class PasskeyForm(FlaskForm):
    """The name of a new passkey; the answer of the browser comes with it."""

    name = StringField(
        "Name of the passkey",
        [InputRequired("Enter a name, so that you know it later."), Length(max=60)],
        render_kw={"autocomplete": "off"},
    )
    answer = HiddenField()


class PayeeFilterForm(FlaskForm):
    """Filter of the list of payees; sent with GET, so it carries no token."""

    class Meta:
        """A reading form."""

        csrf = False

    search = StringField("Search", render_kw={"type": "search", "autocomplete": "off"})
    kind = SelectField("Kind", choices=_kinds("Every kind"))


class PayeeForm(FlaskForm):
    """What an organisation knows of a payee."""

    kind = SelectField(
        "Kind", choices=_kinds("Choose…"),
        validators=[InputRequired("Choose what the payee is.")],
    )  # fmt: skip
    name = StringField("Name", [InputRequired("Enter the name.")])
    email = StringField("E-mail address", [Optional()], render_kw={"type": "email", "autocomplete": "off"})
    phone = StringField("Phone", [Optional()], render_kw={"type": "tel", "autocomplete": "off"})
    address = TextAreaField("Address", [Optional()], render_kw={"rows": 3})
    country = StringField("Country", [Optional()], render_kw={"autocomplete": "off"})
    external_ref = StringField("Your own reference", [Optional()], render_kw={"autocomplete": "off"})


class PayeeEditForm(PayeeForm):
    """As PayeeForm; the kind stays what it is."""

    kind = None  # type: ignore[assignment]
    is_active = BooleanField("Active")
    version = HiddenField()


PAYEE_FIELDS = ("name", "email", "phone", "address", "country", "external_ref")
_OFF = {"autocomplete": "off", "spellcheck": "false"}


def _checked(check: Callable[[str], str]) -> Callable[[FlaskForm, Field], None]:
    """A validator out of a check of `accounts`, so that every bad field is named at once."""

    def validate(form: FlaskForm, field: Field) -> None:
        try:
            check(field.data or "")
        except Invalid as error:
            raise ValidationError(error.message) from None

    return validate


def _same_number(form: FlaskForm, field: Field) -> None:
    if accounts.compact(form["account_number"].data or "") != accounts.compact(field.data or ""):
        raise ValidationError("The two account numbers differ. Type or paste it again.")


def _number() -> StringField:
    return StringField("Account number", [_checked(accounts.check_account_number)], render_kw=_OFF)


def _number_again() -> StringField:
    return StringField("Account number again", [_same_number], render_kw=_OFF)


def _name() -> StringField:
    return StringField("Name on the account", [_checked(accounts.check_name_at_bank)], render_kw=_OFF)


class MethodForm(FlaskForm):
    """Common to every way to be paid: which version the person saw."""

    version = HiddenField()

    def destination(self) -> Destination:
        """The place for money that a validated form names."""
        return accounts.by_hand()

    def texts(self, *names: str) -> dict[str, str]:
        """The named fields as text."""
        return {name: self[name].data or "" for name in names}


class BankForm(MethodForm):
    """Common to bank accounts."""

    name_at_bank = _name()
    bank_name = StringField("Bank", [Optional(), Length(max=accounts.MAXIMUM_NAME)], render_kw=_OFF)


class IfscForm(BankForm):
    """A bank account in India."""

    account_number = _number()
    account_number_again = _number_again()
    ifsc = StringField("IFSC", [_checked(accounts.check_ifsc)], render_kw=_OFF)

    def destination(self) -> Destination:
        """The account."""
        return accounts.ifsc_account(**self.texts("account_number", "ifsc", "name_at_bank", "bank_name"))


class IbanForm(BankForm):
    """A bank account with an IBAN; its check digits make repeating it needless."""

    iban = StringField("IBAN", [_checked(accounts.check_iban)], render_kw=_OFF)

    def destination(self) -> Destination:
        """The account."""
        return accounts.iban_account(**self.texts("iban", "name_at_bank", "bank_name"))


class AbaForm(BankForm):
    """A bank account in the United States."""

    routing_number = StringField(
        "Routing number",
        [_checked(accounts.check_routing_number)],
        render_kw={**_OFF, "inputmode": "numeric"},
    )
    account_number = _number()
    account_number_again = _number_again()

    def destination(self) -> Destination:
        """The account."""
        return accounts.aba_account(
            **self.texts("account_number", "routing_number", "name_at_bank", "bank_name")
        )


class UpiForm(MethodForm):
    """A UPI address."""

    name_at_bank = _name()
    vpa = StringField("UPI address", [_checked(accounts.check_vpa)], render_kw=_OFF)

    def destination(self) -> Destination:
        """The address."""
        return accounts.upi_address(**self.texts("vpa", "name_at_bank"))


# The ways to be paid that the branch page offers: word in the address -> its form, name and hint.
WAYS: dict[str, tuple[type[MethodForm], str, str]] = {
    Scheme.ABA.value: (AbaForm, Scheme.ABA.label, "Routing number and account number"),
    Scheme.IFSC.value: (IfscForm, Scheme.IFSC.label, "Account number and IFSC of the branch"),
    Scheme.IBAN.value: (IbanForm, Scheme.IBAN.label, "Europe, the Gulf and other countries with IBANs"),
    "upi": (UpiForm, MethodKind.UPI.label, "A name@bank address in India"),
    "manual": (MethodForm, MethodKind.MANUAL.label, "Cash, cheque, or your own bank's pages"),
}
