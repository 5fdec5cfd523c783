"""Who acts: passed into every service call and kept by the audit trail."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Actor:
    """A person (user_id set) or a part of the system (user_id None, label says which)."""

    user_id: int | None
    label: str
    ip: str = ""
    user_agent: str = ""

    @property
    def is_person(self) -> bool:
        """Whether a person acts, not the scheduler or a worker."""
        return self.user_id is not None


# Marks what the demo's seed did in people's names, so that it is told apart from what they did themselves.
DEMO_AGENT = "Paydesk demo"

SCHEDULER = Actor(None, "scheduler")
WORKER = Actor(None, "worker")
POLICY = Actor(None, "policy")
COMMAND = Actor(None, "command line")
