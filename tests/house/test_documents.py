"""The documents agree with the code."""

from pathlib import Path

from webapp.payouts.diagram import mermaid

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_payout_diagram_is_the_state_table() -> None:
    assert mermaid() in (DOCS / "payouts.md").read_text()
