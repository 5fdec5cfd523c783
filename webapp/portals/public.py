"""What needs no role: sign-in, choosing an organisation, the account, health."""

from flask import Blueprint

from webapp.inbox.views import hooks
from webapp.notices.views import own as notices
from webapp.people.views import factors, fresh, passkeys, preferences, tokens
from webapp.people.views import public as people
from webapp.portals.views import health, help, metrics
from webapp.programs.rentals.views import pay
from webapp.statements.views import verification

blueprint = Blueprint("public", __name__)
for room in (people, factors, passkeys, fresh, preferences, tokens, health, help, metrics, verification, pay):
    blueprint.register_blueprint(room.blueprint)
blueprint.register_blueprint(notices.blueprint)
blueprint.register_blueprint(hooks.blueprint)
