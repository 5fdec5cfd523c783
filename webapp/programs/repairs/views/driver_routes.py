"""The addresses of drivers, their money, leases and receipts, and of settings: (rule, endpoint, view, methods)."""

from __future__ import annotations

from webapp.programs.repairs.views import drivers, fleet, money_acts, receipts, settings, weekly

READ, FORM, ACT = ["GET"], ["GET", "POST"], ["POST"]
ROUTES = (
    ("/drivers", "drivers", drivers.index, READ),
    ("/drivers/totals", "drivers_totals", drivers.totals, READ),
    ("/drivers/<reference>", "driver", drivers.show, READ),
    ("/drivers/<reference>/ledger", "ledger", drivers.ledger, READ),
    ("/drivers/<reference>/charge", "add_charge", money_acts.add_charge, FORM),
    ("/drivers/<reference>/payment", "record_payment", money_acts.record_payment, FORM),
    ("/drivers/<reference>/credit", "give_credit", money_acts.give_credit, FORM),
    ("/drivers/<reference>/loan", "lend", money_acts.lend, FORM),
    ("/drivers/<reference>/loan/plan", "loan_plan", money_acts.loan_plan, READ),
    ("/drivers/<reference>/deposit", "return_deposit", money_acts.return_deposit, FORM),
    ("/drivers/<reference>/leaves", "driver_leaves", money_acts.driver_leaves, FORM),
    ("/receipts", "receipts", receipts.index, READ),
    ("/receipts/totals", "receipts_totals", receipts.totals, READ),
    ("/receipts/<number>", "receipt", receipts.show, READ),
    ("/receipts/<number>/again", "reissue_receipt", receipts.reissue, FORM),
    ("/weekly", "weekly", weekly.index, READ),
    ("/weekly/run", "run_week", weekly.run, FORM),
    ("/weekly/<day>", "weekly_run", weekly.show, READ),
    ("/weekly/<day>/progress", "weekly_progress", weekly.progress, READ),
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
