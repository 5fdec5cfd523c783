"""The life cycle as a diagram, made from the state table so that it cannot disagree with it."""

from __future__ import annotations

from webapp.payouts.states import PAYOUT_TRANSITIONS, PayoutState


def mermaid() -> str:
    """A Mermaid state diagram of all transitions; actions that stay in their state are drawn as one loop."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for (state, action), target in PAYOUT_TRANSITIONS.items():
        arrows.setdefault((state.value, target.value), []).append(action.value.replace("_", " "))
    lines = ["stateDiagram-v2", f"    [*] --> {PayoutState.PENDING_APPROVAL.value}: create"]
    lines += [f"    {start} --> {end}: {', '.join(actions)}" for (start, end), actions in arrows.items()]
    return "\n".join(lines)
