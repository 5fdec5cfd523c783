"""Database migrations (Alembic), numbered."""
