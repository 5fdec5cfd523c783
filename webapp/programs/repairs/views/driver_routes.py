"""The addresses of drivers, their money, leases and receipts, and of settings: (rule, endpoint, view, methods)."""

from __future__ import annotations

from webapp.programs.repairs.views import fleet, settings

READ, FORM, ACT = ["GET"], ["GET", "POST"], ["POST"]
ROUTES = (
    ("/vehicles", "vehicles", fleet.vehicles, READ),
    ("/vehicles/new", "create_vehicle", fleet.create_vehicle, FORM),
    ("/medallions", "medallions", fleet.medallions, READ),
    ("/medallions/new", "create_medallion", fleet.create_medallion, FORM),
    ("/leases", "leases", fleet.leases, READ),
    ("/leases/new", "create_lease", fleet.create_lease, FORM),
    ("/leases/<reference>", "lease", fleet.lease, READ),
    ("/leases/<reference>/end", "end_lease", fleet.end_lease, FORM),
    ("/leases/<reference>/vehicle", "swap_vehicle", fleet.swap_vehicle, FORM),
    ("/settings", "settings", settings.settings, FORM),
    ("/settings/matrix", "matrix", settings.matrix, FORM),
)
