"""Pages that exist in demo mode only: the e-mail outbox, the simulated bank, the role switcher."""

from flask import Blueprint

from webapp.notices.views import demo as outbox
from webapp.people.views import demo as people
from webapp.providers.views import demo as bank

blueprint = Blueprint("demo", __name__, url_prefix="/demo")
for room in (outbox, people, bank):
    blueprint.register_blueprint(room.blueprint)
