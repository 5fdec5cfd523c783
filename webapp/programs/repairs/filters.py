"""The filters of the lists of repairs, read from the address (admins' pages, files, the driver's portal)."""

from __future__ import annotations

from datetime import date
from typing import Any

from wtforms import SelectField

from webapp.programs.repairs.ledger_list import KINDS, LedgerFilter
from webapp.programs.repairs.lists import DUE, UNPOSTED, InstalmentFilter, ReceiptFilter, RepairFilter
from webapp.programs.repairs.states import Category, InstalmentState, RepairState, Workshop
from webapp.programs.repairs.statistics import StatisticsFilter
from webapp.web.fields import options
from webapp.web.filter_fields import ListFilter, part, search
from webapp.web.form_fields import AmountField, day_field


class RepairFilterForm(ListFilter):
    """The list of repairs."""

    q = search()
    state = SelectField("State", choices=options(RepairState.choices(), "Every state"))
    driver = part("Driver", 200)
    vehicle = part("Vehicle")
    lease = part("Lease", 40)
    medallion = part("Medallion", 40)
    workshop = SelectField("Workshop", choices=options(Workshop.choices(), "Every workshop"))
    date_from = day_field("Invoice from")
    date_to = day_field("Invoice to")
    amount_from = AmountField("Amount from", must=False, example="500.00")
    amount_to = AmountField("Amount to", must=False, example="500.00")

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

    q = search()
    state = SelectField(
        "State",
        choices=options(
            ((DUE, "Due"), (UNPOSTED, "Not charged yet"), *InstalmentState.choices()), "Every state"
        ),
    )
    driver = part("Driver", 200)
    vehicle = part("Vehicle")
    repair = part("Repair", 40)
    date_from = day_field("Due from")
    date_to = day_field("Due to")
    amount_from = AmountField("Amount from", must=False, example="100.00")
    amount_to = AmountField("Amount to", must=False, example="100.00")

    def __init__(self, *args: Any, today: date, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.today = today

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

    q = search()
    driver = part("Driver", 200)
    lease = part("Lease", 40)
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
        self.in_order("week_from", "week_to")

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

    driver = part("Driver", 200)
    lease = part("Lease", 40)
    date_from = day_field("From")
    date_to = day_field("To")

    def chosen(self) -> StatisticsFilter:
        """The filter as the questions take it. Call `validate()` first."""
        return StatisticsFilter(
            self.driver.data or "", self.lease.data or "", self.date_from.data, self.date_to.data
        )


class LedgerFilterForm(ListFilter):
    """The ledger of one driver."""

    q = search()
    kind = SelectField("What", choices=options(KINDS, "Everything"))
    category = SelectField("Charged for", choices=options(Category.choices(), "Everything"))
    date_from = day_field("From")
    date_to = day_field("To")

    def chosen(self) -> LedgerFilter:
        """The filter as the queries take it. Call `validate()` first."""
        return LedgerFilter(
            text=self.q.data or "",
            kind=self.kind.data or "",
            category=self.category.data or "",
            date_from=self.date_from.data,
            date_to=self.date_to.data,
        )
