"""The forms of vehicles, medallions and leases, and of how the program is run. Every field is named here."""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from typing import Any

from wtforms import BooleanField, HiddenField, IntegerField, SelectField
from wtforms.validators import InputRequired, NumberRange

from webapp.kernel.errors import Invalid
from webapp.programs.repairs.drafts import LeaseDraft, SettingsDraft
from webapp.programs.repairs.models import RepairsSettings
from webapp.programs.repairs.rules import Band, Matrix
from webapp.programs.repairs.settings import MOST_BANDS
from webapp.programs.repairs.states import Category, Shift
from webapp.web.fields import options
from webapp.web.form_fields import ActForm, AmountField, day_field, optional, reason_field, required

EXCESS = (("lease", "The driver's open lease charges"), ("credit", "A credit that is kept for the driver"))


class VehicleForm(ActForm):
    """A vehicle."""

    plate = required("Plate", "Enter the plate. Example: T612345C", 40)
    vin = optional("VIN", 40, description="The vehicle's number, where you know it.")


class MedallionForm(ActForm):
    """A medallion."""

    number = required("Number", "Enter the medallion's number. Example: 5Y21", 40)


class LeaseForm(ActForm):
    """A driver's contract for a vehicle."""

    driver = required(
        "Driver", "Name the driver. Example: PY-0003", 20, description="Their number.",
        render_kw={"list": "offered-drivers", "autocomplete": "off"},
    )  # fmt: skip
    vehicle = required(
        "Vehicle", "Name the vehicle. Example: T612345C", 40, description="Its plate.",
        render_kw={"list": "offered-vehicles", "autocomplete": "off"},
    )  # fmt: skip
    medallion = optional(
        "Medallion", 40, description="Its number.",
        render_kw={"list": "offered-medallions", "autocomplete": "off"},
    )  # fmt: skip
    shift = SelectField("Shift", choices=options(Shift.choices()))
    weekly = AmountField("Lease a week", example="500.00")
    starts_on = day_field("First day", must=True)
    ends_on = day_field(
        "Last day", description="Where it is agreed already. A week's part is charged by its days."
    )
    takes_repairs = BooleanField("Repairs of the vehicle may be charged to the driver")
    external_ref = optional("Your reference", 120)

    def draft(self, payee_id: int, vehicle_id: int, medallion_id: int | None) -> LeaseDraft:
        """The form as the service takes it."""
        return LeaseDraft(
            payee_id,
            vehicle_id,
            self.weekly.minor or 0,
            self.starts_on.data or date.min,
            self.ends_on.data,
            medallion_id,
            self.shift.data,
            bool(self.takes_repairs.data),
            self.external_ref.data or None,
        )


class EndLeaseForm(ActForm):
    """A lease's last day."""

    last_day = day_field("Last day", must=True)
    reason = reason_field(example="The driver moved away.")


class SwapForm(ActForm):
    """Another vehicle on a lease."""

    vehicle = required(
        "Vehicle", "Name the vehicle. Example: T612345C", 40, description="Its plate.",
        render_kw={"list": "offered-vehicles", "autocomplete": "off"},
    )  # fmt: skip
    from_on = day_field("Its first day", must=True)


