"""How templates are compiled: Flask's way, strict, and quick at taking parts from one another."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import MutableMapping
from typing import Any

from flask import Flask
from flask.templating import Environment
from jinja2 import StrictUndefined


class PageEnvironment(Environment):
    """Flask's environment. No template of ours has globals of its own, so all of them share one plain mapping."""

    def make_globals(self, d: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
        """The globals of a template. A chain of mappings is compared in Python, for each import of each page."""
        return ChainMap(d, self.globals) if d else self.globals


def init_app(app: Flask) -> None:
    """Choose the environment; before anything asks the application for its templates."""
    app.jinja_environment = PageEnvironment
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
