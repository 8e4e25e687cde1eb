"""Migrations of the store's tables, run by Alembic.

Imports only `store.database`.

- `env`: runs the migrations on the caller's connection, in its transaction
- `versions/`: one module per version
"""
