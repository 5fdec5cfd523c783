"""Shapes of the forms around bank files."""

from __future__ import annotations

from typing import Any

from flask_wtf import FlaskForm
from flask_wtf.file import FileField
from wtforms import BooleanField, HiddenField, IntegerField, SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length, Optional

from webapp.bankfiles import columns as column_files
from webapp.bankfiles import nacha, pain001
from webapp.bankfiles.models import BankFileSetup
from webapp.bankfiles.states import Format
from webapp.web.fields import options, strip


class MakeForm(FlaskForm):
    """The check page's record of what it shows."""

    seen = HiddenField(validators=[InputRequired("The page was not complete. Look at it again.")])


class ActForm(FlaskForm):
    """What every action on a file carries: the version that the person saw."""

    version = HiddenField(validators=[InputRequired("The page was not complete. Look at it again.")])

    @property
    def seen_version(self) -> int:
        """The version; -1, which is no file's, where the field holds none."""
        text = str(self.version.data or "")
        return int(text) if text.isdecimal() and len(text) < 10 else -1

    def arguments(self) -> dict[str, Any]:
        """What the service takes besides the version."""
        return {}


class ApproveForm(ActForm):
    """The second person's yes to the hash that the page shows."""

    sha256 = HiddenField(validators=[InputRequired("The page was not complete. Look at it again.")])
    is_compared = BooleanField(
        "I have compared count, total and list with what is to be paid.",
        [InputRequired("Compare them, and say so.")],
    )

    def arguments(self) -> dict[str, Any]:
        """The hash."""
        return {"sha256": self.sha256.data or ""}


class SentForm(ActForm):
    """The word that the file is with the bank."""

    bank_reference = StringField(
        "The bank's number of the upload", [Optional(), Length(max=120)], filters=[strip]
    )
    is_uploaded = BooleanField(
        "I have uploaded this file at the bank, and the bank took it.",
        [InputRequired("Upload it first, then say so.")],
    )

    def arguments(self) -> dict[str, Any]:
        """The bank's number."""
        return {"bank_reference": self.bank_reference.data or ""}


class CancelForm(ActForm):
    """Why a file is not to be used."""

    reason = TextAreaField(
        "Why", [InputRequired("Say why."), Length(max=500)], filters=[strip], render_kw={"rows": 3}
    )

    def arguments(self) -> dict[str, Any]:
        """The reason."""
        return {"reason": self.reason.data or ""}


class CancelDownloadedForm(CancelForm):
    """The same for a file that somebody may have uploaded."""

    is_not_uploaded = BooleanField(
        "I have looked at the bank's own page: this file was not uploaded.",
        [InputRequired("Look at the bank's own page first, then say so.")],
    )


class SettleForm(ActForm):
    """The word that the statement shows the debit."""

    statement = StringField(
        "Reference of the debit on the statement",
        [InputRequired("Enter the reference of the debit."), Length(max=120)],
        filters=[strip],
    )
    is_debited = BooleanField(
        "I have seen the debit of these payments on the bank's statement.",
        [InputRequired("Look at the statement first, then say so.")],
    )

    def arguments(self) -> dict[str, Any]:
        """The reference."""
        return {"statement": self.statement.data or ""}


class ReturnForm(FlaskForm):
    """A file that the bank gave back."""

    file = FileField("The bank's file")


def _pairs(choices: dict[str, str]) -> Any:
    return options(list(choices.items()))


_TEXT = {"autocomplete": "off", "spellcheck": "false"}


class SetupForm(FlaskForm):
    """What all formats ask."""

    version = HiddenField()
    days_ahead = IntegerField("Working days until the bank is to pay", [Optional()])

    @property
    def seen_version(self) -> int:
        """The version that the page showed; 0: there were no settings."""
        text = str(self.version.data or "")
        return int(text) if text.isdecimal() and len(text) < 10 else -1

    def fill(self, row: BankFileSetup | None) -> None:
        """Show what is kept; the own account is never shown again."""
        self.version.data = str(row.version if row else 0)
        for name, value in (row.values if row else {}).items():
            if name in self:
                self[name].data = value
        for name, value in (row.values.get("answers") or {} if row else {}).items():
            if f"answer_{name}" in self:
                self[f"answer_{name}"].data = value

    def values(self) -> dict[str, Any]:
        """What was typed, by field."""
        return {
            name: field.data for name, field in self._fields.items() if name not in ("version", "csrf_token")
        }


class Pain001Form(SetupForm):
    """ISO 20022: who pays, from which account, over which service."""

    initiator = StringField(
        "Your company, as the bank knows it", [InputRequired("Enter the name.")], render_kw=_TEXT
    )
    initiator_id = StringField("Your id at the bank", [Optional()], render_kw=_TEXT)
    debtor = StringField("Holder of your account", [InputRequired("Enter the name.")], render_kw=_TEXT)
    iban = StringField("Your IBAN", [Optional()], render_kw=_TEXT)
    account_number = StringField("Or your account number", [Optional()], render_kw=_TEXT)
    bank_code = StringField("With your bank's IFSC or routing number", [Optional()], render_kw=_TEXT)
    bic = StringField("Your bank's BIC", [Optional()], render_kw=_TEXT)
    currency = StringField("Currency of the account", [InputRequired("Enter the currency.")], render_kw=_TEXT)
    service = SelectField("Service", choices=_pairs(pain001.SERVICES), validators=[Optional()])
    schema = SelectField("Version of the format", choices=options([(v, v) for v in pain001.VERSIONS]))
    is_batch = BooleanField("The bank books one debit for the whole file")

    def fill(self, row: BankFileSetup | None) -> None:
        """As it is kept; `version` of the format is a field of its own here."""
        super().fill(row)
        self.version.data = str(row.version if row else 0)
        if row:
            self.schema.data = row.values.get("version")

    def values(self) -> dict[str, Any]:
        """What was typed, by the names that are kept."""
        typed = super().values()
        return {**typed, "version": typed.pop("schema")}


