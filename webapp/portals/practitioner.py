"""The practitioners' portal: only their own records."""

from webapp.payouts.views import payee as payouts
from webapp.people.models import Role
from webapp.people.views import payee as details
from webapp.portals.base import NavigationItem, portal
from webapp.portals.views import payee_home
from webapp.programs.clinic.views import practitioner as clinic
from webapp.statements.views import payee as statements

blueprint = portal(
    "practitioner",
    roles=[Role.PRACTITIONER],
    navigation=[
        NavigationItem("Home", "practitioner.home.show", "h"),
        NavigationItem("Wallet", "practitioner.wallet.index", "w"),
        NavigationItem("Invoices", "practitioner.invoices.index", "i"),
        NavigationItem("Payouts", "practitioner.payouts.index", "p"),
        NavigationItem("Statements", "practitioner.statements.index", "s"),
        NavigationItem("Payment details", "practitioner.details.show", "d"),
    ],
)
for room in (payee_home, payouts, statements, details):
    blueprint.register_blueprint(room.blueprint)
blueprint.register_blueprint(clinic.wallet)
blueprint.register_blueprint(clinic.invoices)
