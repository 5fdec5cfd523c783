"""The filters of the lists of repairs, read from the address (admins' pages, files, the driver's portal)."""

from __future__ import annotations

from datetime import date
from typing import Any

from wtforms import Form, SelectField, StringField
from wtforms.validators import Length, Optional, ValidationError

from webapp.programs.repairs.ledger_list import KINDS, LedgerFilter
from webapp.programs.repairs.lists import DUE, UNPOSTED, InstalmentFilter, ReceiptFilter, RepairFilter
from webapp.programs.repairs.states import Category, InstalmentState, RepairState, Workshop
from webapp.programs.repairs.statistics import StatisticsFilter
from webapp.web.fields import all_optional, options, strip
from webapp.web.form_fields import AmountField, day_field, say_days


def _search(label: str = "Search") -> StringField:
    return StringField(
        label,
        filters=[strip],
        validators=[Optional(), Length(max=120, message="Search for at most 120 characters.")],
        render_kw={"type": "search", "autocomplete": "off"},
    )


def _part(label: str, most: int = 120) -> StringField:
    checks = [Optional(), Length(max=most, message=f"Write at most {most} characters.")]
    return StringField(label, filters=[strip], validators=checks)


class ListFilter(Form):
    """Common to the filters: an address without a parameter means "all"; amounts are read in a currency."""

    def __init__(self, *args: Any, currency: str = "USD", locale: str = "en_US", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.currency, self.locale = currency, locale
        say_days(self)
        all_optional(self)
        for field in self:
            if isinstance(field, SelectField):
                field.data = field.data or ""

    def _in_order(self, first: str, last: str) -> None:
        begins, ends = self[first].data, self[last].data
        if begins and ends and ends < begins:
            raise ValidationError("The range ends before it begins.")

    def _amounts_in_order(self) -> None:
        low, high = self["amount_from"].minor, self["amount_to"].minor  # type: ignore[attr-defined]
        if low is not None and high is not None and high < low:
            raise ValidationError("The upper amount is below the lower one.")


class RepairFilterForm(ListFilter):
    """The list of repairs."""

    q = _search()
    state = SelectField("State", choices=options(RepairState.choices(), "Every state"))
    driver = _part("Driver", 200)
    vehicle = _part("Vehicle")
    lease = _part("Lease", 40)
    medallion = _part("Medallion", 40)
    workshop = SelectField("Workshop", choices=options(Workshop.choices(), "Every workshop"))
    date_from = day_field("Invoice from")
    date_to = day_field("Invoice to")
    amount_from = AmountField("Amount from", must=False, example="500.00")
    amount_to = AmountField("Amount to", must=False, example="500.00")

    def validate_date_to(self, field: Any) -> None:
        """The range does not end before it begins."""
        self._in_order("date_from", "date_to")

    def validate_amount_from(self, field: AmountField) -> None:
        """The lower bound is an amount."""
        field.read(self.currency, self.locale)

    def validate_amount_to(self, field: AmountField) -> None:
        """The upper bound is an amount, not below the lower one."""
        field.read(self.currency, self.locale)
        self._amounts_in_order()

    def chosen(self) -> RepairFilter:
        """The filter as the queries take it. Call `validate()` first."""
        return RepairFilter(
            text=self.q.data or "",
            driver=self.driver.data or "",
            lease=self.lease.data or "",
            vehicle=self.vehicle.data or "",
            medallion=self.medallion.data or "",
            state=self.state.data or "",
            workshop=self.workshop.data or "",
            date_from=self.date_from.data,
            date_to=self.date_to.data,
            amount_from=self.amount_from.minor,
            amount_to=self.amount_to.minor,
            currency=self.currency,
        )


class InstalmentFilterForm(ListFilter):
    """The list of instalments; `today` decides what is due."""

    q = _search()
    state = SelectField(
        "State",
        choices=options(
            ((DUE, "Due"), (UNPOSTED, "Not charged yet"), *InstalmentState.choices()), "Every state"
        ),
    )
    driver = _part("Driver", 200)
    vehicle = _part("Vehicle")
    repair = _part("Repair", 40)
    date_from = day_field("Due from")
    date_to = day_field("Due to")
    amount_from = AmountField("Amount from", must=False, example="100.00")
    amount_to = AmountField("Amount to", must=False, example="100.00")

    def __init__(self, *args: Any, today: date, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.today = today

    def validate_date_to(self, field: Any) -> None:
        """The range does not end before it begins."""
        self._in_order("date_from", "date_to")

    def validate_amount_from(self, field: AmountField) -> None:
        """The lower bound is an amount."""
        field.read(self.currency, self.locale)

    def validate_amount_to(self, field: AmountField) -> None:
        """The upper bound is an amount, not below the lower one."""
        field.read(self.currency, self.locale)
        self._amounts_in_order()

    def chosen(self) -> InstalmentFilter:
        """The filter as the queries take it. Call `validate()` first."""
        return InstalmentFilter(
            text=self.q.data or "",
            driver=self.driver.data or "",
            vehicle=self.vehicle.data or "",
            state=self.state.data or "",
            date_from=self.date_from.data,
            date_to=self.date_to.data,
            amount_from=self.amount_from.minor,
            amount_to=self.amount_to.minor,
            currency=self.currency,
            repair=self.repair.data or "",
            today=self.today,
        )


class ReceiptFilterForm(ListFilter):
    """The list of weekly receipts."""

    q = _search()
    driver = _part("Driver", 200)
    lease = _part("Lease", 40)
    week_from = day_field("Week from")
    week_to = day_field("Week to")
    sign = SelectField(
        "Net",
        choices=options(
            (
                ("positive", "The driver is paid"),
                ("negative", "The driver owes"),
                ("zero", "Nothing is left"),
            ),
            "All",
        ),
    )
    payout = SelectField(
        "Payout", choices=options((("with", "Has a payout"), ("without", "Has no payout")), "All")
    )

    def validate_week_to(self, field: Any) -> None:
        """The range does not end before it begins."""
        self._in_order("week_from", "week_to")

    def chosen(self) -> ReceiptFilter:
        """The filter as the queries take it. Call `validate()` first."""
        return ReceiptFilter(
            text=self.q.data or "",
            driver=self.driver.data or "",
            lease=self.lease.data or "",
            week_from=self.week_from.data,
            week_to=self.week_to.data,
            sign=self.sign.data or "",
            payout=self.payout.data or "",
        )


class StatisticsFilterForm(ListFilter):
    """What the statistics are narrowed to."""

    driver = _part("Driver", 200)
    lease = _part("Lease", 40)
    date_from = day_field("From")
    date_to = day_field("To")

    def validate_date_to(self, field: Any) -> None:
        """The range does not end before it begins."""
        self._in_order("date_from", "date_to")

    def chosen(self) -> StatisticsFilter:
        """The filter as the questions take it. Call `validate()` first."""
        return StatisticsFilter(
            self.driver.data or "", self.lease.data or "", self.date_from.data, self.date_to.data
        )


class LedgerFilterForm(ListFilter):
    """The ledger of one driver."""

    q = _search()
    kind = SelectField("What", choices=options(KINDS, "Everything"))
    category = SelectField("Charged for", choices=options(Category.choices(), "Everything"))
    date_from = day_field("From")
    date_to = day_field("To")

    def validate_date_to(self, field: Any) -> None:
        """The range does not end before it begins."""
        self._in_order("date_from", "date_to")

    def chosen(self) -> LedgerFilter:
        """The filter as the queries take it. Call `validate()` first."""
        return LedgerFilter(
            text=self.q.data or "",
            kind=self.kind.data or "",
            category=self.category.data or "",
            date_from=self.date_from.data,
            date_to=self.date_to.data,
        )
