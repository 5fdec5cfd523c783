"""The owners' portal: only their own records."""

from webapp.payouts.views import payee as payouts
from webapp.people.models import Role
from webapp.people.views import payee as details
from webapp.portals.base import NavigationItem, portal
from webapp.portals.views import payee_home
from webapp.programs.rentals.views import owner as rentals
from webapp.statements.views import payee as statements

blueprint = portal(
    "owner",
    roles=[Role.OWNER],
    navigation=[
        NavigationItem("Home", "owner.home.show", "h"),
        NavigationItem("Properties", "owner.properties.index", "r"),
        NavigationItem("Rents", "owner.rents.index", "t"),
        NavigationItem("Payouts", "owner.payouts.index", "p"),
        NavigationItem("Statements", "owner.statements.index", "s"),
        NavigationItem("Payment details", "owner.details.show", "d"),
    ],
)
for room in (payee_home, payouts, statements, details):
    blueprint.register_blueprint(room.blueprint)
blueprint.register_blueprint(rentals.properties)
blueprint.register_blueprint(rentals.rents)
