"""The drivers' portal: only their own records."""

from webapp.payouts.views import payee as payouts
from webapp.people.models import Role
from webapp.people.views import payee as details
from webapp.portals.base import NavigationItem, portal
from webapp.portals.views import payee_home
from webapp.programs.repairs.views import driver as repairs
from webapp.statements.views import payee as statements

blueprint = portal(
    "driver",
    roles=[Role.DRIVER],
    navigation=[
        NavigationItem("Home", "driver.home.show", "h"),
        NavigationItem("Receipts", "driver.receipts.index", "r"),
        NavigationItem("Ledger", "driver.ledger.index", "l"),
        NavigationItem("Repairs", "driver.repairs.index", "v"),
        NavigationItem("Payouts", "driver.payouts.index", "p"),
        NavigationItem("Statements", "driver.statements.index", "s"),
        NavigationItem("Payment details", "driver.details.show", "d"),
    ],
)
for room in (payee_home, payouts, statements, details):
    blueprint.register_blueprint(room.blueprint)
for pages in (repairs.receipts, repairs.ledger, repairs.repairs):
    blueprint.register_blueprint(pages)
