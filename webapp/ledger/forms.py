"""Filters of the ledger's lists; sent with GET, so they carry no token."""

from __future__ import annotations

from flask_wtf import FlaskForm
from wtforms import SelectField, StringField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]

from webapp.ledger.chart import TYPE_LABELS


class AccountFilterForm(FlaskForm):
    """Finds accounts by text and type."""

    class Meta:
        """A reading form."""

        csrf = False

    q = StringField("Search", render_kw={"type": "search", "autocomplete": "off"})
    type = SelectField(
        "Type", choices=[SelectChoice("", "Every type"), *(SelectChoice(*t) for t in TYPE_LABELS.items())]
    )
