"""What the ledger's check says of an organisation."""

from __future__ import annotations

from webapp.ledger import check
from webapp.people.models import Organisation


def clean(organisation: Organisation) -> bool:
    """Whether the ledger's check finds nothing."""
    report = check.run(organisation.id)
    assert report.findings == []
    return report.is_clean
