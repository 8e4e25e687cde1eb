"""Versions of the store's tables. `database.schema.SCHEMA` names the newest version.

Imports only `store.database`.

- `v0001_baseline`: all tables
"""
