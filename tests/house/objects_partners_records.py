"""Example records of partners: a program, the partner, a commission rule that waits for a second admin."""

from __future__ import annotations

from tests.house.objects_partners import deal_of, program_of, rule_of
from tests.house.town import Arguments, House, example
from webapp.web.table_files import FORMATS


@example("admin.partners.program", "admin.partners.edit_program")
def a_program(house: House, kind: str) -> list[Arguments]:
    """The program, with an open deal."""
    deal_of(house)
    return [{"reference": program_of(house).reference}]


@example("admin.partners.partners_file")
def files_of_partners(house: House, kind: str) -> list[Arguments]:
    """Every format of the file."""
    return [{"format": name} for name in FORMATS]


@example("admin.partners.partner", "admin.partners.edit_partner")
def the_partner(house: House, kind: str) -> list[Arguments]:
    """The partner, with an open deal."""
    deal_of(house)
    return [{"reference": house.payees["partner"].reference}]


@example("admin.partners.rule", "admin.partners.revise_rule", "admin.partners.accept_rule",
         "admin.partners.refuse_rule", "admin.partners.withdraw_rule", "admin.partners.end_rule",
         "admin.partners.rehearse_rule")  # fmt: skip
def a_rule_of_commissions(house: House, kind: str) -> list[Arguments]:
    """A rule that the accountant asked for and an admin decides about; made once."""
    return [{"rule_id": rule_of(house)}]
