"""The JSON API: programs call it with a token. Its resources are those of every room."""

from webapp.api.mount import blueprint, blueprints, init_app

__all__ = ["blueprint", "blueprints", "init_app"]
