"""The addresses of repairs and their instalments: (rule, endpoint, view, methods)."""

from __future__ import annotations

from webapp.programs.repairs.views import instalments, overview, planning, repair_acts, repairs, replans

READ, FORM, ACT = ["GET"], ["GET", "POST"], ["POST"]
ROUTES = (
    ("", "index", overview.index, READ),
    ("/repairs", "repairs", repairs.index, READ),
    ("/repairs/totals", "repairs_totals", repairs.totals, READ),
    ("/repairs/new", "create_repair", repairs.create, FORM),
    ("/repairs/preview", "preview", planning.preview, READ),
    ("/repairs/<reference>", "repair", repairs.show, READ),
    ("/repairs/<reference>/edit", "edit_repair", repairs.edit, FORM),
    ("/repairs/<reference>/confirm", "confirm_repair", repair_acts.confirm, FORM),
    ("/repairs/<reference>/hold", "hold_repair", repair_acts.hold, FORM),
    ("/repairs/<reference>/release", "release_repair", repair_acts.release, FORM),
    ("/repairs/<reference>/cancel", "cancel_repair", repair_acts.cancel, FORM),
    ("/repairs/<reference>/settle", "settle_repair", repair_acts.settle, FORM),
    ("/repairs/<reference>/instalments/<number>/skip", "skip_instalment", repair_acts.skip_instalment, FORM),
    ("/repairs/<reference>/plan", "propose_replan", repair_acts.propose_replan, FORM),
    ("/repairs/<reference>/plan/<int:replan_id>", "decide_replan", repair_acts.decide_replan, FORM),
    ("/repairs/<reference>/invoice", "document", repairs.document, READ),
    ("/plans", "plans", replans.index, READ),
    ("/instalments", "instalments", instalments.index, READ),
    ("/instalments/totals", "instalments_totals", instalments.totals, READ),
    ("/instalments/post", "post_instalments", instalments.post, ACT),
    ("/instalments/post/<reference>", "check_posting", instalments.check, READ),
    ("/instalments/post/<reference>/confirm", "confirm_posting", instalments.confirm, ACT),
)
