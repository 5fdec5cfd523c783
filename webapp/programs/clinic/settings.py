"""How an organisation runs this program."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.kernel.checks import check_not_negative
from webapp.kernel.errors import Invalid
from webapp.programs.clinic import trail
from webapp.programs.clinic.drafts import SettingsDraft
from webapp.programs.clinic.models import BaseMode, ClinicSettings, Every, FeeBearer, PartMode, SplitMode

_CHOICES = {
    "base_mode": BaseMode,
    "split_mode": SplitMode,
    "part_mode": PartMode,
    "fee_bearer": FeeBearer,
    "payouts_every": Every,
    "withdrawals_every": Every,
}


def settings_of(organisation_id: int) -> ClinicSettings:
    """How the organisation runs this program; the defaults where it has said nothing."""
    found = db.session.get(ClinicSettings, organisation_id)
    return found or ClinicSettings(organisation_id=organisation_id, version=0, **asdict(SettingsDraft()))


def change_settings(
    *,
    organisation_id: int,
    draft: SettingsDraft,
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
) -> ClinicSettings:
    """Change them; what is paid out already stays as it is. Raises Invalid, StaleVersion."""
    for field, label in _CHOICES.items():
        if getattr(draft, field) not in list(label):
            raise Invalid(field, "Choose one of the list.", next(iter(label)).value)
    check_not_negative("withdrawal_minimum", draft.withdrawal_minimum_minor)
    if not 0 <= draft.due_days <= 365:
        raise Invalid("due_days", "Enter a whole number of days from 0 to 365.", "14")
    row = settings_of(organisation_id)
    trail.check_version(row, "The settings", expected_version)
    row = db.session.merge(row)
    changes = trail.apply(row, asdict(draft))
    row.version += 1
    db.session.flush()
    trail.record("settings", "changed", row, "Clinic", actor, now, changes)
    return row
