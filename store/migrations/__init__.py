"""Migrations: the versions of the store's tables, for Alembic."""
