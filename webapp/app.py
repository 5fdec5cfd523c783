"""The application factory: settings → extensions → portals → error pages."""

from __future__ import annotations

from flask import Flask
from flask_compress import Compress
from flask_wtf import CSRFProtect
from werkzeug.middleware.proxy_fix import ProxyFix

from webapp import config, database, logs, queue
from webapp.operations import metrics
from webapp.people import throttle
from webapp.people.views import session as people_session
from webapp.portals import api, context, registry
from webapp.web import (
    amounts,
    assets,
    errors,
    filters,
    guards,
    headers,
    i18n,
    pieces,
    read_only_requests,
    request_log,
    row_frames,
    script_words,
    templates,
)
from webapp.web.htmx import htmx

csrf = CSRFProtect()
compress = Compress()


def create_app(settings: config.Settings | None = None, *, for_web: bool = False) -> Flask:
    """Build the application; `for_web` limits how long one question to the database may take.

    Raises SettingsError when the environment is not fit to start with.
    """
    settings = settings or config.load()
    app = Flask("webapp", static_folder=None)
    app.config.from_mapping(settings.flask())
    app.config.update(REDIS_URL=settings.redis_url, SETTINGS=settings)
    if for_web:
        app.config["SQLALCHEMY_ENGINE_OPTIONS"] |= database.short_statements(settings.sqlalchemy_url)
    templates.init_app(app)
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    logs.configure(settings)
    request_log.init_app(app)
    metrics.init_app(app, settings)
    database.init_app(app)
    queue.init_app(app)
    headers.init_app(app)
    csrf.init_app(app)
    compress.init_app(app)
    htmx.init_app(app)
    assets.init_app(app)
    amounts.init_app(app)
    i18n.init_app(app)
    filters.init_app(app)
    pieces.init_app(app)
    row_frames.init_app(app)
    script_words.init_app(app)
    read_only_requests.init_app(app)
    people_session.init_app(app)
    throttle.init_app(app)
    guards.init_app(app)
    errors.init_app(app)
    context.init_app(app)
    api.init_app(app)
    registry.init_app(app, settings)
    # Calls of the API carry a token in a header, and no cookie counts there: form tokens have nothing to guard.
    for blueprint in api.blueprints():
        csrf.exempt(blueprint)
    # Providers sign the message itself.
    csrf.exempt(app.view_functions["public.hooks.receive"])
    # Mail programs switch optional mail off by themselves; the signed address is their proof.
    csrf.exempt(app.view_functions["public.notices.unsubscribe_now"])
    return app
