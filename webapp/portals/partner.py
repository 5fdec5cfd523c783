"""The partners' portal: only their own records."""

from webapp.payouts.views import payee as payouts
from webapp.people.models import Role
from webapp.people.views import payee as details
from webapp.portals.base import NavigationItem, portal
from webapp.portals.views import payee_home
from webapp.programs.partners.views import own_commissions, own_deals, own_registrations
from webapp.statements.views import payee as statements

blueprint = portal(
    "partner",
    roles=[Role.PARTNER],
    navigation=[
        NavigationItem("Home", "partner.home.show", "h"),
        NavigationItem("Deals", "partner.deals.index", "e"),
        NavigationItem("Registrations", "partner.registrations.index", "r"),
        NavigationItem("Commissions", "partner.commissions.index", "c"),
        NavigationItem("Payouts", "partner.payouts.index", "p"),
        NavigationItem("Statements", "partner.statements.index", "s"),
        NavigationItem("Payment details", "partner.details.show", "d"),
    ],
)
for room in (payee_home, own_deals, own_registrations, own_commissions, payouts, statements, details):
    blueprint.register_blueprint(room.blueprint)
