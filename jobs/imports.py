"""What workers do for imports: check and store rows. `webapp.imports.work` plans the sweep for dead workers."""

from __future__ import annotations

from webapp.imports import work


def step(reference_id: int) -> None:
    """Work on the next rows of import `reference_id`."""
    work.step(import_id=reference_id)
