"""Example records of partners: a program, the partner, a commission rule that waits for a second admin."""

from __future__ import annotations

from tests.house.objects_partners import deal_of, program_of
from tests.house.town import Arguments, House, example


@example("admin.partners.program", "admin.partners.edit_program")
def a_program(house: House, kind: str) -> list[Arguments]:
    """The program, with an open deal."""
    deal_of(house)
    return [{"reference": program_of(house).reference}]
