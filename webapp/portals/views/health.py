"""Health checks for load balancers and for whoever deploys."""

from __future__ import annotations

from flask import Blueprint
from flask.typing import ResponseReturnValue

from webapp.operations import readiness
from webapp.web.guards import public

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
@public
def show() -> ResponseReturnValue:
    """503 when the database is away. Without the store pages work and jobs wait, so that alone is 200."""
    database, store = readiness.database(), readiness.store()
    is_whole = database == readiness.OK and store != readiness.AWAY
    status = "ok" if is_whole else "degraded"
    return {"status": status, "database": database, "store": store}, 200 if database == "ok" else 503


@blueprint.get("/readyz")
@public
def ready() -> ResponseReturnValue:
    """503 while a part is missing, and which: database, migrations, store, storage. Names no address."""
    is_ready, parts = readiness.look()
    return {"status": "ready" if is_ready else "not ready", **parts}, 200 if is_ready else 503
