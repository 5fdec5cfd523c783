"""How an organisation runs this program, and its payment matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import select

from webapp.database import db, lock_row
from webapp.kernel.actor import Actor
from webapp.kernel.checks import check_not_negative
from webapp.kernel.errors import Invalid, StaleVersion
from webapp.people.models import Organisation
from webapp.programs.repairs import trail
from webapp.programs.repairs.drafts import SettingsDraft
from webapp.programs.repairs.models import MatrixVersion, RepairsSettings
from webapp.programs.repairs.rules import Band, Matrix, default_matrix

MOST_BANDS = 50
#: How many versions of the matrix a page lists.
SHOWN_VERSIONS = 100


def _values(draft: SettingsDraft) -> dict[str, Any]:
    return {**asdict(draft), "category_order": list(draft.category_order)}


def settings_of(organisation_id: int) -> RepairsSettings:
    """How the organisation runs this program; the defaults where it has said nothing."""
    found = db.session.get(RepairsSettings, organisation_id)
    return found or RepairsSettings(organisation_id=organisation_id, version=0, **_values(SettingsDraft()))


def change_settings(
    *,
    organisation_id: int,
    draft: SettingsDraft,
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
) -> RepairsSettings:
    """Change them; receipts that are issued stay as they are. Raises Invalid, StaleVersion."""
    draft.check()
    row = settings_of(organisation_id)
    trail.check_version(row, "The settings", expected_version)
    row = db.session.merge(row)
    changes = trail.apply(row, _values(draft))
    row.version += 1
    db.session.flush()
    trail.record("settings", "changed", row, "Repairs", actor, now, changes)
    return row


def matrix_version(organisation_id: int) -> MatrixVersion | None:
    """The newest version of the organisation's own matrix; None: it has the usual one."""
    return db.session.scalar(
        select(MatrixVersion)
        .where(MatrixVersion.organisation_id == organisation_id)
        .order_by(MatrixVersion.version.desc())
        .limit(1)
    )


def matrix_of(organisation_id: int) -> Matrix:
    """The payment matrix that counts now."""
    found = matrix_version(organisation_id)
    if found is None:
        return default_matrix(trail.organisation(organisation_id).currency)
    return Matrix(tuple(Band(over, weekly) for over, weekly in found.bands), found.fold_below_minor)


def matrix_versions(organisation_id: int) -> Sequence[MatrixVersion]:
    """Every version of the organisation's own matrix, the newest first; none: it has the usual one."""
    return db.session.scalars(
        select(MatrixVersion)
        .where(MatrixVersion.organisation_id == organisation_id)
        .order_by(MatrixVersion.version.desc())
        .limit(SHOWN_VERSIONS)
    ).all()


def check_matrix(matrix: Matrix) -> None:
    """Raises Invalid: bands begin at zero, each bound stands once, weekly amounts are more than zero."""
    bounds = sorted(band.over_minor for band in matrix.bands)
    if not bounds or bounds[0] != 0 or len(set(bounds)) != len(bounds) or len(bounds) > MOST_BANDS:
        raise Invalid("bands", "The bands begin at zero, and each bound stands once.", "0, 200, 500")
    if any(band.weekly_minor is not None and band.weekly_minor <= 0 for band in matrix.bands):
        raise Invalid("bands", "A weekly amount is more than zero.", "100.00")
    check_not_negative("fold_below", matrix.fold_below_minor)


def change_matrix(
    *,
    organisation_id: int,
    matrix: Matrix,
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
) -> MatrixVersion:
    """Another version of the payment matrix; plans that stand are not touched.

    Raises what `check_matrix` raises, and StaleVersion when there is a newer one than the person saw (0: none).
    """
    check_matrix(matrix)
    bands = sorted(matrix.bands, key=lambda band: band.over_minor)
    # One version after the other: two people who change it at once wait here.
    organisation = lock_row(Organisation, Organisation.id == organisation_id, key_share=True)
    newest = matrix_version(organisation_id)
    if expected_version is not None and expected_version != (newest.version if newest else 0):
        raise StaleVersion("Somebody stored another version of the matrix since you opened this page.")
    row = MatrixVersion(
        organisation_id=organisation_id,
        version=newest.version + 1 if newest else 1,
        currency=organisation.currency,
        bands=[[band.over_minor, band.weekly_minor] for band in bands],
        fold_below_minor=matrix.fold_below_minor,
        created_by_id=actor.user_id,
        created_by_label=actor.label,
        created_at=now,
    )
    db.session.add(row)
    db.session.flush()
    before = newest.bands if newest else None
    trail.record(
        "matrix", "changed", row, f"Version {row.version}", actor, now, {"bands": [before, row.bands]}
    )
    return row
