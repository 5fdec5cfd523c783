"""The technicians' portal: only their own records."""

from webapp.payouts.views import payee as payouts
from webapp.people.models import Role
from webapp.people.views import payee as details
from webapp.portals.base import NavigationItem, portal
from webapp.portals.views import payee_home
from webapp.programs.installations.views import technician as installations
from webapp.statements.views import payee as statements

blueprint = portal(
    "technician",
    roles=[Role.TECHNICIAN],
    navigation=[
        NavigationItem("Home", "technician.home.show", "h"),
        NavigationItem("Installations", "technician.installations.index", "i"),
        NavigationItem("Payouts", "technician.payouts.index", "p"),
        NavigationItem("Statements", "technician.statements.index", "s"),
        NavigationItem("Payment details", "technician.details.show", "d"),
    ],
)
for room in (payee_home, installations, payouts, statements, details):
    blueprint.register_blueprint(room.blueprint)
