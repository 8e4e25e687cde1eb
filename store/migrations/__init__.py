"""Migrations of the store's tables, run by Alembic. The folder `versions/` has one module per version."""
