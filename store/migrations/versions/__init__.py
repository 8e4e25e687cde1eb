"""Versions of the store's tables. `database.table_versions` has the digest of each.

Imports none of our packages.

- `v0001_baseline`: all tables, with the SQL in `tables_0001.sql`, or for PostgreSQL in
  `tables_0001_postgresql.sql`
"""
