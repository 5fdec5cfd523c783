"""Shapes of the forms of this room."""

from __future__ import annotations

from flask_wtf import FlaskForm
from flask_wtf.file import FileField
from wtforms import BooleanField, HiddenField, RadioField, SelectField, StringField, TextAreaField
from wtforms.validators import Length, Optional

from webapp.payouts.policy import RAILS
from webapp.reconciliation.states import FileFormat, FindingKind, FindingState, Source
from webapp.web.fields import all_optional, options, strip

AGES = (
    ("1", "Older than a day"),
    ("3", "Older than 3 days"),
    ("7", "Older than a week"),
    ("30", "Older than 30 days"),
)
# Rails whose provider may give a list; by hand and in files there is none.
LISTED_RAILS = tuple(
    rail for rail in dict.fromkeys((*RAILS, "cashfree")) if rail not in ("manual", "wallet", "bank_file")
)
PROVIDER_PREFIX = "provider:"


class UploadForm(FlaskForm):
    """A file of somebody else's book."""

    file = FileField("File")
    what = SelectField(
        "What it is",
        choices=options(
            [
                *((f.value, f.label) for f in FileFormat if f is not FileFormat.PROVIDER_CSV),
                *((f"{PROVIDER_PREFIX}{r}", f"Another list of transfers, of {r}") for r in LISTED_RAILS),
            ],
            nothing="Find out",
        ),
        default="",
    )

    def chosen(self) -> tuple[str, str]:
        """The format that the file must have, and whose list it is; empty where nothing is said."""
        what = self.what.data or ""
        if what.startswith(PROVIDER_PREFIX):
            return FileFormat.PROVIDER_CSV.value, what.removeprefix(PROVIDER_PREFIX)
        return what, ""


class ListForm(FlaskForm):
    """What a list does not say itself: whose account it is, and a name for its columns."""

    account = StringField("Account of the list", filters=[strip], validators=[Optional(), Length(max=40)])
    name = StringField("Name of these columns", filters=[strip], validators=[Optional(), Length(max=120)])


class CompareForm(FlaskForm):
    """What a person saw of the dry run when they say that it is to be compared."""

    version = HiddenField()
    switch = BooleanField("Compare the ledger with this account from now on")

    @property
    def seen_version(self) -> int | None:
        """The version that the page showed."""
        text = self.version.data or ""
        return int(text) if text.isdigit() and len(text) < 10 else None


class FilterForm(FlaskForm):
    """Finds findings; sent with GET."""

    class Meta:
        """A reading form."""

        csrf = False

    q = StringField("Search", filters=[strip], render_kw={"type": "search", "autocomplete": "off"})
    kind = SelectField("Kind", choices=options(FindingKind.choices(), nothing="Every kind"))
    state = SelectField(
        "State",
        choices=options([("unsettled", "Not settled"), *FindingState.choices()], nothing="Every state"),
        default="unsettled",
    )
    source = SelectField("Compared with", choices=options(Source.choices(), nothing="Everything"))
    owner = SelectField(
        "Owner", choices=options([("me", "Mine"), ("nobody", "Nobody's")], nothing="Everybody")
    )
    age = SelectField("Age", choices=options(AGES, nothing="Every age"))

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        all_optional(self)


class OwnerForm(FlaskForm):
    """Who sees to a finding."""

    owner = SelectField("Owner", validate_choice=False)
    version = HiddenField()


class SettleForm(FlaskForm):
    """How a finding is settled; each way uses its own fields."""

    how = HiddenField()
    version = HiddenField()
    account = SelectField("What it was", validate_choice=False)
    half = RadioField("The other half", validate_choice=False)
    note = TextAreaField("Note", filters=[strip], validators=[Optional(), Length(max=2000)])

    @property
    def seen_version(self) -> int | None:
        """The version that the page showed."""
        text = self.version.data or ""
        return int(text) if text.isdigit() and len(text) < 10 else None

    @property
    def half_id(self) -> int | None:
        """The chosen entry or line."""
        text = self.half.data or ""
        return int(text) if text.isdigit() and len(text) < 18 else None
