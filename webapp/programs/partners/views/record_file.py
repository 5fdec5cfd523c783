"""The file of the partners' list: exactly its filter and order, a row for each partner and currency."""

from __future__ import annotations

from datetime import datetime

from flask import g, request
from flask.typing import ResponseReturnValue
from sqlalchemy import Integer, type_coerce

from webapp.audit.views.files import remember
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Invalid
from webapp.payouts.views import listing as addresses
from webapp.people.models import Organisation
from webapp.programs.partners import record_lists
from webapp.programs.partners.record_forms import PartnerFilterForm, percent_of
from webapp.programs.partners.states import PartnerType, Tier
from webapp.programs.partners.views.area import PREFIX
from webapp.statements.build import LETTER_COUNTRIES
from webapp.web import list_files, table_files
from webapp.web.list_files import amount, currency, field, words_of, yes
from webapp.web.listing import Listing
from webapp.web.table_files import Table

SUMS = (("earned", "Earned"), ("paid", "Paid"), ("owed", "Owed"))


def links() -> list[tuple[str, str]]:
    """(label, address) of the files of the list that is shown, with exactly its filter and order."""
    endpoint = f"{PREFIX}.partners_file"
    return [(name.upper(), addresses.address(endpoint, format=name)) for name in table_files.FORMATS]


def partners_file(format: str) -> ResponseReturnValue:
    """The partners of exactly the page's filter, in its order. A filter that cannot be read is refused."""
    here = g.organisation
    form = PartnerFilterForm(request.args)
    if not form.validate():
        wrong = next(each for each in form if each.errors)
        raise Invalid(wrong.name, str(wrong.errors[0]))
    found = record_lists.sums_by_partner(here.id, here.currency, form.chosen())
    remember("partners:partner:exported", "payee", format.upper())
    table = _table(found, here, list_files.filter_words(form, request.args), utc_now())
    return table_files.response(table, format, f"partners-{here.slug}.{format}")


def _table(found: Listing, here: Organisation, words: str, made_at: datetime) -> Table:
    at = found.query.selected_columns
    return list_files.table(
        of=found,
        sort=found.sort(request.args.get("sort")),
        fields=(
            field("reference", "Partner number", at.reference, width=9),
            field("name", "Partner", at.name, width=20),
            field("email", "E-mail address", at.email, width=20),
            field("type", "Type", at.type, width=12, words=words_of(PartnerType)),
            field("tier", "Tier", at.tier, width=8, words=words_of(Tier)),
            field("rate", "Own rate, per cent", at.rate_bp, width=8, words=percent_of),
            field("is_active", "Active", type_coerce(at.is_active, Integer), width=6, words=yes),
            currency(at.currency),
            *(amount(name, label, at[f"{name}_minor"]) for name, label in SUMS),
        ),
        summed=SUMS,
        title=f"Partners, {here.name}",
        words=words,
        made_at=made_at,
        is_letter=here.country in LETTER_COUNTRIES,
    )
