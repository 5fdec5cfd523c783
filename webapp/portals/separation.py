"""Sentences for the page of users: where one person could do everything, or nobody could do what must be done."""

from __future__ import annotations

from webapp.payouts import policies
from webapp.people import members


def warnings(organisation_id: int) -> list[str]:
    """What is wrong with how the work is divided; empty when two people or more share it. Three queries."""
    admins = members.active_admins(organisation_id)
    if len(admins) > 1:
        return []
    if not admins:
        return ["Nobody here can invite people or approve payouts: there is no active admin."]
    name = admins[0].name
    policy, _ = policies.current_policy(organisation_id)
    if policy.single_operator.is_on:
        return [
            f"{name} can do everything here alone: make, approve and pay, and decide who signs in. A delay and a "
            "daily cap stand in for the second person. Invite a second admin to end this."
        ]
    return [
        f"{name} is the only admin, so nobody can approve the payouts that {name} makes, and nobody can let {name} "
        "in again. Invite a second admin.",
    ]
