"""Versions of the store's tables. `database.schema.SCHEMA` names the newest version.

- `v0001_baseline`: all tables
"""
