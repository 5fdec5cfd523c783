"""The admins' portal (accountants may look)."""

from webapp.audit.views import admin as audit
from webapp.imports.views import admin as imports
from webapp.ledger.views import admin as ledger
from webapp.notices.views import admin as notices
from webapp.payouts.views import admin as payouts
from webapp.payouts.views import approvals, policy
from webapp.people.models import Role
from webapp.people.views import admin as people
from webapp.people.views import bank_changes, tokens, users
from webapp.portals.base import NavigationItem, portal
from webapp.portals.views import admin_home, jobs, saved_views
from webapp.programs.installations.views import admin as installations
from webapp.programs.installations.views import rates
from webapp.runs.views import admin as runs
from webapp.statements.views import admin as statements

blueprint = portal(
    "admin",
    roles=[Role.ADMIN],
    reading_roles=[Role.ACCOUNTANT],
    navigation=[
        NavigationItem("Home", "admin.home.show"),
        NavigationItem("Approvals", "admin.approvals.index"),
        NavigationItem("Payouts", "admin.payouts.index"),
        NavigationItem("Installations", "admin.installations.index"),
        NavigationItem("Rates", "admin.rates.index"),
        NavigationItem("Payees", "admin.payees.index"),
        NavigationItem("Bank changes", "admin.bank_changes.index"),
        NavigationItem("Imports", "admin.imports.index"),
        NavigationItem("Statements", "admin.statements.index"),
        NavigationItem("Runs", "admin.runs.index"),
        NavigationItem("E-mails", "admin.notices.index"),
        NavigationItem("Ledger", "admin.ledger.index"),
        NavigationItem("Audit trail", "admin.audit.index"),
        NavigationItem("Jobs", "admin.jobs.index"),
        NavigationItem("Users", "admin.users.index"),
        NavigationItem("Settings", "admin.policy.show"),
    ],
)
for room in (admin_home, approvals, payouts, installations, rates, people, imports, runs, notices, statements,
             ledger, audit, policy, users, saved_views, bank_changes,
             jobs):  # fmt: skip
    blueprint.register_blueprint(room.blueprint)
blueprint.register_blueprint(tokens.organisation)
