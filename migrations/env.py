"""Alembic environment: the same migrations on SQLite and PostgreSQL, each in one transaction."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

from alembic import context
from flask import current_app

import webapp

config = context.config


def _import_models() -> None:
    """Import every models module, so that the metadata is complete."""
    for module in pkgutil.walk_packages(webapp.__path__, "webapp."):
        if module.name.endswith(".models"):
            importlib.import_module(module.name)


def _render_item(kind: str, item: Any, autogen_context: Any) -> str | bool:
    """Write our own column types with their module, so that a migration can be run."""
    if kind == "type" and type(item).__module__ == "webapp.database":
        autogen_context.imports.add("from webapp import database")
        return f"database.{type(item).__name__}()"
    return False


def run() -> None:
    """Run the migrations online. SQLite's foreign keys are off meanwhile and checked before they are on again."""
    _import_models()
    db = current_app.extensions["migrate"].db
    with db.engine.connect() as connection:
        is_sqlite = connection.dialect.name == "sqlite"
        raw = connection.connection.dbapi_connection
        if is_sqlite:
            raw.execute("PRAGMA foreign_keys=OFF")
        else:
            # Several hosts may start at once; one migrates, the others wait and find nothing to do.
            connection.exec_driver_sql("SELECT pg_advisory_lock(7025581)")
            connection.commit()
        try:
            context.configure(
                connection=connection,
                target_metadata=db.metadata,
                render_as_batch=True,
                transactional_ddl=True,
                render_item=_render_item,
                compare_type=True,
            )
            with context.begin_transaction():
                context.run_migrations()
            connection.commit()
            if is_sqlite and (rows := raw.execute("PRAGMA foreign_key_check").fetchall()):
                raise RuntimeError(f"the migration left rows that point nowhere: {rows[:5]}")
        finally:
            if is_sqlite:
                raw.execute("PRAGMA foreign_keys=ON")
            else:
                connection.rollback()
                connection.exec_driver_sql("SELECT pg_advisory_unlock(7025581)")
                connection.commit()


run()
