"""What this room does by itself: hears of payouts, sweeps up what nobody asked for."""

from __future__ import annotations

from webapp.accounting import asking
from webapp.runs import tasks

tasks.register_task("accounting.sweep", asking.sweep_all, every=900)
