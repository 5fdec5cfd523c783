"""What a person chose for themselves: how numbers and days are written, hidden amounts, keyboard shortcuts."""

from __future__ import annotations

from babel import Locale
from flask import Blueprint, flash, g, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from flask_wtf import FlaskForm
from wtforms import BooleanField, SelectField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]

from webapp.database import transaction
from webapp.people import service
from webapp.web.htmx import see_other
from webapp.web.i18n import N_

blueprint = Blueprint("preferences", __name__)
OFFERED = ("en_US", "en_GB", "en_IN", "hi_IN", "de_DE", "fr_FR", "ar_AE")


class PreferencesForm(FlaskForm):
    """One's own settings; an empty locale is the organisation's."""

    locale = SelectField("Language, numbers and days")
    hides_amounts = BooleanField("Hide amounts until I ask for them")
    has_shortcuts = BooleanField("Keyboard shortcuts")


def locales() -> list[tuple[str, str]]:
    """What can be chosen: amounts are read as the organisation writes them, so the signs must be the same."""
    home = Locale.parse(getattr(g.get("organisation"), "locale", "en_US"))

    def signs(locale: Locale) -> tuple[str, str]:
        symbols = locale.number_symbols["latn"]
        return symbols["decimal"], symbols["group"]

    found = [Locale.parse(name) for name in OFFERED]
    return [(str(locale), str(locale.get_display_name(locale)).capitalize()) for locale in found
            if signs(locale) == signs(home)]  # fmt: skip


@blueprint.route("/account/preferences", methods=["GET", "POST"])
def edit() -> ResponseReturnValue:
    """See and change one's own settings."""
    form = PreferencesForm(
        locale=current_user.locale,
        hides_amounts=current_user.hides_amounts,
        has_shortcuts=current_user.has_shortcuts,
    )
    choices = [("", N_("As in the organisation")), *locales()]
    form.locale.choices = [SelectChoice(value=value, label=label) for value, label in choices]
    if not form.validate_on_submit():
        code = 422 if form.is_submitted() else 200
        return render_template("people/preferences.html", form=form, has_errors=code == 422), code
    with transaction():
        service.set_preferences(
            user_id=current_user.id,
            locale=form.locale.data or "",
            hides_amounts=bool(form.hides_amounts.data),
            has_shortcuts=bool(form.has_shortcuts.data),
        )
    flash("Your preferences are saved.", "success")
    return see_other(url_for("public.preferences.edit"))