class NachaForm(SetupForm):
    """ACH: the bank that takes the file, and the company that pays."""

    destination_routing = StringField(
        "Immediate destination: routing number", [InputRequired("Enter the routing number.")], render_kw=_TEXT
    )
    destination_name = StringField(
        "Immediate destination: name", [InputRequired("Enter the bank's name.")], render_kw=_TEXT
    )
    odfi_routing = StringField(
        "Your bank (ODFI): routing number", [InputRequired("Enter the routing number.")], render_kw=_TEXT
    )
    company_name = StringField(
        "Your company, up to 16 signs", [InputRequired("Enter the name.")], render_kw=_TEXT
    )
    company_id = StringField("Company id", [InputRequired("Enter the company id.")], render_kw=_TEXT)
    immediate_origin = StringField("Immediate origin", [Optional()], render_kw=_TEXT)
    entry_class = SelectField("Class of the entries", choices=_pairs(nacha.CLASSES))
    account_kind = SelectField("Accounts of the payees", choices=_pairs(nacha.ACCOUNT_KINDS))
    description = StringField(
        "Description that payees see, up to 10 signs",
        [InputRequired("Enter a description.")],
        render_kw=_TEXT,
    )


class ColumnsForm(SetupForm):
    """A column file: the template, and how the bank's answers call things."""

    name = StringField("Name of this template", [InputRequired("Enter a name.")], render_kw=_TEXT)
    columns = TextAreaField(
        "Columns, one a line", [InputRequired("Enter the columns."), Length(max=6000)],
        render_kw={"rows": 20, "spellcheck": "false"},
    )  # fmt: skip
    delimiter = SelectField("Between the columns", choices=_pairs(column_files.DELIMITERS))
    has_header = BooleanField("The first line names the columns")
    dates = SelectField("Days", choices=_pairs(column_files.DATE_FORMATS))
    amounts = SelectField("Amounts", choices=_pairs(column_files.AMOUNT_FORMATS))
    currency = StringField("Currency of the account", [InputRequired("Enter the currency.")], render_kw=_TEXT)
    account_number = StringField("Your account number", [Optional()], render_kw=_TEXT)
    bank_code = StringField("Your bank's IFSC or routing number", [Optional()], render_kw=_TEXT)
    own_bank = StringField("First four letters of your bank's IFSC", [Optional()], render_kw=_TEXT)
    answer_key = StringField("Column with our reference", [InputRequired("Enter its name.")], render_kw=_TEXT)
    answer_status = StringField("Column with the status", [InputRequired("Enter its name.")], render_kw=_TEXT)
    answer_reason = StringField("Column with the reason", [Optional()], render_kw=_TEXT)
    answer_utr = StringField("Column with the UTR", [Optional()], render_kw=_TEXT)
    answer_amount = StringField("Column with the amount", [Optional()], render_kw=_TEXT)
    answer_paid = StringField("Words that mean paid", [InputRequired("Enter one.")], render_kw=_TEXT)
    answer_refused = StringField("Words that mean refused", [Optional()], render_kw=_TEXT)
    answer_returned = StringField("Words that mean returned", [Optional()], render_kw=_TEXT)
    answer_accepted = StringField("Words that mean taken in", [Optional()], render_kw=_TEXT)


FORMS: dict[str, type[SetupForm]] = {
    Format.PAIN001: Pain001Form,
    Format.NACHA: NachaForm,
    Format.COLUMNS: ColumnsForm,
}
# What a new set of settings begins with.
BEGIN: dict[str, dict[str, Any]] = {
    Format.PAIN001: {"days_ahead": 0, "schema": pain001.VERSIONS[0], "is_batch": True, "service": ""},
    Format.NACHA: {"days_ahead": 1, "entry_class": "PPD", "account_kind": "22", "description": "PAYOUT"},
    Format.COLUMNS: {
        "days_ahead": 0, "name": "ICICI Bank, corporate upload", "columns": column_files.ICICI, "delimiter": ",",
        "has_header": True, "dates": "%d-%m-%Y", "amounts": "point", "currency": "INR", "own_bank": "ICIC",
        "answer_key": "Customer Ref No", "answer_status": "STATUS", "answer_reason": "Rejection Reason",
        "answer_utr": "UTR NO", "answer_paid": "Paid, Success, Processed", "answer_refused": "Rejected, Failed",
        "answer_returned": "Returned", "answer_accepted": "Pending, In process",
    },
}  # fmt: skip