class SettingsForm(ActForm):
    """How the program is run; `settings_form` adds a place and a cap for each category."""

    protected = AmountField(
        "The driver keeps at least", example="200.00", must=False,
        description="Of each week, before debts are covered. Leave it empty to protect nothing.",
    )  # fmt: skip
    excess_to = SelectField(
        "A payment that is more than the debts it is for goes to", choices=options(EXCESS)
    )
    is_one_a_week = BooleanField("Weeks that a repair missed are caught up one a week, not all at once")

    def rows(self) -> list[tuple[Category, Any, Any]]:
        """(category, field of its place, field of its cap), in the order of the places shown."""
        found = [(each, self[f"place_{each}"], self[f"cap_{each}"]) for each in Category]
        return sorted(found, key=lambda row: row[1].data if isinstance(row[1].data, int) else len(found))

    def fill(self, row: RepairsSettings, say: Any) -> None:
        """Show the settings as they are; `say` words minor units."""
        for place, category in enumerate(row.category_order, start=1):
            self[f"place_{category}"].data = place
            cap = row.weekly_caps.get(category)
            self[f"cap_{category}"].data = "" if cap is None else say(int(cap))
        self.protected.data = say(row.protected_minor) if row.protected_minor else ""
        self.excess_to.data, self.is_one_a_week.data = row.excess_to, row.is_one_a_week
        self.version.data = str(row.version)

    def validate(self, extra_validators: Any = None) -> bool:
        """As usual, and each place is taken once."""
        is_valid = super().validate(extra_validators)
        taken: dict[int, Category] = {}
        for category in Category:
            field = self[f"place_{category}"]
            if field.errors:
                continue
            if (other := taken.setdefault(field.data, category)) is not category:
                field.errors = [f"Place {field.data} is that of {other.label.lower()} already."]
                is_valid = False
        return is_valid

    def draft(self) -> SettingsDraft:
        """The form as the service takes it."""
        caps = {str(each): self[f"cap_{each}"].minor for each in Category}
        return SettingsDraft(
            tuple(sorted((str(each) for each in Category), key=lambda name: self[f"place_{name}"].data)),
            {name: cap for name, cap in caps.items() if cap is not None},
            self.protected.minor or 0,
            bool(self.is_one_a_week.data),
            self.excess_to.data,
        )


@lru_cache(maxsize=1)
def settings_form() -> type[SettingsForm]:
    """The form of the settings, with two fields for each category."""
    most = len(Category)
    words = f"Enter a place from 1 to {most}."
    fields: dict[str, Any] = {}
    for each in Category:
        fields[f"place_{each}"] = IntegerField(
            f"Place of {each.label.lower()}", [InputRequired(words), NumberRange(1, most, words)]
        )
        fields[f"cap_{each}"] = AmountField(
            f"Most a week for {each.label.lower()}", example="300.00", must=False
        )
    return type("EverySettingForm", (SettingsForm,), fields)


class MatrixForm(ActForm):
    """A version of the payment matrix; `matrix_form` adds its bands."""

    fold_below = AmountField(
        "A remainder below this joins the instalment before it", example="10.00", must=False,
        description="Leave it empty to keep every remainder.",
    )  # fmt: skip
    rows = HiddenField()

    def bands(self) -> list[tuple[Any, Any]]:
        """(field of the bound, field of the weekly amount) of each row."""
        n = sum(name.startswith("over_") for name in self._fields)
        return [(self[f"over_{i}"], self[f"weekly_{i}"]) for i in range(n)]

    def fill(self, matrix: Matrix, say: Any) -> None:
        """Show a matrix; `say` words minor units."""
        for (over, weekly), band in zip(self.bands(), matrix.bands, strict=False):
            over.data = say(band.over_minor)
            weekly.data = "" if band.weekly_minor is None else say(band.weekly_minor)
        self.fold_below.data = say(matrix.fold_below_minor) if matrix.fold_below_minor else ""

    def matrix(self) -> Matrix:
        """The form as the service takes it; rows without a bound and an amount are left out. Raises Invalid."""
        found = []
        for over, weekly in self.bands():
            if not over.data and not weekly.data:
                continue
            if over.minor is None:
                raise Invalid(over.name, "Say from which amount on this counts.", "1000.00")
            found.append(Band(over.minor, weekly.minor))
        return Matrix(tuple(found), self.fold_below.minor or 0)


@lru_cache(maxsize=MOST_BANDS)
def matrix_form(rows: int) -> type[MatrixForm]:
    """The form of a matrix with so many bands."""
    fields: dict[str, Any] = {}
    for n in range(rows):
        fields[f"over_{n}"] = AmountField(f"Band {n + 1}: amounts over", example="1000.00", must=False)
        fields[f"weekly_{n}"] = AmountField(f"Band {n + 1}: paid by", example="250.00", must=False)
    return type("BandsForm", (MatrixForm,), fields)
