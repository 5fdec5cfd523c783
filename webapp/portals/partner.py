"""The partners' portal: only their own records."""

from webapp.payouts.views import payee as payouts
from webapp.people.models import Role
from webapp.people.views import payee as details
from webapp.portals.base import NavigationItem, portal
from webapp.portals.views import payee_home
from webapp.statements.views import payee as statements

blueprint = portal(
    "partner",
    roles=[Role.PARTNER],
    navigation=[
        NavigationItem("Home", "partner.home.show", "h"),
        NavigationItem("Payouts", "partner.payouts.index", "p"),
        NavigationItem("Statements", "partner.statements.index", "s"),
        NavigationItem("Payment details", "partner.details.show", "d"),
    ],
)
for room in (payee_home, payouts, statements, details):
    blueprint.register_blueprint(room.blueprint)
