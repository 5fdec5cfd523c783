"""The forms of sign-in, payees and payout methods. Every field is named here; nothing else is read."""

from __future__ import annotations

from typing import Any

from flask_wtf import FlaskForm
from wtforms import BooleanField, HiddenField, PasswordField, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]
from wtforms.validators import InputRequired, Length, Optional

from webapp.kernel.errors import Invalid
from webapp.people import accounts
from webapp.people.accounts import Destination, Scheme
from webapp.people.models import PAYEE_KINDS, MethodKind


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
    return [SelectChoice("", nothing), *(SelectChoice(str(kind), kind.label) for kind in PAYEE_KINDS)]


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


class PayeeFilterForm(FlaskForm):
    """Filter of the list of payees; sent with GET, so it carries no token."""

    class Meta:
        """A reading form."""

        csrf = False

    search = StringField("Search", [Optional()], render_kw={"type": "search", "autocomplete": "off"})
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


class MethodForm(FlaskForm):
    """Common to every way to be paid: which version the person saw."""

    version = HiddenField()

    def destination(self) -> Destination:
        """The checked place for money. Raises Invalid."""
        return accounts.by_hand()


class BankForm(MethodForm):
    """Common to bank accounts."""

    name_at_bank = StringField("Name on the account", render_kw=_OFF)
    bank_name = StringField("Bank", [Optional()], render_kw=_OFF)


class IfscForm(BankForm):
    """A bank account in India."""

    account_number = StringField("Account number", render_kw=_OFF)
    account_number_again = StringField("Account number again", render_kw=_OFF)
    ifsc = StringField("IFSC", render_kw=_OFF)

    def destination(self) -> Destination:
        """The checked account. Raises Invalid."""
        _check_repeated(self.account_number.data, self.account_number_again.data)
        return accounts.ifsc_account(**_texts(self, "account_number", "ifsc", "name_at_bank", "bank_name"))


class IbanForm(BankForm):
    """A bank account with an IBAN; its check digits make repeating it needless."""

    iban = StringField("IBAN", render_kw=_OFF)

    def destination(self) -> Destination:
        """The checked account. Raises Invalid."""
        return accounts.iban_account(**_texts(self, "iban", "name_at_bank", "bank_name"))


class AbaForm(BankForm):
    """A bank account in the United States."""

    routing_number = StringField("Routing number", render_kw={**_OFF, "inputmode": "numeric"})
    account_number = StringField("Account number", render_kw=_OFF)
    account_number_again = StringField("Account number again", render_kw=_OFF)

    def destination(self) -> Destination:
        """The checked account. Raises Invalid."""
        _check_repeated(self.account_number.data, self.account_number_again.data)
        return accounts.aba_account(
            **_texts(self, "account_number", "routing_number", "name_at_bank", "bank_name")
        )


class UpiForm(MethodForm):
    """A UPI address."""

    name_at_bank = StringField("Name on the account", render_kw=_OFF)
    vpa = StringField("UPI address", render_kw=_OFF)

    def destination(self) -> Destination:
        """The checked address. Raises Invalid."""
        return accounts.upi_address(**_texts(self, "vpa", "name_at_bank"))


def _texts(form: FlaskForm, *names: str) -> dict[str, str]:
    return {name: form[name].data or "" for name in names}


def _check_repeated(first: str | None, second: str | None) -> None:
    if accounts.compact(first or "") != accounts.compact(second or ""):
        raise Invalid("account_number_again", "The two account numbers differ. Type or paste it again.")


# The ways to be paid that the branch page offers: word in the address -> its form, name and hint.
WAYS: dict[str, tuple[type[MethodForm], str, str]] = {
    Scheme.ABA.value: (AbaForm, Scheme.ABA.label, "Routing number and account number"),
    Scheme.IFSC.value: (IfscForm, Scheme.IFSC.label, "Account number and IFSC of the branch"),
    Scheme.IBAN.value: (IbanForm, Scheme.IBAN.label, "Europe, the Gulf and other countries with IBANs"),
    "upi": (UpiForm, MethodKind.UPI.label, "A name@bank address in India"),
    "manual": (MethodForm, MethodKind.MANUAL.label, "Cash, cheque, or your own bank's pages"),
}
