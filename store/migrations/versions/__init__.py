"""Versions of the store's tables, one module for each. `database.schema.SCHEMA` names the newest version."""
