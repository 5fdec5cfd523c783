"""The admins' portal (accountants may look)."""

from webapp.accounting.views import admin as accounting
from webapp.audit.views import admin as audit
from webapp.bankfiles.views import admin as bankfiles
from webapp.connections.views import admin as connections
from webapp.connections.views import names as bank_names
from webapp.imports.views import admin as imports
from webapp.inbox.views import admin as inbox
from webapp.ledger.views import admin as ledger
from webapp.notices.views import admin as notices
from webapp.payouts.views import admin as payouts
from webapp.payouts.views import approvals, policy
from webapp.people.models import Role
from webapp.people.views import admin as people
from webapp.people.views import bank_changes, tokens, users
from webapp.portals.base import NavigationItem, grouped, portal
from webapp.portals.views import admin_home, jobs, saved_views
from webapp.programs.clinic.drafts import PROGRAM as CLINIC
from webapp.programs.clinic.views import admin as clinic
from webapp.programs.installations.creation import PROGRAM as INSTALLATIONS
from webapp.programs.installations.views import admin as installations
from webapp.programs.installations.views import rates
from webapp.programs.partners.drafts import PROGRAM as PARTNERS
from webapp.programs.partners.views import admin as partners
from webapp.programs.rentals.drafts import PROGRAM as RENTALS
from webapp.programs.rentals.views import admin as rentals
from webapp.programs.repairs.drafts import PROGRAM as REPAIRS
from webapp.programs.repairs.views import admin as repairs
from webapp.reconciliation.views import admin as reconciliation
from webapp.runs.views import admin as runs
from webapp.statements.views import admin as statements
from webapp.webhooks.views import admin as webhooks

blueprint = portal(
    "admin",
    roles=[Role.ADMIN],
    reading_roles=[Role.ACCOUNTANT],
    navigation=[
        NavigationItem("Home", "admin.home.show", "h"),
        *grouped(
            "Pay",
            NavigationItem("Approvals", "admin.approvals.index", "a"),
            NavigationItem("Payouts", "admin.payouts.index", "p"),
            NavigationItem("Bank files", "admin.bankfiles.index", "f"),
            NavigationItem("Runs", "admin.runs.index", "u"),
        ),
        *grouped(
            "Programs",
            NavigationItem("Installations", "admin.installations.index", "i", program=INSTALLATIONS),
            NavigationItem("Rates", "admin.rates.index", "r", program=INSTALLATIONS),
            NavigationItem("Rentals", "admin.rentals.index", "d", program=RENTALS),
            NavigationItem("Clinic", "admin.clinic.index", "v", program=CLINIC),
            NavigationItem("Repairs", "admin.repairs.index", "w", program=REPAIRS),
            NavigationItem("Partners", "admin.partners.index", "g", program=PARTNERS),
            NavigationItem("Imports", "admin.imports.index", "m"),
        ),
        *grouped(
            "People",
            NavigationItem("Payees", "admin.payees.index", "y"),
            NavigationItem("Bank changes", "admin.bank_changes.index", "b"),
            NavigationItem("Users", "admin.users.index", "o"),
        ),
        *grouped(
            "Books",
            NavigationItem("Statements", "admin.statements.index", "s"),
            NavigationItem("Reconciliation", "admin.reconciliation.index", "k"),
            NavigationItem("Ledger", "admin.ledger.index", "l"),
            NavigationItem("Accounting", "admin.accounting.index", "q"),
            NavigationItem("Audit trail", "admin.audit.index", "t"),
        ),
        *grouped(
            "System",
            NavigationItem("Settings", "admin.policy.show", "c"),
            NavigationItem("Connections", "admin.connections.index", "n"),
            NavigationItem("Provider messages", "admin.inbox.index", "x"),
            NavigationItem("Webhooks", "admin.webhooks.index", "z"),
            NavigationItem("E-mails", "admin.notices.index", "e"),
            NavigationItem("Jobs", "admin.jobs.index", "j"),
        ),
    ],
)
for room in (admin_home, approvals, payouts, installations, rates, rentals, clinic, repairs, partners, people, imports,
             runs, notices, statements, ledger, audit, policy, users, saved_views, bank_changes,
             jobs, bankfiles, connections, bank_names, inbox, webhooks):  # fmt: skip
    blueprint.register_blueprint(room.blueprint)
blueprint.register_blueprint(reconciliation.blueprint)
blueprint.register_blueprint(accounting.blueprint)
blueprint.register_blueprint(tokens.organisation)
